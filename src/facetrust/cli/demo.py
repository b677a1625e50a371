"""The whole story on one photo: a public-domain portrait and two simulated attacks; live or attack?"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetrust.data.simulate import simulate
from facetrust.errors import InputError, MissingExtra, UsageError
from facetrust.faces.detector import Detector, find_faces, open_detector
from facetrust.imaging import Pixels, read_image
from facetrust.records import CheckReport, Verdict, write_text, write_whole
from facetrust.runtime.check import check
from facetrust.runtime.model import load_model

SEED = 0  # Fixed before any result was seen, so that the attacks are not picked to please.
_EXPECTED = {"photo": "bona fide", "print": "attack", "replay": "attack"}
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;color:#222}
.row{display:flex;flex-wrap:wrap;gap:1.5rem}figure{margin:0;width:20rem}img{width:100%;border-radius:4px}
.good{color:#14713d}.bad{color:#b3261e}pre{white-space:pre-wrap;background:#f4f4f4;padding:1rem}"""


class Judged(NamedTuple):
    """One picture of the demo: what it is, what the model says of it, and where its evidence map lies."""

    name: str
    truth: str
    report: CheckReport
    picture: Path

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
    def _verdict(self) -> Verdict | None:
        return next((verdict for face in self.report.faces[:1] for verdict in face.verdicts), None)


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
        UsageError: `out` is a file, or cannot be written to.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; give a folder to write into")
    opened, detector = load_model(model), open_detector()
    live = read_image(photo) if photo else _astronaut()
    rows = []
    for name, pixels in _attacked(live, detector).items():
        picture = out / f"{name}.png"
        _save(pixels, picture)
        said = check(
            picture,
            tasks=["antispoof"],
            models={"antispoof": opened},
            detector=detector,
            evidence=out / "evidence",
        )
        if said.evidence_errors:
            raise UsageError(said.evidence_errors[0])
        rows.append(Judged(name, _EXPECTED[name], said, out / "evidence" / f"{name}.evidence.png"))
    write_text(out / "report.html", _page(rows, opened.name))
    return rows


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


def _page(rows: Sequence[Judged], model: str) -> str:
    wrong = [row.name for row in rows if not row.right]
    summary = f"It got {', '.join(wrong)} wrong." if wrong else f"It got all {len(rows)} right."
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>facetrust demo</title>\n'
        f"<style>{_STYLE}</style>\n<h1>One photo, two attacks</h1>\n"
        "<p>A public-domain portrait (NASA), and a print and a screen replay of it, simulated under "
        f"seed {SEED}. One question was asked, live or attack, and answered by "
        f"<b>{html.escape(model)}</b>. <b>{html.escape(summary)}</b> "
        "Three pictures prove nothing; the model's card has the measured figures.</p>\n"
        f'<div class="row">{"".join(map(_figure, rows))}</div>\n</html>\n'
    )


def _figure(row: Judged) -> str:
    score = "" if row.score is None else f", score {row.score:.3f}"
    colour, judged = ("good", "right") if row.right else ("bad", "wrong")
    picture = base64.b64encode(row.picture.read_bytes()).decode()
    told = html.escape(json.dumps(json.loads(row.report.to_json()), indent=1))
    return (
        f'<figure><img alt="{row.name}" src="data:image/png;base64,{picture}">'
        f"<figcaption><b>{row.name}</b> (is {row.truth}): "
        f'<b class="{colour}">{html.escape(row.answer)}, {judged}</b>{score}'
        f"<details><summary>all that was said</summary><pre>{told}</pre></details></figcaption></figure>"
    )
