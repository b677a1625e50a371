"""Manifests to train a face embedding on, to choose by, and to test on, in which nobody is met twice.

    python benchmarks/recognition_data.py --lfw LFW --cfp CFP --out OUT [--faces MANIFEST …] [--screen MODEL]

LFW and CFP are folders of pictures aligned to 112 x 112 pixels. Test are the people of LFW's `pairs.txt` and
of the first five folds of CFP's pairs (250 people); all others of both sets are trained on, but for a fifth
of CFP's and those of LFW with two pictures or more, who are the development set. Further manifests bring
faces of nobody in particular, with their five points, from whatever split; with `--screen` those are left
out that an embedder finds like a test person (cosine 0.5 or more). Writes `recognition-people.parquet` and
`recognition-faces.parquet` to train on, and to test on, each with its list of pairs and folds beside it:
`recognition-lfw.parquet` (6,000 pairs), `recognition-cfp-ff.parquet` and `recognition-cfp-fp.parquet` (3,500
pairs each, folds 1 to 5). The sets spell some names differently: pairs of people who are trained on under
another spelling are left out of the test, and counted.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import re
import unicodedata
from pathlib import Path

import numpy as np

from facetrust.data.manifest import Manifest, absolute
from facetrust.errors import ImageError
from facetrust.evaluation.scorers import open_scorer
from facetrust.imaging import read_sample
from facetrust.imaging.crop import TEMPLATE
from facetrust.records import Sample, Split

LIKE = 0.5
NEAR = 0.85  # Likeness of names, as `difflib` has it, from which two may be one person's.
# Trained on as Recep_Erdogen, Luiz_Lula_Da_Silva and Robin_Wright; an embedder found them, and a look.
SPELLED_ELSE = {"Recep_Tayyip_Erdogan", "Luiz_Inacio_Lula_da_Silva", "Robin_Wright_Penn"}
HALF = 250  # People of the first five of CFP's ten folds.


def main() -> None:
    """Writes the manifests and prints their hashes and counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--cfp", type=Path, required=True)
    parser.add_argument("--faces", type=Path, nargs="*", default=[])
    parser.add_argument("--screen")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    lfw, cfp = people_of(options.lfw, options.cfp)
    tested = tested_people(options.lfw) | {name for name, number in cfp.items() if number <= HALF}
    rows = named_rows(options.lfw, options.cfp, lfw, cfp, tested)
    print(Manifest.write(rows, options.out / "recognition-people.parquet").hash, counts(rows))
    write_tests(options.lfw, options.cfp, cfp, options.out, {str(row.subject) for row in rows})
    if options.faces:
        faces = [row for path in options.faces for row in unnamed_rows(path)]
        if options.screen:
            shown = test_rows(options.lfw, options.cfp, lfw, cfp, tested)
            faces = screened(options.screen, faces, shown)
        print(Manifest.write(faces, options.out / "recognition-faces.parquet").hash, counts(faces))


def people_of(lfw: Path, cfp: Path) -> tuple[list[str], dict[str, int]]:
    """Returns LFW's people, and CFP's with their numbers, spelled alike."""
    names = [line.strip().replace(" ", "_") for line in (cfp / "list_name.txt").read_text().splitlines()]
    listed = {name: number for number, name in enumerate((name for name in names if name), start=1)}
    return sorted(path.name for path in lfw.iterdir() if path.is_dir()), listed


def tested_people(lfw: Path) -> set[str]:
    """Returns whoever is in LFW's 6,000 pairs."""
    lines = [line.split("\t") for line in (lfw / "pairs.txt").read_text().splitlines()[1:]]
    return {name for line in lines for name in (line[0], *line[2:3] * (len(line) == 4))}


def aligned(path: Path, person: str, domain: str, split: Split) -> Sample:
    """Returns a row of an aligned picture."""
    return Sample(path=str(path.resolve()), subject=person, domain=domain, split=split, points=TEMPLATE)


def named_rows(
    lfw: Path, cfp: Path, people: list[str], numbers: dict[str, int], tested: set[str]
) -> list[Sample]:
    """Returns train and dev rows of people who are not tested, absolute paths."""
    left = sorted(set(numbers) - tested)
    dev = set(left[::5])
    rows = []
    for person in left:
        split: Split = "dev" if person in dev else "train"
        pictures = sorted((cfp / f"{numbers[person]:03d}").rglob("*.jpg"))
        rows += [aligned(path, person, "cfp", split) for path in pictures]
    for person in sorted(set(people) - tested):
        pictures = sorted((lfw / person).glob("*.jpg"))
        split = "train" if person in set(left) - dev or (len(pictures) == 1 and person not in dev) else "dev"
        rows += [aligned(path, person, "lfw", split) for path in pictures]
    return rows


def test_rows(
    lfw: Path, cfp: Path, people: list[str], numbers: dict[str, int], tested: set[str]
) -> list[Sample]:
    """Returns up to four pictures of every tested person."""
    rows = []
    for person in sorted(set(people) & tested):
        rows += [aligned(p, person, "lfw", "test") for p in sorted((lfw / person).glob("*.jpg"))[:4]]
    for person, number in numbers.items():
        if number <= HALF:
            pictures = sorted((cfp / f"{number:03d}" / "frontal").glob("*.jpg"))
            rows += [aligned(path, person, "cfp", "test") for path in pictures[:4]]
    return rows


def known_otherwise(person: str, trained: set[str]) -> bool:
    """Returns whether a name is near one of those that are trained on, such as Leonardo_Dicaprio's."""
    return person in SPELLED_ELSE or bool(
        difflib.get_close_matches(letters(person), trained, n=1, cutoff=NEAR)
    )


def letters(name: str) -> str:
    """Returns a name's letters, in lower case and without accents."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub("[^a-z]", "", plain.lower())


def write_tests(lfw: Path, cfp: Path, numbers: dict[str, int], out: Path, trained: set[str]) -> None:
    """Writes the manifests of the test pairs and their lists, without people who are trained on."""
    names = {number: name for name, number in numbers.items()}
    lists = {"recognition-lfw": lfw_pairs(lfw)}
    for kind in ("FF", "FP"):
        with (cfp / f"pairs_{kind}.csv").open() as file:
            pairs = [
                (int(row["fold"]), cfp / row["image_a"], cfp / row["image_b"]) for row in csv.DictReader(file)
            ]
        lists[f"recognition-cfp-{kind.lower()}"] = [pair for pair in pairs if pair[0] <= HALF // 50]
    for title, pairs in lists.items():
        pictures = sorted({path for pair in pairs for path in pair[1:]})
        rows = [
            aligned(path, path.parent.name, "lfw", "test")
            if title == "recognition-lfw"
            else aligned(path, names[int(path.relative_to(cfp).parts[0])], "cfp", "test")
            for path in pictures
        ]
        # Within a set a person has one spelling.
        others = {letters(name) for name in trained if (name in numbers) == (title == "recognition-lfw")}
        known = {str(row.subject) for row in rows if known_otherwise(str(row.subject), others)}
        gone = {row.path for row in rows if row.subject in known}
        count = len(pairs)
        pairs = [pair for pair in pairs if not gone & {str(path.resolve()) for path in pair[1:]}]
        rows = [row for row in rows if row.path not in gone]
        left = f"{len(pairs)} of {count} pairs, without {', '.join(sorted(known)) or 'anybody'}"
        print(title, Manifest.write(rows, out / f"{title}.parquet").hash, left)
        with (out / f"{title}.parquet.pairs.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["first", "second", "fold"])
            writer.writerows([first.resolve(), second.resolve(), fold] for fold, first, second in pairs)


def lfw_pairs(lfw: Path) -> list[tuple[int, Path, Path]]:
    """Returns fold and pictures of the pairs in `pairs.txt`: of each fold 300 of one person, 300 of two."""
    pairs = []
    for number, line in enumerate((lfw / "pairs.txt").read_text().splitlines()[1:]):
        part = line.split("\t")
        first, second = (part[0], part[1]), (part[-2] if len(part) == 4 else part[0], part[-1])
        paths = [lfw / name / f"{name}_{int(index):04d}.jpg" for name, index in (first, second)]
        pairs.append((number // 600 + 1, paths[0], paths[1]))
    return pairs


def unnamed_rows(path: Path) -> list[Sample]:
    """Returns a manifest's rows that have five points, as training rows of nobody in particular."""
    manifest = Manifest.read(path)
    gone = {"split": "train", "subject": None, "label": None, "mask": None, "media": None, "attack": None}
    rows = [row.model_copy(update={**gone, "label": 0}) for row in manifest.samples() if row.points]
    return [
        row.model_copy(update={"path": str(Path(row.path).resolve())})
        for row in absolute(rows, manifest.root)
    ]


def screened(model: str, faces: list[Sample], shown: list[Sample]) -> list[Sample]:
    """Returns the faces that are like no tested person's."""
    _, scorer = open_scorer(model)
    known = np.stack([v for v in scorer(shown, read_sample) if not isinstance(v, ImageError)])
    kept = []
    for row, vector in zip(faces, scorer(faces, read_sample), strict=True):
        if not isinstance(vector, ImageError) and float((known @ vector).max()) < LIKE:
            kept.append(row)
    print(f"{len(faces) - len(kept)} of {len(faces)} faces left out: like one of {len(known)} test pictures")
    return kept


def counts(rows: list[Sample]) -> str:
    """Returns how many pictures and people there are to train on and to choose by."""
    parts = {split: [row for row in rows if row.split == split] for split in ("train", "dev")}
    return ", ".join(
        f"{split}: {len(part)} pictures of {len({row.subject for row in part if row.subject})} people"
        for split, part in parts.items()
    )


if __name__ == "__main__":
    main()
