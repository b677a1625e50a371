"""Losses: one file each, a plain function and a thin module of the same name."""
