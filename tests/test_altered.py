"""Altered families: strengths that change nothing, and each alteration against SciPy, Pillow or its own promise."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from scipy import ndimage

import fdsl
from fdsl.errors import InputError
from fdsl.formulas import altered_family
from fdsl.formulas.altered import ALTERATIONS, Alteration
from fdsl.geometry.altered import KINDS, MOST_LAYERS
from fdsl.geometry.radial import RadialStrokes
from fdsl.random import Purpose, uniform, words

CLASSES, SEED, ROWS = 4, 3, 6
CATEGORIES, INSTANCES = np.arange(ROWS) % CLASSES, np.arange(ROWS)
BASES = {
    "RCDB": fdsl.RCDB(classes=CLASSES),
    "VisualAtom": fdsl.VisualAtom(classes=CLASSES),
    "FractalDB": fdsl.FractalDB(classes=CLASSES, variant="point_gray"),
    "colour": fdsl.FractalDB(classes=CLASSES, variant="patch_color"),
    "ExFractalDB": fdsl.ExFractalDB(classes=CLASSES),
}
NOTHING = ("broken=0", "scattered=0", "width=1")
EACH = ("broken=30", "scattered=9", "filled=2", "outline=2", "width=4")
SIDE = 96


@pytest.fixture(scope="module", params=BASES)
def base(request) -> fdsl.formulas.Family:
    return BASES[request.param]


@cache
def drawn(name: str, *texts: str, size: int = SIDE) -> np.ndarray:
    """Draw ROWS images of a base, crisp, with these alterations."""
    table = altered_family(BASES[name], *texts).table(SEED, CATEGORIES, INSTANCES)
    return fdsl.Renderer(size, "crisp")(table)


def inked(name: str, images: np.ndarray) -> np.ndarray:
    """Return which pixels differ from the background, bool [N, H, W]."""
    other = images != BASES[name].background
    return other.any(axis=3) if images.ndim == 4 else other


def silhouettes(name: str) -> np.ndarray:
    return np.stack([ndimage.binary_fill_holes(lit) for lit in inked(name, drawn(name))])


def depths(shape: np.ndarray) -> np.ndarray:
    """Return the distance of each pixel of a shape to the nearest outside it; the border of the picture is none."""
    return ndimage.distance_transform_edt(shape) if not shape.all() else np.full(shape.shape, np.inf)


@settings(max_examples=25)
@given(data=st.data())
def test_strengths_that_change_nothing(data):
    """Bit for bit, however the canvas becomes an image, under views, tones and retouches."""
    base = BASES[data.draw(st.sampled_from(list(BASES)))]
    lines, size = (
        data.draw(st.sampled_from(["crisp", "area", "native"])),
        data.draw(st.sampled_from([32, 75])),
    )
    texts = data.draw(st.lists(st.sampled_from(NOTHING), min_size=1, max_size=3))
    recipe = fdsl.Augmentation(hflip=0.5, auto_augment="rand-m9-mstd0.5-inc1-p1.0", random_erasing=0.5)
    plan = recipe.plan(
        data.draw(st.integers(0, 1000)), CATEGORIES, INSTANCES, 0, canvas=base.native_size, size=size,
        channels=base.channels,
    )  # fmt: skip
    tables = [family.table(SEED, CATEGORIES, INSTANCES) for family in (base, altered_family(base, *texts))]
    same, altered = (
        fdsl.Renderer(size, lines, 2)(table, plan.view, plan.tone, plan.retouch) for table in tables
    )
    assert (same == altered).all()


@pytest.mark.parametrize("lines", ["crisp", "area", "native"])
@pytest.mark.parametrize("name", ["RCDB", "colour"])
@pytest.mark.parametrize("text", EACH)
def test_tones_come_after_the_alteration(name, text, lines):
    curves = np.stack([np.roll(np.arange(256)[::-1], 40 * n) for n in range(ROWS)]).astype(np.uint8)
    table, renderer = (
        altered_family(BASES[name], text).table(SEED, CATEGORIES, INSTANCES),
        fdsl.Renderer(48, lines),
    )
    plain = renderer(table)
    assert (renderer(table, tone=curves) == np.stack([curves[n][plain[n]] for n in range(ROWS)])).all()


@pytest.mark.parametrize("text", EACH)
def test_averages_are_of_the_altered_canvas(text):
    table = altered_family(BASES["RCDB"], text).table(SEED, CATEGORIES, INSTANCES)
    large = fdsl.Renderer(512, "crisp")(table).astype(int).reshape(ROWS, 64, 8, 64, 8).sum(axis=(2, 4))
    assert (fdsl.Renderer(64, "area")(table) == (large + 32) // 64).all()


@pytest.mark.parametrize("text", EACH)
def test_a_native_crop_shows_a_part_of_the_altered_canvas(base, text):
    side = base.native_size
    table = altered_family(base, text).table(SEED, CATEGORIES[:2], INSTANCES[:2])
    whole = fdsl.Renderer(side, "crisp")(table)
    quarter = fdsl.Renderer(side // 2, "native")(table, [[2, 0, -side / 2], [0, 2, -side / 4]])
    assert (quarter == whole[:, side // 8 : side // 8 + side // 2, side // 4 : side // 4 + side // 2]).all()


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("erosion", [0, 1, 3, 20, 256])
def test_silhouettes_are_scipys(name, erosion):
    shapes = silhouettes(name)
    kept = np.stack([depths(shape) > erosion for shape in shapes]) & shapes
    assert (inked(name, drawn(name, f"filled={erosion}")) == kept).all()


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("width", [1, 2, 5, 256])
def test_an_outline_and_what_it_encloses_make_the_silhouette(name, width):
    outline, rest = inked(name, drawn(name, f"outline={width}")), inked(name, drawn(name, f"filled={width}"))
    assert (outline ^ rest == silhouettes(name)).all()
    assert not (outline & rest).any()
    if width == 1:
        assert (outline <= inked(name, drawn(name))).all(), (
            "the outermost pixels are lines, not what they enclose"
        )


@pytest.mark.parametrize("name", BASES)
def test_silhouettes_have_the_strongest_ink(name):
    images, shapes = drawn(name), drawn(name, "filled=0")
    for image, shape, lit in zip(images, shapes, inked(name, shapes), strict=True):
        inks = np.unique(shape[lit].reshape(lit.sum(), -1), axis=0)
        assert len(inks) == 1
        there = image[image.any(axis=2)] if image.ndim == 3 else image.reshape(-1, 1)
        assert (there == inks[0]).all(axis=1).any()
        apart = np.abs(there.astype(int) - BASES[name].background).max(axis=1)
        assert np.abs(inks[0].astype(int) - BASES[name].background).max() == apart.max()


@settings(max_examples=30)
@given(data=st.data())
def test_any_drawing_is_filled_and_eroded_as_by_scipy(data):
    """Mazes of lines: random contours as tight as they come."""
    strokes, vertices = data.draw(st.integers(0, 12)), data.draw(st.integers(1, 12))
    seed, erosion = data.draw(st.integers(0, 10**6)), data.draw(st.integers(0, 9))
    base = fdsl.RCDB(classes=2).table(seed, [0], [0])
    table = RadialStrokes(
        base.address, np.array([vertices], np.int32), np.array([strokes], np.int32), np.float32([[9, 30]]),
        np.float32([[300, 200]]), np.float32([160]), np.float32([-90]), gray_levels=1,
    )  # fmt: skip
    renderer = fdsl.Renderer(64, "crisp")
    shape = ndimage.binary_fill_holes(renderer(table)[0] != 255)
    altered = fdsl.geometry.altered.Altered(table, base.address, "filled", erosion)
    assert ((renderer(altered)[0] == 0) == (shape & (depths(shape) > erosion))).all()


@pytest.mark.parametrize("name", ["RCDB", "VisualAtom", "FractalDB", "ExFractalDB"])
@pytest.mark.parametrize("width", [1, 2, 3, 7, 64])
def test_wide_lines_are_scipys_dilation(name, width):
    """Of grays on one side of the background: the farther one stays."""
    lightest = np.maximum if BASES[name].background == 0 else np.minimum
    before, after = (width - 1) // 2, width // 2
    expected = np.full_like(drawn(name), BASES[name].background)
    padded = np.pad(
        drawn(name), ((0, 0), (after, before), (after, before)), constant_values=BASES[name].background
    )
    for down in range(width):
        for right in range(width):
            lightest(expected, padded[:, down : down + SIDE, right : right + SIDE], out=expected)
    assert (drawn(name, f"width={width}") == expected).all()
    origin = 0 if width % 2 else -1
    square = ndimage.binary_dilation(
        inked(name, drawn(name)), np.ones((1, width, width)), origin=(0, origin, origin)
    )
    assert (inked(name, drawn(name, f"width={width}")) == square).all()


def test_wide_colours_stay_whole():
    """A pixel takes the colour of one pixel beneath its square, not a mixture of channels."""
    plain, wide = drawn("colour"), drawn("colour", "width=3")
    framed = np.pad(plain, ((0, 0), (1, 1), (1, 1), (0, 0)))
    around = np.stack([framed[:, y : y + SIDE, x : x + SIDE] for y in range(3) for x in range(3)])
    assert (around == wide).all(axis=4).any(axis=0).all()
    assert (wide.max(axis=3) == around.max(axis=(0, 4))).all()


def ends(base: fdsl.formulas.Family, row: int, strokes: int) -> np.ndarray:
    """Return the ends x0 y0 x1 y1 of the lines that break an image, native canvas pixels."""
    address = (SEED, base.stream, CATEGORIES[row], INSTANCES[row])
    return base.native_size * uniform(words(*address, Purpose.ALTERATION, 4 * strokes)).reshape(-1, 2, 2)


VIEWS = {"whole": np.eye(2, 3), "zoomed": np.array([[2.5, 0.7, -300.0], [-0.6, 2.2, -80.0]])}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("strokes", [1, 40])
def test_breaks_are_pillows_lines(base, strokes, view):
    renderer, matrix = fdsl.Renderer(SIDE, "crisp"), VIEWS[view]
    plain = renderer(base.table(SEED, CATEGORIES, INSTANCES), matrix)
    broken = renderer(fdsl.BrokenContours(base, strokes=strokes).table(SEED, CATEGORIES, INSTANCES), matrix)
    for row in range(ROWS):
        at = (ends(base, row, strokes) @ matrix[:, :2].T + matrix[:, 2]) * (SIDE / base.native_size)
        lines = Image.new("L", (SIDE, SIDE), 0)
        for line in np.trunc(at).astype(int):
            ImageDraw.Draw(lines).line([tuple(point) for point in line.tolist()], fill=1)
        expected = plain[row].copy()
        expected[np.asarray(lines) == 1] = base.background
        assert (broken[row] == expected).all()


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("distance", [1, 12, 60, 1024])
def test_scattered_ink_lies_near_ink_of_its_kind(name, distance):
    side = BASES[name].native_size
    plain, moved = drawn(name, size=side), drawn(name, f"scattered={distance}", size=side)
    lit, there = inked(name, plain), inked(name, moved)
    window = 2 * min(distance, side) + 1
    within = ndimage.maximum_filter(lit.astype(np.uint8), (1, window, window), mode="constant")
    assert (there <= within.astype(bool)).all(), "and background elsewhere"
    for row in range(ROWS):
        colours, counts = np.unique(
            moved[row][there[row]].reshape(there[row].sum(), -1), axis=0, return_counts=True
        )
        before, stock = np.unique(
            plain[row][lit[row]].reshape(lit[row].sum(), -1), axis=0, return_counts=True
        )
        known = {tuple(colour): count for colour, count in zip(before.tolist(), stock, strict=True)}
        assert all(known[tuple(c)] >= count for c, count in zip(colours.tolist(), counts, strict=True))
        assert there[row].sum() <= lit[row].sum()


def test_offsets_are_those_of_the_native_pixels():
    """Every pixel of a drawing at its native size goes where the address of its number says."""
    base, distance, side = BASES["FractalDB"], 7, 512
    plain, moved = drawn("FractalDB", size=side), drawn("FractalDB", f"scattered={distance}", size=side)
    for row in range(2):
        y, x = np.nonzero(plain[row])
        cells = [fdsl.random.blocks(
            SEED, base.stream, CATEGORIES[row], INSTANCES[row], Purpose.ALTERATION, (y << 12) | x
        )]  # fmt: skip
        offset = uniform(cells[0][:, :2], -distance, distance)
        to = np.floor(np.stack([x, y], axis=1) + 0.5 + offset).astype(int)
        to = to[((to >= 0) & (to < side)).all(axis=1)]
        expected = np.zeros((side, side), bool)
        expected[to[:, 1], to[:, 0]] = True
        assert ((moved[row] > 0) == expected).all()


@pytest.mark.parametrize("text", EACH)
def test_images_do_not_depend_on_threads_or_neighbours(base, text):
    family = altered_family(base, text)
    together = fdsl.Renderer(64, "area", 5)(family.table(SEED, np.tile(CATEGORIES, 4), np.arange(4 * ROWS)))
    for n in (0, 5, 4 * ROWS - 1):
        alone = fdsl.Renderer(64, "area", 1)(family.table(SEED, [n % ROWS % CLASSES], [n]))
        assert (together[n] == alone[0]).all()


@pytest.mark.parametrize("text", EACH)
def test_every_alteration_changes_every_image_and_no_two_alike(text):
    changed = (drawn("RCDB", text) != drawn("RCDB")).any(axis=(1, 2))
    assert changed.all()
    kind = text.partition("=")[0]
    assert (drawn("RCDB", f"{kind}=3") != drawn("RCDB", f"{kind}=7")).any()


def test_what_comes_from_the_base(base):
    for text in EACH:
        family = altered_family(base, text)
        assert isinstance(family, Alteration)
        for name in ("classes", "native_size", "background", "channels", "objects", "target", "stream"):
            assert getattr(family, name) == getattr(base, name), name
        assert family.category(SEED, 2) == base.category(SEED, 2)
        assert (family.contents(SEED, [1, 2], [0, 5]) == base.contents(SEED, [1, 2], [0, 5])).all()
        assert family.definition()["base"] == base.definition()
        assert pickle.loads(pickle.dumps(family)) == family


def test_digests_differ():
    texts = [
        (),
        *((text,) for text in EACH),
        ("broken=31",),
        ("broken=30", "width=4"),
        ("width=4", "broken=30"),
    ]
    assert len({altered_family(BASES["RCDB"], *text).digest(0) for text in texts}) == len(texts)
    assert fdsl.LineWidth(BASES["RCDB"], width=4).digest(0) != fdsl.OutlineOnly(
        BASES["RCDB"], width=4
    ).digest(0)


def test_alterations_are_no_families_by_name():
    assert not {cls.name for cls in ALTERATIONS.values()} & set(fdsl.families())
    assert list(ALTERATIONS) == list(KINDS)
    with pytest.raises(InputError, match="family must be one of"):
        fdsl.family("BrokenContours")


def test_an_alteration_of_an_alteration():
    """Is altered in turn, with random numbers of its own."""
    thick, base = fdsl.LineWidth(BASES["RCDB"], width=5), BASES["RCDB"]
    assert fdsl.BrokenContours(thick, strokes=30) == altered_family(base, "width=5", "broken=30")
    gaps = (drawn("RCDB", "width=5") != 255) & (drawn("RCDB", "width=5", "broken=30") == 255)
    assert ((drawn("RCDB", "width=5", "broken=30") == drawn("RCDB", "width=5")) | gaps).all()
    assert gaps.any()
    assert (drawn("RCDB", "broken=30", "width=5") != drawn("RCDB", "width=5", "broken=30")).any()
    once, twice = (
        inked("RCDB", drawn("RCDB", "broken=30")),
        inked("RCDB", drawn("RCDB", "broken=30", "broken=30")),
    )
    assert (twice <= once).all()
    assert twice.sum() < once.sum(), "other lines"
    with pytest.raises(InputError, match=f"base must have fewer than {MOST_LAYERS} alterations"):
        altered_family(base, *["broken=1"] * (MOST_LAYERS + 1)).table(SEED, [0], [0])


def test_masks_are_the_bases():
    base = BASES["ExFractalDB"]
    family = fdsl.ScatteredPoints(base, distance=5)
    renderer, identity = fdsl.Renderer(64, "crisp"), (SEED, CATEGORIES, INSTANCES)
    assert (renderer(family.mask_table(*identity)) == renderer(base.mask_table(*identity))).all()
    with pytest.raises(InputError, match="mask must be asked of the base table"):
        family.table(*identity).mask()


def test_anything_but_a_family_or_a_table_is_refused():
    with pytest.raises(InputError, match=r"base must be a Family such as fdsl.RCDB\(\), got 'RCDB'"):
        fdsl.LineWidth("RCDB", width=2)
    assert fdsl.Renderer(32)(fdsl.LineWidth(BASES["RCDB"], width=2).table(0, [], [])).shape == (0, 32, 32)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("broken", "alter must be KIND=STRENGTH, kinds broken, scattered, filled, outline, width, got 'broken'"),
        ("brocken=3", r"alter, kind must be one of broken, .*, got 'brocken' \(did you mean 'broken'\?\)"),
        ("broken=-1", "alter, broken: strokes must be an integer in 0..100000, got '-1'"),
        ("broken=100001", "alter, broken: strokes must be in 0..100000, got 100001"),
        ("scattered=1025", "alter, scattered: distance must be in 0..1024, got 1025"),
        ("filled=257", "alter, filled: erosion must be in 0..256, got 257"),
        ("outline=0", "alter, outline: width must be in 1..256, got 0"),
        ("width=0", "alter, width: width must be in 1..64, got 0"),
        ("width=2.5", "alter, width: width must be an integer in 1..64, got '2.5'"),
        ("width=", "alter, width: width must be an integer in 1..64, got ''"),
        ("width=\u0663", "alter, width: width must be an integer in 1..64, got '\u0663'"),
        ("width=" + 5000 * "9", "alter, width: width must be an integer in 1..64, got '999"),
    ],
)  # fmt: skip
def test_unreadable_alterations_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        altered_family(BASES["RCDB"], "broken=1", text)


@pytest.mark.parametrize("strength", [-1, 10**6, 2.0, "3", True, None])
@pytest.mark.parametrize("cls", ALTERATIONS.values())
def test_strengths_out_of_range_are_refused(cls, strength):
    with pytest.raises(InputError, match=f"^{cls.strength} must be"):
        cls(BASES["RCDB"], **{cls.strength: strength})
