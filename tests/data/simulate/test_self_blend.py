from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.data.simulate._blending import Blend, Change, changed, filled, moved, window
from facetrust.data.simulate._outline import outline
from facetrust.data.simulate.self_blend import (
    RATIOS,
    Draws,
    as_surroundings,
    blend,
    draw,
    self_blend,
    soft_mask,
)
from facetrust.imaging import read_image

BOX = (60.0, 50.0, 80.0, 104.0)
DRAWS = 400


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """An oval with eyes and a mouth where a detector would find them, before a textured wall."""
    noise = np.random.default_rng(0).normal(size=(190, 200, 3)).astype(np.float32)
    picture = np.clip(110 + 250 * cv2.GaussianBlur(noise, (0, 0), 2), 0, 255).astype(np.uint8)
    cv2.ellipse(picture, (100, 102), (38, 52), 0, 0, 360, (205, 160, 130), -1)
    for x, y in ((83, 94), (117, 94)):
        cv2.circle(picture, (x, y), 5, (40, 30, 30), -1)
    cv2.line(picture, (86, 133), (114, 133), (150, 60, 60), 4)
    return picture


@pytest.fixture(scope="module")
def drawn() -> list[Draws]:
    return [draw(np.random.default_rng([7, number])) for number in range(DRAWS)]


@pytest.fixture(scope="module")
def blends(face: np.ndarray) -> list[Blend]:
    return [self_blend(face, BOX, np.random.default_rng(seed), joint=False) for seed in range(60)]


def near(rate: float, wanted: float) -> bool:
    """Whether a rate over all draws is within four standard errors of the stated one."""
    return abs(rate - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / DRAWS)


class TestTheDraws:
    def test_each_branch_is_as_frequent_as_stated(self, drawn):
        changes, joints = [each.change for each in drawn], [each.joint for each in drawn]
        # Of four hulls two end at the brows and one above; the last has a forehead in three of four cases.
        tops = [each.top for each in drawn]
        assert near(tops.count("brows") / DRAWS, 9 / 16)
        assert near(tops.count("raised") / DRAWS, 1 / 4)
        assert near(tops.count("forehead") / DRAWS, 3 / 16)
        assert near(np.mean([each.on_source for each in drawn]), 0.5)
        assert near(np.mean([any(each.shift) for each in changes]), 0.3)
        assert near(np.mean([each.sharpen is not None for each in changes]), 0.5)
        assert near(np.mean([each.shrink == 2 for each in changes]), 0.25)
        assert near(np.mean([each.shrink == 4 for each in changes]), 0.25)
        assert near(np.mean([any(each.shift) for each in joints]), 0.3)
        assert near(np.mean([each.gain != 1 for each in joints]), 0.3)
        assert near(np.mean([each.quality is not None for each in joints]), 0.5)
        assert near(np.mean([each.ratio == 1 for each in drawn]), 0.5)
        assert {each.ratio for each in drawn} == set(RATIOS)

    def test_a_change_is_one_loss_of_detail_or_one_sharpening(self, drawn):
        assert all((each.change.shrink == 1) == (each.change.sharpen is not None) for each in drawn)

    @pytest.mark.parametrize(
        ("of", "low", "high"),
        [
            (lambda d: d.change.shift[0], -20, 20),
            (lambda d: d.change.gain, 0.9, 1.1),
            (lambda d: d.change.lift / 255, -0.1, 0.1),
            (lambda d: d.change.hsv[1], -0.3, 0.3),
            (lambda d: (d.change.sharpen or (0.3, 0.7))[0], 0.2, 0.5),
            (lambda d: (d.change.sharpen or (0.3, 0.7))[1], 0.5, 1.0),
            (lambda d: d.move[0], -0.03, 0.03),
            (lambda d: d.move[1], -0.015, 0.015),
            (lambda d: d.scale[0], 0.95, 1 / 0.95),
            (lambda d: d.scale[1], 0.95, 1 / 0.95),
            (lambda d: d.grid[0], 192, 256),
            (lambda d: d.erosion, 5, 25),
            (lambda d: d.blur, 5, 25),
            (lambda d: d.sigma, 5, 45),
            (lambda d: d.joint.gain, 0.7, 1.3),
            (lambda d: d.joint.quality or 70, 40, 100),
        ],
    )
    def test_a_range_is_kept_and_used_whole(self, drawn, of, low, high):
        values = np.array([of(each) for each in drawn], float)
        assert low <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high

    def test_kernels_are_odd(self, drawn):
        assert all(side % 2 == 1 for each in drawn for side in (each.erosion, each.blur))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (lambda d: d.scale[0], lambda d: d.scale[1]),
            (lambda d: d.move[0], lambda d: d.move[1]),
            (lambda d: d.erosion, lambda d: d.blur),
            (lambda d: d.grid[0], lambda d: d.grid[1]),
            (lambda d: d.change.hsv[0], lambda d: d.change.hsv[2]),
            (lambda d: d.change.gain, lambda d: d.change.lift),
        ],
    )
    def test_these_are_drawn_apart(self, drawn, one, other):
        pair = np.array([(one(each), other(each)) for each in drawn], float)
        assert abs(np.corrcoef(pair.T)[0, 1]) < 4 / np.sqrt(DRAWS)

    def test_the_bending_is_that_of_the_full_grid(self, drawn):
        """Noise at full size, sigma 7, factor 50, has pushes as large as ours at a quarter of the size."""
        rng = np.random.default_rng(0)
        slow = [
            50 * cv2.GaussianBlur(rng.uniform(-1, 1, (224, 224)).astype(np.float32), (0, 0), 7)
            for _ in range(20)
        ]
        ours = [each.bend[0].std() for each in drawn[:60]]
        assert np.mean(ours) == pytest.approx(np.mean([each.std() for each in slow]), rel=0.05)


class TestTheBlend:
    def test_a_seed_repeats_it_and_another_does_not(self, face):
        first, again, other = (self_blend(face, BOX, np.random.default_rng(seed)) for seed in (3, 3, 4))
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert not np.array_equal(first.fake, other.fake)

    def test_neutral_draws_give_the_picture(self, face):
        found = blend(face, BOX, Draws())
        assert np.array_equal(found.fake, face)
        assert np.array_equal(found.real, face)
        assert found.mask.max() == 1

    def test_the_picture_handed_in_is_not_touched(self, face):
        before = face.copy()
        for seed in range(8):
            self_blend(face, BOX, np.random.default_rng(seed))
        assert np.array_equal(face, before)

    def test_it_is_mask_times_source_plus_the_rest_times_target(self, face):
        largest = 0.0
        for seed in range(12):
            draws = draw(np.random.default_rng(seed))._replace(
                joint=Change(), move=(0.0, 0.0), scale=(1.0, 1.0)
            )
            change = draws.change._replace(shrink=min(draws.change.shrink, 2.5))  # 80 pixels, 32 are kept
            found = blend(face, BOX, draws)
            source = target = face
            if draws.on_source:  # what is pasted is changed on its own, half a face around it
                source = face.copy()
                source[8:185, 20:180] = changed(face[8:185, 20:180].copy(), change)
            else:
                target = changed(face, change)
            mask = found.mask[:, :, None].astype(np.float64)
            exact = mask * source + (1 - mask) * target
            lost = exact - found.fake  # what is cut off to come to whole levels, but for rounding of the sum
            assert -1e-9 < lost.min() <= lost.max() < 1
            largest = max(largest, lost.max())
            assert np.array_equal(found.fake[source == target], target[source == target])
            assert np.array_equal(found.real, target)
        assert largest > 0.9  # rounding would lose half a level at most

    def test_x_and_y_are_scaled_each_by_its_own(self, face):
        plain, moved = (blend(face, BOX, Draws(scale=each)).mask > 0.5 for each in ((1.0, 1.0), (1.05, 0.95)))
        wide, tall = (moved.any(axis).sum() / plain.any(axis).sum() for axis in (0, 1))
        assert (wide, tall) == pytest.approx((1.05, 0.95), abs=0.02)

    def test_where_the_moved_source_ends_it_is_black(self):
        """The mask covers the picture, and the window is 800 wide: the source moves right by 24 pixels."""
        white = np.full((200, 200, 3), 255, np.uint8)
        found = blend(white, (-100, -100, 400, 400), Draws(move=(0.03, 0.0)))
        assert found.mask[100, :180].min() == 1
        assert found.fake[100, :23].max() == 0
        assert found.fake[100, 25:180].min() == 255
        assert found.real.min() == 255

    def test_outside_the_mask_fake_and_real_are_equal(self, blends):
        changes = []
        for found in blends:
            difference = np.abs(found.fake.astype(int) - found.real).mean(2)
            assert difference[found.mask == 0].max() == 0
            changes.append(difference[found.mask > 0.2].mean())
        assert 2 < np.median(changes) < 25
        assert min(changes) > 0.2

    def test_the_joint_change_meets_both_alike(self, face):
        for seed in range(20):
            draws = draw(np.random.default_rng(seed))
            draws = draws._replace(joint=draws.joint._replace(quality=None))
            plain = blend(face, BOX, draws._replace(joint=Change()))
            joint = blend(face, BOX, draws)
            assert np.array_equal(joint.real, changed(plain.real, draws.joint))
            assert np.array_equal(joint.fake, changed(plain.fake, draws.joint))
            assert np.array_equal(joint.mask, plain.mask)

    def test_surroundings_are_changed_in_half_of_the_cases(self, face):
        same = [
            np.array_equal(as_surroundings(face, BOX, np.random.default_rng(seed)), face)
            for seed in range(DRAWS)
        ]
        assert near(np.mean(same), 0.5)


class TestTheMask:
    def test_it_covers_two_fifths_of_the_box(self, blends):
        """Half ellipses .92 by .95 of the box fill 69 % of it; the brows' line and erosion take the rest."""
        x, y, w, h = map(int, BOX)
        shares = [(found.mask > 0.5 * found.mask.max())[y : y + h, x : x + w].mean() for found in blends]
        assert np.mean(shares) == pytest.approx(0.403, abs=0.04)  # over 400 draws
        assert 0.2 < min(shares) < 0.35
        assert 0.55 < max(shares) < 0.69

    def test_it_is_as_strong_as_its_ratio_and_soft(self, face, drawn):
        for draws in drawn[:40]:
            mask = blend(face, BOX, draws).mask
            assert mask.dtype == np.float32
            assert mask.min() == 0
            assert mask.max() == pytest.approx(draws.ratio, abs=0.02)
            # A Gaussian edge of k pixels on the grid rises by at most about ratio / (k / 2) a pixel there.
            seam = max(np.abs(np.diff(mask, axis=axis)).max() for axis in (0, 1))
            narrowest = draws.blur * 136 / draws.grid[1]
            assert seam < 2.5 * draws.ratio / max(narrowest, 2)

    def test_it_is_softened_by_two_blurs_of_which_the_first_erodes(self, drawn):
        """As the authors do it: blurred, all below the top set to 0; blurred again, the top brought to 1."""
        box = (150, 120, 100, 130)
        for draws in drawn[:20]:
            at, edges = window((400, 400), box), [outline(box, top=draws.top)]
            move = moved(at, draws.move, draws.scale)
            hard = filled(edges, at, draws.grid, move, draws.bend).astype(np.float64)
            first = cv2.GaussianBlur(hard, (draws.erosion, draws.erosion), 0)
            kept = np.where(first > first.max() - 1e-9, 1.0, 0.0)
            second = cv2.GaussianBlur(kept, (draws.blur, draws.blur), draws.sigma)
            found = soft_mask(edges, at, move, draws)
            assert found == pytest.approx(second / second.max() * draws.ratio, abs=1e-5)

    def test_it_ends_well_inside_its_window(self, face, drawn):
        """So its edge is always soft, whatever is drawn: the window is half a face wider on either side."""
        wide = cv2.copyMakeBorder(face, 90, 90, 90, 90, cv2.BORDER_REFLECT)
        box = (BOX[0] + 90, BOX[1] + 90, *BOX[2:])
        left, right = int(box[0] - 0.45 * box[2]), int(box[0] + 1.45 * box[2])
        top, bottom = int(box[1] - 0.35 * box[3]), int(box[1] + 1.27 * box[3])
        for draws in drawn[:80]:
            mask = blend(wide, box, draws).mask
            assert mask[top:bottom, left:right].sum() == pytest.approx(mask.sum(), rel=1e-6)

    def test_the_erosion_leaves_what_a_kernel_fits_in(self, face):
        """A kernel of 21 takes 10 pixels of the grid on either side."""
        draws = Draws(erosion=21, blur=5, sigma=0.01, grid=(200, 220))
        region = np.zeros(face.shape[:2], bool)
        region[60:140, 70:130] = True
        thin, thick = (
            blend(face, BOX, each, region=region).mask for each in (draws, draws._replace(erosion=1))
        )
        scale = np.array([200 / (1.7 * 104), 220 / (2 * 80)])
        (wide, tall), (less_wide, less_tall) = (
            [(mask > 0.5).any(axis).sum() for axis in (0, 1)] for mask in (thick, thin)
        )
        assert (tall - less_tall) * scale[0] == pytest.approx(20, abs=2.5)
        assert (wide - less_wide) * scale[1] == pytest.approx(20, abs=2.5)

    def test_without_forehead_it_ends_above_the_brows(self, face):
        whole, raised, cut = (
            blend(face, BOX, Draws(top=top)).mask for top in ("forehead", "raised", "brows")
        )
        first, middle, last = (int(np.argmax((mask > 0.5).any(1))) for mask in (whole, raised, cut))
        assert first < BOX[1] + 0.1 * BOX[3]
        assert 70 < last < 88  # the eyes are at 94
        assert last - middle == pytest.approx(0.15 * 0.38 * BOX[3], abs=2)  # .38 of the box: eyes to mouth
        assert np.array_equal(whole[110:], cut[110:])
        assert np.array_equal(whole[110:], raised[110:])

    def test_a_region_takes_the_place_of_the_outline(self, face):
        region = np.zeros(face.shape[:2], bool)
        region[80:120, 70:130] = True
        mask = blend(face, BOX, Draws(), region=region).mask
        assert mask[90:110, 80:120].min() > 0.99
        assert mask[~cv2.dilate(region.astype(np.uint8), np.ones((25, 25))).astype(bool)].max() == 0
        assert blend(face, BOX, Draws(), region=~region & region).mask.max() == 0

    @pytest.mark.parametrize(
        ("size", "box"),
        [
            ((1, 1), (0, 0, 1, 1)),
            ((8, 8), (0, 0, 8, 8)),
            ((9, 31), (3, -4, 7, 11)),
            ((67, 41), (-20, 10, 40, 50)),
            ((33, 129), (100, 20, 60, 70)),
            ((40, 40), (500, 500, 30, 30)),
            ((50, 50), (-2000, -2000, 4000, 4000)),
        ],
    )
    def test_any_size_and_place_works(self, size, box):
        image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
        for seed in range(6):
            found = self_blend(image, box, np.random.default_rng(seed))
            assert found.fake.shape == found.real.shape == image.shape
            assert found.mask.shape == size
            assert found.fake.dtype == found.real.dtype == np.uint8
            assert np.isfinite(found.mask).all()
            assert 0 <= found.mask.min() <= found.mask.max() <= 1


class TestTheOutline:
    POINTS = ((83.0, 94.0), (117.0, 94.0), (100.0, 115.0), (86.0, 133.0), (114.0, 133.0))

    def test_the_box_alone_is_an_upright_frontal_face(self):
        corners = outline(BOX)
        assert corners[:, 0].mean() == pytest.approx(BOX[0] + BOX[2] / 2, abs=0.01)
        spread = np.ptp(corners, axis=0) / BOX[2:]
        assert spread == pytest.approx([0.92, 0.95], abs=0.06)

    @pytest.mark.parametrize("degrees", [-30, 20])
    def test_it_turns_with_the_points(self, degrees):
        turn = cv2.getRotationMatrix2D((100, 102), degrees, 1.0)
        points = np.array(self.POINTS) @ turn[:, :2].T + turn[:, 2]
        box = (0.0, 0.0, 300.0, 300.0)
        wanted = outline(box, self.POINTS) @ turn[:, :2].T + turn[:, 2]
        assert outline(box, points) == pytest.approx(wanted, abs=1e-6)

    def test_it_is_convex(self):
        for top in ("forehead", "raised", "brows"):
            edges = np.diff(outline(BOX, self.POINTS, top=top), axis=0, append=0)[:-1]
            crosses = edges[:-1, 0] * edges[1:, 1] - edges[:-1, 1] * edges[1:, 0]
            assert crosses.min() > -1e-6

    def test_a_nose_beside_the_middle_moves_it_away(self):
        turned = [*self.POINTS[:2], (106.0, 115.0), *self.POINTS[3:]]
        moved = outline((0, 0, 300, 300), turned) - outline((0, 0, 300, 300), self.POINTS)
        assert moved == pytest.approx(np.broadcast_to([-6.0, 0.0], moved.shape), abs=1e-6)

    def test_it_stays_by_the_box_whatever_the_points_say(self):
        corners = outline(BOX, [(-500, 0), (900, 3), (0, 900), (4, 4), (4, 4)])
        assert corners.min(0) == pytest.approx((BOX[0] - 0.08 * BOX[2], BOX[1] - 0.08 * BOX[3]))
        assert (corners.max(0) <= (BOX[0] + 1.081 * BOX[2], BOX[1] + 1.081 * BOX[3])).all()
        assert np.isfinite(outline(BOX, [(90, 90)] * 5)).all()


class TestAChange:
    def test_colours_against_arithmetic(self):
        image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
        found = changed(image, Change(shift=(10.0, -20.0, 3.4), gain=0.9, lift=-12.0))
        shifted = np.floor(np.clip(image + np.array([10, -20, 3.4]), 0, 255))
        assert np.array_equal(found, np.floor(np.clip(0.9 * shifted - 12, 0, 255)))

    @pytest.mark.parametrize(
        ("hsv", "expected"),
        [
            ((0, 0, 0), (200, 0, 0)),
            ((0.3, 0.3, 0.3), (200, 0, 0)),  # less than a level is cut off
            ((-0.01, 0, 0), (200, 0, 7)),  # one step of 180 back: 358 degrees
            ((0, -0.01, 0), (200, 1, 1)),  # 254 of 255
            ((0, 0, -0.01), (199, 0, 0)),
            ((0, 0, 60), (255, 0, 0)),
            ((60, 0, 0), (0, 200, 0)),
        ],
    )
    def test_steps_of_hue_saturation_and_value_are_cut_to_whole_ones(self, hsv, expected):
        red = np.full((4, 4, 3), (200, 0, 0), np.uint8)
        assert np.array_equal(changed(red, Change(hsv=hsv))[0, 0], expected)

    def test_the_way_to_eight_bits_of_hue_and_back_changes_a_photo(self, photo):
        """A tenth of a level more or less in each: what the authors' form does to this very picture."""
        image = read_image(photo)
        for step, share, levels in ((0.1, 0.616, 0.349), (-0.1, 0.893, 1.193)):
            difference = np.abs(changed(image, Change(hsv=(step, step, step))).astype(int) - image)
            assert (difference.max(2) > 0).mean() == pytest.approx(share, abs=0.002)
            assert difference.mean() == pytest.approx(levels, abs=0.002)

    def test_shrinking_and_sharpening_act_on_edges_only(self):
        flat = np.full((16, 16, 3), 90, np.uint8)
        assert np.array_equal(changed(flat, Change(shrink=4.0)), flat)
        assert np.array_equal(changed(flat, Change(sharpen=(0.4, 1.0))), flat)
        assert changed(flat, Change(sharpen=(0.5, 0.5)))[8, 8, 0] in (67, 68)  # .5 * 90 + .5 * .5 * 90
        step = flat.copy()
        step[:, 8:] = 160
        assert changed(step, Change(sharpen=(0.2, 1.0)))[8, 8, 0] > 160
        assert len(np.unique(changed(step, Change(shrink=2.0))[8, :, 0])) > 2

    def test_a_blocky_picture_is_enlarged_to_the_nearest_pixels(self):
        image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        blocks = changed(image, Change(shrink=2.0, blocky=True))
        assert np.array_equal(blocks, image[::2, ::2].repeat(2, 0).repeat(2, 1))

    def test_a_small_face_keeps_its_pixels(self, face):
        coarse = draw(np.random.default_rng(0))._replace(on_source=False, joint=Change())
        coarse = coarse._replace(change=Change(shrink=4.0))
        assert np.array_equal(blend(face, (60, 50, 30, 40), coarse).real, face)
        assert np.array_equal(blend(face, BOX, coarse).real, changed(face, Change(shrink=2.5)))

    def test_a_joint_file_leaves_its_marks(self, face):
        poor, fair = (changed(face, Change(quality=quality)).astype(int) for quality in (40, 100))
        assert np.abs(poor - face).mean() > 2 * np.abs(fair - face).mean()
        grey = np.repeat(face.mean(2, keepdims=True).astype(np.uint8), 3, 2)
        assert np.abs(changed(grey, Change(quality=100)).astype(int) - grey).max() <= 3
