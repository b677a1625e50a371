"""The whole story on one photo: a public-domain portrait and two simulated attacks; live or attack?"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetrust.data.simulate import simulate
from facetrust.errors import InputError, MissingExtra, UsageError
from facetrust.faces.detector import Detector, find_faces, open_detector
from facetrust.imaging import Pixels, fit_within, read_image
from facetrust.records import CheckReport, Verdict, write_whole
from facetrust.runtime.checker import Checker
from facetrust.runtime.pictures import Failure
from facetrust.runtime.report.page import EvidenceReport

SEED = 0  # Fixed before any result was seen, so that the attacks are not picked to please.
_EXPECTED = {"photo": "bona fide", "print": "attack", "replay": "attack"}
_GAP, _WIDE = 22, 1010  # Pixels between the overlays in demo.png, and of its width.


class Judged(NamedTuple):
    """One picture of the demo: what it is, and what the model says of it."""

    name: str
    truth: str
    report: CheckReport

    @property
    def answer(self) -> str:
        """What the model said, or why it said nothing."""
        verdict = self._verdict
        return verdict.decision if verdict else self.report.reason or "nothing"

    @property
    def score(self) -> float | None:
        """How likely the model takes an attack to be, in [0, 1]; None if it said nothing."""
        return self._verdict.score if self._verdict else None

    @property
    def right(self) -> bool | None:
        """Whether the model said what the picture is; None if it said nothing."""
        return None if self._verdict is None else self.answer == self.truth

    @property
    def _verdict(self) -> Verdict | None:
        return next((verdict for face in self.report.faces[:1] for verdict in face.verdicts), None)


def demo(out: Path, *, model: str = "antispoof-tiny", photo: Path | None = None) -> list[Judged]:
    """Returns the verdicts on a live photo, a simulated print and a simulated replay of it.

    Writes the pictures, their overlays in `evidence`, these side by side as `demo.png`, and `report.html`, an
    evidence report, into `out`.

    Args:
        photo: another portrait than scikit-image's astronaut (NASA, public domain).

    Raises:
        MissingExtra: scikit-image is not installed.
        ImageError: the photo cannot be read.
        InputError: there is no face in it.
        ModelError: the model is missing or altered.
        UsageError: `out` is a file, or cannot be written to.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; give a folder to write into")
    detector = open_detector()
    checker = Checker(["antispoof"], models={"antispoof": model}, detector=detector)
    pictures = _attacked(read_image(photo) if photo else _astronaut(), detector)
    for name, pixels in pictures.items():
        _save(pixels, out / f"{name}.png")
    page = EvidenceReport(checker)
    results = page.recording(
        checker.check_many(
            [out / f"{name}.png" for name in pictures], evidence=out / "evidence", show=page.show
        )
    )
    rows = [_judged(name, result) for name, result in zip(pictures, results, strict=True)]
    _save(_side_by_side([out / "evidence" / f"{name}.evidence.png" for name in pictures]), out / "demo.png")
    page.write(out / "report.html", intro=_intro(rows))
    return rows


def _judged(name: str, result: CheckReport | Failure) -> Judged:
    if isinstance(result, Failure):
        raise result.error
    if result.evidence_errors:
        raise UsageError(result.evidence_errors[0])
    return Judged(name, _EXPECTED[name], result)


def _astronaut() -> Pixels:
    try:
        from skimage.data import astronaut
    except ImportError:
        raise MissingExtra("scikit-image", "demo") from None
    return np.asarray(astronaut(), dtype=np.uint8)  # type: ignore[no-untyped-call]


def _attacked(live: Pixels, detector: Detector) -> dict[str, Pixels]:
    """The photo, and a print and a replay of its first face."""
    found = find_faces(live, detector)
    if not found.faces:
        raise InputError("the demo needs a photo with a face; none was found")
    rng = np.random.default_rng(SEED)
    box = found.faces[0].box
    pictures = {"photo": found.image}
    for species in ("print", "replay"):
        pictures[species] = simulate(found.image, box, species=species, rng=rng)
    return pictures


def _save(pixels: Pixels, path: Path) -> None:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    write_whole(path, content.getbuffer())


def _side_by_side(paths: Sequence[Path]) -> Pixels:
    """Pictures of one height in a row (h, w, 3), white between them, shrunk to a page's width."""
    images = [read_image(path) for path in paths]
    gap = np.full((len(images[0]), _GAP, 3), 255, np.uint8)
    return fit_within(np.hstack([part for image in images for part in (image, gap)][:-1]), _WIDE)[0]


def outcome(rows: Sequence[Judged]) -> str:
    """Returns in a sentence how many the model got right, which it got wrong, and which it did not judge."""
    wrong = ", ".join(row.name for row in rows if row.right is False)
    unjudged = ", ".join(row.name for row in rows if row.right is None)
    said = [f"got {wrong} wrong"] if wrong else []
    said += [f"did not judge {unjudged}"] if unjudged else []
    return f"the model {' and '.join(said) or f'got all {len(rows)} right'}"


def _intro(rows: Sequence[Judged]) -> str:
    return (
        "One photo, two attacks: a public-domain portrait (NASA), and a print and a screen replay of it, "
        f"simulated under seed {SEED}. One question was asked of them, live or attack: {outcome(rows)}. "
        "Three pictures prove nothing; the model's card has the measured figures."
    )
