"""`fdsl bench gpu`: all of it runs without a GPU, sees what is wrong, and says whose times it took."""

from __future__ import annotations

import contextlib
import io
import json
import math
import statistics
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

import fdsl
from fdsl.bench.cases import Case
from fdsl.bench.report import Report, Section, print_report
from fdsl.bench.timing import Rate
from fdsl.cli import main
from fdsl.errors import FdslError, InputError
from fdsl.render import Renderer
from fdsl.render.cuda import compiled
from fdsl.render.cuda.renderer import CudaRenderer

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from fdsl.bench.gpu import agreement, clock, drawing, run, training  # noqa: E402
from fdsl.bench.gpu.config import BenchGpuConfig  # noqa: E402

pytestmark = pytest.mark.skipif(
    not compiled.SIMULATED or torch.cuda.is_available(), reason="for the simulator, and a model on the CPU"
)


def drawn_by_the_cpu(self, table, view=None, tone=None, retouch=None, out=None, stream=0):
    return Renderer(self.size, self.lines, threads=1)(table, view, tone, retouch, out)


@pytest.fixture
def stand_in(monkeypatch):
    """Let the CPU draw what the GPU is asked for; call it with another way to draw."""

    def use(draw):
        monkeypatch.setattr(CudaRenderer, "__call__", draw)

    use(drawn_by_the_cpu)
    return use


@pytest.fixture
def bench(tmp_path, capsys):
    """Run the command, and return its report and what it printed; it ends with this complaint, or none."""

    def measured(*options, complaint=""):
        assert main(["bench", "gpu", "--json", "bench.json", *options]) == (2 if complaint else 0)
        printed, said = capsys.readouterr()
        assert complaint in said
        assert "…" not in printed
        assert max(map(len, printed.splitlines())) <= 80
        report = json.loads((tmp_path / "bench.json").read_text())
        assert (report["schema"], report["benchmark"]) == (3, "gpu")
        return report, printed

    return measured


def of(report, what):
    return [line for line in report["measurements"] if line["what"] == what]


def test_all_of_it_is_measured(bench, stand_in):
    report, printed = bench("--quick", "--families", "RCDB", "VisualAtom")
    assert [line for line in report["measurements"] if "skipped" in line] == []
    titles = {(line["family"], line.get("variant"), line.get("vertices")) for line in of(report, "drawing")}
    assert titles == {
        ("RCDB", "released", None),
        ("VisualAtom", "defaults", None),
        ("VisualAtom", None, 100),
    }
    for line in of(report, "drawing"):
        floor = 32 * 32 / report["machine"]["bandwidth"]
        assert line["floor_share"] == pytest.approx(floor * line["images_per_second"], rel=1e-4)
    assert [line["tables"] for line in of(report, "drawing")] == ["included", "prepared"] * 3
    kinds = {(line["lines"], line["augmented"]) for line in of(report, "agreement")}
    assert len(kinds) == 6
    assert {line["differing"] for line in of(report, "agreement")} == {0}
    [epoch] = of(report, "epoch")
    assert epoch["seconds"] == pytest.approx(4 / statistics.median(epoch["repetitions"]), rel=1e-4)
    cached, *fed = of(report, "training")
    assert [line["fed_with"] for line in (cached, *fed)] == [
        "a cached batch",
        "cuda renderer",
        "cpu renderer",
    ]
    assert cached["milliseconds_per_step"] == pytest.approx(2000 / cached["images_per_second"], rel=1e-4)
    for line in fed:
        pairs = zip(line["repetitions"], cached["repetitions"], strict=True)
        assert line["stall"] == pytest.approx(1 - statistics.median(a / b for a, b in pairs), abs=1e-3)
    assert "No compared pixel differs." in printed


def test_kernels_are_measured_in_the_simulator_and_the_report_says_so(bench):
    # no lines but crisp ones are drawn at this size
    report, printed = bench("--families", "RCDB", "--size", "160", "--batches", "2", "3")
    assert report["machine"]["simulated"] is True
    assert report["machine"]["bandwidth"] > 0
    assert "TIMES OF NUMBA-CUDA'S SIMULATOR" in printed
    assert report["settings"]["epoch"] == 4
    assert [(line["batch"], line["tables"]) for line in of(report, "drawing")] == [
        (2, "included"), (2, "prepared"), (3, "included"), (3, "prepared"),
    ]  # fmt: skip
    assert len(of(report, "epoch")[0]["repetitions"]) == 2
    same = {(line["lines"], line["augmented"]): line for line in of(report, "agreement")}
    assert same["crisp", False]["differing"] == 0
    assert same["crisp", False]["pixels"] == 2 * 160 * 160


def test_other_pixels_are_counted_and_said_aloud(bench, stand_in):
    def nearly(self, table, view=None, tone=None, retouch=None, out=None, stream=0):
        images = drawn_by_the_cpu(self, table, view, tone, retouch, out)
        if self.lines == "native":
            images[1, 3, 4:7] ^= 7
        return images

    stand_in(nearly)
    complaint = "error: 2 kinds of images are not the CPU's"
    report, printed = bench("--quick", "--families", "BezierCurveDB", complaint=complaint)
    found = {line["lines"]: line for line in of(report, "agreement")}
    assert (found["native"]["differing"], found["native"]["most"]) == (3, 7)
    assert found["native"]["share"] == pytest.approx(3 / 2048, rel=1e-4)
    assert found["crisp"]["differing"] == found["area"]["differing"] == 0
    assert "2 KINDS OF IMAGES ARE NOT THE CPU'S." in printed


def test_a_pixel_of_three_channels_differs_once():
    here = np.zeros((2, 4, 4, 3), np.uint8)
    there = here.copy()
    there[0, 1, 1] = 9, 0, 255
    assert agreement.difference(there, here) == (1, 255)


def test_what_fails_is_named_and_the_rest_is_measured(bench, stand_in):
    def sometimes(self, table, view=None, tone=None, retouch=None, out=None, stream=0):
        if self.lines == "area":
            raise RuntimeError("an illegal address")
        return drawn_by_the_cpu(self, table, view, tone, retouch, out)

    stand_in(sometimes)
    report, printed = bench("--quick", "--families", "BezierCurveDB", complaint="lines were not measured")
    skipped = [line for line in report["measurements"] if "skipped" in line]
    assert [line["what"] for line in skipped] == ["area", "area, augmented"]
    assert "RuntimeError: an illegal address" in skipped[0]["skipped"]
    assert "an illegal address" in " ".join(printed.split())
    assert len(of(report, "drawing")) == 2


def test_after_the_time_is_over_nothing_is_begun(bench, stand_in):
    report, printed = bench(
        "--quick", "--families", "RCDB", "--minutes", "0", complaint="lines were not measured"
    )
    assert {line.get("skipped") for line in report["measurements"]} == {"0 minutes are over (--minutes)"}
    assert len(report["measurements"]) == 6 + 1 + 1 + 1
    assert "6 KINDS OF IMAGES WERE NOT COMPARED." in printed
    assert "differs" not in printed


def test_without_gpu_and_simulator_it_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(compiled, "SIMULATED", False)
    assert main(["bench", "gpu", "--quick"]) == 2
    assert "error: bench gpu must run where torch finds an NVIDIA GPU" in capsys.readouterr().err


TABLE = fdsl.RCDB(classes=4).table(0, [0, 1, 2], [0, 0, 0])


def batches():
    return drawing.Batches(clock.WallClock(), CudaRenderer(32, "crisp"), TABLE)


def test_a_byte_that_is_not_written_is_seen(stand_in):
    def all_but_one(self, table, view=None, tone=None, retouch=None, out=None, stream=0):
        kept = out[2, 31, 31]
        drawn_by_the_cpu(self, table, out=out)
        out[2, 31, 31] = kept

    batches().check_every_byte(TABLE)
    stand_in(all_but_one)
    with pytest.raises(FdslError, match="1 of 3072 bytes were not written"):
        batches().check_every_byte(TABLE)


def test_an_image_that_is_not_written_is_seen(stand_in):
    drawn = batches()
    drawn.check_every_byte(TABLE)
    drawn.draw(TABLE)
    drawn.check_images()
    stand_in(lambda self, table, **_others: None)
    drawn.draw(TABLE)
    with pytest.raises(FdslError, match="3 of 3 images"):
        drawn.check_images()


def test_an_epoch_shows_every_image_once(stand_in):
    seen = []

    def noted(self, table, **others):
        seen.extend(map(tuple, table.address[:, 2:].tolist()))
        return drawn_by_the_cpu(self, table, out=others["out"])

    stand_in(noted)
    config = BenchGpuConfig(epoch=25, batches=(4,), size=32, repetitions=1)
    [epoch] = drawing.bench_epoch(config, clock.WallClock(), CudaRenderer(32))
    assert epoch.rate.images == 25
    assert sorted(seen[4:]) == [(k, i) for k in range(5) for i in range(5)]


def test_no_image_is_drawn_twice_where_tables_are_included(stand_in):
    seen = []

    def noted(self, table, **others):
        seen.append(frozenset(map(tuple, table.address[:, 2:].tolist())))
        return drawn_by_the_cpu(self, table, out=others["out"])

    stand_in(noted)
    config = BenchGpuConfig(families=("RCDB",), size=32, repetitions=3, seconds=0.0, classes=2)
    case = Case("RCDB", fdsl.RCDB(classes=2))
    lines = drawing.bench_drawing(config, clock.WallClock(), CudaRenderer(32), 1e9, case, 3)
    assert [line.tables for line in lines] == ["included", "prepared"]
    # two to see that all is written, two of each to begin with, then turns
    included = [seen[2], seen[3], *seen[6::2]]
    prepared = [seen[4], seen[5], *seen[7::2]]
    assert len(included) == len(set(included)) == len(set().union(*included)) // 3 == 5
    assert set(prepared).isdisjoint(included)


def test_turns_are_as_many_calls_as_fill_them():
    """Calls take 2 s and 8 s, the first of each 100 s more."""
    asked, now = [], [0.0]

    class Pretended(clock.WallClock):
        def seconds(self, work):
            before = now[0]
            work()
            return now[0] - before

    def work(name, seconds):
        def ask(n):
            asked.append((name, n))
            now[0] += seconds + 100 * (n == 0)
            return 4

        return ask

    short, long = clock.timed(Pretended(), [work("a", 2), work("b", 8)], 2, seconds=6)
    turn = ["a"] * 3 + ["b"]
    assert [name for name, _ in asked] == ["a", "a", "b", "b", *turn, *turn]
    assert [n for name, n in asked if name == "a"] == list(range(8))
    assert (short.each, short.images) == ((2.0, 2.0), 24)
    assert (long.each, long.images) == ((0.5, 0.5), 8)


def test_events_are_recorded_around_the_work_on_its_own_stream(monkeypatch):
    told = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self, stream):
            told.append(("record", stream))

        def synchronize(self):
            told.append("wait")

        def elapsed_time(self, _end):
            return 250.0

    @contextlib.contextmanager
    def on(stream):
        told.append(("on", stream))
        yield
        told.append("off")

    side = SimpleNamespace(cuda_stream=4711)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "Stream", lambda _device: side)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _device: told.append("all done"))
    watch = clock.EventClock(torch.device("cuda", 3))
    assert (watch.index, watch.stream, watch.simulated) == (3, 4711, False)
    assert watch.seconds(lambda: told.append("work")) == 0.25
    expected = ["all done", ("on", side), ("record", side), "work", ("record", side), "off", "wait"]
    assert told == expected


def test_the_driver_is_read_from_its_kernel_module(monkeypatch, tmp_path):
    text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  Release Build\nGCC version:  gcc 13.2.0"
    monkeypatch.setattr(clock, "DRIVER", tmp_path / "version")
    assert clock._driver() == "unknown"
    (tmp_path / "version").write_text(text)
    assert clock._driver() == "580.82.07"


@pytest.mark.parametrize(
    "fields", [{"batches": ()}, {"batches": (0,)}, {"epoch": 3}, {"minutes": math.nan}, {"size": 16}]
)
def test_unusable_fields_are_named(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        BenchGpuConfig(**fields)


def test_the_widest_lines_fit_into_eighty_columns():
    fast = Rate((1234567.0, 2345678.0), 10)
    case = drawing.Large("VisualAtom 1000x200", fdsl.VisualAtom(), 1000, 200)
    model = training.MODELS[1]
    sections = [
        (drawing.HEADINGS, drawing.Drawing(case, 224, 2048, "included", fast, 1e-8)),
        (drawing.EPOCH_HEADINGS, drawing.Epoch(case, 224, 2048, 1_000_000, fast)),
        (agreement.HEADINGS, agreement.Agreement(case, 224, "native", True, 256, 12_000_000, 255)),
        (training.HEADINGS, training.Step(model, case, "a cached batch", 1024, fast, -0.123)),
        (agreement.HEADINGS, run.Missing(case.title, "native, augmented", "no reason", 5)),
    ]
    for headings, line in sections:
        assert {len(row) for row in line.rows()} == {len(headings) - 1}
    console = Console(width=80, file=io.StringIO(), highlight=False, markup=False)
    more = tuple(Section(headings, [line]) for headings, line in sections)
    print_report(console, Report(BenchGpuConfig(), ("family",), [], (), more))
    assert "…" not in console.file.getvalue()
    assert "skipped: no reason" in console.file.getvalue()
