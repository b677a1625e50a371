"""Faces found in pictures and followed through videos."""
