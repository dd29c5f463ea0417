"""Another engine, as a worker of it sees it: what ``adapter: bridge`` and ``iii-bridge`` stand on."""

from iii_actors.remote.link import Done, Failed, Link

__all__ = ["Done", "Failed", "Link"]
