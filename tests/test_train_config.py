"""Configs: they check themselves and survive JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fdsl.errors import InputError
from fdsl.options import parse_options
from fdsl.train.config import FinetuneConfig, PretrainConfig
from fdsl.train.recipes import probe_cifar10


def test_options_are_json_where_they_can_be() -> None:
    parsed = parse_options("options", ("a=1", "b=0.5", "c=false", "d=avg", "e=null", "f=x=y", "g="))
    assert parsed == {"a": 1, "b": 0.5, "c": False, "d": "avg", "e": None, "f": "x=y", "g": ""}
    for much in ("9" * 5000, "[" * 10**5):  # more than Python reads as numbers or lists
        assert parse_options("options", (f"a={much}",)) == {"a": much}


@pytest.mark.parametrize("options", [("a",), ("=1",), ("a b=1",), ("a=1", "a=2")])
def test_unreadable_options_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="options must"):
        parse_options("options", options)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("classes", 1),
        ("instances", 0),
        ("size", 16),
        ("size", 2048),
        ("samples", 10),
        ("samples", -1),
        ("samples", 10**12 + 1),
        ("classes", 1 << 40),
        ("instances", 1 << 40),
        ("log_every", 1 << 40),
        ("checkpoint_every", 1 << 40),
        ("held_out", 1 << 40),
        ("batch_size", 0),
        ("batch_size", 1 << 40),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("warmup", 1.5),
        ("drop_path", 1.0),
        ("ema_decay", 1.0),
        ("precision", "16"),
        ("threads", 0),
        ("log_every", 0),
        ("held_out", 0),
        ("seed", -1),
        ("seed", 1 << 32),
        ("lines", "blurred"),
        ("crop_scale", (0.5, 0.2)),
        ("crop_scale", (0.5,)),
        ("crop_scale", (0.0, 1.0)),
        ("hflip", 1.5),
        ("vflip", -0.5),
        ("auto_augment", "rand-m9-colour"),
        ("random_erasing", 2.0),
        ("aug_repeats", 0),
        ("aug_repeats", 33),
        ("model_args", ("depth",)),
        ("options", ("variant",)),
        ("options", ("classes=7",)),
        ("alter", ("broken",)),
        ("alter", ("brocken=3",)),
        ("alter", ("width=2", "width=0")),
    ],
)
def test_pretrain_fields_out_of_range_are_named(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{field}.* must"):
        PretrainConfig(**{"out": tmp_path, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data", ""),
        ("labels", 1),
        ("labels", 1 << 40),
        ("epochs", 0),
        ("epochs", 1 << 40),
        ("eval_every", 1 << 40),
        ("size", 4),
        ("augment", "cut"),
        ("test_limit", 0),
        ("test_limit", 1 << 40),
    ],
)
def test_finetune_fields_out_of_range_are_named(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{field} must"):
        FinetuneConfig(**{"out": tmp_path, "data": "digits", field: value})


def test_mixup_needs_pairs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batch_size must be even"):
        PretrainConfig(out=tmp_path, batch_size=3, mixup=0.8)


@pytest.mark.parametrize(
    "config",
    [
        probe_cifar10(Path("runs/c"), Path("data"), Path("runs/a"), labels=5000),
        PretrainConfig(out=Path("d"), crop_scale=None, instances=None, options=("variant=x",)),
        PretrainConfig(out=Path("e"), alter=("broken=20", "width=2")),
    ],
)
def test_configs_survive_json(config: PretrainConfig | FinetuneConfig) -> None:
    assert type(config).from_json(json.loads(json.dumps(config.to_json()))) == config


def test_json_of_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="unknown speed"):
        PretrainConfig.from_json({"out": "x", "speed": 1})
    with pytest.raises(InputError, match="every field"):
        FinetuneConfig.from_json({"out": "x"})


def test_configs_load_without_torch() -> None:
    code = "import sys, fdsl.train, fdsl.train.recipes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
