"""Data sets by name: a folder in its official layout becomes manifest rows."""
