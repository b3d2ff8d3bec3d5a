"""The report: arithmetic of the comparison, reading of run folders, and a page that stands alone.

All runs here are fixtures: made-up numbers of a real run's shape.
"""

from __future__ import annotations

import csv
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from fdsl.errors import DataError, InputError
from fdsl.evaluate import figures
from fdsl.evaluate.compare import Trial, compare, verdict
from fdsl.evaluate.reporting.demo import Report, Speed, render
from fdsl.evaluate.reporting.page import Picture, Step, duration, rate
from fdsl.evaluate.runs import Run, read_run

RATES = (5e-4, 1e-3, 2e-3)
SEEDS = (0, 1, 2)
SCRATCH = {5e-4: (0.60, 0.58, 0.61), 1e-3: (0.707, 0.622, 0.635), 2e-3: (0.65, 0.66, 0.64)}
PRETRAINED = {5e-4: (0.80, 0.82, 0.79), 1e-3: (0.845, 0.869, 0.820), 2e-3: (0.83, 0.84, 0.81)}


def trials(scratch=SCRATCH, pretrained=PRETRAINED, seeds=SEEDS) -> list[Trial]:
    arms = (("scratch", scratch), ("pretrained", pretrained))
    return [
        Trial(arm=arm, lr=lr, seed=seed, accuracy=accuracy)
        for arm, table in arms
        for lr, accuracies in table.items()
        for seed, accuracy in zip(seeds, accuracies, strict=True)
    ]


def write_run(folder: Path, config: dict, result: dict, columns: dict[str, list]) -> Path:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"kind": "pretrain", "config": config}))
    (folder / "result.json").write_text(json.dumps(result))
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return folder


def pretrain_run(folder: Path) -> Run:
    rng = np.random.default_rng(0)
    samples = np.arange(1, 141) * 3200.0
    progress = samples / samples[-1]
    loss = 4.6 - 2.4 * progress**1.3 + rng.normal(0, 0.08, 140)
    accuracy = 0.01 + 0.42 * progress**1.5 + rng.normal(0, 0.012, 140)
    columns = {
        "step": list(range(50, 7050, 50)),
        "samples": list(samples),
        "lr": [1e-3] * 140,
        "loss": list(loss),
        "accuracy": list(accuracy.clip(0)),
        "samples_per_second": [880.0] * 140,
    }
    result = {
        "samples": 448000,
        "seconds": 509.0,
        "samples_per_second": 880.2,
        "draw_share": 0.22,
        "loss": 2.2,
        "accuracy": 0.426,
    }
    return read_run(write_run(folder, {"classes": 100, "held_out": 2000}, result, columns))


def finetune_run(folder: Path, trial: Trial) -> Run:
    epochs = list(range(1, 101))
    shape = [trial.accuracy * (1 - math.exp(-epoch / 20)) for epoch in epochs]
    measured = [value if epoch % 20 == 0 else "" for epoch, value in zip(epochs, shape, strict=True)]
    columns = {"epoch": epochs, "step": epochs, "train_loss": shape, "test_accuracy": measured}
    config = {"lr": trial.lr, "seed": trial.seed}
    result = {"accuracy": trial.accuracy, "per_class": {"cat": trial.accuracy, "$dog 犬": 0.5}}
    return read_run(write_run(folder, config, result, columns))


def sample_report(folder: Path, notice: str = "") -> Report:
    rng = np.random.default_rng(1)
    lines = Image.fromarray(rng.integers(0, 256, (330, 660), dtype=np.uint8))
    digits = Image.fromarray(rng.integers(0, 256, (160, 640), dtype=np.uint8))
    finetuned = {
        (trial.arm, trial.lr, trial.seed): finetune_run(
            folder / f"{trial.arm}-{trial.lr}-{trial.seed}", trial
        )
        for trial in trials()
    }
    return Report(
        title="Pre-trained on formulas",
        subtitle="fdsl demo, 2026-11-22 20:57 UTC, 13 min 20 s on 2 CPU cores",
        notice=notice,
        sheet=Picture(image=lines, caption="RCDB: a row is a category, a column an instance <of it>."),
        examples=Picture(image=digits, caption="The 100 labelled images of seed 0.", pixels=True),
        speeds=(
            Speed(
                family="RCDB",
                size=224,
                threads=2,
                batch=64,
                median=5210.0,
                low=5000.0,
                high=5400.0,
                repetitions=3,
            ),
            Speed(
                family="RCDB",
                size=32,
                threads=2,
                batch=256,
                median=2100.0,
                low=1900.5,
                high=2200.0,
                repetitions=3,
            ),
        ),
        pretrained=pretrain_run(folder / "pretrain"),
        comparison=compare(trials()),
        finetuned=finetuned,
        chosen="Both arms got the same three rates and seeds; each is judged at the rate of its best mean.",
        facts={
            "Machine": {"processor": "AMD EPYC", "cores": "2", "memory": "24 GB"},
            "Versions": {"fdsl": "0.1.0", "torch": "2.15.0", "timm": "1.0.31"},
            "Pre-training": {"family": "RCDB", "model": "vit_tiny_patch16_224", "classes": "100"},
        },
        again=(Step(title="All of it", command="fdsl demo --out fdsl-demo"),),
        bigger=(
            Step(title="Pre-train longer", command="fdsl pretrain --family RCDB \\\n    --samples 4000000"),
        ),
    )


class Page(HTMLParser):
    """Collects addresses, ids and the nesting of tags."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_gain_is_paired_and_taken_at_each_arms_best_rate():
    comparison = compare(trials())
    assert comparison.best_scratch.lr == 1e-3
    assert comparison.best_pretrained.lr == 1e-3
    assert comparison.gains == pytest.approx((13.8, 24.7, 18.5))
    assert comparison.gain == pytest.approx(19.0)
    assert comparison.standard_error == pytest.approx(stats.sem([13.8, 24.7, 18.5]))


@pytest.mark.parametrize("seeds", range(2, 13))
def test_interval_is_students(seeds):
    rng = np.random.default_rng(seeds)
    pretrained = rng.uniform(0.3, 0.9, seeds)
    comparison = compare(
        trials({1e-3: [0.5] * seeds}, {1e-3: pretrained.tolist()}, seeds=tuple(range(seeds)))
    )
    gains = 100 * (pretrained - 0.5)
    low, high = stats.t.interval(0.95, seeds - 1, gains.mean(), stats.sem(gains))
    # From eleven seeds on the quantile of ten degrees of freedom serves: wider by under three percent.
    assert comparison.interval == pytest.approx((low, high), rel=0, abs=0.03 * (high - low) / 2)


def test_arms_may_be_best_at_different_rates():
    comparison = compare(trials(pretrained={**PRETRAINED, 2e-3: (0.95, 0.96, 0.94)}))
    assert (comparison.best_scratch.lr, comparison.best_pretrained.lr) == (1e-3, 2e-3)
    assert comparison.gains == pytest.approx((24.3, 33.8, 30.5))


def test_rate_at_the_edge_of_those_tried_is_told():
    assert compare(trials()).at_edge == ()
    assert compare(trials(pretrained={**PRETRAINED, 2e-3: (0.95, 0.96, 0.94)})).at_edge == ("pretrained",)
    assert compare(trials(scratch={**SCRATCH, 5e-4: (0.75, 0.76, 0.74)})).at_edge == ("scratch",)


@pytest.mark.parametrize(
    ("pretrained", "opening"),
    [
        ((0.9, 0.9, 0.9), "Pre-training on formulas helped"),
        ((0.7, 0.63, 0.645), "No gain can be claimed"),
        ((0.707, 0.622, 0.635), "No gain can be claimed"),
        ((0.2, 0.12, 0.13), "Pre-training on formulas did harm"),
    ],
)
def test_verdict_follows_the_interval(pretrained, opening):
    comparison = compare(trials({1e-3: SCRATCH[1e-3]}, {1e-3: pretrained}))
    assert verdict(comparison).startswith(opening)
    assert f"{comparison.gain:+.1f} points" in verdict(comparison)


def test_comparison_refuses_unequal_effort():
    unfair = [trial for trial in trials() if not (trial.arm == "scratch" and trial.lr == 2e-3)]
    with pytest.raises(InputError, match=r"scratch at lr 0\.002 lacks seed 0"):
        compare(unfair)
    with pytest.raises(InputError, match="twice"):
        compare([*trials(), trials()[0]])
    with pytest.raises(InputError, match="at least two seeds"):
        compare([trial for trial in trials() if trial.seed == 0])
    with pytest.raises(InputError, match=r"accuracy must be in \[0, 1\]"):
        compare([Trial(arm="scratch", lr=1e-3, seed=0, accuracy=70.7)])


def test_read_run_returns_what_was_written(tmp_path):
    folder = write_run(
        tmp_path / "run", {"lr": 0.1}, {"accuracy": 0.5}, {"epoch": [1, 2], "test_accuracy": ["", 0.5]}
    )
    run = read_run(folder)
    assert run.config == {"lr": 0.1}
    assert run.number("accuracy") == 0.5
    np.testing.assert_array_equal(run.metrics["test_accuracy"], [np.nan, 0.5])
    with pytest.raises(DataError, match="must hold a number loss"):
        run.number("loss")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", None, r"run\.json is missing"),
        ("run.json", "{}", "must hold the config"),
        ("result.json", "{", r"result\.json cannot be read"),
        ("result.json", "[]", "must hold a JSON object, got list"),
        ("metrics.csv", None, r"metrics\.csv is missing"),
        ("metrics.csv", "", r"metrics\.csv cannot be read, or is empty"),
        ("metrics.csv", "a,b\n1\n", "must have 2 columns"),
        ("metrics.csv", "a,b\n1,x\n", "must hold numbers"),
    ],
)
def test_read_run_names_the_damaged_file(tmp_path, name, content, message):
    folder = write_run(tmp_path / "run", {}, {}, {"epoch": [1]})
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_run(folder)


def test_page_stands_alone_and_is_well_formed(tmp_path):
    html = render(sample_report(tmp_path))
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    outside = [
        address for address in page.addresses if not address.startswith(("data:image/png;base64,", "#"))
    ]
    assert outside == []
    assert not re.search(r"@import|url\((?!#)|<script|<link", html)
    assert len(set(page.ids)) == len(page.ids)
    inner = {address[1:] for address in page.addresses if address.startswith("#")}
    inner |= set(re.findall(r"url\(#([^)]+)\)", html))
    assert inner <= set(page.ids)


def test_page_shows_the_numbers(tmp_path):
    page = Page()
    page.feed(render(sample_report(tmp_path)))
    text = " ".join(" ".join(page.text).split())
    assert "84.5 % " in text
    assert "+19.0" in text
    assert "448,000 drawings in 8 min 29 s, 880 a second" in text
    assert "named 42.6% correctly; guessing gives 1.0%" in text
    assert "5,210" in text
    assert "A trial run" not in text


def test_page_escapes_text_and_shows_the_notice(tmp_path):
    html = render(sample_report(tmp_path, notice="too short & <b>quick</b>"))
    assert "Too short to judge by: 84.5%" in html
    assert "helped" not in html
    assert "too short &amp; &lt;b&gt;quick&lt;/b&gt;" in html
    assert "an instance &lt;of it&gt;." in html


def test_page_shows_the_classes_where_the_runs_tell_them(tmp_path):
    report = sample_report(tmp_path)
    html = render(report)
    assert "Test accuracy of each class" in html
    assert "$dog 犬" in html
    for run in report.finetuned.values():
        run.result.pop("per_class")
    assert "Test accuracy of each class" not in render(report)


@pytest.mark.parametrize("classes", [2, 25, 26, 400])
def test_classes_are_named_as_long_as_they_fit(classes):
    scratch = {f"a class of number {n}": float(n % 90) for n in range(classes)}
    pretrained = {name: value + 10 for name, value in scratch.items()}
    sides = [figures.Side(look=figures.look(n), values=one) for n, one in enumerate((scratch, pretrained))]
    svg = figures.by_class(sides, "Classes")
    assert ("a class of nu…" in svg) == (classes <= 25)
    assert (f"{classes} classes in the order of their gain" in svg) == (classes > 25)


def test_page_is_a_pure_function(tmp_path):
    report = sample_report(tmp_path)
    assert render(report) == render(report)


def test_figures_take_their_colours_from_the_page():
    svg = figures.rates(compare(trials()), "Rates")
    assert "var(--pretrained)" in svg
    assert "var(--scratch)" in svg
    assert "#fd51" not in svg
    assert "font-family" not in svg


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_smooth_is_the_mean_of_the_neighbours_there_are(reach):
    values = np.random.default_rng(reach).normal(size=8)
    slow = [values[max(i - reach, 0) : i + reach + 1].mean() for i in range(8)]
    np.testing.assert_allclose(figures.smooth(values, reach), slow)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.23, "1.2 s"), (48, "48 s"), (119.7, "2 min 0 s"), (492, "8 min 12 s"), (7500, "2 h 5 min")],
)
def test_duration_reads_naturally(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(8.2512, "8.25"), (99.4, "99.4"), (1234.4, "1,234")])
def test_rate_has_three_figures_or_is_whole(value, text):
    assert rate(value) == text
