"""A camera frame by frame: the tracks and scores of a video, over a window that moves on."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.fusion import worst_stretch
from facetrust.runtime.checker import Checker
from facetrust.runtime.live import WINDOW


def frame(value: int) -> np.ndarray:
    """A picture of one brightness, which is the toy model's score."""
    return np.full((600, 600, 3), value, np.uint8)


@pytest.fixture
def live(write_model, told):
    def make(*boxes):
        models = {"antispoof": str(write_model())}
        return Checker("antispoof", models=models, detector=told(*boxes), quality_gate=False).live()

    return make


BOX = (160.0, 160.0, 80.0, 80.0)


def score_of(value: float) -> float:
    return 1 / (1 + np.exp(-(4 * value / 255 - 2)))


def test_scores_of_the_window_become_one_by_the_rule_of_videos(live):
    camera = live(BOX)
    values = [10, 20, 250, 240, 30, 20]
    times = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    for value, at in zip(values, times, strict=True):
        report = camera.see(frame(value), at)
    (face,) = report.faces
    wanted = worst_stretch([score_of(value) for value in values], times)
    assert face.verdicts[0].score == pytest.approx(wanted, abs=1e-5)
    assert (face.track, face.timeline.times) == (1, tuple(times))
    assert (report.watched.frames, report.watched.seconds, report.watched.per_second) == (6, 2.5, 2.0)


def test_what_lies_before_the_window_counts_no_more(live):
    camera = live(BOX)
    for at in np.arange(0, 1.01, 0.25):
        report = camera.see(frame(255), float(at))
    assert report.trusted is False
    for at in np.arange(1.25, 1.25 + WINDOW + 0.26, 0.25):
        report = camera.see(frame(10), float(at))
    (face,) = report.faces
    assert face.verdicts[0].score == pytest.approx(score_of(10), abs=1e-5)
    assert report.trusted is True
    assert face.timeline.first >= at - WINDOW
    assert face.timeline.telling >= at - WINDOW


def test_memory_stays_bounded_and_no_number_is_given_twice(live):
    camera = live(BOX)
    detector = camera._tracked._detector
    numbers = set()
    for n in range(24):
        detector.boxes = ((100.0 * (n % 5), 20.0, 40.0, 40.0),) if n % 3 else ()
        report = camera.see(frame(40), 2.0 * n)
        for face in report.faces:
            assert face.track not in numbers
            numbers.add(face.track)
    assert len(numbers) == 16
    assert len(camera._tracked.tracks) <= 4
    assert len(camera._tracked.times) <= 2


def test_only_faces_that_are_seen_now_are_reported_where_they_are(live):
    camera = live(BOX)
    camera.see(frame(60), 0.0)
    camera._tracked._detector.boxes = ((170.0, 160.0, 80.0, 80.0),)
    (face,) = camera.see(frame(50), 0.25).faces
    assert (face.box, face.track) == ((170.0, 160.0, 80.0, 80.0), 1)
    assert face.timeline.telling == 0.0
    camera._tracked._detector.boxes = ()
    report = camera.see(frame(10), 0.5)
    assert (report.faces, report.trusted, report.reason) == ((), None, "no face found")
