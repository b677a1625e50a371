from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from facetrust.data.augment import camera as augment
from facetrust.data.augment import flip as contrast
from facetrust.data.augment.harmless import Changed
from facetrust.data.augment.sharpness import sharpness
from facetrust.data.batches import Failed, collate
from facetrust.data.dataset import FaceData, box_of
from facetrust.data.manifest import absolute
from facetrust.data.sampler import EpochSampler
from facetrust.data.simulate import SPECIES, beside, manipulate, simulate
from facetrust.errors import UnknownName, UsageError
from facetrust.imaging import crop_face, read_image, to_tensor
from facetrust.records import Preprocessing, Sample

SMALL = Preprocessing(margins=(1.0, 2.0), size=(24, 24))
VIEWS = {"student": SMALL, "teacher": Preprocessing(margins=(1.5,), size=(16, 16), color="BGR", top=255.0)}

GOLDEN = [[0.3686, 0.3765, 0.3608], [0.3210, 0.3444, 0.2976], [0.3373, 0.3373, 0.3373]]


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    rng = np.random.default_rng(0)
    rows = []
    for index in range(6):
        name = f"{index}.png"
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (60, 50, 3), dtype=np.uint8))
        rows.append(Sample(path=name, label=index % 2, split="train", domain="d", x=10, y=12, w=20, h=24))
    return absolute(rows, tmp_path)


def test_a_plain_item_is_the_crop_of_the_card(samples: list[Sample]) -> None:
    item = FaceData(samples, views=VIEWS)[3]
    image = read_image(samples[3].path)
    for name, how in VIEWS.items():
        for index, margin in enumerate(how.margins):
            crop = to_tensor(crop_face(image, (10, 12, 20, 24), how, margin=margin), how)
            assert np.array_equal(item["views"][name][index].numpy(), crop)
    assert item["target"] == 1.0
    assert item["index"] == 3


def test_items_depend_on_seed_epoch_and_index_only(samples: list[Sample]) -> None:
    data = FaceData(samples, views=VIEWS, training=True, tight=0.5, simulate=0.5, seed=5)
    key = 2 * len(samples) + 4
    first = data[key]["views"]["student"]
    _ = data[0]
    assert torch.equal(first, data[key]["views"]["student"])
    assert not torch.equal(first, data[key + len(samples)]["views"]["student"])
    other = FaceData(samples, views=VIEWS, training=True, tight=0.5, simulate=0.5, seed=6)
    assert not torch.equal(first, other[key]["views"]["student"])


def test_beside_self_blends_the_others_are_changed_as_often(samples: list[Sample]) -> None:
    """Otherwise what is sharpened or coarse all over would be told apart by that, not by its face."""
    plain = FaceData(samples, views=VIEWS)
    data = FaceData(samples, views=VIEWS, simulate=0.5, species=("self-blend",), seed=3)
    items = [data[key] for key in range(60 * len(samples))]
    whole = [plain[index]["views"]["teacher"] for index in range(len(samples))]
    same = {
        faked: [
            torch.equal(i["views"]["teacher"], whole[i["index"]]) for i in items if i["simulated"] == faked
        ]
        for faked in (True, False)
    }
    assert 0.4 < np.mean(same[False]) < 0.6
    assert not any(same[True])
    assert all(item["target"] == float(samples[item["index"]].label or item["simulated"]) for item in items)
    unsimulated = FaceData(samples, views=VIEWS, species=("self-blend",), seed=3)
    assert torch.equal(unsimulated[0]["views"]["teacher"], whole[0])


def test_only_the_student_sees_the_degraded_face(samples: list[Sample]) -> None:
    plain = FaceData(samples, views=VIEWS)
    data = FaceData(samples, views=VIEWS, training=True, strength=1.0, tight=1.0)
    assert torch.equal(data[1]["views"]["teacher"], plain[1]["views"]["teacher"])
    assert not torch.equal(data[1]["views"]["student"][0], plain[1]["views"]["student"][0])
    assert data[1]["views"]["student"].shape == (1, 3, 24, 24)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_the_camera_style_draws_in_a_fixed_order(samples: list[Sample], strength: float) -> None:
    """Attack or not, mirror, tight or not, light and lens, margin, box: recipes of old give the same run."""
    data = FaceData(
        samples, views=VIEWS, training=True, simulate=0.4, tight=0.5, strength=strength, margins=(1.0, 2.0)
    )
    for key in range(24):
        rng = np.random.default_rng([0, key // 6, key % 6])
        image, box = read_image(samples[key % 6].path), (10.0, 12.0, 20.0, 24.0)
        if key % 2 == 0 and rng.random() < 0.4:
            image = simulate(image, box, species=str(rng.choice(SPECIES)), rng=rng)
        else:
            image = beside(image, box, species=SPECIES, rng=rng)
        if rng.random() < 0.5:
            image, box = augment.mirror(image, box)
        if rng.random() < 0.5:
            image, box = augment.tighten(image, box, rng)
        image = augment.degrade(image, rng, strength=strength)
        margin = rng.uniform(1.0, 2.0)
        crop = crop_face(image, augment.jitter(box, rng), SMALL, margin=margin)
        assert np.array_equal(data[key]["views"]["student"][0].numpy(), to_tensor(crop, SMALL))


def test_planted_pictures_look_as_they_always_did(tmp_path: Path) -> None:
    """Means of the student's view of a slope, written down before there were other styles."""
    y, x = np.mgrid[0:60, 0:50]
    slope = np.stack([4 * x, 4 * y, 2 * (x + y)], axis=2).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "slope.png"), slope)
    row = Sample(path=str(tmp_path / "slope.png"), label=0, split="train", x=10, y=12, w=20, h=24)
    data = FaceData([row], views=VIEWS, training=True, strength=0.0, tight=0.5, seed=7)
    means = np.array([data[key]["views"]["student"].mean((0, 2, 3)).numpy() for key in range(3)])
    assert np.allclose(means, GOLDEN, atol=2e-3)


def test_the_flip_style_only_mirrors_and_changes_the_saturation(samples: list[Sample]) -> None:
    how = Preprocessing(margins=(1.0,), size=(24, 24))  # The crop's own size, so that nothing is resampled.
    views = {"student": how, "teacher": how}
    data = FaceData(samples, views=views, training=True, style="flip", tight=1.0)
    kinds: Counter[tuple[bool, bool]] = Counter()
    for key in range(120):
        item = data[key]["views"]
        seen, plain = item["student"][0], item["teacher"][0]
        highest = [torch.equal(way.amax(0), plain.amax(0)) for way in (seen, seen.flip(2))]
        assert any(highest), "saturation leaves the brightest channel alone"
        kinds[highest[1], torch.equal(seen.flip(2) if highest[1] else seen, plain)] += 1
    assert len(kinds) == 4
    assert all(15 <= number <= 45 for number in kinds.values())


def test_contrast_views_are_views_of_the_student_crop(samples: list[Sample]) -> None:
    settings = {"views": VIEWS, "training": True, "style": "flip", "margins": (1.0, 2.0)}
    without, data = FaceData(samples, **settings), FaceData(samples, contrast=2, **settings)
    for key in (1, 9):
        item, rng = data[key], np.random.default_rng([0, *divmod(key, 6)])
        image, box = read_image(samples[key % 6].path), (10.0, 12.0, 20.0, 24.0)
        if rng.random() < 0.5:
            image, box = augment.mirror(image, box)
        image = contrast.base(image, rng)
        crop = crop_face(image, box, SMALL, margin=rng.uniform(1.0, 2.0))
        for name in ("contrast-0", "contrast-1"):
            expected = to_tensor(contrast.view(crop, (24, 24), rng), SMALL)
            assert np.array_equal(item["views"][name].numpy(), expected[None])
        assert torch.equal(item["views"]["student"], without[key]["views"]["student"])
    assert collate([data[0], data[1]])["views"]["contrast-1"].shape == (2, 1, 3, 24, 24)
    assert set(FaceData(samples, views=VIEWS, contrast=2)[0]["views"]) == {"student", "teacher"}


def test_a_picture_has_as_many_augmentations_as_draws(samples: list[Sample]) -> None:
    settings = {"views": VIEWS, "training": True, "simulate": 0.5, "seed": 3}
    free, data = FaceData(samples, **settings), FaceData(samples, draws=3, **settings)
    for epoch in range(7):
        item = data[6 * epoch + 2]
        assert item["key"] == 6 * (epoch % 3) + 2
        assert free[6 * epoch + 2]["key"] == 6 * epoch + 2
        assert torch.equal(item["views"]["student"], free[item["key"]]["views"]["student"])
    batch = collate([data[6 * epoch + 4] for epoch in range(4)])
    assert batch["key"].dtype == torch.int64
    assert batch["key"].tolist() == [4, 10, 16, 4]
    assert len({view.numpy().tobytes() for view in batch["views"]["student"]}) == 3


class TestPairs:
    SETTINGS: ClassVar[dict[str, Any]] = {
        "species": ("self-blend", "digital-spoof"),
        "pairs": True,
        "masks": True,
    }

    def test_a_genuine_face_comes_with_its_manipulation_and_differs_only_under_the_mask(
        self, samples: list[Sample]
    ) -> None:
        data = FaceData(samples, views=VIEWS, training=True, strength=0.0, tight=1.0, **self.SETTINGS)
        count, changed = len(samples), []
        for number in range(0, 20, 2):
            real, fake = data[number * count], data[(number + 1) * count]
            assert (real["target"], fake["target"]) == (0.0, 1.0)
            assert not real["mask"].any()
            difference = (real["views"]["student"] - fake["views"]["student"]).abs().amax(1)
            assert difference.shape == fake["mask"].shape == (1, 24, 24)
            assert difference[fake["mask"] == 0].max() < 1.5 / 255  # a mask under half a level is none
            changed.append(float(difference.max()))
        assert np.mean(np.array(changed) > 0.02) > 0.8

    def test_degraded_and_mirrored_alike(self, samples: list[Sample]) -> None:
        data = FaceData(samples, views=VIEWS, training=True, strength=1.0, **self.SETTINGS)
        outside = []
        for number in range(0, 20, 2):
            real, fake = data[number * len(samples)], data[(number + 1) * len(samples)]
            difference = (real["views"]["student"] - fake["views"]["student"]).abs().amax(1)
            outside.append(float(difference[fake["mask"] == 0].mean()))
        # Blur and JPEG carry a little of the face outside; another mirror or noise would carry all.
        assert np.median(outside) < 0.1

    def test_attacks_stay_what_they_are_and_are_covered_whole(self, samples: list[Sample]) -> None:
        data = FaceData(samples, views=VIEWS, training=True, **self.SETTINGS)
        item = data[1]
        assert (item["target"], item["simulated"], float(item["mask"].min())) == (1.0, False, 1.0)

    def test_the_mask_lies_where_the_blend_does(self, samples: list[Sample]) -> None:
        """Planted: what is drawn by hand with the item's own generator, cropped as the picture is."""
        data = FaceData(samples, views=VIEWS, simulate=1.0, species=("self-blend",), masks=True, seed=4)
        rng = np.random.default_rng([4, 0, 2])
        rng.random()
        rng.choice(["self-blend"])
        image, box = read_image(samples[2].path), (10, 12, 20, 24)
        blend = manipulate(image, box, species="self-blend", rng=rng)
        levels = np.round(blend.mask * 255).astype(np.uint8)
        crops = [crop_face(np.dstack([levels] * 3), box, SMALL, margin=margin)[:, :, 0] for margin in (1, 2)]
        item = data[2]
        assert torch.equal(item["mask"], torch.from_numpy(np.stack(crops).astype(np.float32) / 255))
        assert collate([item, item])["mask"].shape == (2, 2, 24, 24)
        assert "mask" not in FaceData(samples, views=VIEWS)[2]


class TestSwapsInPairs:
    """Faces of two people, one of whom gets the other's."""

    SETTINGS: ClassVar[dict] = {"pairs": True, "masks": True, "species": ("face-swap", "part-swap")}

    @pytest.fixture
    def people(self, samples: list[Sample]) -> list[Sample]:
        points = [(16, 20), (24, 20), (20, 25), (17, 30), (23, 30)]
        return [
            row.model_copy(update={"label": 0, "subject": f"s{n}", "points": points})
            for n, row in enumerate(samples)
        ]

    def test_the_two_differ_where_the_mask_lies_and_nowhere_else(self, people: list[Sample]) -> None:
        data = FaceData(people, views=VIEWS, training=True, strength=0.0, **self.SETTINGS)
        for index in range(6):
            real, fake = data[index], data[len(people) + index]
            assert (real["target"], fake["target"]) == (0.0, 1.0)
            difference = (real["views"]["student"] - fake["views"]["student"]).abs().amax(1)
            assert float(difference[fake["mask"] == 0].max()) < 1.5 / 255  # of a mask that rounds to 0
            assert float(difference[fake["mask"] > 0.5].mean()) > 0.05

    def test_a_pair_asked_for_in_turn_is_what_each_is_alone(self, people: list[Sample]) -> None:
        """The blend that is kept for the second must be the one that it would make itself."""
        settings = {"training": True, "style": "any-camera", "matched": 0.5, **self.SETTINGS}
        data = FaceData(people, views=VIEWS, **settings)
        for index in range(6):
            together = [data[index], data[len(people) + index]]
            alone = [FaceData(people, views=VIEWS, **settings)[key] for key in (index, len(people) + index)]
            for one, other in zip(together, alone, strict=True):
                assert torch.equal(one["views"]["student"], other["views"]["student"])
                assert torch.equal(one["mask"], other["mask"])

    def test_matched_faces_are_equally_sharp(self, people: list[Sample]) -> None:
        whole = Preprocessing(margins=(1.0,), size=(24, 20), square=False)
        settings = self.SETTINGS | {"species": ("self-blend", "regeneration")}
        levels = []
        for matched in (0.0, 1.0):
            data = FaceData(people, views={"student": whole}, matched=matched, **settings)
            pairs = [(data[n], data[len(people) + n]) for n in range(6)]
            crops = [
                [
                    (item["views"]["student"][0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
                    for item in pair
                ]
                for pair in pairs
            ]
            levels.append(np.mean([abs(np.log(sharpness(a) / sharpness(b))) for a, b in crops]))
        assert levels[1] < 0.5 * levels[0]

    def test_people_without_points_cannot_be_swapped(self, samples: list[Sample]) -> None:
        with pytest.raises(UsageError, match="two people with five points"):
            FaceData(samples, views=VIEWS, **self.SETTINGS)
        with pytest.raises(UnknownName, match="codec"):
            FaceData(samples, views=VIEWS, codecs=["jpg"])


@pytest.mark.parametrize("training", [False, True])
def test_a_view_of_the_same_sees_what_the_student_sees(samples: list[Sample], training: bool) -> None:
    bgr = SMALL.model_copy(update={"margins": (3.0,), "color": "BGR"})
    views = {"student": SMALL, "along": bgr, "apart": bgr}
    data = FaceData(samples, views=views, training=training, tight=0.5, same=["along"])
    for key in range(6):
        item = data[key]["views"]
        assert torch.equal(item["along"], item["student"].flip(1))
        assert item["apart"].shape == (1, 3, 24, 24)
        assert not torch.equal(item["apart"], item["along"][:1])


def test_simulation_turns_live_faces_into_attacks_for_every_view(samples: list[Sample]) -> None:
    plain, data = FaceData(samples, views=VIEWS), FaceData(samples, views=VIEWS, simulate=1.0)
    assert [data[i]["target"] for i in range(6)] == [1.0] * 6
    assert [data[i]["simulated"] for i in range(6)] == [True, False] * 3
    assert not torch.equal(data[0]["views"]["teacher"], plain[0]["views"]["teacher"])
    assert not torch.equal(data[1]["views"]["teacher"], plain[1]["views"]["teacher"]), "by the same camera"


def test_an_unreadable_picture_is_put_aside_and_no_label_moves(samples: list[Sample]) -> None:
    Path(samples[2].path).write_bytes(b"not a picture")
    Path(samples[4].path).unlink()
    batch = collate([FaceData(samples, views=VIEWS)[i] for i in range(6)])
    assert batch["index"].tolist() == [0, 1, 3, 5]
    assert batch["target"].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert [Path(row.path).name for row in batch["failed"]] == ["2.png", "4.png"]
    assert all(isinstance(row, Failed) and "\n" not in row.reason for row in batch["failed"])
    assert collate(batch["failed"])["index"].tolist() == []


def test_what_teachers_said_stays_with_its_key(samples: list[Sample]) -> None:
    said = {key: {"logit": np.float64(key), "map": np.full((2, 3), -key, np.float16)} for key in range(12)}
    data = FaceData(samples, views=VIEWS, training=True, draws=2, taught=said)
    Path(samples[1].path).unlink()
    batch = collate([data[key] for key in (3 + 4 * 6, 1, 5 + 3 * 6)])
    assert batch["index"].tolist() == [3, 5]
    assert batch["taught"]["logit"].tolist() == [3.0, 5.0 + 6]
    assert batch["taught"]["map"].dtype == torch.float32
    assert torch.equal(batch["taught"]["map"], -torch.tensor([3.0, 11.0])[:, None, None].expand(2, 2, 3))
    assert "taught" not in collate([FaceData(samples, views=VIEWS)[0]])


def test_workers_give_the_same_batches_as_none(samples: list[Sample]) -> None:
    data = FaceData(samples, views=VIEWS, training=True, seed=1)
    runs = []
    for workers in (0, 2):
        sampler = EpochSampler(len(data), seed=1)
        sampler.set_epoch(3)
        loader = DataLoader(data, batch_size=4, sampler=sampler, num_workers=workers, collate_fn=collate)
        runs.append(torch.cat([batch["views"]["student"] for batch in loader]))
    assert torch.equal(*runs)


def test_a_row_without_a_box_is_all_face() -> None:
    sample = Sample(path="p", label=0, split="dev")
    assert box_of(sample, np.zeros((30, 40, 3), np.uint8)) == (0.0, 0.0, 40.0, 30.0)


def test_no_samples_is_an_error() -> None:
    with pytest.raises(UsageError, match="no samples"):
        FaceData([], views=VIEWS)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"style": "flop"}, "no style named 'flop'; did you mean 'flip'"),
        ({"same": ["techer"]}, "no view named 'techer'; did you mean 'teacher'"),
        ({"species": ["prnt"]}, "no attack species named 'prnt'"),
        ({"draws": -1}, "draws=-1"),
        ({"pairs": True, "draws": 3, "species": ("self-blend",)}, "even number"),
        ({"pairs": True}, "has no genuine picture beside it"),
        ({"views": {}, "masks": True}, "add a view named 'student'"),
        ({"contrast": 1, "views": {"teacher": SMALL}}, "add a view named 'student'"),
    ],
)
def test_a_wrong_setting_is_named(samples: list[Sample], wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        FaceData(samples, **{"views": VIEWS, **wrong})


ANY = {"style": "any-camera", "strength": 0.0, "margins": (1.0, 1.0)}


def test_through_any_camera_the_student_sees_its_crop_and_so_do_teachers_of_the_same(
    samples: list[Sample],
) -> None:
    how = Preprocessing(margins=(1.0,), size=(24, 24))
    views = {"student": how, "same": how, "clean": how}
    data = FaceData(samples, views=views, training=True, same=["same"], **ANY)  # type: ignore[arg-type]
    for key in range(12):
        item = data[key]
        assert item["views"]["student"].shape == (1, 3, 24, 24)
        assert torch.equal(item["views"]["student"], item["views"]["same"])
        plain = FaceData(samples, views={"student": how})[key % 6]["views"]["student"]
        assert torch.equal(item["views"]["clean"], plain)


def test_a_turned_crop_is_the_crop_turned(samples: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    how = Preprocessing(margins=(1.0,), size=(24, 24))
    monkeypatch.setattr(augment, "jitter", lambda box, rng: box)

    def views(turn: float) -> list[torch.Tensor]:
        data = FaceData(samples, views={"student": how}, training=True, turn=turn, **ANY)  # type: ignore[arg-type]
        return [data[key]["views"]["student"][0] for key in range(12)]

    quarters = []
    for straight, turned in zip(views(0), views(1), strict=True):
        fits = [k for k in (1, 2, 3) if torch.equal(torch.rot90(straight, k, (1, 2)), turned)]
        assert len(fits) == 1
        quarters += fits
    assert set(quarters) == {1, 2, 3}


def test_the_sharper_label_is_blurred_to_the_other_of_its_domain(tmp_path: Path) -> None:
    rows = []
    for index in range(12):
        noise = np.random.default_rng(index).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        soft = cv2.GaussianBlur(noise, (0, 0), 2.0) if index % 2 else noise
        cv2.imwrite(str(tmp_path / f"{index}.png"), soft)
        domain = "alone" if index >= 10 and index % 2 == 0 else "d"
        rows.append(Sample(path=f"{index}.png", label=index % 2, split="train", domain=domain))
    rows = absolute(rows, tmp_path)
    how = Preprocessing(margins=(1.0,), size=(48, 48))
    data = FaceData(rows, views={"student": how}, training=True, matched=1.0, **ANY)  # type: ignore[arg-type]

    def sharp(index: int) -> float:
        view = data[index]["views"]["student"][0].numpy().transpose(1, 2, 0)
        return sharpness(np.rint(view * 255).astype(np.uint8))

    soft = [sharpness(read_image(row.path)) for row in rows if row.label]
    for index, row in enumerate(rows):
        if row.domain == "alone":  # Nobody there to be compared with.
            assert sharp(index) > 5 * max(soft)
        elif row.label == 0:
            assert sharp(index) <= 1.01 * max(soft)


def test_masks_move_with_the_crop_through_any_camera(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "x.png"), image)
    rows = absolute([Sample(path="x.png", label=0, split="train", x=10, y=12, w=20, h=24)], tmp_path)
    how = Preprocessing(margins=(1.5,), size=(32, 32))
    data = FaceData(
        rows, views={"student": how}, training=True, style="any-camera", strength=0.0, turn=0.5, masks=True,
        simulate=1.0, species=("self-blend",),
    )  # fmt: skip
    item = data[3]
    assert item["mask"].shape == (1, 32, 32)
    assert 0.02 < float(item["mask"].mean()) < 0.98


def test_a_reader_hands_over_the_row_as_it_is_in_the_picture(samples: list[Sample]) -> None:
    data = FaceData(samples, views={"student": SMALL}, read=Changed("mirror", 1))
    plain = FaceData(samples, views={"student": SMALL.model_copy(update={"fill": "reflect"})})
    seen = data[2]["views"]["student"]
    image = np.ascontiguousarray(read_image(samples[2].path)[:, ::-1])
    crop = crop_face(image, (50 - 30, 12, 20, 24), SMALL, margin=1.0)
    assert np.array_equal(seen[0].numpy(), to_tensor(crop, SMALL))
    assert not torch.equal(seen, plain[2]["views"]["student"])
