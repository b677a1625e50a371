"""Explanations: one file each. A function of a model and images gives (B, h, w) maps, higher for attack."""
