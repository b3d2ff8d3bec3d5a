"""The command line: exit codes, and one clear line for everything that goes wrong."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import subprocess
import sys

import pytest
from PIL import Image

import fdsl
from fdsl.cli import app, extras, main
from fdsl.cli.parse import one_line

QUICK = ["--categories", "2", "--instances", "2", "--size", "32", "--classes", "4"]


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line on stderr; nothing may have gone to stdout."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert captured.err.endswith("\n")
    return captured.err.strip()


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make `fdsl preview` raise `error`."""
    preview = importlib.import_module("fdsl.cli.preview")

    def run(_argv: list[str]) -> None:
        raise error

    monkeypatch.setattr(preview, "run", run)


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_names_every_command(argv, capsys):
    assert main(argv) == 0
    printed = capsys.readouterr().out
    benches = [f"bench {part}" for part in ("render", "pipeline", "scaling", "training", "gpu")]
    params = ["params export", "params import"]
    for command in ("preview", "families", *params, "pretrain", "finetune", *benches, "sweep", "demo"):
        assert f"\n  {command} " in printed


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_of_a_group_lists_its_commands(flag, capsys):
    assert main(["bench", flag]) == 0
    printed = capsys.readouterr().out
    assert "\n  bench training " in printed
    assert "preview" not in printed
    assert "params" not in printed


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fdsl {fdsl.__version__}\n"


@pytest.mark.parametrize("command", list(app.COMMANDS))
def test_help_of_each_command(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: fdsl {command}")


@pytest.mark.parametrize("family", fdsl.families())
def test_preview_draws_every_family(family, tmp_path, capsys):
    assert main(["preview", family, "--out", "new/sheet.png", *QUICK]) == 0
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.size == (2 * 34 + 2, 2 * 34 + 2)
        assert len(set(sheet.convert("L").tobytes())) > 2
    assert f"4 images of {family}" in capsys.readouterr().out


def test_preview_is_a_function_of_its_options(tmp_path):
    base = ["preview", "rcdb", *QUICK]
    variants = {"again": [], "seed": ["--seed", "1"], "paper": ["--options", "variant=paper"]}
    variants |= {"altered": ["--alter", "broken=50", "width=2"], "other": ["--alter", "width=2", "broken=50"]}
    pictures = {}
    for name, more in {"first": [], **variants}.items():
        assert main([*base, "--out", f"{name}.png", *more]) == 0
        pictures[name] = (tmp_path / f"{name}.png").read_bytes()
    assert pictures["again"] == pictures["first"]
    assert len(set(pictures.values())) == 5


BAD_INPUT = [
    (["nosuch"], "command must be one of"),
    (["previw"], "did you mean 'preview'?"),
    (["--nosuch"], "unknown option --nosuch"),
    (["bench"], "fdsl bench must be followed by render or pipeline or scaling or training or gpu"),
    (
        ["bench", "draw"],
        "fdsl bench must be one of render, pipeline, scaling, training, gpu, files, got 'draw'",
    ),
    (["bench", "scalin"], "did you mean 'scaling'?"),
    (["params"], "fdsl params must be followed by export or import"),
    (["params", "exprot"], "did you mean 'export'?"),
    (["preview"], "FAMILY"),
    (["preview", "NoSuchDB", *QUICK], "NoSuchDB"),
    (["preview", "RCDBB", *QUICK], "did you mean 'RCDB'?"),
    (["preview", "RCDB", "--sizee", "64"], "did you mean --size?"),
    (["preview", "RCDB", "--size", "abc"], "Error parsing --size"),
    (["preview", "RCDB", "--size", "16"], "size must be in 32..1024, got 16"),
    (["preview", "RCDB", "--size", "4096"], "size must be in 32..1024, got 4096"),
    (["preview", "RCDB", "--lines", "zigzag"], "invalid choice 'zigzag'"),
    (["preview", "RCDB", "--seed", "-1"], "seed must be"),
    (["preview", "RCDB", "--classes", "1"], "classes must be in"),
    (["preview", "RCDB", "--classes", "-5"], "classes must be in"),
    (["preview", "RCDB", "--classes", "9" * 30], "classes must be in"),
    (["preview", "RCDB", "--categories", "0"], "categories must be >= 1, got 0"),
    (["preview", "RCDB", "--instances", "-3"], "instances must be >= 1, got -3"),
    (["preview", "RCDB", "--instances", "1000000"], "instances must be at most"),
    (["preview", "RCDB", "--classes", "4", "--categories", "5"], "categories must be in 1..4, got 5"),
    (["preview", "RCDB", "--options", "nosuch=1"], "nosuch"),
    (["preview", "RCDB", "--options", "variant"], "options must be KEY=VALUE pairs, got 'variant'"),
    (["preview", "RCDB", "--options", "variant=other"], "variant must be one of"),
    (["preview", "RCDB", "--alter", "brocken=3"], "did you mean 'broken'?"),
    (["preview", "RCDB", "--alter", "outline=0"], "alter, outline: width must be in 1..256, got 0"),
    (["preview", "RCDB", "--out", "sheet.txt"], "out must end in .png"),
    (["preview", "RCDB", "--out", "."], "out must be a file"),
    (["preview", "RCDB", *QUICK, "--out", "/proc/nosuch/sheet.png"], "/proc/nosuch"),
    (["pretrain"], "--out"),
    (["pretrain", "--out", "run", "--batch-size", "0"], "batch_size must be"),
    (["finetune", "--out", "run", "--data", "digits", "--lr", "nan"], "lr must be a finite number"),
    (["bench", "render", "--families", "NoSuchDB"], "NoSuchDB"),
    (["bench", "render", "--quick", "--repetitions", "0"], "repetitions must be"),
    (["bench", "render", "--json", "."], "json must be a file, got the folder '.'"),
    (["bench", "pipeline", "--batch-size", "0"], "batch_size must be in 1..65536, got 0"),
    (["bench", "scaling", "--images", "-1"], "images must be"),
    (["bench", "scaling", "--seconds", "nan"], "seconds must be a finite number"),
    (["bench", "training", "--steps", "0"], "steps must be"),
    (["bench", "training", "--quick", "--families", "RCDB", "--model", "vit_tinny"], "model must be a name"),
]


@pytest.mark.parametrize(("argv", "message"), BAD_INPUT, ids=[" ".join(argv)[:60] for argv, _ in BAD_INPUT])
def test_bad_input_is_one_line_and_exit_code_2(argv, message, tmp_path, capsys):
    assert main(argv) == 2
    assert message in only_line(capsys)
    assert list(tmp_path.iterdir()) == []


ERRORS = [
    (KeyboardInterrupt(), 130, "error: interrupted"),
    (
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "sheet.png"),
        2,
        "error: No space left on device: sheet.png",
    ),
    (PermissionError(errno.EACCES, "Permission denied", "/root/x"), 2, "error: Permission denied: /root/x"),
    (fdsl.DataError("a.csv is empty"), 2, "error: a.csv is empty"),
    (fdsl.DataError("two\nlines"), 2, "error: two lines"),
    (MemoryError("900 GB"), 2, "error: not enough memory: 900 GB"),
    (ZeroDivisionError("oh"), 1, "error: ZeroDivisionError: oh (a defect of fdsl; --debug shows where)"),
]


@pytest.mark.parametrize(("error", "code", "line"), ERRORS, ids=lambda value: type(value).__name__)
def test_what_goes_wrong_inside_is_one_line(error, code, line, monkeypatch, capsys):
    fail_with(monkeypatch, error)
    assert main(["preview", "RCDB"]) == code
    assert only_line(capsys) == line


@pytest.mark.parametrize("argv", [["--debug", "preview", "RCDB"], ["preview", "RCDB", "--debug"]])
def test_debug_shows_the_traceback(argv, monkeypatch, capsys):
    fail_with(monkeypatch, fdsl.DataError("a.csv is empty"))
    assert main(argv) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback (most recent call last):")
    assert printed.endswith("\nerror: a.csv is empty\n")


@pytest.mark.parametrize(
    ("command", "absent", "line"),
    [
        ("pretrain", "torch", 'fdsl pretrain needs the train extra: pip install "fdsl[train]"'),
        ("finetune", "timm", 'fdsl finetune needs the train extra: pip install "fdsl[train]"'),
        ("sweep classes", "sklearn", 'fdsl sweep needs the train extra: pip install "fdsl[train]"'),
        ("demo", "jinja2", 'fdsl demo needs the report extra: pip install "fdsl[report]"'),
    ],
)
def test_a_missing_extra_is_named(command, absent, line, monkeypatch, capsys):
    found = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda module: None if module == absent else found(module))
    assert main([*command.split(), "--out", "run"]) == 2
    assert only_line(capsys) == f"error: {line}"


FRAMED = """\
╭─ Unrecognized options ──────────────╮
│ Unrecognized options: --sizee, 3    │
│ ─────────────────────────────────── │
│ Arguments similar to --sizee:       │
│     --size INT                      │
│         Height and width in pixels. │
│ ─────────────────────────────────── │
│ For full helptext, run fdsl x -h    │
╰─────────────────────────────────────╯
"""

PLAIN = """\
 Required options
 -----------------------------------
  Missing from fdsl x:
      --out PATH
          Where to write. (required)
  ---------------------------------
  For full helptext, run:
      fdsl x --help

"""


@pytest.mark.parametrize(
    ("box", "line"),
    [
        (FRAMED, "Unrecognized options: --sizee, 3; did you mean --size?"),
        (PLAIN, "Missing from fdsl x: --out PATH"),
    ],
)
def test_one_line_of_a_box(box, line):
    assert one_line(box) == line


def test_the_process_s_exit_code_and_streams(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "fdsl", "preview", "NoSuchDB"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_ctrl_c_leaves_nothing_behind(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", PAUSED_PREVIEW, "preview", "RCDB", *QUICK], stdout=-1, stderr=-1, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "drawing\n"
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, rest, errors) == (130, "", "error: interrupted\n")
    assert list(tmp_path.iterdir()) == []


# Says when the drawing begins, and then draws the sheet again and again until the signal comes. Python leaves alone a
# signal that was ignored when it started, as it is under a shell's "&".
PAUSED_PREVIEW = """
import signal
import sys
from itertools import repeat
from fdsl.cli import main, preview
draw = preview.family_sheet
def endless(*args, **kwargs):
    draw(*args, **kwargs)
    print("drawing", flush=True)
    for _ in repeat(None):
        draw(*args, **kwargs)
preview.family_sheet = endless
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -c 'import sys; from fdsl.cli import main; sys.exit(main())' --help | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
