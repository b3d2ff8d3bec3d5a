"""Free labels: what a formula knows of its images, beside what can be seen in them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402
from torchvision.transforms.functional import to_tensor  # noqa: E402

import fdsl  # noqa: E402
from fdsl.data.targets import FreeLabels  # noqa: E402
from fdsl.errors import InputError  # noqa: E402
from fdsl.formulas.base import ALWAYS  # noqa: E402
from fdsl.render.cpu.extents import boxes  # noqa: E402

CLASSES, SIZE, SEED = 4, 64, 5
FAMILIES = sorted(fdsl.families())
SHAPES = {
    "class": (),
    "classes": (CLASSES,),
    "box": (4,),
    "mask": (SIZE, SIZE),
    "depth": (SIZE, SIZE),
    "camera": (3, 4),
}
OBJECTS = {"objects", "box", "contour"}
"""A row an object where there are several."""
VIEW = np.array([[1.3, 0.2, -40.0], [-0.1, 1.1, 10.0]])


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> fdsl.formulas.Family:
    return fdsl.family(request.param, classes=CLASSES)


def free(family, view=None, count=6) -> FreeLabels:
    n = np.arange(count)
    return FreeLabels(family, SEED, n % CLASSES, n, fdsl.Renderer(SIZE), view)


def crisp(family, view=None, count=6) -> np.ndarray:
    n = np.arange(count)
    return fdsl.Renderer(SIZE, "crisp")(family.table(SEED, n % CLASSES, n), view)


def test_every_label_of_every_family(family):
    labels = free(family)
    for name in (*ALWAYS, *family.labels):
        value = labels[name]
        assert len(value) == 6
        several = (family.objects,) if name in OBJECTS and family.objects > 1 else ()
        if name in SHAPES:
            assert value.shape[1:] == (*several, *SHAPES[name])
        assert np.isfinite(value).all()
    assert labels["class"].tolist() == [0, 1, 2, 3, 0, 1]


def test_labels_a_family_lacks_are_refused_by_name(family):
    for name in {"mask", "box", "contour", "depth", "camera", "points", "parameters"} - set(family.labels):
        with pytest.raises(InputError, match=f"targets must be labels of {family.name}, .* got '{name}'"):
            fdsl.FormulaDataset(family, targets=name)


def test_contents_name_the_category_of_the_image(family):
    contents, hot = free(family)["objects"], free(family)["classes"]
    assert contents.shape == (6, family.objects)
    for n in range(6):
        there = set(contents[n].tolist()) - {-1}
        assert n % CLASSES in there
        assert set(np.flatnonzero(hot[n]).tolist()) == there


@pytest.mark.parametrize("view", [None, VIEW], ids=["whole", "view"])
def test_masks_are_lit_where_something_is_drawn(family, view):
    if "mask" not in family.labels:
        pytest.skip(f"{family.name} has no masks")
    labels, images = free(family, view), crisp(family, view)
    mask, contents = labels["mask"], labels["objects"]
    assert mask.dtype == np.uint8
    drawn = images != family.background if images.ndim == 3 else (images != family.background).any(-1)
    assert set(np.unique(mask)) <= {0, *(contents + 1).ravel().tolist()}
    if family.name not in ("MultiFractal", "SegRCDB"):  # backgrounds of their own, masks of their own
        # gray equal to the background hides some strokes, never the other way round
        assert (mask[drawn] > 0).all()
        assert (mask > 0).mean() <= 1.2 * drawn.mean()


def test_boxes_hold_what_the_mask_shows(family):
    if "box" not in family.labels:
        pytest.skip(f"{family.name} has no boxes")
    if family.objects > 1:
        pytest.skip("tested below for several objects")
    labels = free(family, VIEW)
    for mask, (left, top, width, height) in zip(labels["mask"], labels["box"], strict=True):
        rows, columns = np.nonzero(mask)
        if rows.size == 0:
            assert (left, top, width, height) == (0, 0, 0, 0)
            continue
        assert (left, top) == (columns.min(), rows.min())
        assert (left + width, top + height) == (columns.max() + 1, rows.max() + 1)


def test_altered_images_keep_the_labels_of_what_did_not_move():
    base = fdsl.RCDB(classes=CLASSES)
    altered = fdsl.BrokenContours(base, strokes=9)
    assert altered.labels == ("parameters", "box", "mask")
    for name in altered.labels:
        assert (free(altered, VIEW)[name] == free(base, VIEW)[name]).all()


def test_native_labels_end_where_the_canvas_does():
    """As the images do, which are resampled from it."""
    family, view = fdsl.SegRCDB(), np.array([[1.0, 0, 256], [0, 1, 0]])
    natively = FreeLabels(family, 0, [0, 1], [0, 0], fdsl.Renderer(128, "native"), view)
    image = fdsl.Renderer(128, "native")(family.table(0, [0, 1], [0, 0]), view)
    crisply = FreeLabels(family, 0, [0, 1], [0, 0], fdsl.Renderer(128, "crisp"), view)
    assert (image[:, :, :63] == 0).all()
    assert (natively["mask"][:, :, :64] == 0).all()
    assert (crisply["mask"][:, :, :64] > 0).any()
    assert (natively["mask"][:, :, 64:] == crisply["mask"][:, :, 64:]).all()
    boxes = natively["box"].reshape(-1, 4)
    assert (boxes[boxes[:, 2] > 0, 0] >= 64).all()
    space = fdsl.ExFractalDB(classes=2)
    shifted = np.array([[1.0, 0, 112], [0, 1, 0]])
    depth = FreeLabels(space, 0, [0], [0], fdsl.Renderer(128, "native"), shifted)["depth"]
    assert (depth[:, :, :64] == 0).all()
    assert (depth[:, :, 64:] > 0).any()


def test_contours_have_one_length_whatever_the_batch():
    family = fdsl.RCDB(classes=CLASSES, vertices=[3, 60])
    dataset = fdsl.FormulaDataset(family, 2, 32, targets="contour")
    alone = [dataset[index][1] for index in range(8)]
    assert {tuple(contour.shape) for contour in alone} == {(60, 2)}
    assert all(
        torch.equal(one, other) for one, (_, other) in zip(alone, dataset.__getitems__(range(8)), strict=True)
    )
    assert fdsl.FormulaDataset(fdsl.SegRCDB(contours=2), 2, 32, targets="contour")[0][1].shape == (2, 500, 2)


def test_boxes_of_several_objects():
    numbers = np.zeros((2, 8, 10), np.uint8)
    numbers[0, 2:4, 3:7], numbers[0, 5, 9], numbers[1, :, 0] = 1, 3, 2
    found = boxes(numbers, 3)
    assert found.dtype == np.float32
    assert found[0].tolist() == [[3, 2, 4, 2], [0, 0, 0, 0], [9, 5, 1, 1]]
    assert found[1].tolist() == [[0, 0, 0, 0], [0, 0, 1, 8], [0, 0, 0, 0]]


def test_masks_of_many_categories_are_wider():
    family = fdsl.Contractive(classes=300)
    mask = FreeLabels(family, 0, [299, 7], [0, 0], fdsl.Renderer(32))["mask"]
    assert mask.dtype == np.int32
    assert [set(np.unique(one)) for one in mask] == [{0, 300}, {0, 8}]


def test_one_target_comes_as_it_is_and_several_as_a_dict():
    family = fdsl.Contractive(classes=CLASSES)
    image, box = fdsl.FormulaDataset(family, 2, SIZE, targets="box")[3]
    assert image.size == (SIZE, SIZE)
    assert box.dtype == torch.float32
    _, row = fdsl.FormulaDataset(family, 2, SIZE, targets=("class", "box", "mask"))[3]
    assert list(row) == ["class", "box", "mask"]
    assert row["class"] == 1
    assert row["box"].equal(box)
    assert row["mask"].shape == (SIZE, SIZE)
    assert isinstance(fdsl.FormulaDataset(family, 2, SIZE)[3][1], int)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_loader_collates_them(workers):
    family = fdsl.Contractive(classes=CLASSES)
    dataset = fdsl.FormulaDataset(family, 2, SIZE, transform=to_tensor, targets=("class", "box", "mask"))
    images, targets = next(iter(DataLoader(dataset, batch_size=5, num_workers=workers)))
    assert images.shape == (5, 3, SIZE, SIZE)
    assert targets["class"].tolist() == [0, 0, 1, 1, 2]
    assert targets["box"].shape == (5, 4)
    assert targets["mask"].amax((1, 2)).tolist() == [1, 1, 2, 2, 3]


def test_the_loader_moves_targets_with_their_images():
    family = fdsl.Contractive(classes=CLASSES, variant="point_gray")
    dataset = fdsl.FormulaDataset(family, 4, SIZE, targets=("class", "mask", "box"), lines="crisp")
    recipe = fdsl.Augmentation(hflip=0.5, auto_augment=None)
    loader = fdsl.Loader(dataset, 8, augment=recipe, mean=[0.0] * 3, std=[1.0] * 3)
    images, targets = loader.batch(0)
    assert targets["mask"].dtype == torch.int64
    assert ((targets["mask"] > 0) == (images[:, 0] > 0)).all()
    assert (targets["mask"].amax((1, 2)) == targets["class"] + 1).all()
    lit = targets["mask"] > 0
    assert torch.equal(targets["box"][:, 2], _widths(lit))
    for (first, one), (second, other) in zip(loader, loader_again(dataset, recipe), strict=True):
        assert torch.equal(first, second)
        assert all(torch.equal(one[name], other[name]) for name in one)


def _widths(lit: torch.Tensor) -> torch.Tensor:
    columns = [torch.nonzero(one.any(0))[:, 0] for one in lit]
    return torch.tensor([float(c.max() - c.min() + 1) if len(c) else 0.0 for c in columns])


def loader_again(dataset, recipe):
    return fdsl.Loader(dataset, 8, augment=recipe, mean=[0.0] * 3, std=[1.0] * 3)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ("masks", "targets must be one of class, .* got 'masks' .did you mean 'mask'"),
        ((), "targets must name at least one label"),
        (("box", "box"), "targets must name each label once, got box, box"),
        ("depth", "targets must be labels of Contractive, .* got 'depth': it has none"),
    ],
)
def test_targets_that_cannot_be(targets, message):
    with pytest.raises(InputError, match=message):
        fdsl.FormulaDataset(fdsl.Contractive(classes=CLASSES), targets=targets)


def test_mixing_is_for_classes_alone():
    dataset = fdsl.FormulaDataset(fdsl.Contractive(classes=CLASSES), 4, SIZE, targets="mask")
    with pytest.raises(InputError, match="mixup, cutmix and label_smoothing must be 0 with targets 'mask'"):
        fdsl.Loader(dataset, 4, mixup=0.8)


def test_two_targets_train_together():
    """The category and where it lies, from one backbone: both are learned."""
    torch.manual_seed(0)
    family = fdsl.Contractive(classes=3, variant="point_gray")
    dataset = fdsl.FormulaDataset(family, 16, 32, targets=("class", "box"))
    loader = fdsl.Loader(dataset, 48, augment=fdsl.Augmentation(crop_scale=(0.5, 1.0)))
    body = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 8, 8), torch.nn.GELU(), torch.nn.Flatten())
    name, place = torch.nn.Linear(128, 3), torch.nn.Linear(128, 4)
    modules = torch.nn.ModuleList([body, name, place])
    optimizer = torch.optim.AdamW(modules.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        for images, targets in loader:
            features = body(images)
            wrong = torch.nn.functional.cross_entropy(name(features), targets["class"])
            off = torch.nn.functional.l1_loss(place(features), targets["box"] / 32)
            optimizer.zero_grad()
            (wrong + off).backward()
            optimizer.step()
            losses.append((wrong.item(), off.item()))
    first, last = np.mean(losses[:3], axis=0), np.mean(losses[-3:], axis=0)
    assert (last < 0.6 * first).all()
