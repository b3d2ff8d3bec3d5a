"""`fdsl bench files` compares like with like, and what makes fdsl render fast changes no byte."""

from __future__ import annotations

import io
import json
import statistics
import tarfile

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import fdsl
from fdsl.bench.cases import Case
from fdsl.bench.files import encoding, peers, throughput
from fdsl.bench.files.config import BenchFilesConfig
from fdsl.bench.files.peers import Library, Way
from fdsl.bench.report import Report, Section, print_report
from fdsl.bench.timing import Rate
from fdsl.cli import main
from fdsl.data.export.config import ExportConfig
from fdsl.data.export.plan import Sample, make_plan
from fdsl.data.export.work import layout_of
from fdsl.errors import InputError


def paired_ratio(one, other):
    return statistics.median(a / b for a, b in zip(one["repetitions"], other["repetitions"], strict=True))


def test_ratios_are_those_of_the_rates_and_nothing_is_left_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(throughput, "ENCODED", (("png", "rgb"),))
    assert main(["bench", "files", "--quick", "--workers", "1", "--json", "bench.json"]) == 0
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert [entry.name for entry in tmp_path.iterdir()] == ["bench.json"]
    report = json.loads((tmp_path / "bench.json").read_text())
    assert (report["schema"], report["benchmark"]) == (3, "files")
    assert {"deflate", "pillow", "pillow's webp"} <= set(report["machine"])
    lines = [line for line in report["measurements"] if "skipped" not in line]
    for line in lines:
        assert line["images_per_second"] == pytest.approx(statistics.median(line["repetitions"]), rel=1e-5)
    ours = {}
    for line in (line for line in lines if line["part"] == "encoders"):
        first = ours.setdefault((line["colour"], line["encoding"]), line)
        assert ("ratio" in line) == (line is not first)
        if line is not first:
            assert line["ratio"] == pytest.approx(paired_ratio(first, line), rel=1e-3)
    assert {first["by"] for first in ours.values()} == {"fdsl", "fdsl 2"}
    assert ours["gray", "npy"]["bytes"] == 128 + 32 * 32
    whole = [line for line in lines if line["part"] == "throughput"]
    assert [line["what"] for line in whole] == ["encoder", "tars", "folder"]
    for line in whole:
        assert line["images_per_cpu_second"] > 0
        if line["what"] != "encoder":
            assert line["ratio"] == pytest.approx(paired_ratio(line, whole[0]), rel=1e-3)


def test_libraries_that_are_not_installed_are_named(monkeypatch, capsys):
    monkeypatch.setattr(peers, "find_spec", lambda name: None if name in ("cv2", "isal") else name)
    monkeypatch.setattr(
        encoding, "LIBRARIES", [lib for lib in peers.LIBRARIES if lib.module[:3] in ("cv2", "isa")]
    )
    assert main(["bench", "files", "--quick", "--parts", "encoders"]) == 0
    printed = capsys.readouterr().out
    assert "skipped: cv2 is not installed: pip install opencv-python-headless\n" in printed
    assert "skipped: isal is not installed: pip install isal\n" in printed
    assert "fdsl 2" in printed
    assert "OpenCV" not in printed


def test_a_lossless_encoder_that_loses_pixels_is_an_error(monkeypatch, capsys):
    def dark(image):
        file = io.BytesIO()
        Image.fromarray(np.zeros_like(image)).save(file, "PNG")
        return file.getvalue()

    liar = Library("zlib", "none", lambda _module: iter([Way("png", "Liar", dark)]))
    monkeypatch.setattr(encoding, "LIBRARIES", [liar])
    assert main(["bench", "files", "--quick", "--parts", "encoders"]) == 2
    error = capsys.readouterr().err
    assert error == "error: Liar must keep every pixel as png, got other pixels back\n"


@pytest.mark.parametrize(
    "fields", [{"parts": ()}, {"parts": ("all",)}, {"size": 31}, {"images": 0}, {"workers": 0}]
)
def test_what_cannot_be_measured_is_refused(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        BenchFilesConfig(**fields)


def test_the_widest_line_fits_into_eighty_columns():
    widest = Case("FractalDB patch", fdsl.FractalDB(classes=4, variant="patch_gray"))
    fast, slow = Rate((123456.0, 98765.0), 10), Rate((1.23456, 2.87654), 10)
    headings = (f"{widest.title} 1024 px", *encoding.HEADINGS)
    names = ("webp-lossless", "zlib-ng 1 unfiltered")
    encoded = [encoding.Encoded(widest, 1024, "gray", *names, r, 3145856.0, 0.123) for r in (fast, slow)]
    rendered = [
        throughput.Throughput(widest, 1024, "webp-lossless", "gray", "encoder", 2, r, r, 0.123, 0.123)
        for r in (fast, slow)
    ]
    console = Console(width=80, file=io.StringIO(), highlight=False, markup=False)
    sections = (Section((widest.title, *throughput.HEADINGS), rendered),)
    print_report(console, Report(BenchFilesConfig(), headings, encoded, (), sections))
    assert "…" not in console.file.getvalue()


@pytest.mark.parametrize("colour", ["gray", "rgb"])
def test_the_encoder_alone_encodes_the_images_that_the_whole_writes(tmp_path, colour):
    export = ExportConfig(
        family="RCDB", classes=3, instances=2, size=32, shard_size=3, order="shuffled", colour=colour
    )
    drawn = np.load(throughput._draw(export, 2, tmp_path / "drawn.npy"))
    plan = make_plan(export)
    written = [sample.content for sample in plan.samples(range(6))]
    assert [plan.encoder.encode(image) for shard in drawn for image in shard] == written


def test_gray_images_become_colour_by_repetition():
    gray, rgb = (
        make_plan(ExportConfig(family="RCDB", classes=2, instances=1, size=32, colour=colour, encoding="npy"))
        for colour in ("gray", "rgb")
    )
    for one, three in zip(gray.samples(range(2)), rgb.samples(range(2)), strict=True):
        image = gray.encoder.decode(one.content)
        assert np.array_equal(rgb.encoder.decode(three.content), np.repeat(image[..., None], 3, axis=-1))
        assert image.any()


@pytest.mark.parametrize("count", [1, 9, 10])
def test_tars_are_those_of_tarfile(tmp_path, count):
    layout = layout_of(make_plan(ExportConfig(family="RCDB", format="webdataset", classes=100, instances=1)))
    contents = [b"", b"1", b"2" * 511, b"3" * 512, b"4" * 513, b"5" * 20_001] * 2
    samples = [Sample(k, 9**k % 10**6, (k, 1), contents[k]) for k in range(count)]
    layout.fill(str(tmp_path / "ours.tar"), iter(samples))
    with tarfile.open(tmp_path / "theirs.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in samples:
            key = f"{sample.category:05d}_{sample.instance:06d}"
            classes = json.dumps({"classes": sample.contents})
            parts = {"png": sample.content, "cls": str(sample.category).encode(), "json": classes.encode()}
            for suffix, content in parts.items():
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    assert (tmp_path / "ours.tar").read_bytes() == (tmp_path / "theirs.tar").read_bytes()
