"""Sweeps: slopes are those of the work that was timed."""

from __future__ import annotations

import numpy as np
import pytest

import fdsl
from fdsl.bench import scaling
from fdsl.bench.cases import Case
from fdsl.bench.scaling import BenchScalingConfig, Sweep, _threads, _walking
from fdsl.bench.timing import Rate

CASE = Case("RCDB", fdsl.RCDB(classes=4))


def rate(seconds_an_image: float) -> Rate:
    return Rate((1 / seconds_an_image,) * 3, 300)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_slope_is_the_power_of_the_work(power):
    sizes = (64, 128, 256, 512)
    pixels = tuple(size * size for size in sizes)
    sweep = Sweep(CASE, "size", sizes, tuple(rate(1e-9 * n**power) for n in pixels), pixels)
    assert sweep.slope == pytest.approx(power, abs=1e-9)
    assert sweep.each == pytest.approx([n ** (power - 1) for n in pixels])
    assert sweep.to_json()["slope"] == pytest.approx(power, abs=1e-6)
    assert sweep.rows()[-1][-1] == f"^ {power:.2f}"
    assert {row[-1] for row in sweep.rows()[:-1]} == {""}


def test_the_slope_of_work_with_a_fixed_part_lies_between():
    units = (1000, 2000, 4000, 8000)
    sweep = Sweep(CASE, "points", units, tuple(rate(1e-6 + 1e-9 * n) for n in units), units)
    assert 0.4 < sweep.slope < 0.95


def test_threads_have_speed_ups_and_no_slope():
    sweep = Sweep(CASE, "threads", (1, 2, 4), (rate(4e-3), rate(2e-3), rate(1.6e-3)))
    assert sweep.slope is None
    assert sweep.speed_ups == pytest.approx([1, 2, 2.5])
    points = sweep.to_json()["points"]
    assert [point["value"] for point in points] == [1, 2, 4]
    assert all("nanoseconds_each" not in point and "units" not in point for point in points)
    assert [row[-1] for row in sweep.rows()] == ["x 1.00", "x 2.00", "x 2.50"]


@pytest.mark.parametrize(
    ("cores", "threads"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8]), (9, [1, 2, 4, 8, 9])]
)
def test_threads_double_up_to_all_cores(cores, threads):
    assert _threads(cores) == threads


@pytest.mark.parametrize("name", ["RCDB", "SegRCDB"])
def test_contours_walk_outward_as_far_as_they_have_strokes(name):
    table = fdsl.family(name, classes=4).table(0, [0, 1, 2, 3], [0, 0, 0, 0])
    short, long = (fdsl.Renderer(512)(_walking(table, 1000, strokes)) for strokes in (2, 40))
    middle = np.abs(np.arange(512) - 256)
    for few, many in zip(short, long, strict=True):
        reach = [
            max(middle[(image != table.background).any(axis)].max() for axis in (0, 1))
            for image in (few, many)
        ]
        assert 25 <= reach[0] < 80 < reach[1]


def test_what_is_swept_follows_from_what_is_drawn(monkeypatch):
    def measure(sources, *_numbers, **_options):
        return [rate(1e-3)] * len(sources)

    monkeypatch.setattr(scaling, "measure", measure)
    config = BenchScalingConfig(quick=True)
    over = {}
    for case in scaling.cases(config):
        over[case.title] = [sweep.over for sweep in scaling._bench_case(config, case, lambda _line: None)]
    assert over["RCDB"] == ["threads", "vertices", "strokes", "size"]
    for title in ("FractalDB patch", "FractalDB point", "ExFractalDB", "MVFractalDB"):
        assert over[title] == ["threads", "points", "size"]
