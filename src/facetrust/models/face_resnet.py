"""ResNet-18 as small ArcFace projects build it: a 7x7 stem at full size, and no pooling behind it."""

from __future__ import annotations

from torch import Tensor, nn

from facetrust.models._aligned import cells_of
from facetrust.models._output import Embedding

_WIDTHS = (64, 128, 256, 512)
_DEPTH = 2


def face_resnet(
    *, image_size: tuple[int, int] = (112, 112), embedding: int = 512, dropout: float = 0.2
) -> FaceResNet:
    """Returns a ResNet-18 for aligned faces, 11,445,440 parameters with 512 numbers of embedding.

    Input (B, 3, 112, 112). Every stage begins with a stride of 2, as the stem has none; the last map is
    averaged, normalised, and brought to the embedding by a linear layer and another normalisation.

    Args:
        image_size: (height, width) in pixels, multiples of 16.
        embedding: numbers of the answer.
        dropout: of the pooled features in training.

    Raises:
        UsageError: the size does not fit.
    """
    cells_of(image_size)
    return FaceResNet(embedding, dropout)


class FaceResNet(nn.Module):
    """Four stages of two basic blocks with ReLU."""

    def __init__(self, embedding: int, dropout: float) -> None:
        super().__init__()
        self.dimensions = embedding
        width = _WIDTHS[0]
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, padding=3, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        blocks: list[nn.Module] = []
        for out in _WIDTHS:
            blocks += [_Block(width, out, stride=2), *(_Block(out, out) for _ in range(_DEPTH - 1))]
            width = out
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.BatchNorm1d(width),
            nn.Dropout(dropout),
            nn.Linear(width, embedding),
            nn.BatchNorm1d(embedding),
        )

    def forward(self, images: Tensor) -> Embedding:
        """Returns embeddings (B, d) of images (B, 3, h, w)."""
        return Embedding(self.head(self.blocks(self.stem(images)).mean((2, 3))))

    def answer(self, images: Tensor) -> tuple[Embedding, Tensor]:
        """Returns the answer, and the embedding in it."""
        output = self(images)
        return output, output.embedding


class _Block(nn.Module):
    def __init__(self, channels: int, out: int, *, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: Tensor) -> Tensor:
        return (self.layers(x) + self.shortcut(x)).relu()  # type: ignore[no-any-return]
