"""In which order samples are drawn. Samplers yield `epoch * size + index`, which `FaceData` takes apart.

An order depends on seed and epoch alone, so that a run can be left off and resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from facetrust.errors import UsageError
from facetrust.records import Sample


class EpochSampler(Sampler[int]):
    """Yields `epoch * size + index`, the key that `FaceData` takes apart, shuffled by seed and epoch.

    Args:
        size: number of samples.
        seed: seed of the shuffle.
        weights: (size,) chances; with them, `length` indices are drawn with replacement.
        length: draws per epoch; `size` if none is given.
        pairs: yield every index drawn twice, as the passes `2 * epoch` and `2 * epoch + 1`, side by side.
    """

    def __init__(
        self,
        size: int,
        *,
        seed: int = 0,
        weights: Sequence[float] | None = None,
        length: int | None = None,
        pairs: bool = False,
    ) -> None:
        self.size = size
        self.seed = seed
        self.weights = None if weights is None else np.asarray(weights, np.float64) / np.sum(weights)
        self.length = size if length is None or weights is None else length
        self.pairs = pairs
        self.epoch = 0

    def __len__(self) -> int:
        return self.length * (1 + self.pairs)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose order is drawn next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.weights is None:
            order = rng.permutation(self.size)
        else:
            order = rng.choice(self.size, self.length, p=self.weights)
        if self.pairs:
            passes = 2 * self.epoch + np.arange(2)
            return iter((passes * self.size + order[:, None]).ravel().tolist())
        return iter((self.epoch * self.size + order).tolist())


class GroupSampler(Sampler[int]):
    """Yields batches in which every label of every domain has `each` samples, one batch after the other.

    A `DataLoader` with `batch_size=sampler.batch_size` cuts them apart. Each group is a stream of its own:
    shuffled, gone through, shuffled anew, across batches and epochs. A key is `pass * size + index`, so
    that a sample met again is augmented anew. Source: FLIP's loaders (Srivatsan et al., ICCV 2023);
    there the rest of a pass that fills no batch is dropped, here it is used.

    Args:
        samples: the rows; a domain with one label is one group.
        each: samples of a group in a batch.
        steps: batches per epoch.
        seed: seed of the shuffles.

    Raises:
        UsageError: no samples, or `each` or `steps` below 1.
    """

    def __init__(self, samples: Sequence[Sample], *, each: int, steps: int, seed: int = 0) -> None:
        if not samples:
            raise UsageError("no samples; check the manifest and its split column")
        if each < 1 or steps < 1:
            raise UsageError(f"each={each}, steps={steps}: both must be at least 1")
        groups: dict[tuple[str, int | None], list[int]] = {}
        for index, sample in enumerate(samples):
            groups.setdefault((sample.domain or "", sample.label), []).append(index)
        self.groups = [np.array(groups[name], np.int64) for name in sorted(groups)]
        self.size = len(samples)
        self.each = each
        self.steps = steps
        self.seed = seed
        self.epoch = 0

    @property
    def batch_size(self) -> int:
        """Number of samples in a balanced batch."""
        return len(self.groups) * self.each

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose part of every stream is drawn next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        parts = [self._part(group).reshape(self.steps, self.each) for group in range(len(self.groups))]
        return iter(np.concatenate(parts, axis=1).ravel().tolist())

    def _part(self, group: int) -> NDArray[np.int64]:
        """Returns the keys that a group's endless stream holds for this epoch."""
        members, count = self.groups[group], self.steps * self.each
        start = self.epoch * count
        first, last = start // len(members), (start + count - 1) // len(members)
        passes = [
            number * self.size + np.random.default_rng([self.seed, group, number]).permutation(members)
            for number in range(first, last + 1)
        ]
        offset = start - first * len(members)
        return np.concatenate(passes)[offset : offset + count]


def balance(samples: Sequence[Sample], shares: Mapping[str, float] | None = None) -> list[float]:
    """Returns a chance per sample so that in each domain both labels come equally often.

    Args:
        samples: the rows.
        shares: how often each domain is drawn; the domains missing here are drawn by their size.
    """
    groups = [(sample.domain or "", sample.label) for sample in samples]
    count = {group: groups.count(group) for group in set(groups)}
    labels = {domain: sum(1 for other, _ in count if other == domain) for domain, _ in count}
    total = {domain: sum(n for (other, _), n in count.items() if other == domain) for domain in labels}
    share = {domain: (shares or {}).get(domain, total[domain] / len(groups)) for domain in labels}
    return [share[domain] / labels[domain] / count[domain, label] for domain, label in groups]
