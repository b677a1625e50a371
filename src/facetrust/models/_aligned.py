"""What the networks for aligned faces ask of their input's size."""

from __future__ import annotations

from facetrust.errors import UsageError

STRIDE = 16  # Pixels per cell of the last map.


def cells_of(image_size: tuple[int, int]) -> tuple[int, int]:
    """Returns (rows, columns) of the last map for images of (height, width) pixels.

    Raises:
        UsageError: a side is no multiple of 16.
    """
    if len(image_size) != 2 or any(side < STRIDE or side % STRIDE for side in image_size):
        raise UsageError(
            f"image_size {tuple(image_size)}: give two multiples of {STRIDE}; faces are aligned to 112, 112"
        )
    return image_size[0] // STRIDE, image_size[1] // STRIDE
