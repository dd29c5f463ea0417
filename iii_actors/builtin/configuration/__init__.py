"""``configuration``: settings that workers share and change while they run (config-and-cli.md §5).

- :mod:`.entries`: an entry, and what is wrong with one;
- :mod:`.schemas`: JSON Schema, without ever fetching one;
- :mod:`.folder`: a file for each entry, and edits of them;
- :mod:`.desk`: the actor that owns the entries, and tells subscribers of changes;
- :mod:`.own`: the entries of the engine's own workers, whose changes take effect at once.
"""

from iii_actors.builtin.configuration.worker import Configuration

__all__ = ["Configuration"]
