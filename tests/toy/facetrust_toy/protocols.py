"""Placeholders until the rows that these judge are written."""
