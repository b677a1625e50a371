"""Explanations: one file each, giving (B, h, w) maps of images (B, 3, h, w).

The first argument is named for what an explanation is given: `model`, or `maps`, the attention maps
(B, L, H, N, N) of a forward pass over the images, rows summing to one. Maps of a model are signed or
rise towards an attack, but for `spatial-attention`; attention has no sign.
"""
