"""The unit that small face networks are made of."""

from __future__ import annotations

from torch import Tensor, nn


class Convolution(nn.Module):
    """Convolution without bias, batch normalisation, and PReLU where it is `active`; same size by default."""

    def __init__(
        self,
        channels: int,
        out: int,
        *,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        padding: int | None = None,
        active: bool = True,
    ) -> None:
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out)
        self.prelu = nn.PReLU(out) if active else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Returns maps (B, out, h / stride, w / stride) for maps (B, channels, h, w)."""
        return self.prelu(self.bn(self.conv(x)))  # type: ignore[no-any-return]
