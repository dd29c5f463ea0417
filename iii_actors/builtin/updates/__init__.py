"""The update language of ``state::update`` and ``stream::update`` (state.md §4): pure, no stores.

- :mod:`.operations`: what a request's ``ops`` are, read and checked as a whole;
- :mod:`.rules`: what each operation's path and value must keep to;
- :mod:`.applying`: operations applied to a document, in order, the rejected ones reported.
"""

from iii_actors.builtin.updates.applying import Applied, apply
from iii_actors.builtin.updates.operations import Operation, operations

__all__ = ["Applied", "Operation", "apply", "operations"]
