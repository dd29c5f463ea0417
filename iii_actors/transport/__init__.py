"""Sockets: listeners, the handshake, frames, and the threads that read (design.md §6)."""
