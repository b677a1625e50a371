"""How training pictures are varied."""
