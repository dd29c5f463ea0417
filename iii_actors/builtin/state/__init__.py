"""``iii-state``: values by scope and key, for everybody, and triggers on their changes (state.md).

- :mod:`.worker`: the built-in worker: its functions, its trigger type;
- :mod:`.actor`: carries out the calls, one after the other, on the thread that brings them;
- :mod:`.inputs`: what the functions take; :mod:`.schemas`: what they answer, for those who ask;
- :mod:`.watching`: which bindings a change concerns;
- :mod:`.sharing`: changes that engines on one Redis tell each other.
"""

from iii_actors.builtin.state.worker import State

__all__ = ["State"]
