"""A network of one convolution, with a head of each kind."""

import torch
from torch import Tensor, nn

from facetrust.models import Classes, Embedding, Score


def toy_net(kind: str = "score", *, outputs: int = 4) -> nn.Module:
    """Returns the network whose forward gives a `Score`, an `Embedding` or `Classes`."""
    return {"score": Scored, "embedding": Embedded, "classes": Classed}[kind](outputs)


class Scored(nn.Module):
    """The logit is the mean of a map."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.map = nn.Conv2d(3, 1, 8, 8)

    def forward(self, images: Tensor) -> Score:
        evidence = self.map(images)[:, 0]
        return Score(evidence.mean((1, 2)), evidence)


class Embedded(nn.Module):
    """Means of colour, mixed."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Linear(3, outputs)

    def forward(self, images: Tensor) -> Embedding:
        return Embedding(self.mix(images.mean((2, 3))))


class Classed(nn.Module):
    """One logit per class and pixel, from the pixel and its place."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(5, outputs, 1)

    def forward(self, images: Tensor) -> Classes:
        down = torch.linspace(-1, 1, images.shape[2]).view(1, 1, -1, 1).expand_as(images[:, :1])
        across = torch.linspace(-1, 1, images.shape[3]).view(1, 1, 1, -1).expand_as(images[:, :1])
        return Classes(self.mix(torch.cat([images, 4 * down, 4 * across], 1)))
