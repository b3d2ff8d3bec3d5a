"""Options of speed and memory give the results of a training without them.

Tolerances, on tiny models in float32: none for recomputed activations; 1e-5 of the loss for compiled models and
channels-last transformers; 1e-3 for channels-last convolutions, whose sums run in another order, after three updates
of a learning rate of 1e-3; 1e-2 for bf16 and fp16 on a transformer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

import timm  # noqa: E402
from timm.layers import DropPath  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from fdsl.errors import InputError  # noqa: E402
from fdsl.train import pretrain  # noqa: E402
from fdsl.train.accuracy import share_right  # noqa: E402
from fdsl.train.config import TrainConfig  # noqa: E402
from fdsl.train.device import borrowed_state, make_fabric, reseed  # noqa: E402
from fdsl.train.learner import Learner  # noqa: E402
from fdsl.train.model import build_model  # noqa: E402
from fdsl.train.objective import CLASSIFY, MULTILABEL, SEGMENT, Objective  # noqa: E402
from fdsl.train.segmentation import build_segmenter  # noqa: E402
from fdsl.train.speed import build_optimizer  # noqa: E402
from fdsl.train.weights import save_weights  # noqa: E402
from tiny_runs import RANDOM, metrics, pretrain_config, run_until  # noqa: E402

VIT = {
    "patch_size": 16,
    "embed_dim": 16,
    "depth": 2,
    "num_heads": 2,
    "class_token": False,
    "global_pool": "avg",
}
MODELS = {"vit_tiny_patch16_224": VIT, "resnet10t": {"channels": (8, 8, 16, 16), "stem_width": 8}}
B, CLASSES, SIZE = 6, 3, 32


def learner(model: str = "vit_tiny_patch16_224", objective: Objective = CLASSIFY, **options: Any) -> Learner:
    config = TrainConfig(out=Path(), batch_size=B, **{"precision": "32", "ema_decay": 0.9, **options})
    build: Callable[..., nn.Module] = build_segmenter if objective is SEGMENT else build_model
    reseed(0, "weights", 0)
    built = build(model, MODELS[model], size=SIZE, classes=CLASSES, drop_path=0.3)
    made = Learner(built, config, steps=4, fabric=make_fabric(config.precision), objective=objective)
    made.model.train()
    return made


def batch(objective: Objective = CLASSIFY) -> tuple[Tensor, Tensor]:
    """Return a batch as the loader gives it: planes of gray images are one in memory."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(B, 1, SIZE, SIZE, generator=generator).expand(B, 3, SIZE, SIZE)
    shape = {"class": (B,), "classes": (B, CLASSES), "mask": (B, SIZE, SIZE)}[objective.target]
    targets = torch.randint(2, shape, generator=generator)
    return images, targets.float() if objective is MULTILABEL else targets


def learn(made: Learner, objective: Objective = CLASSIFY, *, first: int = 0, last: int = 3) -> list[float]:
    """Make updates and return their losses."""
    images, targets = batch(objective)
    losses = []
    with borrowed_state(torch.device("cpu"), 1):
        for step in range(first, last):
            reseed(0, "steps", step)
            losses.append(float(made.update(images, targets, step)[0]))
    return losses


def assert_same(one: Learner, other: Learner) -> None:
    """Compare weights, running statistics and their moving average, bit by bit."""
    for part in ("model", "ema"):
        a, b = one.state()[part], other.state()[part]
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("objective", [CLASSIFY, MULTILABEL, SEGMENT], ids=lambda objective: objective.target)
@pytest.mark.parametrize("model", MODELS)
def test_recomputed_activations_change_no_bit(model: str, objective: Objective) -> None:
    plain = learner(model, objective)
    spare = learner(model, objective, checkpoint_activations=True)
    runs = []
    blocks = [m for m in spare.model.module.modules() if type(m).__name__ in ("Block", "BasicBlock")]
    blocks[0].register_forward_pre_hook(lambda *_: runs.append(1))
    assert learn(plain, objective) == learn(spare, objective)
    assert len(runs) == 2 * 3  # forward, and again for the backward pass
    assert_same(plain, spare)


def test_a_model_that_cannot_recompute_is_named() -> None:
    with pytest.raises(InputError, match="checkpoint_activations must be off for Conv2d, got True: "):
        Learner(
            nn.Conv2d(3, 3, 1),
            TrainConfig(out=Path(), checkpoint_activations=True),
            steps=1,
            fabric=make_fabric("32"),
        )


@pytest.mark.parametrize("objective", [CLASSIFY, SEGMENT], ids=lambda objective: objective.target)
@pytest.mark.parametrize(("model", "tolerance"), list(zip(MODELS, (1e-5, 1e-3), strict=True)))
def test_channels_last_gives_the_same_losses(model: str, tolerance: float, objective: Objective) -> None:
    seen: list[Tensor] = []
    last = learner(model, objective, channels_last=True)
    convolution = next(m for m in last.model.module.modules() if isinstance(m, nn.Conv2d))
    convolution.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    assert learn(last, objective) == pytest.approx(learn(learner(model, objective), objective), rel=tolerance)
    assert all(images.is_contiguous(memory_format=torch.channels_last) for images in seen)
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)


def test_channels_last_weights_are_saved_as_timm_loads_them(tmp_path: Path) -> None:
    made = learner("resnet10t", channels_last=True)
    learn(made, last=1)
    expected = {name: tensor.clone() for name, tensor in made.best_model().state_dict().items()}
    save_weights(
        made.best_model(), tmp_path, size=SIZE, mean=[0.5] * 3, std=[0.5] * 3, classes=["a", "b", "c"]
    )
    loaded = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_the_same_curve(precision: str) -> None:
    plain, half = learn(learner()), learn(learner(precision=precision))
    assert half == pytest.approx(plain, rel=1e-2)
    assert half != plain


def test_gradients_are_limited_after_fp16_is_scaled_back() -> None:
    limited, plain = learner(precision="fp16", clip_grad=0.01), learner(clip_grad=0.01)
    assert learn(limited) == pytest.approx(learn(plain), rel=1e-2)


def test_fp16_skips_an_update_whose_gradients_overflow_and_learns_with_half_the_scale() -> None:
    made = learner(precision="fp16")
    before = {name: tensor.clone() for name, tensor in made.model.module.named_parameters()}
    scale = made.state()["scaler"]["scale"]
    made.load({**made.state(), "scaler": {**made.state()["scaler"], "scale": 2.0**100}})
    learn(made, last=1)
    assert made.state()["scaler"]["scale"] == 2.0**99
    assert all(torch.equal(before[name], tensor) for name, tensor in made.model.module.named_parameters())
    assert scale == 2.0**16


@pytest.mark.parametrize(
    "options",
    [{"precision": "fp16"}, {"optimizer": "sgd"}, {"channels_last": True}, {"checkpoint_activations": True}],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("model", MODELS)
def test_a_learner_goes_on_from_its_state(model: str, options: dict[str, Any], tmp_path: Path) -> None:
    whole, first, second = (learner(model, **options) for _ in range(3))
    losses = learn(whole, last=4)
    learn(first, last=2)
    torch.save(first.state(), tmp_path / "state.pt")
    second.load(torch.load(tmp_path / "state.pt", weights_only=True))
    assert learn(second, first=2, last=4) == losses[2:]
    assert_same(whole, second)
    assert second.state()["scaler"] == whole.state()["scaler"]


def test_an_interrupted_fp16_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    options = {**RANDOM, "precision": "fp16", "samples": 36}
    pretrain(pretrain_config(tmp_path / "whole", **options))
    run_until(pretrain_config(tmp_path / "part", **options), 5)
    pretrain(pretrain_config(tmp_path / "part", **options, resume=True))
    assert metrics(tmp_path / "part") == metrics(tmp_path / "whole")


def test_sgd_is_torchs_with_momentum() -> None:
    made = learner(optimizer="sgd", weight_decay=0.0, warmup=0.0, lr=0.1)
    twin = learner()
    reference = torch.optim.SGD(twin.model.module.parameters(), lr=0.1, momentum=0.9)
    images, targets = batch()
    learn(made, last=1)
    reseed(0, "steps", 0)
    nn.functional.cross_entropy(twin.model(images), targets).backward()
    reference.step()
    for (name, ours), theirs in zip(
        made.model.module.named_parameters(), twin.model.module.parameters(), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-7), name
    group = made.optimizer.param_groups[0]
    assert (group["momentum"], group["nesterov"], group["fused"]) == (0.9, False, True)


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_optimisers_are_fused_where_fabric_can_limit_gradients(kind: Any) -> None:
    for precision, fused in (("32", True), ("bf16", True), ("fp16", False)):
        config = TrainConfig(out=Path(), optimizer=kind, precision=precision)
        optimizer = build_optimizer(nn.Linear(2, 2), config)
        assert [group["fused"] for group in optimizer.param_groups] == [fused] * 2


def small_learner(**options: Any) -> Learner:
    """Set up a model of few kernels, drop path among them: each takes a C++ compiler seconds."""
    reseed(0, "weights", 0)
    layers = [nn.Conv2d(3, 8, 16, 16), nn.Flatten(), DropPath(0.5), nn.GELU(), nn.Linear(32, CLASSES)]
    config = TrainConfig(out=Path(), batch_size=B, precision="32", **options)
    made = Learner(nn.Sequential(*layers), config, steps=4, fabric=make_fabric("32"))
    made.model.train()
    return made


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A compiler that has compiled nothing yet, and forgets what it compiles."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("compiler")
def test_a_compiled_model_learns_the_same_and_is_evaluated_as_it_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain, compiled = small_learner(), small_learner(compile=True)
    assert compiled.state()["model"].keys() == plain.state()["model"].keys()
    assert learn(compiled, last=4) == pytest.approx(learn(plain, last=4), rel=1e-5)  # drop path included
    assert capsys.readouterr().out.startswith("compiling the model: ")
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert graphs == 1
    images, _ = batch()
    standardize: Callable[[Tensor], Tensor] = torch.nn.Identity()
    some = [(images[:4], torch.zeros(4, dtype=torch.int64))]
    share_right(compiled.fabric, compiled.best_model(), some, standardize, CLASSIFY)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs


@pytest.mark.usefixtures("compiler")
def test_without_a_compiler_one_line_names_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor.config as inductor

    monkeypatch.setattr(inductor.cpp, "cxx", (None, "no-such-compiler"))
    made = small_learner(compile=True)
    with pytest.raises(InputError, match=r"compile must be off on this machine, got True: [^\n]*$"):
        learn(made)


def test_a_python_that_torch_cannot_compile_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("torch.compile is not supported on Python 3.99+")

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(InputError, match=r"compile must be off on this machine, got True: .*Python 3\.99"):
        small_learner(compile=True)
