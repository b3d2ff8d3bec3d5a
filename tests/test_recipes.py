"""Recipes: what each has to be, by being in the registry; how they, files and options make a config."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import yaml

from fdsl.cli import main
from fdsl.cli.parse import parse_training
from fdsl.cli.recipes import as_file, page
from fdsl.errors import InputError
from fdsl.formulas import family_class, search
from fdsl.options import family_fields, parse_options
from fdsl.train.config import FinetuneConfig, PretrainConfig
from fdsl.train.recipes import RECIPES, deit_rcdb1k, find_recipe, probe_rcdb100, read_fields
from fdsl.train.recipes.registry import KINDS, SECTIONS
from tiny_runs import TINY

NAMES = sorted(RECIPES)
DEIT = [name for name in NAMES if name.startswith("deit_")]


def write(text: str, name: str = "fields.yaml") -> str:
    Path(name).write_text(text)
    return name


def pretraining(*argv: str) -> PretrainConfig:
    return parse_training(PretrainConfig, "pretrain", [*argv, "--out", "x"])


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_says_where_it_is_from_and_what_it_costs(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.summary.endswith(".")
    assert list(recipe.sections) == list(SECTIONS)
    assert all(text.endswith(".") for text in recipe.sections.values())
    assert isinstance(recipe.config, KINDS[recipe.kind])
    assert "out" in recipe.open
    assert type(recipe.config).from_json(json.loads(json.dumps(recipe.config.to_json()))) == recipe.config
    model = recipe.config.model
    assert model is None or timm.is_model(model)


@pytest.mark.parametrize("name", [name for name in NAMES if RECIPES[name].kind == "pretrain"])
def test_the_families_of_recipes_take_their_fields(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(search, "cache_folder")  # nothing is searched for
    config = RECIPES[name].config
    assert isinstance(config, PretrainConfig)
    family = family_class(config.family).build(**family_fields(config.classes, config.options))
    assert config.classes in (None, family.classes)


def test_the_papers_databases_in_three_sizes() -> None:
    databases = [family + "1k" for family in ("rcdb", "exfractaldb", "fractaldb", "visualatom")]
    databases += [family + "21k" for family in ("rcdb", "exfractaldb", "visualatom")]
    sizes = ("tiny", "small", "base")
    assert sorted(f"deit_{size}_{database}" for size in sizes for database in databases) == DEIT


@pytest.mark.parametrize("name", DEIT)
def test_what_the_costs_of_the_papers_recipes_say_is_what_they_do(name: str) -> None:
    recipe, config = RECIPES[name], RECIPES[name].config
    assert isinstance(config, PretrainConfig)
    assert config.model == f"deit_{name.split('_')[1]}_patch16_224"
    images, updates = f"{config.samples // 10**6:,} million images", f"{config.steps:,} updates"
    assert recipe.sections["Cost"].startswith(f"{images}, {updates}")
    hours = 53 * 8 * config.samples / (300 * 1_281_167)  # DeiT-B on ImageNet's images, 8 GPUs
    assert f"{round(hours, -1):,.0f} V100-hours for base" in recipe.sections["Cost"]
    passes = 5 * 1000 * config.classes / config.batch_size if config.classes else 0
    warm = 5000 if name.endswith("visualatom21k") else passes
    assert config.warmup * config.steps == pytest.approx(warm, rel=1e-4)


def test_an_option_beats_the_file_the_file_the_recipe_the_recipe_the_defaults() -> None:
    file = write("lr: 2e-3\nsamples: 1000\ncompile: true\ncrop_scale: [0.5, 1]\n")
    config = pretraining("probe_rcdb100", "--config", file, "--samples", "500", "--no-compile")
    recipe = dataclasses.replace(probe_rcdb100(Path("x")), lr=2e-3, crop_scale=(0.5, 1.0))
    assert config == dataclasses.replace(recipe, samples=500)
    assert config.crop_scale is not None
    assert [type(share) for share in config.crop_scale] == [float, float]
    assert pretraining("--config=" + file).compile
    assert pretraining() == PretrainConfig(out=Path("x"))
    assert pretraining("deit_tiny_rcdb1k") == deit_rcdb1k(Path("x"), "tiny")


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_printed_is_a_file_that_repeats_it(name: str) -> None:
    recipe = RECIPES[name]
    fields = read_fields(write(as_file(recipe)), recipe.kind)
    assert fields == recipe.fields()
    assert [type(value) for value in fields.values()] == [type(value) for value in recipe.fields().values()]
    given = {"out": "x", "data": "digits"}
    rest = [word for field in recipe.open if field in given for word in (f"--{field}", given[field])]
    by_name = parse_training(KINDS[recipe.kind], recipe.kind, [name, *rest])
    assert parse_training(KINDS[recipe.kind], recipe.kind, ["--config", "fields.yaml", *rest]) == by_name
    assert recipe.fields().items() <= vars(by_name).items()


def test_values_are_read_as_their_field_has_them() -> None:
    file = write(
        "lr: 1e-4\nweight_decay: 0\nclasses: null\noptions: []\nprecision: 32\nalter: [width=2]\nmodel: '7'"
    )
    fields = read_fields(file, "pretrain")
    assert fields == {
        "lr": 1e-4, "weight_decay": 0.0, "classes": None, "options": (), "precision": "32", "alter": ("width=2",),
        "model": "7",
    }  # fmt: skip
    fields = read_fields(write("weights: runs/a\nseeds: [1, 2]\nflip: false"), "finetune")
    assert fields == {"weights": Path("runs/a"), "seeds": (1, 2), "flip": False}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch_sise: 3", "config must hold fields of fdsl pretrain, got 'batch_sise' in fields.yaml (did you"),
        ("batch-size: 3", "(did you mean 'batch_size'?)"),
        ("free_on_resume: []", "got 'free_on_resume'"),
        ("3: 4", "got 3 in fields.yaml"),
        ("lr: fast", "lr must be a number, got 'fast' in fields.yaml"),
        ("lr: [1, 2]", "lr must be a number, got [1, 2]"),
        ("lr: true", "lr must be a number, got True"),
        ("lr: null", "lr must be a number, got None"),
        ("lr: .nan", "lr must be a finite number"),
        ("lr: -1", "lr must be in [1e-12, 1000], got -1.0"),
        ("samples: 1e6", "samples must be a whole number, got '1e6'"),
        ("samples: 1.0", "samples must be a whole number, got 1.0"),
        ("classes: many", "classes must be a whole number, or null, got 'many'"),
        ("compile: 1", "compile must be true or false, got 1"),
        ("model: 7", "model must be text, got 7"),
        ("options: variant=paper", "options must be a list, of each text, got 'variant=paper'"),
        ("options: [[paper]]", "options must be a list, of each text"),
        ("crop_scale: [1]", "crop_scale must be a list of 2, of each a number, or null, got [1]"),
        ("precision: fp8", "precision must be one of auto, 32, bf16, fp16, got 'fp8'"),
        ("out: 3", "out must be a path, got 3"),
        ("lr: 1\nseed: 1\nlr: 2", "config must be a YAML file, got fields.yaml: lr comes twice"),
        ("", "it holds nothing"),
        ("# lr: 1", "it holds nothing"),
        ("lr", "it holds text"),
        ("- lr: 1", "it holds a list"),
        ("lr: 1\nseed: [", "config must be a YAML file, got fields.yaml, line 2"),
        ("lr: 1\n\tseed: 2", "config must be a YAML file"),
        ("out: !!python/object/apply:os.mkdir [made]", "config must be a YAML file, got fields.yaml, line 1"),
        ("out: 2024-13-45", "config must be a YAML file"),
        ("lr: \x00", "config must be a YAML file"),
        ("lr: " + "[" * 1000, "config must be a YAML file"),
        ("kind: finetune\nconfig: {lr: 1}", "config must be of a pretrain run, got fields.yaml: it is of 'finetune'"),
    ],
)  # fmt: skip
def test_bad_files_are_one_line(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pretrain", "--out", "x", "--config", write(text)]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert message in printed.err
    assert len(printed.err) < 300
    assert os.listdir() == ["fields.yaml"]


def test_run_files_are_read_as_json() -> None:
    config = FinetuneConfig(out=Path("x"), data="d\N{GRINNING FACE}", lr=1e-5, resume=True)
    file = write(json.dumps({"kind": "finetune", "config": config.to_json()}), "run.json")
    fields = read_fields(file, "finetune")
    assert fields == {name: value for name, value in vars(config).items() if name not in ("out", "resume")}
    with pytest.raises(InputError, match=r"got run\.json: lr comes twice"):
        read_fields(write('{"lr": 1, "lr": 2}', "run.json"), "finetune")


def test_an_endless_value_is_not_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["lr:", "- &a0 [0, 0]", *(f"- &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    assert main(["pretrain", "--out", "x", "--config", write("\n".join(lines))]) == 2
    assert len(capsys.readouterr().err) < 300


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["pretrain", "deit_tiny_rcdb", "--out", "x"], "got 'deit_tiny_rcdb' (did you mean 'deit_tiny_rcdb1k'?)"),
        (["pretrain", "probe_digits", "--out", "x"], "got 'probe_digits': it is one of fdsl finetune"),
        (["pretrain", "probe_rcdb100"], "Missing from fdsl pretrain: --out PATH (see fdsl pretrain --help)"),
        (["finetune", "finetune_imagenet", "--out", "x"], "Missing from fdsl finetune: --data STR"),
        (["pretrain", "probe_rcdb100", "--out", "x", "--batch-sise", "3"], "did you mean --batch-size?"),
        (["pretrain", "probe_rcdb100", "--out", "x", "--batch-size", "0"], "batch_size must be in 1..1048576, got 0"),
        (["pretrain", "--out", "x", "--config"], "config must be followed by a file"),
        (["pretrain", "--config", "a", "--config=b"], "config must be given once, got a and b"),
        (["pretrain", "--out", "x", "--config", "none.yaml"], "No such file or directory: none.yaml"),
        (["pretrain", "--out", "x", "--config", "."], "Is a directory: ."),
        (["recipes", "probe"], "recipe must be a name that fdsl recipes lists, got 'probe'"),
        (["recipes", "probe_rcdb10"], "(did you mean 'probe_rcdb100'?)"),
        (["recipes", "--markdown", "list.txt"], "markdown must be a file that ends in .md, got 'list.txt'"),
        (["recipes", "probe_rcdb100", "--markdown", "list.md"], "markdown takes no NAME"),
    ],
)  # fmt: skip
def test_bad_commands_are_one_line(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert message in printed.err
    assert os.listdir() == []


def test_a_recipe_of_the_other_kind_is_refused() -> None:
    assert find_recipe("probe_digits", "finetune") is find_recipe("probe_digits")
    with pytest.raises(InputError, match="one of fdsl pretrain, got 'probe_digits'"):
        find_recipe("probe_digits", "pretrain")


SMALL = {
    "classes": 4, "instances": 8, "size": 32, "lines": "crisp", "model_args": list(TINY), "samples": 24,
    "batch_size": 6, "held_out": 10, "threads": 1, "precision": "32",
}  # fmt: skip


def test_a_run_keeps_its_recipe_and_repeats_from_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    file = write(yaml.safe_dump(SMALL))
    assert main(["pretrain", "deit_tiny_rcdb1k", "--config", file, "--seed", "3", "--out", "first"]) == 0
    kept = json.loads(Path("first/run.json").read_text())
    recipe = deit_rcdb1k(Path("first"), "tiny")
    assert kept["config"] == recipe.to_json() | SMALL | {"seed": 3}

    assert main(["pretrain", "--config", "first/run.json", "--out", "again"]) == 0
    again = json.loads(Path("again/run.json").read_text())
    assert again["config"] == kept["config"] | {"out": "again"}
    assert again["dataset"] == kept["dataset"]
    weights = [Path(out, "model.safetensors").read_bytes() for out in ("first", "again")]
    assert weights[0] == weights[1]

    capsys.readouterr()
    assert main(["finetune", "--config", "first/run.json", "--out", "y"]) == 2
    assert "it is of 'pretrain'" in capsys.readouterr().err


def test_fine_tuning_by_a_recipe() -> None:
    fields = write(yaml.safe_dump({"model_args": list(TINY), "labels": 20, "epochs": 1, "test_limit": 20}))
    config = parse_training(
        FinetuneConfig, "finetune", ["probe_digits", "--config", fields, "--out", "x", "--weights", "None"]
    )
    assert (config.data, config.weights, config.labels, config.batch_size) == ("digits", None, 20, 25)


def test_pairs_can_be_a_mapping_in_a_file() -> None:
    file = write(
        "model_args: {patch_size: 16, class_token: false, global_pool: avg}\noptions: {variant: paper}"
    )
    fields = read_fields(file, "pretrain")
    assert fields["model_args"] == ("patch_size=16", "class_token=false", 'global_pool="avg"')
    assert parse_options("model_args", fields["model_args"])["global_pool"] == "avg"
    assert fields["options"] == ('variant="paper"',)


def test_the_list_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    listed = {word for line in lines for word in line.split("  ") if not line.startswith(" ")}
    assert listed >= set(NAMES)


def test_the_list_loads_no_torch() -> None:
    code = (
        "import sys, fdsl.cli; fdsl.cli.main(['recipes', 'probe_rcdb100']); sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0
    )


def test_one_recipe_says_all_about_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "deit_base_exfractaldb21k"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# fdsl pretrain deit_base_exfractaldb21k: DeiT on ExFractalDB-21k")
    assert "\n# Source: Kataoka et al., CVPR 2022" in out
    assert "\n# Measured: not measured here.\n" in out
    assert yaml.safe_load(out)["model"] == "deit_base_patch16_224"
    assert not {"out", "resume"} & set(yaml.safe_load(out))
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_help_names_the_recipe_and_the_file(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: fdsl {command} [RECIPE] [--config FILE] [-h] [OPTIONS]\n")
    assert "(default: 64)" in out
    recipe = "deit_tiny_rcdb1k" if command == "pretrain" else "finetune_imagenet"
    assert main([command, recipe, "--help"]) == 0
    assert "1024" in capsys.readouterr().out


def test_the_page_is_what_the_program_writes() -> None:
    docs = Path(__file__).parents[1] / "docs"
    assert (docs / "recipes.md").read_text() == page(), "make docs writes it anew"
    assert main(["recipes", "--markdown", "new/list.md"]) == 0
    assert Path("new/list.md").read_text() == page()


def test_every_field_can_be_in_a_file() -> None:
    for kind, config in KINDS.items():
        fields = {field.name: field.default for field in dataclasses.fields(config)}
        optional = {name: fields[name] for name in config.defaults()}
        assert read_fields(write(yaml.safe_dump(config.defaults())), kind) == optional
