"""The whole story on one photo: a public-domain portrait and two simulated attacks on it are judged."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetrust.data.simulate import simulate
from facetrust.errors import InputError, MissingExtra, UsageError
from facetrust.imaging import Pixels, read_image
from facetrust.records import CheckReport, write_text, write_whole
from facetrust.runtime.check import check
from facetrust.runtime.detector import Detector, find_faces, open_detector

SEED = 0  # Fixed before any result was seen, so that the attacks are not picked to please.
_EXPECTED = {"photo": "bona fide", "print": "attack", "replay": "attack"}
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}
.row{display:flex;flex-wrap:wrap;gap:1.5rem}figure{margin:0;width:20rem}img{width:100%;border-radius:4px}
.good{color:#14713d}.bad{color:#b3261e}pre{white-space:pre-wrap;background:#f4f4f4;padding:1rem}"""


class Judged(NamedTuple):
    """One picture of the demo: what it is, what the model says of it, and where its pictures lie."""

    name: str
    truth: str
    report: CheckReport
    pictures: tuple[Path, ...]

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
    def right(self) -> bool:
        """Whether the model said what the picture is."""
        return self.answer == self.truth

    @property
    def _verdict(self):  # type: ignore[no-untyped-def]
        verdicts = [verdict for face in self.report.faces[:1] for verdict in face.verdicts]
        return next((verdict for verdict in verdicts if verdict.task == "antispoof"), None)


def demo(out: Path, *, model: str = "antispoof-tiny", photo: Path | None = None) -> list[Judged]:
    """Returns the verdicts on a live photo, a simulated print and a simulated replay of it.

    Writes the pictures, their evidence maps and `report.html`, one self-contained page, into `out`.

    Args:
        photo: another portrait than scikit-image's astronaut (NASA, public domain).

    Raises:
        MissingExtra: scikit-image is not installed.
        ImageError: the photo cannot be read.
        InputError: there is no face in it.
        ModelError: the model is missing or altered.
        UsageError: `out` is a file.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; give a folder to write into")
    detector = open_detector()
    live = read_image(photo) if photo else _astronaut()
    rows = []
    for name, pixels in _attacked(live, detector).items():
        picture = out / f"{name}.png"
        _save(pixels, picture)
        folder = out / "evidence" / name
        said = check(picture, models=[model], detector=detector, evidence=folder)
        maps = tuple(sorted(folder.glob("*.png"))) or (picture,)
        rows.append(Judged(name, _EXPECTED[name], said, maps))
    write_text(out / "report.html", _page(rows))
    return rows


def _astronaut() -> Pixels:
    try:
        from skimage.data import astronaut
    except ImportError:
        raise MissingExtra("scikit-image", "demo") from None
    return np.asarray(astronaut(), dtype=np.uint8)


def _attacked(live: Pixels, detector: Detector) -> dict[str, Pixels]:
    """The photo, and a print and a replay of its first face."""
    found = find_faces(live, detector)
    if not found.faces:
        raise InputError("the demo needs a photo with a face; none was found")
    rng = np.random.default_rng(SEED)
    box = found.faces[0].box
    attacks = {species: simulate(found.image, box, species=species, rng=rng) for species in ("print", "replay")}
    return {"photo": found.image, **attacks}


def _save(pixels: Pixels, path: Path) -> None:
    from PIL import Image

    write_whole(path, lambda part: Image.fromarray(pixels).save(part))


def _page(rows: Sequence[Judged]) -> str:
    wrong = [row.name for row in rows if not row.right]
    summary = f"The model got {', '.join(wrong)} wrong." if wrong else f"The model got all {len(rows)} right."
    model = next((row._verdict.model for row in rows if row._verdict), "the model")
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>facetrust demo</title>'
            f"<style>{_STYLE}</style>",
            "<h1>One photo, two attacks</h1>",
            f"<p>A public-domain portrait (NASA), a print and a screen replay of it that were simulated under "
            f"seed {SEED}, judged by <b>{html.escape(model)}</b>. {html.escape(summary)} "
            "Three pictures prove nothing; the measured figures stand in the model's card.</p>",
            f'<div class="row">{"".join(_figures(rows))}</div>',
            "</html>\n",
        ]
    )


def _figures(rows: Sequence[Judged]) -> Iterator[str]:
    for row in rows:
        score = "" if row.score is None else f", score {row.score:.3f}"
        colour, said = ("good", "right") if row.right else ("bad", "wrong")
        images = "".join(
            f'<img alt="{row.name}" src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
            for path in row.pictures
        )
        told = html.escape(json.dumps(json.loads(row.report.to_json()), indent=1))
        yield (
            f"<figure>{images}<figcaption><b>{row.name}</b> (is {row.truth}): "
            f'<b class="{colour}">{html.escape(row.answer)}, {said}</b>{score}'
            f"<details><summary>all that was said</summary><pre>{told}</pre></details></figcaption></figure>"
        )
