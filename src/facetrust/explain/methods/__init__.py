"""Explanations: one file each, giving (B, h, w) maps of images (B, 3, h, w).

The first argument is named for what an explanation is given: `model`, or `maps`, the attention maps
(B, L, H, N, N) of a forward pass over the images, rows summing to one, or `exported`, an exported model, with
crops in NumPy. Maps of a model are signed, or rise towards the answer 1, or towards 0 where an argument
`against` says so; that of `spatial-attention` and attention have no sign.
"""
