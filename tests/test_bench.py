"""The benchmark measures what it says, on all families, and writes numbers that hold together."""

from __future__ import annotations

import builtins
import json
import os
import time

import numpy as np
import pytest
from PIL import Image

import fdsl
from fdsl.bench import render, straightforward
from fdsl.bench.stored import timm_reader, write_folder
from fdsl.bench.timing import measure
from fdsl.cli import main
from fdsl.machine import machine_facts

FAMILIES = list(fdsl.families())


def test_measure_counts_what_the_clock_says(monkeypatch):
    # Call n takes n seconds for 12 images: a repetition of 4 s and more is calls 1, 2, 3, then 4, then 5, then 6.
    now = 0.0
    calls = []

    def work(n):
        nonlocal now
        now += n
        calls.append(n)
        return 12

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    rate = measure(work, 4, seconds=4.0)
    assert calls == [0, 1, 2, 3, 4, 5, 6]
    assert (rate.low, rate.high, rate.images, rate.repetitions) == (2.0, 6.0, 72, 4)
    assert rate.median == (3.0 + 12 / 5) / 2
    assert rate.microseconds == pytest.approx(1e6 / 2.7)


def test_no_image_is_measured_twice():
    config = render.BenchRenderConfig(classes=4)
    seen = [
        pair
        for batch in range(4)
        for pair in zip(*(part.tolist() for part in render._identities(config, batch, 6)), strict=True)
    ]
    assert len(set(seen)) == 24
    assert {category for category, _ in seen} == {0, 1, 2, 3}


@pytest.mark.parametrize("size", [224, 512])
def test_straightforward_strokes_are_the_renderer_s(size):
    """At the native size both draw the same polygons with Pillow's rule, so every pixel agrees."""
    table = fdsl.RCDB(classes=4).table(0, [0, 1, 2], [0, 1, 2])
    ours = fdsl.Renderer(size, lines="crisp")(table)
    for row in range(3):
        slow = np.asarray(straightforward.draw(table, row, size))
        agreement = (slow == ours[row]).mean()
        assert agreement == 1.0 if size == 512 else agreement > 0.9


@pytest.mark.parametrize(
    ("name", "instance"),
    [
        ("FractalDB", 0),
        ("FractalDB", 1),
        ("FractalDB", 2),
        ("FractalDB", 3),
        ("ExFractalDB", 1),
        ("MVFractalDB", 1),
    ],
)
def test_straightforward_points_cover_the_same_shape(name, instance):
    """Other random choices, same attractor: blurred to coarse cells the two pictures are nearly one."""
    drawn = fdsl.family(name, classes=2)
    table = drawn.table(0, [0], [instance])
    ours = fdsl.Renderer(drawn.native_size)(table)[0]
    slow = np.asarray(straightforward.draw(table, 0, drawn.native_size))
    coarse = [
        np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.BOX), float)
        for image in (ours, slow)
    ]
    assert np.corrcoef(coarse[0].ravel(), coarse[1].ravel())[0, 1] > 0.9


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_timm_reads_what_was_stored(tmp_path):
    # timm leaves the closing of image files to the garbage collector, hence the two exceptions above.
    images = np.zeros((6, 64, 64), np.uint8)
    write_folder(images, np.array([0, 0, 1, 1, 2, 2]), tmp_path)
    assert (
        sorted(path.parent.name for path in tmp_path.rglob("*.png"))
        == ["00000"] * 2 + ["00001"] * 2 + ["00002"] * 2
    )
    with timm_reader(tmp_path) as read:
        assert read(0) == 6


def test_machine_facts():
    facts = machine_facts()
    assert 1 <= facts["cores"] <= (os.cpu_count() or 1)
    assert facts["fdsl"] == fdsl.__version__
    assert {"cpu", "python", "numba", "numpy"} <= facts.keys()


def test_without_timm_the_stored_baseline_is_named_as_skipped(monkeypatch):
    monkeypatch.setattr(render, "find_spec", lambda _name: None)
    line = render._bench_stored(render.BenchRenderConfig(quick=True), fdsl.RCDB(classes=4), 1000.0)
    assert line.rate is None
    assert "timm is not installed" in line.to_json()["skipped"]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_command_writes_table_and_json(tmp_path, capsys):
    assert main(["bench", "render", "--families", "rcdb", "--quick", "--json", "bench.json"]) == 0
    printed = capsys.readouterr().out
    assert "RCDB" in printed
    report = json.loads((tmp_path / "bench.json").read_text())
    assert (report["schema"], report["benchmark"]) == (1, "render")
    assert report["settings"]["quick"] is True
    lines = report["measurements"]
    assert {line["size"] for line in lines} == {224, 512}
    assert {line["what"] for line in lines} == {"fdsl", render.STRAIGHTFORWARD, render.STORED}
    for line in lines:
        assert line["low"] <= line["images_per_second"] <= line["high"]
        assert line["microseconds_per_image"] == pytest.approx(1e6 / line["images_per_second"], rel=1e-2)
    ours = {line["size"]: line for line in lines if line["what"] == "fdsl" and line["threads"] == 1}
    for line in lines:
        if line["what"] != "fdsl":
            ratio = ours[line["size"]]["images_per_second"] / line["images_per_second"]
            assert line["ratio"] == pytest.approx(ratio, rel=1e-3)


def test_the_table_names_what_was_skipped_and_why(monkeypatch, capsys):
    monkeypatch.setattr(render, "find_spec", lambda _name: None)
    assert main(["bench", "render", "--families", "ExFractalDB", "--quick"]) == 0
    assert 'skipped: timm is not installed: pip install "fdsl[train]"\n' in capsys.readouterr().out


def test_a_full_disk_keeps_the_old_json(tmp_path, monkeypatch, capsys):
    (tmp_path / "bench.json").write_text("old")
    monkeypatch.setattr(render, "run_bench", lambda _config, _announce: [])
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
