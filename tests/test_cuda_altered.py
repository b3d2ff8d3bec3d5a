"""Altered drawings by CUDA kernels: the CPU's pixels, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fdsl
from drawn_alike import INVERTED, VIEWS, assert_drawn_alike, cuda_images
from fdsl.formulas import altered_family
from fdsl.geometry.altered import KINDS, Altered
from fdsl.render import renderer as cpu_renderer
from fdsl.render.cuda import renderer as cuda_renderer
from fdsl.render.cuda.canvas import Canvas, Drawing

EACH = ("broken=30", "scattered=9", "filled=2", "outline=2", "width=4")
WEAKEST = ("broken=0", "scattered=0", "filled=0", "outline=1", "width=1")
STRONGEST = ("broken=300", "scattered=1024", "filled=256", "outline=256", "width=64")
STREAM = 5


def rcdb(*texts: str, count: int = 3) -> Altered:
    return altered_family(fdsl.RCDB(classes=10), *texts).table(0, np.arange(count), np.arange(count))


@dataclass(frozen=True)
class Pictures:
    """A table whose rows are drawn already, at the size of the canvas: what no formula here draws is altered too."""

    images: NDArray[np.uint8]
    background: int = 0
    canvas: int = 32

    def __len__(self) -> int:
        return len(self.images)

    @property
    def channels(self) -> int:
        return 3 if self.images.ndim == 4 else 1


def draw_pictures(table: Pictures, frame: Any, images: NDArray[np.uint8]) -> Any:
    def draw(begin: int, end: int) -> None:
        for row in range(begin, end):
            images[row % len(images)] = frame.tones[row][table.images[row]]

    return draw


def draw_pictures_there(table: Pictures, frame: Any, device: Any) -> Drawing:
    columns = [device.upload((table.images.reshape(len(table), -1),))[0]]

    def draw(canvas: Canvas) -> None:
        for n in range(len(canvas.pixels)):
            row = canvas.first + n
            canvas.pixels[n] = canvas.inks[row * canvas.step][columns[0][row]]

    return Drawing(draw, 7)


@pytest.fixture(autouse=True)
def _pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cpu_renderer._DRAWERS, Pictures, draw_pictures)
    monkeypatch.setitem(cuda_renderer._DRAWERS, Pictures, draw_pictures_there)


def altered(images: Any, text: str, background: int = 0) -> Altered:
    """Return a table of pictures, each altered."""
    pictures = Pictures(np.ascontiguousarray(images, np.uint8), background, np.shape(images)[1])
    rows = np.arange(len(pictures), dtype=np.uint32)
    kind, _, strength = text.partition("=")
    address = np.stack([rows * 0 + 1, rows * 0 + STREAM, rows, rows + 7], axis=1).astype(np.uint32)
    return Altered(pictures, address, kind, int(strength))


def noise(share: float, side: int = 41, count: int = 3, channels: tuple[int, ...] = ()) -> NDArray[np.uint8]:
    """Return pictures of which that share of the pixels is inked."""
    random = np.random.default_rng(int(share * 100) + side)
    grays = random.integers(0, 256, (count, side, side, *channels))
    inked = random.random((count, side, side)) < share
    return (grays * inked.reshape(inked.shape + (1,) * len(channels))).astype(np.uint8)


def spiral(side: int) -> NDArray[np.uint8]:
    """Return a wall whose one way in winds to the middle."""
    image = np.full((side, side), 255, np.uint8)
    y, x, down, right = 0, 0, 0, 1
    image[0, 0] = 0
    for _ in range(side * side):
        a, b = y + 2 * down, x + 2 * right
        if not (0 <= a < side and 0 <= b < side and image[a, b]):
            down, right = right, -down
            a, b = y + 2 * down, x + 2 * right
            if not (0 <= a < side and 0 <= b < side and image[a, b]):
                break
        image[y + down, x + right] = image[a, b] = 0
        y, x = a, b
    return image


def stairs(side: int) -> NDArray[np.uint8]:
    """Return a way in that turns at every pixel, from the top left, between two walls; it ends in a chamber."""
    image = np.zeros((side, side), np.uint8)
    for n in range(side - 12):
        image[n, max(n - 2, 0)] = image[n, n + 2] = image[n, max(n - 1, 0)] = 90
        image[n, n], image[n, n + 1] = 0, 0
    image[side - 12, : side - 13], image[side - 12 :, [0, -1]], image[-1] = 90, 90, 90
    image[side - 12, side - 10 :] = 90
    return image


@pytest.mark.parametrize("text", [*EACH, *WEAKEST, *STRONGEST])
def test_every_strength_of_every_kind_is_the_cpus(text: str) -> None:
    assert_drawn_alike(rcdb(text), 48, blank=text in STRONGEST)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("text", EACH)
def test_every_view_of_a_drawing_is_the_cpus(text: str, view: str) -> None:
    assert_drawn_alike(rcdb(text), 40, view=np.array(VIEWS[view]), blank=view == "far")


@pytest.mark.parametrize("text", ["broken=40", "scattered=200"])
@pytest.mark.parametrize(
    "view",
    [
        [[100.0, 0.0, -25000.0], [0.0, 100.0, -25000.0]],
        [[1e-5, 0.0, 100.0], [0.0, 1e-5, 100.0]],
        [[1.0, 1.0, 0.0], [1.0, 1.0 + 1e-7, 0.0]],
    ],
)
def test_lines_and_offsets_under_views_that_show_little(text: str, view: list[list[float]]) -> None:
    assert_drawn_alike(altered(noise(0.4), text), 41, view=np.array(view), blank=True)


@pytest.mark.parametrize("text", EACH)
def test_tones_of_each_image_come_after_the_alteration(text: str) -> None:
    curves = np.stack([np.roll(INVERTED, 40 * n) for n in range(3)])
    assert_drawn_alike(rcdb(text), 41, tone=curves)


@pytest.mark.parametrize("text", [*EACH, "filled=0", "scattered=0"])
@pytest.mark.parametrize("background", [0, 255, 100])
def test_colours(text: str, background: int) -> None:
    images = noise(0.3, channels=(3,)) ^ np.uint8(background)
    assert_drawn_alike(altered(images, text, background), 41)
    assert_drawn_alike(altered(images, text, background), 41, tone=INVERTED)


@pytest.mark.parametrize("text", [*EACH, "filled=0", "outline=9"])
@pytest.mark.parametrize("share", [0.02, 0.4, 0.9])
def test_grays_on_both_sides_of_the_background(text: str, share: float) -> None:
    assert_drawn_alike(altered(noise(share) ^ np.uint8(130), text, 130), 41, blank=True)


@pytest.mark.parametrize("text", EACH)
@pytest.mark.parametrize("gray", [0, 200])
def test_empty_and_full_pictures(text: str, gray: int) -> None:
    assert_drawn_alike(altered(np.full((2, 33, 33), gray), text), 33, blank=True)


@pytest.mark.parametrize("side", [32, 33, 63, 64, 65])
@pytest.mark.parametrize("text", ["filled=0", "outline=3"])
def test_shapes_on_canvases_of_any_side(text: str, side: int) -> None:
    """Words of 32 pixels end with the line, or within it."""
    images = np.zeros((4, side, side), np.uint8)
    images[0, 3:-3, 3], images[0, 3:-3, -4], images[0, 3, 3:-3], images[0, -4, 3:-3] = 9, 9, 9, 9
    images[1, 1:-1, 1], images[1, 1:-1, -2], images[1, 1, 1:-1], images[1, -2, 1:-1] = 9, 9, 9, 9
    images[2] = images[1]
    images[2, side // 2, 1] = 0
    images[3, [0, -1]], images[3, :, [0, -1]] = 200, 200
    drawn = assert_drawn_alike(altered(images, text), side)
    if text == "filled=0":
        assert (drawn[1] > 0).sum() == (side - 2) ** 2
        assert (drawn[3] == 200).all()
        assert (drawn[2] > 0).sum() < 4 * side, "a gap lets the outside in"


@pytest.mark.parametrize("side", [33, 64])
@pytest.mark.parametrize("text", ["filled=0", "outline=1"])
def test_ways_in_that_wind(text: str, side: int) -> None:
    way, steps = spiral(side), stairs(side)
    turned = [np.rot90(image, turns) for image in (way, steps) for turns in range(4)]
    drawn = assert_drawn_alike(altered(turned, text), side)
    assert text != "filled=0" or (drawn[:4] == np.stack(turned[:4])).all(), "all of the way in is outside"


@pytest.mark.parametrize("depth", [0, 1, 2, 5, 20, 256])
@pytest.mark.parametrize("kind", ["filled", "outline"])
def test_depths_of_shapes(kind: str, depth: int) -> None:
    y, x = np.mgrid[:64, :64]
    disc = ((x - 30) ** 2 + (y - 34) ** 2 < 28**2) * 180
    both = disc * ((x - 20) ** 2 + (y - 34) ** 2 > 6**2)
    images = [disc, both, (x // 9 + y // 9) % 2 * 50 * (x > 0)]
    assert_drawn_alike(altered(images, f"{kind}={max(depth, KINDS[kind].low)}"), 64, blank=True)


@pytest.mark.parametrize("width", [1, 2, 3, 7, 40, 64])
def test_pens_of_any_width(width: int) -> None:
    assert_drawn_alike(altered(noise(0.01), f"width={width}"), 41)


@pytest.mark.parametrize(
    "texts",
    [
        ("broken=30", "scattered=9"),
        ("scattered=4", "scattered=4", "scattered=4"),
        ("width=3", "filled=1", "broken=20"),
        ("broken=5", "broken=5"),
        ("outline=2", "width=2"),
        ("width=2", "width=3"),
    ],
)
def test_alterations_of_alterations(texts: tuple[str, ...]) -> None:
    assert_drawn_alike(rcdb(*texts), 40, tone=INVERTED)


@pytest.mark.parametrize("text", EACH)
def test_a_batch_in_parts_is_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = rcdb(text, "width=2", count=5)
    whole = cuda_images(table)
    monkeypatch.setattr("fdsl.render.cuda.renderer.SCRATCH", 2 * (8 * 32 * 32 + 2000))
    parts: list[int] = []
    launch = cuda_renderer.Device.launch
    monkeypatch.setattr(
        "fdsl.render.cuda.device.Device.launch",
        lambda self, kernel, blocks, *rest, **more: (
            parts.append(blocks),
            launch(self, kernel, blocks, *rest, **more),
        )[1],
    )
    assert (cuda_images(table) == whole).all()
    assert max(parts) < 5
    assert_drawn_alike(table)


def test_scratch_of_all_layers_is_counted() -> None:
    device, renderer = cuda_renderer.device_of(0), cuda_renderer.CudaRenderer(32, "crisp")
    table = altered(noise(0.1, 32), "filled=1")
    moved = Altered(table, table.address, "scattered", 3)
    needed = [
        cuda_renderer._DRAWERS[Altered](each, renderer.frame(each, None, None), device).bytes
        for each in (table, moved)
    ]
    assert needed == [7 + 2 * 4 * 32 + 2 * 32 * 32, 7 + 2 * 4 * 32 + 2 * 32 * 32 + 4 * 32 * 32]


@pytest.mark.parametrize("text", EACH)
def test_families_at_their_full_size(text: str) -> None:
    assert_drawn_alike(rcdb(text, count=1), 224)


def test_no_rows() -> None:
    assert cuda_images(rcdb("width=2", count=0)).shape == (0, 32, 32)
