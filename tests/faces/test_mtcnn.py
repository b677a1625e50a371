import numpy as np
import pytest

from facetrust.faces.mtcnn import Mtcnn, _patches, _pyramid


def test_the_face_and_its_points(mtcnn, portrait, near_face):
    faces = mtcnn.detect(portrait)
    assert near_face(faces[0].box)
    assert faces[0].confidence > 0.97
    left_eye, right_eye, nose, left_mouth, right_mouth = faces[0].points
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_faces_come_in_order_of_confidence(mtcnn, portrait):
    beside = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
    found = [face.confidence for face in mtcnn.detect(beside)]
    assert len(found) >= 2
    assert found == sorted(found, reverse=True)


def test_the_box_follows_the_picture(mtcnn, portrait, near_face):
    larger = np.repeat(np.repeat(portrait, 2, axis=0), 2, axis=1)
    box = mtcnn.detect(larger)[0].box
    assert near_face([side / 2 for side in box])


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_face_is_never_sure(mtcnn, portrait, turns):
    turned = np.ascontiguousarray(np.rot90(portrait, turns))
    assert all(face.confidence < Mtcnn.sure for face in mtcnn.detect(turned))


@pytest.mark.parametrize("size", [(8, 8), (11, 200), (12, 12), (9, 3000)])
def test_pictures_too_small_for_a_face_hold_none(mtcnn, size):
    assert mtcnn.detect(np.full((*size, 3), 128, np.uint8)) == []


def test_the_pyramid_ends_where_a_window_no_longer_fits():
    sizes = _pyramid((120, 240), 0.1)
    assert sizes[0] == (60, 120)
    assert all(min(size) >= 12 for size in sizes)
    assert min(sizes[-1]) * 0.709 < 12


def test_patches_outside_the_picture_are_black():
    white = np.full((40, 40, 3), 255, np.uint8)
    patch = _patches(white, np.float32([[-20, 0, 20, 40]]), 24)[0]
    assert patch.shape == (3, 24, 24)
    np.testing.assert_allclose(patch[:, :, :11], -127.5 / 128)
    np.testing.assert_allclose(patch[:, :, 13:], 127.5 / 128)
