"""The wire: messages and codec. Pure: no sockets, no threads (core.md §1.3, §2)."""
