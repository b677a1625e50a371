"""SFace of the OpenCV Zoo: depthwise-separable blocks, then one linear layer over the whole last map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from facetrust.errors import UsageError
from facetrust.models._aligned import cells_of
from facetrust.models._convolution import Convolution
from facetrust.models._output import Embedding
from facetrust.models._pretrained import fill, read_weights

# Channels of the stem and of each block, and the blocks' strides, as published.
WIDTHS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


def sface(
    *,
    image_size: tuple[int, int] = (112, 112),
    widths: Sequence[int] = WIDTHS,
    squeeze: int = 0,
    embedding: int = 128,
    pretrained: str | bool = False,
) -> SFace:
    """Returns the network of OpenCV Zoo's `face_recognition_sface_2021dec`, or a narrower one of its layout.

    Input (B, 3, 112, 112), RGB in 0..255 less 127.5, over 128.

    Args:
        image_size: (height, width) in pixels, multiples of 16.
        widths: channels of the stem and of each of the 13 blocks.
        squeeze: channels that the last map is brought down to before the linear layer, which holds two
            thirds of the published weights; 0 for none.
        embedding: numbers of the answer.
        pretrained: a file of weights to begin with, such as another run's; none if false.

    Raises:
        UsageError: the size or the number of widths does not fit.
        ModelError: the weights cannot be read, or do not fit.
    """
    if len(widths) != len(WIDTHS) or min(widths) < 1:
        raise UsageError(f"widths: give {len(WIDTHS)} numbers of channels, the stem's and the blocks'")
    if not 0 <= squeeze <= widths[-1]:
        raise UsageError(f"squeeze: {squeeze} is not between 0 and the last map's {widths[-1]} channels")
    model = SFace(tuple(widths), cells_of(image_size), squeeze, embedding)
    if pretrained:
        path = Path(str(pretrained))
        fill(model, read_weights(path), f"{path}: is not an sface of these widths")
    return model


class SFace(nn.Module):
    """A chain without residuals: whatever a block says, it says through the channels of the one before."""

    def __init__(self, widths: tuple[int, ...], cells: tuple[int, int], squeeze: int, embedding: int) -> None:
        super().__init__()
        self.dimensions, self.widths = embedding, widths
        self.stem = Convolution(3, widths[0], kernel=3)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    Convolution(before, before, kernel=3, stride=stride, groups=before),
                    Convolution(before, width, kernel=1),
                )
                for before, width, stride in zip(widths, widths[1:], _STRIDES, strict=False)
            )
        )
        last = squeeze or widths[-1]
        self.squeeze = nn.Conv2d(widths[-1], squeeze, 1) if squeeze else nn.Identity()
        self.head = nn.Linear(last * cells[0] * cells[1], embedding)

    def forward(self, images: Tensor) -> Embedding:
        """Returns embeddings (B, d) of images (B, 3, h, w)."""
        return Embedding(self.head(self.squeeze(self.blocks(self.stem(images))).flatten(1)))

    def answer(self, images: Tensor) -> tuple[Embedding, Tensor]:
        """Returns the answer, and the embedding in it."""
        output = self(images)
        return output, output.embedding
