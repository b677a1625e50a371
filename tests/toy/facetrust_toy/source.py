"""A data set of one folder per subject, with a mask beside each picture."""

from pathlib import Path

from facetrust.records import Sample

SPLITS = ("train", "train", "dev", "test")


def toy_set(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns one row per picture `<subject>/<n>.png`, whose mask is `<n>.mask.png`."""
    rows = []
    for number, folder in enumerate(sorted(path for path in Path(root).iterdir() if path.is_dir())):
        for picture in sorted(folder.glob("[0-9].png")):
            mask = picture.with_suffix(".mask.png")
            rows.append(
                Sample(
                    path=picture.relative_to(root).as_posix(),
                    label=int(number % 2),
                    split=SPLITS[number // 2 % 4],
                    subject=folder.name,
                    domain="toy",
                    mask=mask.relative_to(root).as_posix() if mask.is_file() else None,
                )
            )
    return rows
