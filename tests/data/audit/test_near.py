import itertools

import cv2
import numpy as np

from facetrust.data.audit._near import look_hash, near_hashes, near_pairs, thumbnail


def scene(seed: int, size: tuple[int, int] = (120, 100)) -> np.ndarray:
    """Soft random blobs: a picture as unlike the next one as photos are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def looks(images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([look_hash(image) for image in images], np.uint64), np.stack(
        [thumbnail(i) for i in images]
    )


def test_near_hashes_against_all_pairs() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2**63, 60, dtype=np.uint64)
    flips = [
        sum(1 << int(bit) for bit in rng.choice(64, rng.integers(1, 10), replace=False)) for _ in range(200)
    ]
    some = np.array([int(base[rng.integers(60)]) ^ flip for flip in flips], np.uint64)
    hashes = np.unique(np.concatenate([base, some]))
    for nearest in (0, 3, 7):
        slow = {
            (i, j)
            for i, j in itertools.combinations(range(hashes.size), 2)
            if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= nearest
        }
        found = {
            pair
            for left, right in near_hashes(hashes, nearest=nearest)
            for pair in zip(left.tolist(), right.tolist(), strict=True)
        }
        assert found == slow
        assert slow or nearest == 0


def test_copies_are_found_and_strangers_are_not() -> None:
    originals = [scene(seed) for seed in range(40)]
    copies = [
        cv2.imdecode(cv2.imencode(".jpg", originals[0], [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR),
        cv2.resize(originals[1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        np.clip(originals[2] * 1.1 + 5, 0, 255).astype(np.uint8),
        originals[3].copy(),
    ]
    hashes, thumbs = looks(originals + copies)
    groups = np.repeat([0, 1], [40, 4])
    assert near_pairs(hashes, thumbs, groups) == [(0, 40), (1, 41), (2, 42), (3, 43)]
    assert near_pairs(hashes, thumbs, np.zeros(44, int)) == []


def test_the_thumbnail_settles_what_the_hash_suggests() -> None:
    hashes = np.array([7, 7, 7], np.uint64)
    thumbs = np.stack([thumbnail(scene(seed)) for seed in (0, 1, 0)])
    assert near_pairs(hashes, thumbs, np.array([0, 1, 2])) == [(0, 2)]


def test_a_crowd_with_one_hash_stays_quick() -> None:
    one = thumbnail(scene(0))
    pairs = near_pairs(np.full(4000, 5, np.uint64), np.tile(one, (4000, 1)), np.arange(4000) % 2)
    assert len(pairs) == 64 * 64


def test_blank_pictures_are_not_alike() -> None:
    blank = [np.full((20, 20, 3), value, np.uint8) for value in (0, 255)]
    hashes, thumbs = looks(blank)
    assert near_pairs(hashes, thumbs, np.array([0, 1])) == []
