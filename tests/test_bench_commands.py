"""The bench commands measure what they say, and write tables and numbers that hold together."""

from __future__ import annotations

import builtins
import io
import json
import os
import statistics
import tempfile
import threading

import numpy as np
import pytest
from rich.console import Console

import fdsl
from fdsl.bench import pipeline, render, scaling, stored, training
from fdsl.bench.cases import Case, cases, identities
from fdsl.bench.loading import flowing, open_loader
from fdsl.bench.report import Report, print_report
from fdsl.bench.stored import timm_reader, write_folder
from fdsl.bench.timing import Rate
from fdsl.bench.timm_loop import TimmLoop
from fdsl.bench.trainer import Trainer
from fdsl.cli import main
from fdsl.machine import machine_facts


# timm leaves the closing of image files to the garbage collector.
def reads_with_timm(test):
    for warning in ("unclosed file:ResourceWarning", ":pytest.PytestUnraisableExceptionWarning"):
        test = pytest.mark.filterwarnings(f"ignore:{warning}")(test)
    return test


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    """Run a bench command in its quick form and return its report; it must leave nothing but that behind."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def run(name, *options):
        cores = os.sched_getaffinity(0)
        assert main(["bench", name, "--quick", "--json", "new/bench.json", *options]) == 0
        printed = capsys.readouterr().out
        assert "…" not in printed  # a cell was cut off
        assert max(map(len, printed.splitlines())) <= 80
        assert os.sched_getaffinity(0) == cores
        assert list(temporary.glob("fdsl-*")) == []
        report = json.loads((tmp_path / "new" / "bench.json").read_text())
        assert (report["schema"], report["benchmark"]) == (3, name)
        assert report["settings"]["quick"] is True
        assert "json" not in report["settings"]
        assert report["machine"]["cores"] == len(cores)
        for line in report["measurements"]:
            for rate in line.get("points", [line]):
                check_rate(rate)
        return report["measurements"]

    return run


def check_rate(rate):
    assert rate["low"] == min(rate["repetitions"])
    assert rate["high"] == max(rate["repetitions"])
    assert rate["images_per_second"] == pytest.approx(statistics.median(rate["repetitions"]), rel=1e-5)
    assert rate["microseconds_per_image"] == pytest.approx(1e6 / rate["images_per_second"], rel=1e-5)


def paired_ratio(one, other):
    return statistics.median(a / b for a, b in zip(one["repetitions"], other["repetitions"], strict=True))


@reads_with_timm
class TestRender:
    def test_ratios_are_those_of_the_rates(self, bench):
        lines = bench("render", "--families", "rcdb")
        assert {line["size"] for line in lines} == {224, 512}
        assert {line["what"] for line in lines} == {"fdsl", render.STRAIGHTFORWARD, render.STORED}
        ours = {line["size"]: line for line in lines if line["what"] == "fdsl" and line["threads"] == 1}
        others = [line for line in lines if line["what"] != "fdsl"]
        assert len(others) == 3
        for line in others:
            assert line["ratio"] == pytest.approx(paired_ratio(ours[line["size"]], line), rel=1e-3)

    def test_without_timm_the_table_names_what_was_skipped_and_why(self, monkeypatch, capsys):
        monkeypatch.setattr(stored, "find_spec", lambda _name: None)
        assert main(["bench", "render", "--families", "ExFractalDB", "--quick"]) == 0
        assert 'skipped: timm is not installed: pip install "fdsl[train]"\n' in capsys.readouterr().out

    def test_a_full_disk_keeps_the_old_json(self, tmp_path, monkeypatch, capsys):
        (tmp_path / "bench.json").write_text("old")
        monkeypatch.setattr(
            render, "run_bench", lambda config, _announce: Report(config, ("family",), [], ())
        )
        real = builtins.open

        def full(file, mode="r", *args, **options):
            if "w" in mode and ".tmp" in str(file):
                raise OSError(28, "No space left on device", str(file))
            return real(file, mode, *args, **options)

        monkeypatch.setattr("io.open", full)
        assert main(["bench", "render", "--families", "RCDB", "--quick", "--json", "bench.json"]) == 2
        assert "No space left on device" in capsys.readouterr().err
        assert (tmp_path / "bench.json").read_text() == "old"
        assert [entry.name for entry in tmp_path.iterdir()] == ["bench.json"]


@reads_with_timm
class TestPipeline:
    def test_ratios_are_those_of_the_rates(self, bench):
        lines = bench("pipeline", "--families", "FractalDB", "ExFractalDB")
        kinds = [
            (line["family"], line.get("variant"), line["what"], line.get("stored_size")) for line in lines
        ]
        assert kinds == [
            ("FractalDB", "patch_gray", "fdsl", None),
            ("FractalDB", "patch_gray", "stored", 512),
            ("FractalDB", "patch_gray", "stored", 256),
            ("FractalDB", "point_gray", "fdsl", None),
            ("FractalDB", "point_gray", "stored", 512),
            ("FractalDB", "point_gray", "stored", 256),
            ("ExFractalDB", None, "fdsl", None),
            ("ExFractalDB", None, "stored", 224),
        ]
        for line in lines:
            if line["what"] == "fdsl":
                ours = line
                assert "ratio" not in line
            else:
                assert line["ratio"] == pytest.approx(paired_ratio(ours, line), rel=1e-3)

    def test_without_timm_the_drawing_is_still_measured(self, monkeypatch, capsys):
        monkeypatch.setattr(stored, "find_spec", lambda _name: None)
        assert main(["bench", "pipeline", "--families", "RCDB", "--quick"]) == 0
        printed = capsys.readouterr().out
        assert "skipped: timm is not installed" in printed
        assert "fdsl" in printed


def test_scaling_writes_slopes_of_its_points(bench):
    sweeps = bench("scaling", "--families", "RCDB", "MVFractalDB")
    assert {sweep["over"] for sweep in sweeps} == {"threads", "vertices", "strokes", "points", "size"}
    for sweep in sweeps:
        points = sweep["points"]
        if sweep["over"] == "threads":
            for point in points:
                assert point["speed_up"] == pytest.approx(paired_ratio(point, points[0]), rel=1e-3)
            continue
        units = np.log([point["units"] for point in points])
        times = np.log([point["microseconds_per_image"] for point in points])
        assert sweep["slope"] == pytest.approx(np.polyfit(units, times, 1)[0], abs=1e-2)
        for point in points:
            each = 1e3 * point["microseconds_per_image"] / point["units"]
            assert point["nanoseconds_each"] == pytest.approx(each, rel=1e-3)


SMALL_VIT = ("--size", "32", "--model-args", "patch_size=16", "embed_dim=16", "depth=1", "num_heads=2")


def test_training_writes_the_stall_of_its_rates_and_the_ratio_of_the_loops(bench):
    *loops, step, fed, drawing = bench("training", "--families", "RCDB", *SMALL_VIT)
    assert loops
    for ours, theirs in zip(loops[::2], loops[1::2], strict=True):
        assert (ours["what"], theirs["what"]) == ("fdsl", "timm")
        assert ours["precision"] == theirs["precision"]
        assert not ours["compiled"]
        assert "ratio" not in ours
        assert theirs["ratio"] == pytest.approx(paired_ratio(ours, theirs), rel=1e-3)
    assert [line["what"] for line in (step, fed, drawing)] == [
        "a cached batch",
        "fdsl.Loader",
        "drawing alone",
    ]
    assert {line["batch_size"] for line in (step, fed, drawing)} == {2}
    assert fed["stall"] == pytest.approx(1 - paired_ratio(fed, step), abs=1e-3)
    assert 0 <= fed["waited"] < 1
    assert 0 < drawing["stall"] < 1
    assert "stall" not in step


FAST, SLOW = Rate((123456.0, 98765.0), 10), Rate((1.23456, 2.87654), 10)
WIDEST = Case("FractalDB point", fdsl.FractalDB(classes=4, variant="point_gray"))
LINES = {
    render.HEADINGS: [
        render.Drawing(WIDEST, 224, "fdsl", 128, FAST),
        render.Drawing(WIDEST, 512, "python", 1, SLOW, 1234.5),
        render.Drawing(WIDEST, 512, "stored", 1, skipped="no reason"),
    ],
    pipeline.HEADINGS: [pipeline.Pipeline(WIDEST, "stored", 8, 512, rate, 1234.5) for rate in (FAST, SLOW)],
    scaling.HEADINGS: [
        scaling.Sweep(WIDEST, "vertices", (4096, 400_000), (FAST, SLOW), (100, 1_000_000)),
        scaling.Sweep(WIDEST, "threads", (1, 128), (FAST, FAST)),
    ],
    training.HEADINGS: [
        *(training.Training(WIDEST, "a cached batch", 8, rate, -0.1234, 1.0) for rate in (FAST, SLOW)),
        training.Loop("timm", "32", True, 8, FAST, 12.3),
    ],
}


@pytest.mark.parametrize("headings", LINES, ids=["render", "pipeline", "scaling", "training"])
def test_the_widest_line_fits_into_eighty_columns(headings):
    console = Console(width=80, file=io.StringIO(), highlight=False, markup=False)
    print_report(console, Report(render.BenchRenderConfig(), headings, LINES[headings], ()))
    printed = console.file.getvalue()
    assert "…" not in printed
    assert "FractalDB point" in printed


def test_nothing_is_drawn_once_the_batches_stop_flowing():
    loader = open_loader(fdsl.RCDB(classes=4), 4, 0, threads=1)
    with flowing(loader) as batches:
        images, targets = next(batches)
    assert (images.shape, targets.shape) == ((4, 3, 224, 224), (4,))
    assert loader.state_dict()["next_sample"] == 4 * (loader.ahead + 3)
    assert next(batches, None) is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fdsl-loader")]


@reads_with_timm
def test_timm_reads_what_was_stored(tmp_path):
    images = np.zeros((6, 64, 64), np.uint8)
    write_folder(images, np.array([0, 0, 1, 1, 2, 2]), tmp_path)
    folders = sorted(path.parent.name for path in tmp_path.rglob("*.png"))
    assert folders == ["00000"] * 2 + ["00001"] * 2 + ["00002"] * 2
    with timm_reader(tmp_path) as source:
        read = source()
        assert [next(read) for _ in range(3)] == [0, 6, 6]
        read.close()


def test_no_image_is_measured_twice():
    batches = [identities(4, batch, 6) for batch in range(4)]
    seen = [pair for batch in batches for pair in zip(*(part.tolist() for part in batch), strict=True)]
    assert len(set(seen)) == 24
    assert {category for category, _ in seen} == {0, 1, 2, 3}


def test_every_family_is_measured():
    measured = cases(render.BenchRenderConfig())
    assert {case.drawn.name for case in measured} == set(fdsl.families())
    assert len({case.title for case in measured}) == len(measured)


def test_machine_facts():
    facts = machine_facts()
    assert 1 <= facts["cores"] <= (os.cpu_count() or 1)
    assert facts["fdsl"] == fdsl.__version__
    assert {"cpu", "python", "numba", "numpy"} <= facts.keys()


def test_the_loop_beside_ours_learns_what_timms_parts_learn():
    """One update of the loop is one of torch's AdamW on the gradient of the mean cross-entropy."""
    torch = pytest.importorskip("torch")
    model, twin = (torch.nn.Linear(4, 3) for _ in range(2))
    twin.load_state_dict(model.state_dict())
    images, targets = torch.ones(5, 4), torch.tensor([0, 1, 2, 0, 1])
    loop = TimmLoop(model, lr=0.1, weight_decay=0.0, device=torch.device("cpu"), amp=False, compiled=False)
    window = loop.source(images, targets, steps=2)()
    assert [next(window), next(window)] == [0, 10]
    window.close()
    optimizer = torch.optim.AdamW(twin.parameters(), lr=0.1, weight_decay=0.0)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(twin(images), targets).backward()
        optimizer.step()
    assert torch.allclose(model.weight, twin.weight, atol=1e-6)


def test_the_trainer_beside_it_makes_the_updates_of_a_training():
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(4, 3)
    before = model.weight.detach().clone()
    batch = torch.ones(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    window = Trainer(model, batch_size=6, steps=2, precision="32").cached(batch)()
    assert [next(window), next(window)] == [6, 12]
    window.close()
    assert not torch.equal(before, model.weight)
