"""Models and a detector opened once, which pictures and videos are then checked with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from facetrust.errors import UsageError
from facetrust.faces.detector import SEARCH, Detector, Search, checked_search
from facetrust.imaging import Pixels, quarter_turn
from facetrust.imaging.inputs import Color
from facetrust.records import CheckReport, Policy
from facetrust.runtime.bundled import (
    ModelChoice,
    Thresholds,
    default_parser,
    default_tasks,
    open_detector_for,
    open_model_named,
    open_models,
)
from facetrust.runtime.evidence import Layer, Scene, layers, write_overlay
from facetrust.runtime.live import Live, LiveState
from facetrust.runtime.pictures import Failure, Progress, Run, decode, decoded
from facetrust.runtime.videos import SAMPLING, Sampling, VideoChecker

Draw = Callable[[str, Pixels], None]
Show = Callable[[Scene], None]


class Checked(NamedTuple):
    """A report, and its overlays (H, W, 3) uint8 RGB by the name that `check --evidence` gives them."""

    report: CheckReport
    overlays: dict[str, Pixels]


class Mapped(NamedTuple):
    """A report, its overlays, and the evidence alone.

    maps: to be laid over the picture as it was read, or over the frame of a track's most telling moment.
    """

    report: CheckReport
    overlays: dict[str, Pixels]
    maps: tuple[Layer, ...]


class Checker:
    """Checks pictures and videos with models and a detector that are opened once.

    Its methods may be called from several threads at once.

    Args:
        tasks: what is asked, a name or several; every question about faces that a bundled model answers
            if none is given.
        models: per task a model's name, an .onnx file or an open model; the bundled one without.
        thresholds: values above 0 and below 1 to decide at instead of the cards': one for all tasks that
            give scores, or per task.
        policy: `strict` (few attacks pass), `balanced` or `lenient` (few false alarms): which of its card's
            thresholds each model decides at, instead of the first; see `ModelCard.threshold_for`.
        detector: an open detector or the file of a YuNet; MTCNN without.
        threads: threads of ONNX Runtime; 0 takes every core.
        sampling: which frames of a video are looked at, and how their scores become one.
        search: the smallest face that is looked for, and the most faces of a picture that are judged.
        color: order of the channels of arrays that are handed in.
        quality_gate: whether a face beyond the limits of a model's card is left unjudged.

    Raises:
        UsageError: a task is unknown or without a model; a setting is out of range; a card has no threshold
            for the policy, or thresholds are given too.
        ModelError: a model's file cannot be used.
    """

    def __init__(
        self,
        tasks: Sequence[str] | str | None = None,
        *,
        models: ModelChoice | None = None,
        thresholds: Thresholds | None = None,
        policy: Policy | None = None,
        detector: Detector | str | Path | None = None,
        threads: int = 1,
        sampling: Sampling = SAMPLING,
        search: Search = SEARCH,
        color: Color = "RGB",
        quality_gate: bool = True,
    ) -> None:
        asked = default_tasks() if tasks is None else tasks
        self.models = open_models(asked, models, threads=threads, thresholds=thresholds, policy=policy)
        self.detector = open_detector_for(self.models, detector, threads=threads)
        self.search = checked_search(search)
        self.quality_gate = quality_gate
        self.sampling = sampling
        self._videos = VideoChecker(self.models, self.detector, sampling, search, quality_gate=quality_gate)
        self._color: Color = color
        self._threads = threads

    def check(self, source: Any, *, evidence: str | Path | None = None) -> CheckReport:
        """Returns what is to be said of one picture or video.

        `trusted` is true when every face (and the picture itself, where a task judges it) was judged and
        none is distrusted, false when one is, and None, with a reason, when nothing is wrong but something
        could not be judged. Boxes and points are in pixels of the picture as read, after its EXIF tag.

        Args:
            source: a path, bytes of a picture or video, a file object, a PIL image, or a uint8 array
                (H, W), (H, W, 3) or (H, W, 4).
            evidence: folder for an overlay, `<name>.evidence.png`, with a panel per task. One that cannot be
                written is named in `evidence_errors`. Verdicts about faces of pictures then name the parts
                that their evidence lies on (`evidence_on`).

        Raises:
            ImageError: the source cannot be read.
        """
        (result,) = self.check_many([source], evidence=evidence, readers=0)
        if isinstance(result, Failure):
            raise result.error
        return result

    def check_with_overlays(self, source: Any) -> Checked:
        """Returns what `check` does, and the overlays instead of files of them.

        Raises:
            ImageError: the source cannot be read.
        """
        report, overlays, _ = self.check_with_maps(source)
        return Checked(report, overlays)

    def check_with_maps(self, source: Any, *, progress: Progress | None = None) -> Mapped:
        """Returns what `check` does, the overlays, and the evidence of each question alone.

        Args:
            source: what `check` takes.
            progress: as of `check_many`.

        Raises:
            ImageError: the source cannot be read.
        """
        drawn: dict[str, Pixels] = {}
        maps: list[Layer] = []

        def lay(scene: Scene) -> None:
            for each in layers(scene):
                maps.append(each._replace(pixels=quarter_turn(each.pixels, -scene.turns)))

        run = self._pass(drawn.__setitem__, progress, show=lay)
        (result,) = run.reports(iter([decode(source, color=self._color)]), batch=1)
        if isinstance(result, Failure):
            raise result.error
        return Mapped(result, drawn, tuple(maps))

    def check_many(
        self,
        sources: Iterable[Any],
        *,
        evidence: str | Path | None = None,
        batch: int = 8,
        readers: int = 2,
        show: Show | None = None,
        progress: Progress | None = None,
    ) -> Iterator[CheckReport | Failure]:
        """Yields a report or a failure for every source, in order; few pictures are in memory at a time.

        Args:
            sources: any number of what `check` takes; read as they are needed.
            evidence: folder for overlays.
            batch: pictures whose faces go through a model together.
            readers: threads that read and decode pictures ahead; 0 reads in this thread.
            show: called with what can be shown of a source, right before its report comes: the picture, or
                a frame per track of a video; with maps where there is a folder for overlays.
            progress: called with (video, frames judged, of how many) while a video is checked.

        Raises:
            UsageError: `sources` is a single one.
        """
        if isinstance(sources, (str, bytes, Path)):
            raise UsageError("check_many takes several sources; give a list, or call check")
        draw = None if evidence is None else partial(_write, Path(evidence))
        return self._run(
            sources, batch=max(1, batch), readers=readers, draw=draw, show=show, progress=progress
        )

    def check_video(
        self,
        source: str | Path | bytes,
        *,
        evidence: str | Path | None = None,
        progress: Progress | None = None,
    ) -> CheckReport:
        """Returns what is to be said of one video, whatever its name; see `VideoChecker.report`.

        Args:
            source: a path, or the bytes of a video.
            evidence: folder for overlays.
            progress: called with (video, frames judged, of how many).

        Raises:
            ImageError: not a video, cut off, without a frame, or past a limit.
        """
        draw = None if evidence is None else partial(_write, Path(evidence))
        result = self._pass(draw, progress).video(source)
        if isinstance(result, Failure):
            raise result.error
        return result

    def live(self, state: LiveState | None = None) -> Live:
        """Returns what judges one camera, frame by frame, as videos are judged; see `Live`.

        Args:
            state: of a `Live` with the same tasks, from where it goes on; from nothing without.
        """
        return Live(self.models, self.detector, self._videos, self.search, state)

    def _run(
        self,
        sources: Iterable[Any],
        *,
        batch: int,
        readers: int,
        draw: Draw | None,
        show: Show | None = None,
        progress: Progress | None,
    ) -> Iterator[CheckReport | Failure]:
        read = decoded(sources, partial(decode, color=self._color), readers=readers, ahead=readers + 1)
        return self._pass(draw, progress, show=show).reports(read, batch=batch)

    def _pass(
        self,
        draw: Draw | None,
        progress: Progress | None,
        *,
        show: Show | None = None,
    ) -> Run:
        # The parts of faces are found only where evidence is drawn, which then names them.
        named = draw is not None and self.detector is not None
        return Run(
            self.models,
            self.detector,
            self._videos,
            search=self.search,
            quality_gate=self.quality_gate,
            draw=draw,
            show=show,
            parser=open_model_named(default_parser(), threads=self._threads) if named else None,
            progress=progress,
        )


def _write(folder: Path, name: str, pixels: Pixels) -> None:
    write_overlay(folder / name, pixels)
