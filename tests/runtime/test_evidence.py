import cv2
import numpy as np
import pytest

from facetrust.errors import UsageError
from facetrust.imaging import align_face, crop_face, cut_out
from facetrust.imaging.crop import window_of as window
from facetrust.records import Face, Preprocessing, Verdict
from facetrust.runtime.evidence import EvidenceMap, free_name, overlay, write_overlay

HOW = Preprocessing(margins=(1.5,), size=(32, 32))
BOX = (200.0, 100.0, 100.0, 120.0)


def judged(decision="attack", box=BOX):
    verdict = Verdict(task="antispoof", score=0.9, threshold=0.5, decision=decision, model="tiny@1")
    return Face(box=box, points=(), confidence=1.0, verdicts=(verdict,))


@pytest.fixture
def grey():
    return np.full((480, 640, 3), 120, np.uint8)


@pytest.mark.parametrize("fill", ["shift", "zero", "edge"])
@pytest.mark.parametrize("square", [True, False])
@pytest.mark.parametrize(
    "box", [BOX, (-20.0, -30.0, 90.0, 100.0), (500.0, 300.0, 300.0, 300.0), (9.0, 9.0, 900.0, 700.0)]
)
def test_the_window_is_what_the_crop_is_cut_from(fill, square, box):
    """A picture whose pixels hold their own place tells where a crop came from."""
    how = Preprocessing(margins=(1.5,), size=(8, 8), fill=fill, square=square)
    rows, columns = np.mgrid[1:481, 1:641]
    places = np.stack([columns // 256, columns % 256, rows // 256], axis=2).astype(np.uint8)
    x, y, w, h = window(places.shape, box, how)
    centre = (x + w / 2, y + h / 2)
    if fill == "shift":
        assert min(x, y, 640 - x - w, 480 - y - h) >= 0
    expected = cut_out(places, centre, (h, w), fill=fill)
    resized = cv2.resize(
        expected, (8, 8), interpolation=cv2.INTER_AREA if expected.shape[0] > 8 else cv2.INTER_LINEAR
    )
    difference = np.abs(crop_face(places, box, how).astype(int) - resized)
    assert np.median(difference) <= 1


def test_positive_evidence_is_red_negative_blue_and_nothing_lies_outside(grey):
    values = np.float32([[2, 2], [-2, -2]])
    made = overlay(grey, [], [EvidenceMap("antispoof", BOX, HOW, values)])
    x, y, w, h = (round(side) for side in window(grey.shape, BOX, HOW))
    upper, lower = made[y + 10, x + w // 2].astype(int), made[y + h - 10, x + w // 2].astype(int)
    assert upper[0] > 120 > upper[2]
    assert lower[2] > 120 > lower[0]
    assert (made[:480][:, : x - 1] == 120).all()
    assert (made[: y - 1] == 120).all()


def test_a_verdict_of_the_picture_stands_in_its_corner(grey):
    verdict = judged("attack").verdicts[0]
    made = overlay(grey, [], [], verdicts=[verdict])
    assert tuple(made[2, 2]) == (214, 40, 40)
    assert (made[40:480] == 120).all()


def test_weak_evidence_is_not_blown_up(grey):
    made = overlay(grey, [], [EvidenceMap("antispoof", BOX, HOW, np.full((2, 2), 0.05, np.float32))])
    assert np.abs(made[:480].astype(int) - 120).max() < 10


def test_the_frame_tells_the_decision(grey):
    bad, good = overlay(grey, [judged()], []), overlay(grey, [judged("bona fide")], [])
    x, y = round(BOX[0]), round(BOX[1] + 60)
    assert bad[y, x, 0] > bad[y, x, 1]
    assert good[y, x, 1] > good[y, x, 0]


@pytest.mark.parametrize("size", [(8, 8), (30, 200), (3000, 4000), (2000, 40)])
def test_any_size_of_picture_with_boxes_reaching_outside(size):
    image = np.zeros((*size, 3), np.uint8)
    box = (-3.0, -3.0, size[1] + 5.0, size[0] + 5.0)
    made = overlay(
        image, [judged(box=box)], [EvidenceMap("antispoof", box, HOW, np.ones((4, 4), np.float32))]
    )
    assert made.dtype == np.uint8
    assert 480 <= max(made.shape[:2]) <= 1400


def test_the_picture_itself_is_not_painted_on(grey):
    overlay(grey, [judged()], [EvidenceMap("antispoof", BOX, HOW, np.ones((4, 4), np.float32))])
    assert (grey == 120).all()


def test_each_task_has_a_panel_of_its_own(grey):
    """Maps that pull apart at the same place, and legends that say of what each speaks."""
    live, fake = (
        EvidenceMap(task, BOX, HOW, np.full((2, 2), value, np.float32))
        for task, value in (("antispoof", -2), ("deepfake", 3))
    )
    both = overlay(grey, [judged()], [live, fake, live])
    assert np.array_equal(both[:, :640], overlay(grey, [judged()], [live]))
    assert np.array_equal(both[:, 640:], overlay(grey, [judged()], [fake]))
    same = overlay(grey, [judged()], [fake._replace(task="antispoof")])
    inside = np.s_[190:210, 220:280]  # Of the face, clear of the frame, which has its own question's colour.
    assert np.array_equal(both[:, 640:][inside], same[inside])
    assert not np.array_equal(both[480:, 640:], same[480:])


def test_the_file_is_a_png_written_whole(tmp_path, grey):
    path = tmp_path / "new" / "a.evidence.png"
    write_overlay(path, overlay(grey, [judged()], []))
    assert path.read_bytes().startswith(b"\x89PNG")
    assert cv2.imread(str(path)).shape == (524, 640, 3)
    assert [entry.name for entry in path.parent.iterdir()] == ["a.evidence.png"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, grey):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="is not a folder; give one for evidence") as caught:
        write_overlay(tmp_path / "file" / "a.png", grey)
    assert "\n" not in str(caught.value)


def test_names_do_not_collide():
    assert free_name("dir/photo.jpg", set()) == "photo.evidence.png"
    assert free_name("other/photo.png", {"photo.evidence.png"}) == "photo-2.evidence.png"
    assert free_name("<bytes>", set()) == "bytes.evidence.png"


def test_what_has_no_sign_is_neither_red_nor_blue_and_the_legend_says_so(grey):
    values = np.float32([[1, 1], [0, 0]])
    made = overlay(grey, [], [EvidenceMap("antispoof", BOX, HOW, values)], signed=False)
    x, y, w, h = (round(side) for side in window(grey.shape, BOX, HOW))
    red, green, blue = made[y + 10, x + w // 2].astype(int)
    assert red > green > blue
    assert green >= 120
    assert (made[y + h - 10, x + w // 2] == 120).all()
    signed = overlay(grey, [], [EvidenceMap("antispoof", BOX, HOW, values)])
    assert not np.array_equal(made[480:], signed[480:])


def test_a_question_has_the_colour_of_its_own_verdict(grey):
    """A face that one model takes for live and the other, advisory, for manipulated."""
    live, fake = judged("bona fide").verdicts[0], judged().verdicts[0]
    fake = fake.model_copy(update={"task": "deepfake", "decision": "manipulated", "advisory": True})
    face = Face(box=BOX, points=(), confidence=1.0, verdicts=(live, fake))
    none = np.zeros((2, 2), np.float32)
    made = overlay(grey, [face], [EvidenceMap(task, BOX, HOW, none) for task in ("antispoof", "deepfake")])
    x, y = round(BOX[0]), round(BOX[1] + 60)
    edges = made[y, x], made[y, x + 640]
    assert edges[0][1] > edges[0][0]
    assert edges[1][0] > edges[1][1]


def test_evidence_of_an_aligned_face_lies_where_the_face_lies(grey):
    """A turned face: what is marked on the aligned crop's upper half is found on it when it is cut again."""
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    template = np.array([(38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2)])
    points = [tuple(float(v) for v in turn @ (point - 56) * 2 + (320, 240)) for point in template]
    how = Preprocessing(size=(112, 112), align="points")
    values = np.zeros((8, 8), np.float32)
    values[:4] = 5
    made = overlay(grey, [], [EvidenceMap("antispoof", BOX, how, values, points)])[:480]
    again = align_face(made, points, (112, 112)).astype(int)
    redness = again[:, :, 0] - again[:, :, 2]
    assert redness[5:50, 8:-8].min() > 60
    assert np.abs(redness[64:-5, 8:-8]).max() < 20
