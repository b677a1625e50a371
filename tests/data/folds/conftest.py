from __future__ import annotations

import pytest

from facetrust.records import Sample

DOMAINS = ("msu-mfsd", "casia-fasd", "replay-attack", "celeba-spoof", "wmca", "casia-cefa", "casia-surf")
_WITH_DEV = {"replay-attack", "wmca", "casia-cefa", "casia-surf"}


def rows_of(domain, *, people=8, frames=4, splits="train test"):
    """Rows of a made-up set: people in turn in its splits, each with a live video and two attacks."""
    names = splits.split()
    return [
        Sample(
            path=f"{domain}/{who}-{what or 'live'}-{frame}.png",
            label=int(what is not None),
            split=names[who % len(names)],
            subject=f"{domain}-{who}",
            domain=domain,
            attack=what,
            media=f"{domain}/{who}-{what or 'live'}",
            frame=frame,
        )
        for who in range(people)
        for what in (None, "print", "replay")
        for frame in range(frames)
    ]


def oulu(users=(1, 2, 21, 22, 36, 37), *, frames=1):
    """Rows of OULU-NPU as its videos are named."""
    kinds = {1: None, 2: "print", 3: "print", 4: "replay", 5: "replay"}
    return [
        Sample(
            path=f"oulu-npu/{phone}_{session}_{user:02}_{file}-{frame}.png",
            label=int(file > 1),
            split="train" if user < 21 else "dev" if user < 36 else "test",
            subject=f"oulu-npu-{user}",
            domain="oulu-npu",
            attack=kinds[file],
            media=f"oulu-npu/{phone}_{session}_{user:02}_{file}",
            frame=frame,
        )
        for user in users
        for phone in range(1, 7)
        for session in range(1, 4)
        for file in kinds
        for frame in range(frames)
    ]


@pytest.fixture(scope="session")
def make_rows():
    return rows_of


@pytest.fixture(scope="session")
def make_oulu():
    return oulu


@pytest.fixture(scope="session")
def everything():
    """Rows of all eight sets that the protocols name."""
    sets = [
        row
        for name in DOMAINS
        for row in rows_of(name, splits="train dev test" if name in _WITH_DEV else "train test")
    ]
    return sets + oulu(frames=2)


@pytest.fixture(scope="session")
def part():
    """A function that returns the rows of a fold in one split, of one domain if it is named."""

    def part(fold, split, domain=None):
        return [row for row in fold.samples if row.split == split and domain in (None, row.domain)]

    return part
