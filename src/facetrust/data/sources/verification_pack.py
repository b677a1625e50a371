"""A `.bin` pack of insightface: the aligned pictures of LFW's, CFP's, AgeDB-30's or others' pairs."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.lists import Lists, pair_list, row_name
from facetrust.data.sources._files import folder_at
from facetrust.data.verification_pack import Pack, read_pack
from facetrust.errors import ManifestError, UsageError
from facetrust.imaging import TEMPLATE
from facetrust.records import Sample

_HOLDS = "a pack (lfw.bin, cfp_fp.bin, agedb_30.bin …)"


def verification_pack(root: Path, *, seed: int = 0, name: str = "") -> list[Sample]:
    """Returns the pictures of a pack by number, label 0, in the split test. Nobody is named in it.

    Args:
        root: the folder of the pack.
        seed: decides nothing; a pack is for testing alone.
        name: the pack's, such as `cfp_fp`; not needed where the folder holds one.

    Raises:
        ManifestError: the folder or the pack is missing, or is none.
        UsageError: the folder holds several packs, and none is named.
    """
    path, pack = _opened(root, name)
    return [_row(path, number) for number in range(len(pack.pictures))]


def official_lists(root: Path, *, name: str = "") -> Lists:
    """Returns the pack's pairs in ten folds of neighbours.

    Raises:
        ManifestError: as `verification_pack`.
        UsageError: as `verification_pack`.
    """
    path, pack = _opened(root, name)
    names = [row_name(_row(path, number)) for number in range(len(pack.pictures))]
    return Lists(
        pairs={"": pair_list(list(zip(names[::2], names[1::2], pack.same, pack.folds, strict=True)))}
    )


def _row(path: Path, number: int) -> Sample:
    return Sample(
        path=path.name, frame=number, label=0, split="test", domain=path.stem.lower(), points=TEMPLATE
    )


def _opened(root: Path, name: str) -> tuple[Path, Pack]:
    root = folder_at(root, _HOLDS)
    packs = [root / f"{name}.bin"] if name else sorted(root.glob("*.bin"))
    if not packs:
        raise ManifestError(f"{root}: holds no pictures; give the folder that holds {_HOLDS}")
    if len(packs) > 1:
        raise UsageError(f"{root}: holds {len(packs)} packs; choose one, such as --set name={packs[0].stem}")
    return packs[0], read_pack(packs[0])
