"""Faces found, models run and pictures checked, all without torch."""
