"""Mixup and CutMix against plain NumPy and against timm's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, chisquare, ks_2samp, kstest

torch = pytest.importorskip("torch")

from fdsl.data.mixing import Mixing  # noqa: E402
from fdsl.errors import InputError  # noqa: E402

CLASSES = 7


def batch(count=40, channels=1, height=24, width=32):
    """Return images and labels; more pairs than are mixed at once."""
    random = np.random.default_rng(5)
    images = random.normal(size=(count, channels, height, width)).astype(np.float32)
    return images, random.integers(0, CLASSES, count)


def mixed(images, labels, mix, smoothing):
    """Mix as the papers write it, pixel by pixel where a box is cut."""
    partners = images[::-1]
    if mix.box is None:
        result = mix.share * images + (1 - mix.share) * partners
    else:
        result = images.copy()
        rows, columns = mix.box
        for row in range(rows.start, rows.stop):
            for column in range(columns.start, columns.stop):
                result[:, :, row, column] = partners[:, :, row, column]
    own = (1 - smoothing) * np.eye(CLASSES)[labels] + smoothing / CLASSES
    return result, mix.share * own + (1 - mix.share) * own[::-1]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alphas", [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
@pytest.mark.parametrize("count", [2, 40, 41])
def test_a_batch_is_mixed_as_the_papers_write_it(channels, alphas, count):
    mixing = Mixing(classes=CLASSES, mixup=alphas[0], cutmix=alphas[1], label_smoothing=0.1, seed=3)
    for number in (0, 1, 40, 10**12):
        images, labels = batch(count, channels)
        expected = mixed(images, labels, mixing.draw(number, 24, 32), 0.1)
        targets = mixing(torch.from_numpy(images), torch.from_numpy(labels), number)
        np.testing.assert_allclose(images, expected[0], atol=1e-6)
        np.testing.assert_allclose(targets.numpy(), expected[1], atol=1e-6)
        np.testing.assert_allclose(targets.sum(1).numpy(), 1, atol=1e-6)
        assert targets.min() >= 0


def test_shares_are_the_images_true_parts():
    mixing = Mixing(classes=2, cutmix=1.0)
    for number in range(200):
        mix = mixing.draw(number, 24, 32)
        images = torch.stack([torch.zeros(1, 24, 32), torch.ones(1, 24, 32)])
        targets = mixing(images, torch.tensor([0, 1]), number)
        assert 1 - images[0].mean() == pytest.approx(mix.share, abs=1e-6)
        assert targets[:, 0].tolist() == pytest.approx([mix.share, 1 - mix.share], abs=1e-6)


def test_nothing_on_changes_nothing():
    images, labels = map(torch.from_numpy, batch())
    before = images.clone()
    assert Mixing(classes=CLASSES)(images, labels, 3) is labels
    assert torch.equal(images, before)


def test_a_mix_is_a_function_of_its_address_alone():
    mixing = Mixing(classes=2, mixup=0.8, cutmix=1.0, seed=1)
    numbers = [0, 1, 2, 1 << 32, (1 << 32) + 1, 10**18]
    drawn = [mixing.draw(number, 32, 32) for number in numbers]
    assert len({mix.share for mix in drawn}) == len(numbers)
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert [mixing.draw(number, 32, 32) for number in reversed(numbers)] == drawn[::-1]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    other = Mixing(classes=2, mixup=0.8, cutmix=1.0, seed=2)
    assert all(other.draw(n, 32, 32).share != mix.share for n, mix in zip(numbers, drawn, strict=True))


@pytest.mark.parametrize("alpha", [0.2, 0.8, 1.0, 4.0])
def test_mixups_shares_are_beta(alpha):
    mixing = Mixing(classes=2, mixup=alpha)
    shares = [mixing.draw(64 * step, 32, 32).share for step in range(2000)]
    assert kstest(shares, beta(alpha, alpha).cdf).pvalue > 0.01


@pytest.mark.parametrize("alphas", [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_shares_and_boxes_are_distributed_as_timms(alphas, monkeypatch):
    from timm.data import mixup

    ours = Mixing(classes=2, mixup=alphas[0], cutmix=alphas[1])
    theirs = mixup.Mixup(*alphas, num_classes=2)
    boxes = []
    original = mixup.rand_bbox

    def noted(*arguments, **named):
        boxes.append(original(*arguments, **named))
        return boxes[-1]

    monkeypatch.setattr(mixup, "rand_bbox", noted)
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(11)  # noqa: NPY002
    shares = [theirs._mix_batch(torch.zeros(2, 1, 32, 32)) for _ in range(2000)]
    np.random.set_state(state)  # noqa: NPY002
    drawn = [ours.draw(64 * step, 32, 32) for step in range(2000)]
    assert ks_2samp([mix.share for mix in drawn], shares).pvalue > 0.01
    cut = [mix.box for mix in drawn if mix.box is not None]
    if all(alphas):
        assert chisquare([len(cut), 2000 - len(cut)]).pvalue > 0.01
    for axis, ends in enumerate(((0, 1), (2, 3))):
        if cut:
            assert ks_2samp([b[axis].start for b in cut], [int(b[ends[0]]) for b in boxes]).pvalue > 0.01
            assert ks_2samp([b[axis].stop for b in cut], [int(b[ends[1]]) for b in boxes]).pvalue > 0.01


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("classes", 0),
        ("mixup", -0.1),
        ("mixup", float("inf")),
        ("cutmix", 101),
        ("label_smoothing", 1.1),
        ("seed", -1),
    ],
)
def test_fields_out_of_range_are_named(field, value):
    with pytest.raises(InputError, match=f"^{field} must"):
        Mixing(**{"classes": 2, field: value})
