"""Attention: matrices, rollout, Grad-CAM and mass on contours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

import torch
from scipy.stats import spearmanr
from torch import nn

from fdsl.errors import InputError
from fdsl.evaluate.attention.contours import densities, edges, overlaps, spread
from fdsl.evaluate.attention.extract import Attention, Tokens
from fdsl.evaluate.attention.gradcam import GradCam
from fdsl.evaluate.attention.measures import Spread, measure, spread_of
from fdsl.evaluate.attention.pictures import overlay, scale_of
from fdsl.evaluate.attention.rollout import on_patches, rollout
from fdsl.train.model import build_model

SMALL: dict[str, Any] = {"embed_dim": 24, "depth": 2, "num_heads": 3}
VITS = {  # timm name: arguments, tokens without a place, whether the class token is read
    "vit_tiny_patch16_224": (SMALL, 1, True),
    "vit_base_patch16_siglip_224": (SMALL, 0, False),
    "deit_tiny_distilled_patch16_224": (SMALL, 2, True),
    "vit_small_patch14_reg4_dinov2": ({**SMALL, "patch_size": 16}, 5, True),
    "beit_base_patch16_224": (SMALL, 1, False),
    "eva02_tiny_patch14_224": ({**SMALL, "patch_size": 16}, 1, False),
    "naflexvit_base_patch16_gap": (SMALL, 4, False),
}


def model_of(name: str, args: dict[str, Any], size: int = 64, classes: int = 3) -> nn.Module:
    """Return an untrained timm model in evaluation mode, its biases and the like no longer zero."""
    torch.manual_seed(3)
    model = build_model(name, args, size=size, classes=classes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def noise(count: int = 2, size: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", VITS)
def test_matrices_cover_the_tokens_and_change_nothing(name: str) -> None:
    args, prefix, from_class = VITS[name]
    model = model_of(name, args)
    images = noise()
    with torch.inference_mode():
        before = model(images)
    attention = Attention(model, name, 64)
    assert attention.tokens == Tokens(prefix=prefix, grid=4, from_class=from_class)
    blocks = attention(images)
    assert [tuple(block.shape) for block in blocks] == [(2, 3, prefix + 16, prefix + 16)] * 2
    for block in blocks:
        assert_allclose(block.sum(-1).numpy(), 1, atol=1e-5)
        assert block.min() >= 0
        assert not torch.allclose(block[0], block[1])  # it is this image's
    with torch.inference_mode():
        assert_allclose(
            model(images).numpy(), before.numpy(), rtol=1e-3, atol=1e-4
        )  # fused before, plain now


def test_matrices_are_the_softmax_of_queries_and_keys() -> None:
    model: Any = model_of("vit_tiny_patch16_224", SMALL)
    found = Attention(model, "a", 64)(noise())
    taken: list[np.ndarray[Any, Any]] = []
    for block in model.blocks:
        block.attn.register_forward_pre_hook(lambda _, given: taken.append(given[0].double().numpy()))
    with torch.inference_mode():
        model(noise())
    for block, tokens, matrices in zip(model.blocks, taken, found, strict=True):
        weight, bias = (p.detach().double().numpy() for p in block.attn.qkv.parameters())
        query, key = ((tokens @ weight.T + bias)[..., part * 24 : part * 24 + 24] for part in (0, 1))
        for head in range(3):
            q, k = query[..., head * 8 : head * 8 + 8], key[..., head * 8 : head * 8 + 8]
            scores = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(8))
            assert_allclose(matrices[:, head].numpy(), scores / scores.sum(-1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "args", "reason"),
    [
        (
            "swin_tiny_patch4_window7_224",
            {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 1)},
            "has the shape",
        ),
        ("xcit_nano_12_p16_224", {"depth": 1}, "has the shape"),
        ("convnext_atto", {"dims": (8, 8, 8, 8), "depths": (1, 1, 1, 1)}, "it has none"),
        ("vit_dlittle_patch16_reg1_gap_256", {"depth": 1}, "has the shape"),  # two heads are subtracted
    ],
)
def test_other_kinds_of_models_are_refused_with_the_way_out(
    name: str, args: dict[str, Any], reason: str
) -> None:
    model = model_of(name, args)
    with pytest.raises(InputError, match=f"{reason}.*--method grad-cam"):
        Attention(model, "WEIGHTS", 64)
    maps = GradCam(model, "WEIGHTS", 64)(noise())
    assert maps.shape[1] == maps.shape[2] <= 8


def test_parallel_attentions_of_a_block_are_its_heads() -> None:
    model = model_of("vit_small_patch16_18x2_224", SMALL)
    assert [block.shape[1] for block in Attention(model, "a", 64)(noise())] == [6, 6]


def test_a_model_that_learned_masks_is_read_by_its_patches() -> None:
    assert not Attention(model_of("vit_tiny_patch16_224", SMALL), "a", 64, segments=True).tokens.from_class


def test_rollout_of_attention_to_oneself_is_the_identity_and_of_even_attention_known() -> None:
    eye, even = torch.eye(5).expand(2, 3, 5, 5), torch.full((2, 3, 5, 5), 0.2)
    assert_array_equal(rollout([eye, eye])[1].numpy(), np.eye(5))
    # half stays where it is, block after block: 1/8 of the identity, the rest is spread evenly
    assert_allclose(rollout([even] * 3)[0].numpy(), np.eye(5) / 8 + 7 / 8 / 5, atol=1e-7)


def test_rollout_of_two_blocks_by_hand() -> None:
    first = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])[None]  # two heads
    second = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])[None]
    # heads' means [[.5, .5], [1, 0]] and [[0, 1], [0, 1]]; with the identity, halved: [[.75, .25], [.5, .5]] and
    # [[.5, .5], [0, 1]]; the last block's rows times the first's
    assert_allclose(rollout([first, second])[0].numpy(), [[0.625, 0.375], [0.5, 0.5]])


def test_mass_on_patches_leaves_out_tokens_of_no_place() -> None:
    attention = torch.zeros(6, 6)  # two tokens of no place, then 2 x 2 patches
    attention[0] = torch.tensor([0.5, 0.1, 0.1, 0.2, 0.0, 0.1])
    attention[2:] = torch.tensor([0.0, 0.2, 0.0, 0.0, 0.8, 0.0])
    read = Tokens(prefix=2, grid=2, from_class=True)
    assert_allclose(on_patches(attention, read).numpy(), [[0.25, 0.5], [0.0, 0.25]], atol=1e-7)
    assert_allclose(
        on_patches(attention, Tokens(prefix=2, grid=2, from_class=False)).numpy(), [[0, 0], [1, 0]], atol=1e-7
    )


@pytest.mark.parametrize(("pixels", "cells"), [(64, 8), (64, 7), (10, 3), (5, 5), (512, 37), (4, 7)])
def test_spreading_keeps_mass_and_meets_what_is_marked(pixels: int, cells: int) -> None:
    random = np.random.default_rng(0)
    masses = random.random((2, cells, cells))
    marks = random.random((2, pixels, pixels)) < 0.3
    wide = spread(masses, pixels)
    assert_allclose(wide.sum(axis=(1, 2)), masses.sum(axis=(1, 2)))
    assert_allclose((wide * marks).sum(axis=(1, 2)), (masses * densities(marks, cells)).sum(axis=(1, 2)))
    assert_allclose(densities(marks, cells).mean(axis=(1, 2)), marks.mean(axis=(1, 2)))
    assert_allclose(overlaps(pixels, cells).sum(axis=1), 1)
    if pixels % cells == 0:
        times = pixels // cells
        assert_allclose(wide, masses.repeat(times, 1).repeat(times, 2) / times**2)


def test_even_attention_has_the_share_of_the_area_and_attention_to_marks_all_of_it() -> None:
    marks = np.zeros((3, 8, 8), np.bool_)
    marks[0, :4, :4] = marks[1, 4:, 4:] = True  # a patch of 2 x 2 each; nothing is marked in the third
    part = densities(marks, 2)
    even = measure(np.full((3, 2, 2), 0.25), part)
    assert (even.share.mean, even.share.images) == (pytest.approx(0.5 / 3), 3)
    assert (even.lift.mean, even.lift.deviation, even.lift.images) == (1.0, 0.0, 2)
    assert even.correlation.mean is None  # even attention has no order
    sharp = measure(part[:2], part[:2])
    assert (sharp.share.mean, sharp.lift.mean, sharp.control.mean) == (1.0, 4.0, 0.0)
    assert sharp.correlation.mean == pytest.approx(1.0)
    away = measure(part[[1, 0]], part[:2])
    assert (away.share.mean, away.lift.mean, away.control.mean) == (0.0, 0.0, 4.0)


def test_deviations_are_of_a_sample() -> None:
    assert spread_of(np.array([1.0, np.nan, 3.0])) == Spread(mean=2.0, deviation=2**0.5, images=2)
    assert spread_of(np.array([np.nan])) == Spread(mean=None, deviation=None, images=0)


def test_images_without_a_map_are_left_out() -> None:
    maps = np.full((2, 2, 2), 0.25)
    maps[1] = np.nan
    found = measure(maps, np.ones((2, 2, 2)))
    assert (found.share.mean, found.share.deviation, found.share.images) == (1.0, None, 1)


def test_correlation_is_that_of_scipy() -> None:
    random = np.random.default_rng(2)
    maps, part = random.random((1, 6, 6)), random.integers(0, 5, (1, 6, 6)) / 5  # with ties
    expected = spearmanr(maps.ravel(), part.ravel()).statistic
    assert measure(maps, part).correlation.mean == pytest.approx(expected)


def test_edges_lie_where_brightness_changes() -> None:
    pixels = np.zeros((2, 40, 40, 3), np.uint8)
    pixels[0, :, 20:] = 200
    found = edges(pixels)
    assert_array_equal(found[0].any(axis=0).nonzero()[0], [19, 20])
    assert found[0].mean() == 0.05
    assert not found[1].any()


class Pooled(nn.Module):
    """A convolution, its mean over places, and a head: Grad-CAM of it can be done by hand."""

    def __init__(self, *, channels_last: bool) -> None:
        super().__init__()
        self.feature_info = [{"module": "stage"}]
        self.output_fmt = "NHWC" if channels_last else "NCHW"
        self.conv, self.stage, self.head = nn.Conv2d(3, 4, 8, 8), nn.Identity(), nn.Linear(4, 3)
        self.channels_last = channels_last

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.conv(images)
        features = self.stage(features.permute(0, 2, 3, 1) if self.channels_last else features)
        head: torch.Tensor = self.head(features.mean((1, 2) if self.channels_last else (2, 3)))
        return head


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size", [64, 32])  # of 32, the map has as many places along a side as channels
def test_grad_cam_by_hand(size: int, channels_last: bool) -> None:
    torch.manual_seed(0)
    model = Pooled(channels_last=channels_last)
    maps = GradCam(model, "a", size)(noise(3, size)).numpy()
    features = model.conv(noise(3, size)).detach().double().numpy()
    places = (size // 8) ** 2
    weight = model.head.weight.detach().double().numpy()
    likeliest = model(noise(3, size)).argmax(1).numpy()
    expected = np.einsum("bk,bkij->bij", weight[likeliest] / places, features).clip(0)
    assert expected.max() > 0
    assert_allclose(maps, expected, atol=1e-7)


def test_grad_cam_of_a_class_token_sees_the_patches() -> None:
    maps = GradCam(model_of("deit_tiny_distilled_patch16_224", SMALL), "a", 64)(noise())
    assert maps.shape == (2, 4, 4)
    assert maps.max() > 0


def test_an_overlay_has_colours_by_the_scale_and_the_image_below() -> None:
    cells = np.array([[0.0, 1.0], [2.0, 1.0]])
    assert scale_of([cells]) == (0.0, 2.0)
    assert scale_of([np.ones((2, 2))]) == (0.9, 1.1)
    black = overlay(np.zeros((32, 32), np.uint8), cells, (0.0, 2.0))
    white = overlay(np.full((32, 32, 3), 255, np.uint8), cells, (0.0, 2.0))
    assert black.shape == (256, 256, 3)
    assert_array_equal(black[:128, 128:].reshape(-1, 3), np.broadcast_to(black[-1, -1], (128 * 128, 3)))
    assert black[200, 10].sum() > black[200, 200].sum() > black[0, 0].sum()
    assert_allclose(white.astype(float) - black, 0.35 * 255, atol=1)  # the image, below the colour
