"""How much of telling generated pictures from photographs is only a difference of file formats.

    python benchmarks/format_gain.py --real JPEGS --png FAKES --jpeg SAME-FAKES --work FOLDER [--quality 90 …]

Folders of pictures of one size; those of `--jpeg` are the files of `--png`, coded as the photographs are.
Three probes look at a picture: `spectrum`, a logistic regression on the mean power per ring of frequency,
fitted on four fifths and asked about the last (a picture and its other coding are always in one fifth); and,
fitted to nothing, `blocks`, how much larger steps between neighbours are on the edges of JPEG's 8 x 8 blocks
than elsewhere, and `again`, how much a picture changes when it is coded as a JPEG of quality `--coded`: one
that was coded so before hardly does. They are asked before and after `data match-format`, to JPEG and to PNG.
AUC with 95 % intervals, a bootstrap over pictures.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facetrust.data.audit.audit import audit
from facetrust.data.audit.probes import spectrum
from facetrust.data.manifest import Manifest
from facetrust.data.match_format import match_format
from facetrust.imaging import Pixels, read_image
from facetrust.metrics import fit_logistic, interval
from facetrust.metrics.auc import auc
from facetrust.records import Sample

Values = NDArray[np.float64]
BLOCK, FOLDS = 8, 5


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, what in (("real", "photographs"), ("png", "fakes"), ("jpeg", "the same fakes")):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"folder of {what}")
    parser.add_argument("--work", type=Path, required=True, help="folder for manifests and pictures")
    parser.add_argument("--quality", type=int, action="append", help="of JPEG; repeatable, 90 if none")
    parser.add_argument("--coded", type=int, default=75, help="quality that the photographs were coded at")
    parser.add_argument("--most", type=int, default=800, help="pictures of each, evenly spread")
    given = parser.parse_args()
    real, png, jpeg = (pictures(folder, given.most) for folder in (given.real, given.png, given.jpeg))
    pairs = {
        "photographs (JPEG), generated (PNG)": (real, png),
        "photographs (JPEG), generated (JPEG)": (real, jpeg),
        "generated (JPEG), the same (PNG)": (jpeg, png),
    }
    print(
        "| label 0, label 1 | pictures | format | audit names | spectrum | blocks | again |\n"
        + "|---" * 7
        + "|"
    )
    for number, (name, (negative, positive)) in enumerate(pairs.items()):
        plain = given.work / f"pair{number}.csv"
        listed(negative, positive, plain)
        side = min(read_image(negative[0]).shape[:2])
        ways = {"as it is": plain}
        for quality in (*(given.quality or [90]), None):
            way = "PNG" if quality is None else f"JPEG {quality}"
            out = given.work / f"pair{number}-{way.replace(' ', '')}.csv"
            ways[way] = match_format(plain, out, size=side, quality=quality).manifest
        for way, manifest in ways.items():
            print(
                f"| {name} | {len(negative)} + {len(positive)} | {way} | {asked(manifest, given.coded)} |",
                flush=True,
            )


def pictures(folder: Path, most: int) -> list[Path]:
    """Returns at most `most` pictures below a folder, evenly spread over their names."""
    files = sorted(path for path in folder.resolve().rglob("*") if path.suffix in (".png", ".jpg"))
    if not files:
        raise SystemExit(f"{folder}: holds no .png or .jpg")
    return [
        files[n] for n in np.unique(np.linspace(0, len(files) - 1, min(most, len(files))).round().astype(int))
    ]


def listed(negative: Sequence[Path], positive: Sequence[Path], out: Path) -> None:
    """Writes a manifest; `media` is a picture's place below the last two folders, whatever its coding."""
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        Sample(path=str(path), label=label, split="dev", media=f"{path.parent.name}/{path.stem}")
        for label, files in enumerate((negative, positive))
        for path in files
    ]
    Manifest.write(rows, out)


def asked(path: Path, coded: int) -> str:
    """Returns what the audit names of a manifest, and the probes' AUCs."""
    manifest = Manifest.read(path)
    rows = manifest.samples()
    labels = np.array([row.label for row in rows])
    images = [read_image(manifest.path_of(row)) for row in rows]
    media = [str(row.media) for row in rows]
    folds = np.array([crc32(name.encode()) % FOLDS for name in media])
    values = {
        "spectrum": crossed(np.array([spectrum(image) for image in images]), labels, folds),
        "blocks": np.array([blockiness(image) for image in images]),
        "again": np.array([change(image, coded) for image in images]),
    }
    found = [
        each.code.removeprefix("label-by-")
        for each in audit(manifest).findings
        if each.code in ("label-by-type", "label-by-tables", "label-by-size")
    ]
    return " | ".join(
        [", ".join(found) or "nothing", *(shown(labels, scores, media) for scores in values.values())]
    )


def crossed(features: Values, labels: NDArray[np.int64], folds: NDArray[np.int64]) -> Values:
    """Returns (N,) log odds of each row by a logistic regression on the other folds."""
    scores = np.empty(len(labels))
    for fold in range(FOLDS):
        rest = folds != fold
        scores[~rest] = fit_logistic(features[rest], labels[rest]).score(features[~rest])
    return scores


def blockiness(image: Pixels) -> float:
    """Returns how much smaller steps across the edges of 8 x 8 blocks are than others: a log ratio."""
    grey = image.astype(np.float64).mean(2)
    edges, others = 1e-6, 1e-6
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis)).mean(1 - axis)
        at = np.arange(1, len(steps) + 1) % BLOCK == 0
        edges, others = edges + steps[at].mean(), others + steps[~at].mean()
    return float(np.log(others / edges))


def change(image: Pixels, quality: int) -> float:
    """Returns the mean change of a picture's levels when it is coded as a JPEG of a quality, chroma 4:2:0."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=quality, subsampling=2)
    return float(np.abs(np.asarray(Image.open(content), np.int16) - image).mean())


def shown(labels: NDArray[np.int64], scores: Values, media: list[str]) -> str:
    """Returns an AUC with its interval as text; a picture and its other coding are drawn together."""
    low, high = interval(auc, labels, scores, clusters=media)
    return f"{auc(labels, scores):.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
