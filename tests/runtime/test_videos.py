import weakref
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facetrust.errors import ImageError, UnknownName, UsageError
from facetrust.imaging.video import Timing
from facetrust.records import CheckReport, Face
from facetrust.runtime import check as checking
from facetrust.runtime import videos as module
from facetrust.runtime.model import load_model
from facetrust.runtime.pictures import Failure
from facetrust.runtime.videos import Sampling, sampled

# One question, unless a test asks others.
check, check_many, check_video = (
    partial(each, tasks=["antispoof"]) for each in (checking.check, checking.check_many, checking.check_video)
)
SHARES = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
HIGH, WIDE = 96, 160
CASES = Path(__file__).resolve().parents[2] / ".." / "shared" / "cases"


class Squares:
    """A detector that takes squares brighter or darker than grey for faces; `only` may refuse pictures."""

    name = "squares"
    sure = 0.5
    likely = 0.4

    def __init__(self, *, confidence=0.9, only=lambda image: True):
        self.confidence = confidence
        self.only = only

    def detect(self, image):
        if not self.only(image):
            return []
        there = (np.abs(image.mean(axis=2) - 128) > 50).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(there)
        boxes = [tuple(map(float, row[:4])) for row in stats[1:] if row[4] > 60]
        return [
            Face(
                box=(x, y, w, h),
                points=tuple((x + a * w, y + b * h) for a, b in SHARES),
                confidence=self.confidence,
            )
            for x, y, w, h in sorted(boxes)
        ]


def frame(*squares, side=32) -> np.ndarray:
    """A grey frame with squares of (x, y, level)."""
    image = np.full((HIGH, WIDE, 3), 128, np.uint8)
    for x, y, level in squares:
        image[y : y + side, x : x + side] = level
    return image


def score(level) -> float:
    """What the tiny model says of an even grey."""
    return 1 / (1 + np.exp(2 - 4 * level / 255))


@pytest.fixture
def models(write_model):
    return {"antispoof": load_model(write_model())}


@pytest.fixture
def ask(models):
    return lambda path, **more: check_video(path, **{"models": models, "detector": Squares(), **more})


def near(score_of, level):
    assert score_of == pytest.approx(score(level), abs=0.03)


def test_one_face_is_one_track(ask, film, tmp_path):
    """Two seconds at 25 a second: eight frames, the middles of eight parts of 50 frames."""
    path = film(tmp_path / "a.avi", [frame((20 + n, 30, 240)) for n in range(50)])
    report = ask(path)
    assert (report.kind, report.size, report.source) == ("video", (HIGH, WIDE), str(path))
    assert (report.trusted, report.reason) == (False, None)
    (face,), (verdict,) = report.faces, report.verdicts
    assert (face.track, verdict.decision, verdict.model) == (1, "attack", "tiny@1")
    near(verdict.score, 240)
    assert face.verdicts == (verdict,)
    times = [number / 25 for number in (3, 9, 15, 21, 28, 34, 40, 46)]
    timeline = face.timeline
    assert timeline.times == pytest.approx(times)
    assert (timeline.first, timeline.last, timeline.scored) == (times[0], times[-1], 8)
    assert len(timeline.scores["antispoof"]) == 8
    at = timeline.times.index(timeline.telling)
    assert timeline.scores["antispoof"][at] == max(timeline.scores["antispoof"])
    assert face.box == pytest.approx((20 + round(timeline.telling * 25), 30, 32, 32), abs=2)
    assert report.watched.model_dump() == {
        "seconds": 2.0,
        "per_second": 25.0,
        "frames": 50,
        "sampled": 8,
        "rule": "worst-stretch",
    }
    assert set(report.timings) == {"decode", "detect", "antispoof"}
    assert CheckReport.model_validate_json(report.to_json()) == report


def test_the_worst_of_several_tracks_decides(ask, film, tmp_path):
    """A live face all along; an attack from the second second to the end of the third."""
    frames = [frame((4, 30, 10), *([(100, 30, 245)] if 25 <= n < 75 else [])) for n in range(100)]
    report = ask(film(tmp_path / "a.avi", frames), sampling=Sampling(per_second=5))
    live, attack = report.faces
    assert [face.track for face in report.faces] == [1, 2]
    assert [face.verdicts[0].decision for face in report.faces] == ["bona fide", "attack"]
    near(live.verdicts[0].score, 10)
    near(attack.verdicts[0].score, 245)
    assert report.verdicts[0].score == attack.verdicts[0].score
    assert report.trusted is False
    assert (live.timeline.scored, attack.timeline.scored) == (20, 10)
    assert 1.0 <= attack.timeline.first < 1.2
    assert 2.8 <= attack.timeline.last < 3.0


def test_a_live_face_is_trusted_though_one_frame_flashes(ask, film, tmp_path):
    path = film(tmp_path / "a.avi", [frame((40, 30, 250 if n == 22 else 10)) for n in range(25)])
    every = {"per_second": 25.0}
    report = ask(path, sampling=Sampling(**every))
    assert report.trusted is True
    near(report.verdicts[0].score, 10)
    assert report.faces[0].timeline.telling == 0.88
    plain = ask(path, sampling=Sampling(**every, rule="mean")).verdicts[0].score
    assert plain == pytest.approx((24 * score(10) + score(250)) / 25, abs=0.01)
    assert plain > report.verdicts[0].score + 0.02


def test_one_second_of_attack_in_half_a_minute_is_found(ask, film, tmp_path):
    """At the half, in place of the live face; the mean alone would not be moved."""
    frames = [frame((40, 30, 255 if 375 <= n < 400 else 10)) for n in range(750)]
    path = film(tmp_path / "a.avi", frames)
    report = ask(path)
    assert (report.trusted, report.watched.sampled, len(report.faces)) == (False, 120, 1)
    odds = score(255) / (1 - score(255)) / np.e
    assert report.verdicts[0].score == pytest.approx(odds / (1 + odds), abs=0.03)
    assert 15.0 <= report.faces[0].timeline.telling < 16.0
    assert ask(path, sampling=Sampling(rule="trimmed-mean")).trusted is True
    one = film(tmp_path / "b.avi", frames[:375] + [frame((40, 30, 10))] * 25 + frames[400:])
    assert ask(one).trusted is True


def stripes(across: bool, *, scene=128, place=(40, 30)) -> np.ndarray:
    """A scene of one grey with a bright square whose stripes run across or down."""
    image = np.full((HIGH, WIDE, 3), scene, np.uint8)
    levels = np.where(np.arange(32) // 8 % 2, 250, 190).astype(np.uint8)
    x, y = place
    image[y : y + 32, x : x + 32] = (levels[:, None] if across else levels[None, :])[..., None]
    return image


def test_a_hard_cut_ends_a_track_though_the_faces_lie_in_one_place(ask, film, tmp_path):
    """Another scene, with the very same square; then the same scene, with another face."""
    here, there = frame((40, 30, 240)), frame((40, 30, 240))
    there[50:, 80:], there[:20, 80:], there[70:, :80] = (50, 170, 60), (210, 130, 60), (60, 90, 210)
    report = ask(film(tmp_path / "a.avi", [here] * 50 + [there] * 50))
    assert [face.timeline.scored for face in report.faces] == [8, 8]
    assert report.faces[1].timeline.first >= 2.0
    report = ask(film(tmp_path / "b.avi", [stripes(True)] * 50 + [stripes(False)] * 50))
    assert [face.timeline.scored for face in report.faces] == [8, 8]


def test_what_moves_or_fades_is_one_track(ask, film, tmp_path):
    frames = [stripes(True, scene=100 + n // 4, place=(10 + n, 20 + n // 4)) for n in range(100)]
    (face,) = ask(film(tmp_path / "a.avi", frames)).faces
    assert face.timeline.scored == 16


def test_the_published_rule_takes_the_first_confident_face(ask, film, tmp_path):
    path = film(tmp_path / "a.avi", [frame((4, 30, 155 + 28), (100, 30, 250))] * 10)
    surest, published = ask(path), ask(path, sampling=Sampling(rule="efficient-vit"))
    near(surest.verdicts[0].score, 250)
    near(published.verdicts[0].score, 183)
    assert published.watched.rule == "efficient-vit"


def test_no_face_is_an_answer(ask, film, tmp_path):
    report = ask(film(tmp_path / "a.avi", [frame()] * 10), evidence=tmp_path / "maps")
    assert (report.trusted, report.reason) == (None, "no face found")
    assert (report.faces, report.verdicts) == ((), ())
    assert report.watched.sampled == 2
    assert not (tmp_path / "maps").exists()


def test_an_unlikely_face_does_not_count(ask, film, tmp_path):
    report = ask(film(tmp_path / "a.avi", [frame((40, 30, 250))] * 10), detector=Squares(confidence=0.3))
    assert (report.trusted, report.faces) == (None, ())


def test_several_tasks(toy, write_model, film, tmp_path):
    """The same network for each, with a threshold of the card that a grey of 200 reaches or does not."""
    strict = {"value": 0.9, "rule": "by hand", "manifest": "none", "split": "dev"}
    models = {
        "antispoof": write_model("one"),
        "deepfake": write_model("two", task="deepfake", thresholds=(strict,)),
        "toy-brightness": write_model("three", task="toy-brightness"),
    }
    path = film(tmp_path / "a.avi", [frame((40, 30, 200))] * 10)
    maps = tmp_path / "maps"
    report = check_video(path, tasks=list(models), models=models, detector=Squares(), evidence=maps)
    assert [verdict.decision for verdict in report.faces[0].verdicts] == ["attack", "genuine"]
    assert [verdict.task for verdict in report.verdicts] == list(models)
    near(report.faces[0].verdicts[1].score, 200)
    assert set(report.faces[0].timeline.scores) == {"antispoof", "deepfake"}
    drawn = np.asarray(Image.open(maps / "a.track-1.evidence.png"))
    assert drawn.shape[1] == 2 * 480  # A panel per task about faces.
    whole = check_video(path, tasks=["toy-brightness"], models=models)
    assert (whole.faces, whole.reason) == ((), None)
    assert whole.verdicts == report.verdicts[2:]
    near(whole.verdicts[0].score, np.mean(frame((40, 30, 200))))


def test_both_questions_about_faces_are_asked_unless_one_is_named(write_model, film, tmp_path):
    models = {"deepfake": write_model("two", task="deepfake"), "antispoof": write_model("one")}
    path = film(tmp_path / "a.avi", [frame((40, 30, 10))] * 10)
    report = checking.check_video(path, models=models, detector=Squares())
    assert [verdict.task for verdict in report.verdicts] == ["antispoof", "deepfake"]
    assert report.trusted is True


@pytest.mark.parametrize("turned", [False, True])
def test_the_telling_frame_is_drawn(ask, film, tmp_path, turned):
    """The brightest frame of each track; a box is in the frame's pixels though the frame had to be turned."""
    levels = [220, 225, 250, 225, 220]
    frames = [frame((8, 10, level), (110, 40, 20 + n)) for n, level in enumerate(levels)]
    detector = Squares(only=(lambda image: image.shape[0] > image.shape[1]) if turned else lambda image: True)
    report = ask(
        film(tmp_path / "a.avi", frames),
        detector=detector,
        evidence=tmp_path / "maps",
        sampling=Sampling(per_second=25),
    )
    bright = next(face for face in report.faces if face.verdicts[0].decision == "attack")
    assert bright.box == pytest.approx((8, 10, 32, 32), abs=3)
    assert bright.timeline.telling == 0.08
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == ["a.track-1.evidence.png", "a.track-2.evidence.png"]
    drawn = np.asarray(Image.open(tmp_path / "maps" / f"a.track-{bright.track}.evidence.png"))
    assert (drawn.shape[0] - 44 > drawn.shape[1]) == turned
    assert report.timings["evidence"] > 0


def test_one_frame_is_in_memory_at_a_time(ask, monkeypatch):
    """Three hundred frames as a decoder gives them; before each, all others have been let go."""
    alive, most = [], 0

    def frames(path, indices):
        nonlocal most
        for index in indices:
            most = max(most, sum(ref() is not None for ref in alive))
            image = frame((40 + index % 30, 30, 200))
            alive.append(weakref.ref(image))
            yield index, image
            del image

    monkeypatch.setattr(module, "iter_frames", frames)
    monkeypatch.setattr(module, "timing_of", lambda path, **_: Timing(np.arange(300) / 25, 12.0))
    report = ask("a.mp4", sampling=Sampling(per_second=25, most=300))
    assert len(alive) == report.faces[0].timeline.scored == 300
    assert most == 0


@pytest.mark.parametrize(
    ("times", "end", "expected"),
    [
        ([0], 0.04, [0]),
        ([0, 0.04, 0.08, 0.12], 0.16, [2]),
        (np.arange(100) / 25, 4.0, [12, 37, 62, 87]),
        ([0, 10, 20], 30.0, [0, 1, 2]),  # Each is shown for ten steps and looked at once.
        (np.arange(10_000) / 25, 400.0, [1250, 3750, 6250, 8750]),
        ([0, 0.2, 0.45, 0.6, 2.1], 2.2, [2, 3]),  # Shown at 0.5 and 1.5 seconds.
        ([0, 0.9, 1.0, 5000], 5000.04, [0, 2]),  # A false stamp at the end costs none of the others.
        ([0, 0, 0, 0.3], 1.0, [3]),
    ],
)
def test_the_frames_shown_at_even_times(times, end, expected):
    timing = Timing(np.asarray(times, float), end)
    assert sampled(timing, Sampling(per_second=1.0, most=4)) == expected


@pytest.mark.parametrize("most", [1, 7, 100, 719])
@pytest.mark.parametrize("seed", range(3))
def test_never_more_than_the_most_and_hardly_fewer(seed, most):
    times = np.cumsum(np.random.default_rng(seed).choice([0.02, 0.04, 0.3], 5000))
    found = sampled(Timing(times, float(times[-1])), Sampling(most=most))
    assert 0.9 * most <= len(found) <= most
    assert found == sorted(set(found))


def test_seldom_seen_frames_are_still_joined(ask, film, tmp_path):
    """Ten seconds, four frames: the gap grows with what lies between them."""
    path = film(tmp_path / "a.avi", [frame((40, 30, 200))] * 250)
    assert ask(path, sampling=Sampling(most=4)).faces[0].timeline.scored == 4


def test_progress_is_told(ask, film, tmp_path):
    told = []
    ask(film(tmp_path / "a.avi", [frame()] * 25), progress=lambda *numbers: told.append(numbers))
    assert told == [(str(tmp_path / "a.avi"), done, 4) for done in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("viewing", "error", "message"),
    [
        (Sampling(per_second=0), UsageError, "got 0 and 720"),
        (Sampling(per_second=float("nan")), UsageError, "got nan"),
        (Sampling(most=0), UsageError, "at least 1 in all; got 4.0 and 0"),
        (Sampling(rule="avarage"), UnknownName, "no rule of a video's score named 'avarage'"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_read(ask, viewing, error, message):
    with pytest.raises(error, match=message):
        ask("/no/such/video.mp4", sampling=viewing)


def test_a_video_of_few_pixels(ask, film, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MIN_SIDE", 100)
    with pytest.raises(ImageError, match=r"a\.avi: 160x96 pixels; at least 100 a side"):
        ask(film(tmp_path / "a.avi", [frame()] * 5))


class TestAnimations:
    """Pictures of several frames are checked as videos, whatever hands them in."""

    @staticmethod
    def saved(path, *images, **more):
        first, *others = map(Image.fromarray, images)
        first.save(path, save_all=True, append_images=others, **more)
        return path

    @pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
    def test_a_blank_first_frame_hides_nothing(self, models, tmp_path, name):
        path = self.saved(tmp_path / name, frame(), frame((40, 30, 250)), duration=[200, 800])
        for source in (path, path.read_bytes()):
            report = check(source, models=models, detector=Squares())
            assert (report.kind, report.trusted) == ("video", False)
            assert (report.watched.seconds, report.watched.frames, report.watched.sampled) == (1.0, 2, 2)
            (face,) = report.faces
            assert (face.timeline.times, face.box) == ((0.2,), (40, 30, 32, 32))

    def test_every_page_of_a_tiff_is_judged(self, models, tmp_path):
        """The fourth of five shows the attack, in the place of the live faces: pages are never joined."""
        pages = [frame((40, 30, 250 if n == 3 else 10)) for n in range(5)]
        report = check(self.saved(tmp_path / "a.tiff", *pages), models=models, detector=Squares())
        assert (report.trusted, report.watched.frames, report.watched.sampled) == (False, 5, 5)
        assert report.verdicts[0].score == pytest.approx(score(250), abs=0.03)
        assert [face.timeline.times for face in report.faces] == [(float(n),) for n in range(5)]

    def test_evidence_and_names(self, models, tmp_path):
        path = self.saved(tmp_path / "a.gif", frame(), frame((40, 30, 250)), duration=[200, 800])
        (report,) = check_many([path], models=models, detector=Squares(), evidence=tmp_path / "maps")
        assert report.source == str(path)
        assert [each.name for each in (tmp_path / "maps").iterdir()] == ["a.track-1.evidence.png"]

    def test_a_damaged_one_is_a_failure_that_names_it(self, models, tmp_path):
        path = self.saved(tmp_path / "a.gif", frame(), frame((40, 30, 250)), duration=200)
        path.write_bytes(path.read_bytes()[:-20])
        (result,) = check_many([path], models=models, detector=Squares())
        assert isinstance(result, Failure)
        assert str(result.error).startswith(f"{path}: frame 1 is damaged")


@pytest.mark.skipif(not CASES.is_dir(), reason="no cases beside the checkout")
class TestFilms:
    """The bundled model and detector on films of one portrait, some of it made an attack."""

    def test_a_cut_to_another_person_and_half_an_attack(self):
        for name, at in (("cut.mp4", 2.0), ("splice50.mp4", 4.0)):
            report = check(CASES / name)
            before, after = report.faces
            assert before.timeline.last < at < after.timeline.first
            # Faces of 50 pixels, one of them grey: beyond what the bundled models are proven on.
            assert report.trusted is None
            assert all(face.not_judged and not face.verdicts for face in report.faces)

    def test_a_variable_rate(self):
        report = check(CASES / "vfr.mkv")
        assert report.watched.seconds == pytest.approx(24.5, abs=0.1)
        assert report.faces[0].timeline.last > 20
        assert len(report.faces) == 1

    def test_a_blank_first_frame(self):
        report = check(CASES / "anim_blankfirst.webp")
        assert (report.kind, report.faces[0].timeline.first) == ("video", 0.2)


class TestAmongPictures:
    def test_check_takes_a_video_by_its_name(self, ask, models, film, tmp_path):
        path = film(tmp_path / "A.MP4", [frame((40, 30, 250))] * 5)
        for source in (path, str(path)):
            report = check(source, models=models, detector=Squares())
            assert report.model_copy(update={"timings": {}}) == ask(path).model_copy(update={"timings": {}})

    @pytest.mark.parametrize("batch", [1, 8])
    def test_what_cannot_be_decoded_stops_nothing(self, models, film, tmp_path, batch):
        good = film(tmp_path / "good.avi", [frame((40, 30, 250))] * 20)
        data = good.read_bytes()
        for name, share in (("cut.avi", 0.7), ("header.avi", 0.05), ("empty.mp4", 0.0)):
            (tmp_path / name).write_bytes(data[: int(len(data) * share)])
        (tmp_path / "text.mov").write_text("this is no video")
        Image.fromarray(frame((40, 30, 10))).save(tmp_path / "live.png")
        names = [
            "live.png",
            "cut.avi",
            "good.avi",
            "header.avi",
            "empty.mp4",
            "text.mov",
            "no.mkv",
            "live.png",
        ]
        told = []
        results = list(
            check_many(
                [tmp_path / name for name in names],
                models=models,
                detector=Squares(),
                batch=batch,
                progress=lambda *numbers: told.append(numbers),
            )
        )
        assert [result.source for result in results] == [str(tmp_path / name) for name in names]
        failed = {name for name, result in zip(names, results, strict=True) if isinstance(result, Failure)}
        assert failed == {"cut.avi", "header.avi", "empty.mp4", "text.mov", "no.mkv"}
        for result in results:
            if isinstance(result, Failure):
                assert str(result.error).startswith(result.source)
                assert "\n" not in str(result.error)
        good_one = results[names.index("good.avi")]
        assert (good_one.kind, good_one.trusted) == ("video", False)
        assert results[0].trusted is results[-1].trusted is True
        assert told == [(str(good), n, 3) for n in (1, 2, 3)]

    def test_overlays_of_namesakes_do_not_meet(self, models, film, tmp_path):
        paths = [film(tmp_path / name / "a.avi", [frame((40, 30, 250))] * 5) for name in "xy"]
        list(check_many(paths, models=models, detector=Squares(), evidence=tmp_path / "maps"))
        names = sorted(path.name for path in (tmp_path / "maps").iterdir())
        assert names == ["a.track-1-2.evidence.png", "a.track-1.evidence.png"]
