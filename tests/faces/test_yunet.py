from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from facetrust.errors import ModelError
from facetrust.faces.detector import find_faces, open_detector


def test_the_face_and_its_points(yunet, portrait, near_face):
    face = yunet.detect(portrait)[0]
    assert near_face(face.box)
    assert len(face.points) == 5
    assert face.points[0][0] < face.points[1][0]
    assert face.points[0][1] < face.points[3][1]


def test_opening_is_quiet(peers, capfd):
    open_detector(peers / "yunet_2023mar.onnx")
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.parametrize("size", [(8, 8), (8, 5000), (3000, 9)])
def test_narrow_strips_hold_no_face(yunet, size):
    assert yunet.detect(np.full((*size, 3), 90, np.uint8)) == []


def test_both_detectors_give_boxes_of_one_size(yunet, mtcnn, portrait):
    ours, theirs = (find_faces(portrait, detector).faces[0].box for detector in (mtcnn, yunet))
    assert max(ours[2:]) / max(theirs[2:]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("content", [b"", b"not a network"])
def test_a_file_that_is_no_yunet(tmp_path, content):
    path = tmp_path / "detector.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is not a YuNet file") as caught:
        open_detector(path)
    assert "\n" not in str(caught.value)


def test_another_network_is_no_yunet(write_model):
    with pytest.raises(ModelError, match="is not a YuNet file"):
        open_detector(write_model())


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match="no such detector file"):
        open_detector(tmp_path / "none.onnx")


def test_threads_may_share_one(yunet, portrait):
    pictures = [portrait[:side, :side] for side in range(300, 512, 20)]
    alone = [yunet.detect(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(yunet.detect, pictures)) == alone
