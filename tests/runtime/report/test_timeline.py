"""A video's scores as coordinates, by hand."""

from __future__ import annotations

from facetrust.records import CheckReport, Face, Timeline, Verdict, VideoSummary
from facetrust.runtime.report.timeline import charts

FIELDS = {"source": "a.mp4", "kind": "video", "size": (10, 10), "trusted": True}


def track(number: int, times: list[float], scores: list[float], telling: float) -> Face:
    timeline = Timeline(
        first=times[0],
        last=times[-1],
        telling=telling,
        scored=len(times),
        times=times,
        scores={"antispoof": scores},
    )
    verdict = Verdict(task="antispoof", score=0.5, threshold=0.25, decision="attack", model="tiny@1")
    return Face(
        box=(0, 0, 5, 5), points=(), confidence=1, track=number, verdicts=(verdict,), timeline=timeline
    )


def video(*faces: Face, seconds: float = 7.2) -> CheckReport:
    watched = VideoSummary(seconds=seconds, per_second=25, frames=180, sampled=28, rule="mean")
    return CheckReport(**FIELDS, faces=faces, watched=watched)


def test_times_go_right_scores_go_up_and_a_gap_parts_a_line():
    (chart,) = charts(video(track(3, [0.0, 0.25, 0.5, 3.6, 3.85], [0.0, 0.5, 1.0, 0.25, 0.25], 0.5)))
    assert (chart.task, chart.threshold, chart.level) == ("antispoof", 0.25, 90.0)
    (line,) = chart.lines
    assert line.track == 3
    assert line.pieces == (((0.0, 120.0), (25.0, 60.0), (50.0, 0.0)), ((360.0, 90.0), (385.0, 90.0)))
    assert line.telling == (50.0, 0.0)
    assert line.bar[:2] == (0.0, 385.0)
    assert [at for _, at in chart.ticks] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [x for x, _ in chart.ticks[:2]] == [0.0, 100.0]


def test_bars_of_tracks_lie_below_each_other_and_one_score_is_one_point():
    (chart,) = charts(video(track(1, [1.0], [0.5], 1.0), track(2, [2.0, 3.0], [0.5, 0.5], 2.0)))
    first, second = chart.lines
    assert first.pieces == (((100.0, 60.0),),)
    assert first.bar[2] + 5 < second.bar[2] < chart.height


def test_long_videos_have_few_ticks():
    for seconds in (0.04, 1.0, 61.0, 3600.0, 90_000.0):
        (chart,) = charts(video(track(1, [0.0], [0.5], 0.0), seconds=seconds))
        assert 1 <= len(chart.ticks) <= 9
        assert all(0 <= x <= 720 for x, _ in chart.ticks)


def test_a_picture_has_none():
    assert charts(CheckReport(source="a.png", size=(1, 1), trusted=None)) == ()
