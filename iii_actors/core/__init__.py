"""The core actors: one a file. Each owns its tables alone; everything between them is a message (design.md §2-§5)."""
