"""The map families: known attractors, a slow chaos game, inks, acceptance rules, weightings, cameras."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

import fdsl
from fdsl.errors import InputError
from fdsl.formulas import fractaldb, search
from fdsl.formulas.exfractaldb import camera_rotation
from fdsl.formulas.ifs import SEARCH, candidates, weigh
from fdsl.geometry import affine2d, affine3d
from fdsl.geometry.affine2d import ORBITS, AffineMaps2D
from fdsl.geometry.maps import BURN_IN, MAX_MAPS, thresholds
from fdsl.random import Purpose, philox4x32, stream_word
from fdsl.render.cpu.points import find_patches

SIERPINSKI = [[0.5, 0, 0, 0.5, 0, 0], [0.5, 0, 0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5, 0, 0.5]]
FERN = [
    [0, 0, 0, 0.16, 0, 0],
    [0.85, 0.04, -0.04, 0.85, 0, 1.6],
    [0.2, -0.26, 0.23, 0.22, 0, 1.6],
    [-0.15, 0.28, 0.26, 0.24, 0, 0.44],
]


def table_of(maps, probability, **fields) -> AffineMaps2D:
    all_maps, chances = np.zeros((1, MAX_MAPS, 6)), np.zeros((1, MAX_MAPS))
    all_maps[0, : len(maps)], chances[0, : len(maps)] = maps, probability
    return AffineMaps2D(
        address=np.array([[1, 2, 3, 4]], np.uint32),
        maps=all_maps.astype(np.float32),
        begins=thresholds(chances, np.array([len(maps)])),
        flips=np.zeros(1, np.uint8),
        **fields,
    )


def orbit(table: AffineMaps2D) -> tuple[np.ndarray, np.ndarray]:
    """All drawn points in order, float32 [P] each."""
    orbits = affine2d.new_orbits(table.points)
    affine2d.trace(table.address[0], table.maps[0], table.begins[0], orbits)
    return tuple(values[BURN_IN + 1 :].ravel()[: table.points] for values in (orbits.x_SR, orbits.y_SR))


def slow_chaos_game(maps, probability, count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    point, points = np.zeros(2), np.empty((count, 2))
    for n, k in enumerate(rng.choice(len(maps), count, p=probability)):
        a, b, c, d, e, f = maps[k]
        point = np.array([a * point[0] + b * point[1] + e, c * point[0] + d * point[1] + f])
        points[n] = point
    return points


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_sierpinskis_triangle_occupies_3_to_the_k_cells(level):
    x, y = orbit(table_of(SIERPINSKI, [1, 1, 1]))
    cells = {(i, j) for i, j in zip((x * 2**level).astype(int), (y * 2**level).astype(int), strict=True)}
    assert len(cells) == 3**level
    assert all(i & j == 0 for i, j in cells)


def test_orbits_equal_a_slow_reference_step_by_step():
    """The same random words through plain NumPy float32, one orbit."""
    table = table_of(FERN, [0.01, 0.85, 0.07, 0.07], points=ORBITS * 40)
    x, y = orbit(table)
    lane = 5
    seed, stream, category, instance = (int(v) for v in table.address[0])
    px = py = np.float32(0)
    for step in range(BURN_IN + 40):
        block = philox4x32(
            (category, instance, int(Purpose.MAP_CHOICE), (step // 8) * ORBITS + lane), (seed, stream)
        )
        choice = (int(block[(step % 8) // 2]) >> (16 * (step % 2))) & 0xFFFF
        k = int(np.searchsorted(table.begins[0], choice, side="right")) - 1
        a, b, c, d, e, f = table.maps[0, k]
        px, py = a * px + b * py + e, c * px + d * py + f
        if step >= BURN_IN:
            n = (step - BURN_IN) * ORBITS + lane
            assert (x[n], y[n]) == (px, py)


def test_barnsleys_fern_has_the_slow_games_distribution():
    chances = np.array([0.01, 0.85, 0.07, 0.07])
    x, y = orbit(table_of(FERN, chances))
    peer = slow_chaos_game(FERN, chances, 20_000)[100:]
    # neighbouring points of an orbit are alike: thin both before comparing
    assert stats.ks_2samp(x[::40], peer[::20, 0]).pvalue > 1e-3
    assert stats.ks_2samp(y[::40], peer[::20, 1]).pvalue > 1e-3
    assert abs(y.max() - 10) < 0.05
    assert y.min() > -0.01


def reference_paste(x, y, patches, size: int, *, opaque: bool) -> np.ndarray:
    """Paste one 3x3 patch after another, slowly."""
    image = np.zeros((size + 2, size + 2), np.uint8)
    for px, py, patch in zip(x + 1, y + 1, patches, strict=True):
        bits = ((patch >> np.arange(9)) & 1).reshape(3, 3).astype(np.uint8) * 127
        spot = image[py - 1 : py + 2, px - 1 : px + 2]
        image[py - 1 : py + 2, px - 1 : px + 2] = bits if opaque else np.maximum(spot, bits)
    return image[1:-1, 1:-1]


@pytest.mark.parametrize("ink", ["point", "paste", "or"])
def test_inks_equal_a_slow_painter(ink):
    points = 3000
    table = table_of(FERN, [0.01, 0.85, 0.07, 0.07], points=points, ink=ink)
    x, y = orbit(table)
    scale = 500 / (np.array([x.max(), y.max()], float) - [x.min(), y.min()])
    px = (np.float32(scale[0]) * x + np.float32(6 - scale[0] * float(x.min()))).astype(int)
    py = (np.float32(-scale[1]) * y + np.float32(506 + scale[1] * float(y.min()))).astype(int)
    seed, stream, category, instance = (int(v) for v in table.address[0])
    step, lane = np.divmod(np.arange(points), ORBITS)
    counter = np.stack(
        np.broadcast_arrays(category, instance, int(Purpose.PATCH_PATTERN), (step // 8) * ORBITS + lane), 1
    )
    block = philox4x32(counter, (seed, stream))
    halves = (block[np.arange(points), (step % 8) // 2].astype(int) >> (16 * (step % 2))) & 0xFFFF
    patches = np.full(points, 1 << 4) if ink == "point" else 1 + (halves * 511 >> 16)
    expected = reference_paste(px, py, patches, 512, opaque=ink != "or")
    if ink == "point":
        expected = np.zeros((512, 512), np.uint8)
        expected[py, px] = 127
    drawn = fdsl.Renderer(512, "crisp")(table)[0]
    # the bounds are those of whole steps: with a last step cut short they are the same here by choice of the points
    assert (drawn != expected).mean() < 1e-4


def test_patches_are_the_511_patterns_equally_often():
    patterns = np.empty(1 << 16, np.uint16)
    find_patches(np.arange(1 << 16, dtype=np.uint16), patterns)
    counts = np.bincount(patterns, minlength=512)
    assert counts[0] == 0
    assert set(counts[1:].tolist()) == {128, 129}


def test_published_padding_and_ink_at_the_native_canvas():
    family = fdsl.FractalDB(classes=4, variant="point_gray")
    image = fdsl.Renderer(512)(family.table(0, [0], [0]))[0]
    rows, columns = np.nonzero(image)
    assert set(np.unique(image)) == {0, 127}
    extent = np.array([rows.min(), rows.max(), columns.min(), columns.max()])
    assert np.abs(extent - [6, 506, 6, 506]).max() <= 1  # float32 may round the last point down a pixel


def test_colour_hues_have_equal_intensity_where_no_channel_clips():
    from fdsl.render.cpu.affine2d import palette

    colours = palette().astype(float) / 255
    free = (colours < 1).all(axis=1)
    assert len({tuple(row) for row in colours.tolist()}) > 60
    assert np.allclose(colours[free].mean(axis=1), 0.75, atol=0.01)
    assert np.allclose(colours.min(axis=1), 0.1875, atol=0.01)


def test_flips_mirror_the_drawing():
    images = fdsl.Renderer(512)(fdsl.FractalDB(classes=2, variant="point_gray").table(0, [0] * 4, range(4)))
    for flipped, plain in (
        (images[1][:, ::-1], images[0]),
        (images[2][::-1], images[0]),
        (images[3][::-1, ::-1], images[0]),
    ):
        # the canvas is mirrored, not the pixels: points within a rounding of a pixel's edge may fall beside it
        assert (flipped[:, 6:506] != plain[:, 6:506]).mean() < 0.01


@pytest.mark.parametrize(("name", "parts"), [("FractalDB", 6), ("ExFractalDB", 12)])
def test_candidates_follow_the_published_distributions(name, parts):
    maps, counts = candidates(3, f"{name}/1", np.arange(3000), parts)
    assert stats.chisquare(np.bincount(counts, minlength=8)[2:]).pvalue > 1e-3
    own = np.concatenate([maps[n, : counts[n]].ravel() for n in range(3000)])
    assert stats.kstest(own, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_probabilities_are_the_determinants_share():
    parameters = fdsl.FractalDB(classes=4).category(0, 2)
    a, b, c, d = np.array(parameters["maps"])[:, :4].T
    assert np.allclose(parameters["probability"], np.abs(a * d - b * c) / np.abs(a * d - b * c).sum())
    parameters = fdsl.ExFractalDB(classes=4).category(0, 2)
    volume = np.abs(np.linalg.det(np.array(parameters["maps"])[:, :9].reshape(-1, 3, 3)))
    assert np.allclose(parameters["probability"], volume / volume.sum())


def test_map_choices_follow_the_probabilities():
    chances = np.array([[0.5, 0.3, 0.15, 0.05, 0, 0, 0, 0]])
    begins = thresholds(chances, np.array([4]))
    widths = np.diff([*begins[0, :4], 1 << 16]) / (1 << 16)
    assert np.allclose(widths, chances[0, :4], atol=1 / (1 << 16))
    assert (begins[0, 4:] == 1 << 16).all()


def searched(monkeypatch, folder, family) -> tuple[np.ndarray, np.ndarray]:
    """Search a few categories afresh; return the numbers tested and which were accepted."""
    monkeypatch.setenv("FDSL_CACHE", str(folder))
    monkeypatch.setattr(search, "_found", {})
    family.category(SEARCH_SEED, 0)
    (file,) = folder.glob("*.json")
    kept = json.loads(file.read_text())
    return np.arange(kept["tested"]), np.isin(np.arange(kept["tested"]), kept["accepted"])


SEARCH_SEED = 123


def test_plane_candidates_are_accepted_by_fill(monkeypatch, tmp_path):
    """The rule, measured by the renderer on the points that the search drew."""
    numbers, accepted = searched(monkeypatch, tmp_path, fdsl.FractalDB(classes=4))
    maps, count = candidates(SEARCH_SEED, "FractalDB/1", numbers, 6)
    chances = np.abs(maps[..., 0] * maps[..., 3] - maps[..., 1] * maps[..., 2])
    stream = np.full(len(numbers), stream_word("FractalDB/1"))
    table = AffineMaps2D(
        address=np.stack(
            [np.full_like(stream, SEARCH_SEED), stream, numbers, np.full_like(stream, SEARCH)], 1
        ).astype(np.uint32),
        maps=maps.astype(np.float32),
        begins=thresholds(chances, count),
        flips=np.zeros(len(numbers), np.uint8),
        ink="point",
    )
    fill = (fdsl.Renderer(512)(table) > 0).mean(axis=(1, 2))
    clear = np.abs(fill - 0.2) > 0.001  # flipping may move a point on a pixel's edge
    assert accepted.sum() >= 4
    assert clear.mean() > 0.99
    assert ((fill >= 0.2) == accepted)[clear].all()


def drawn_cloud(orbits: affine3d.Orbits) -> np.ndarray:
    """The 10,000 drawn points, float64 [3, P]."""
    return orbits.points_3SR[:, BURN_IN + 1 :].reshape(3, -1)[:, :10_000].astype(np.float64)


def test_spatial_candidates_are_accepted_by_variance(monkeypatch, tmp_path):
    numbers, accepted = searched(monkeypatch, tmp_path, fdsl.ExFractalDB(classes=4))
    maps, count = candidates(SEARCH_SEED, "ExFractalDB/1", numbers, 12)
    begins = thresholds(np.abs(np.linalg.det(maps[..., :9].reshape(-1, MAX_MAPS, 3, 3))), count)
    orbits = affine3d.new_orbits(10_000)
    for number in [*np.flatnonzero(accepted), *np.flatnonzero(~accepted)[:40]]:
        address = np.array([SEARCH_SEED, stream_word("ExFractalDB/1"), number, SEARCH], np.uint32)
        affine3d.trace(address, maps[number].astype(np.float32), begins[number], orbits)
        cloud = drawn_cloud(orbits)
        with np.errstate(invalid="ignore", over="ignore"):
            cloud = 2 * (cloud - cloud.mean(axis=1, keepdims=True)) / np.ptp(cloud)
            good = bool(np.isfinite(cloud).all() and cloud.var(axis=1).min() > 0.05)
        assert good == accepted[number], f"candidate {number}"


def test_normalisation_scales_to_two_and_centres():
    table = fdsl.ExFractalDB(classes=4).table(1, np.arange(4), np.zeros(4, int))
    orbits = affine3d.new_orbits(10_000)
    for row in range(4):
        affine3d.trace(table.address[row], table.maps[row], table.begins[row], orbits)
        centre_3 = np.empty(3)
        scale = affine3d.normalisation(orbits, 10_000, centre_3)
        cloud = drawn_cloud(orbits) * scale
        assert np.isclose(np.ptp(cloud), 2)
        assert np.allclose(cloud.mean(axis=1), centre_3 * scale, atol=1e-6)
        variance = affine3d.least_variance(orbits, 10_000, scale, centre_3)
        assert np.isclose(cloud.var(axis=1).min(), variance, atol=1e-6)


def test_weightings_scale_one_coefficient_of_every_map():
    maps = np.random.default_rng(0).uniform(-1, 1, (26, MAX_MAPS, 6))[:25]
    weighted = weigh(maps, np.arange(25), fractaldb.FACTORS)
    ratio = weighted / maps
    assert (ratio[0] == 1).all()
    for w in range(1, 25):
        part, factor = divmod(w - 1, 4)
        assert np.allclose(ratio[w, :, part], fractaldb.FACTORS[factor])
        assert np.allclose(np.delete(ratio[w], part, axis=1), 1)


@pytest.mark.parametrize(
    ("weightings", "factors"),
    [(25, (0.9, 1.1)), (145, (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6))],
)
def test_weighting_sets(weightings, factors):
    assert fdsl.ExFractalDB(weightings=weightings).factors == factors
    with pytest.raises(InputError, match="weightings must be one of"):
        fdsl.ExFractalDB(weightings=weightings + 1)


def test_least_fill_skips_thin_instances():
    plain = fdsl.FractalDB(classes=4, variant="point_gray")
    kept = fdsl.FractalDB(classes=4, variant="point_gray", least_fill=0.1)
    renderer = fdsl.Renderer(512)
    identities = np.repeat(np.arange(4), 25), np.tile(np.arange(25) * 4, 4)
    fill = (renderer(plain.table(0, *identities)) > 0).mean(axis=(1, 2))
    assert (fill < 0.1).mean() > 0.05
    # a trial drawing decides; the next one of the same weighting may spread a little wider
    fill = (renderer(kept.table(0, *identities)) > 0).mean(axis=(1, 2))
    assert (fill < 0.1).mean() < 0.03


def test_cameras_are_rotations_that_look_at_the_origin():
    rng = np.random.default_rng(0)
    rotation = camera_rotation(rng.uniform(0, 7, 50), rng.uniform(-1, 1, 50))
    assert np.allclose(rotation @ rotation.transpose(0, 2, 1), np.eye(3))
    assert np.allclose(np.linalg.det(rotation), 1)


def test_viewpoints_are_uniform_on_the_sphere():
    backward = fdsl.ExFractalDB(classes=2).table(0, np.zeros(4000, int), np.arange(4000)).rotation[:, 2]
    for axis in range(3):  # Archimedes: each coordinate of a uniform point is uniform
        assert stats.kstest(backward[:, axis], stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_mv_views_turn_around_the_vertical_axis():
    table = fdsl.MVFractalDB(classes=2).table(0, np.zeros(24, int), np.arange(24))
    backward = table.rotation[:, 2]
    degrees = np.degrees(np.arctan2(backward[:, 0], backward[:, 2]))
    off = (degrees - (np.arange(24) % 12 + 1) * 30 + 180) % 360 - 180
    assert np.abs(off).max() <= 3.15
    assert np.abs(off).max() > 1
    assert np.allclose(backward[:, 1], 0)
    assert len({address.tobytes() for address in table.address}) == 2
    assert (table.maps[0] == table.maps[11]).all()


def test_perspective_projects_as_a_camera_at_distance_4():
    matrix_34 = np.zeros((3, 4), np.float32)
    affine3d.camera_matrix(np.eye(3), 1.0, np.zeros(3), matrix_34)
    rows = tuple(tuple(row) for row in matrix_34)
    u, v, depth = affine3d.project.py_func(rows, np.float32(1), np.float32(0.5), np.float32(1))
    assert depth == 3
    assert np.isclose(u, 2.41421356 / 3)
    assert np.isclose(v, -0.5 * 2.41421356 / 3)


def test_diverging_systems_are_cut_not_crashed():
    table = table_of([[1.9, 0, 0, 1.9, 1, 1], [1.8, 0.1, 0, 1.7, -1, 1]], [1, 1], points=10_000)
    image = fdsl.Renderer(64)(table)[0]
    assert (image > 0).mean() < 0.5


def test_fill_counts_no_point_beside_the_canvas():
    orbits, hits = affine2d.new_orbits(2 * ORBITS), np.empty(64, np.uint8)
    for values in (orbits.x_SR, orbits.y_SR):
        values[:] = np.nan
    orbits.lows_2R[:], orbits.highs_2R[:] = np.inf, -np.inf
    assert affine2d.fill(orbits, 2 * ORBITS, 8, 1.0, hits) == 0
    # a range of one step of float32: the fitted coordinates round past the padding
    least, greatest = np.float32(1.0), np.nextafter(np.float32(1.0), np.float32(2.0))
    for values in (orbits.x_SR, orbits.y_SR):
        values[:], values[-1] = least, greatest
    orbits.lows_2R[:], orbits.highs_2R[:] = least, greatest
    assert 0 <= affine2d.fill(orbits, 2 * ORBITS, 8, 0.0, hits) <= 2 / 64
