"""Who may connect, and what a session may do: decisions, without sockets and actors (core.md §10)."""
