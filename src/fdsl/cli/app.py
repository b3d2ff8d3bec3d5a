"""Finds the subcommand, runs it, and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fdsl.errors import FdslError, InputError, LostProcess, Stopped, check_choice
from fdsl.processes import processes

EXIT_OK = 0
EXIT_BUG = 1
EXIT_BAD_INPUT = 2
EXIT_STOPPED = os.EX_TEMPFAIL
EXIT_INTERRUPTED = 128 + signal.SIGINT


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand: the module that does it, imported only when it is asked for, and its function of `argv`."""

    module: str
    summary: str
    function: str = "run"


COMMANDS = {
    "preview": Command(
        "fdsl.cli.preview", "draw a contact sheet of a family: rows categories, columns instances"
    ),
    "pretrain": Command("fdsl.cli.pretrain", "pre-train a timm model on images drawn from formulas"),
    "finetune": Command("fdsl.cli.finetune", "fine-tune it on real images, or train one from scratch"),
    "recipes": Command("fdsl.cli.recipes", "list the recipes of both, or all about one"),
    "export hf": Command(
        "fdsl.cli.export", "lay out a finished run as a Hugging Face repository: weights, model card", "hf"
    ),
    "families": Command("fdsl.cli.families", "list the families of formulas, or all about one"),
    "render": Command("fdsl.cli.render", "render a dataset to files: folders, WebDataset or Parquet"),
    "verify": Command("fdsl.cli.verify", "check such files against their manifest, and draw some again"),
    "repair": Command("fdsl.cli.verify", "make again what is missing or damaged", "repair"),
    "masks": Command("fdsl.cli.masks", "write images and their masks as files, for segmentation"),
    "params export": Command("fdsl.cli.params_export", "write a family's categories as published files"),
    "params import": Command(
        "fdsl.cli.params_import", "check a folder of category files, and say what is in it"
    ),
    "bench render": Command(
        "fdsl.cli.bench", "measure how fast images are drawn, beside two baselines", "render"
    ),
    "bench pipeline": Command(
        "fdsl.cli.bench", "measure augmented samples on one core, beside reading stored images", "pipeline"
    ),
    "bench scaling": Command(
        "fdsl.cli.bench", "measure drawing over threads, vertices, strokes, points and sizes", "scaling"
    ),
    "bench training": Command("fdsl.cli.bench", "measure what drawing costs a training step", "training"),
    "bench gpu": Command(
        "fdsl.cli.bench", "measure drawing on a GPU, and whether its pixels are the CPU's", "gpu"
    ),
    "bench files": Command(
        "fdsl.cli.bench", "measure encoders of files, and how much of fdsl render they are", "files"
    ),
    "probe": Command("fdsl.cli.probe", "say what frozen features are worth on real images, and how they err"),
    "attention": Command(
        "fdsl.cli.attention", "picture where models look, and how much of it lies on contours"
    ),
    "inspect": Command(
        "fdsl.cli.inspect", "measure a family's images before any training: varied, blank, alike"
    ),
    "report": Command("fdsl.cli.report", "one page of finished runs side by side: curves, numbers, pictures"),
    "explore": Command("fdsl.cli.explore", "open a local page that redraws as parameters move"),
    "sweep": Command(
        "fdsl.cli.sweep", "vary one parameter of the formulas; pre-train, fine-tune and probe at each value"
    ),
    "demo": Command("fdsl.cli.demo", "all of it in small, with a report to look at"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (without the program's name) and return its exit code.

    0 done; 1 a defect of fdsl, or another of several processes has ended; 2 unusable input, or a file that cannot be
    read or written; 75 it was stopped by SIGTERM or SIGUSR1 and can go on; 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        with _one_voice():
            _dispatch([argument for argument in arguments if argument != "--debug"])
            sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_OK if stop.code is None else EXIT_BUG
    except BrokenPipeError:
        # The reader has gone (`fdsl ... | head`); stdout goes elsewhere so that exit is quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "interrupted", EXIT_INTERRUPTED, debug)
    except Stopped as stopped:
        if processes().rank:  # all stop for the same reason
            return EXIT_STOPPED
        return _fail(str(stopped), EXIT_STOPPED, debug)
    except LostProcess as error:
        return _fail(str(error), EXIT_BUG, debug)
    except FdslError as error:
        return _fail(str(error), EXIT_BAD_INPUT, debug)
    except OSError as error:
        return _fail(_describe_os_error(error), EXIT_BAD_INPUT, debug)
    except MemoryError as error:
        return _fail(f"not enough memory: {error}", EXIT_BAD_INPUT, debug)
    except Exception as error:  # noqa: BLE001 (after this there is nobody to tell)
        message = f"{type(error).__name__}: {error} (a defect of fdsl; --debug shows where)"
        return _fail(message, EXIT_BUG, debug)
    return EXIT_OK


@contextlib.contextmanager
def _one_voice() -> Iterator[None]:
    """Of several processes that run the same command, let the first alone write to stdout; errors are everyone's."""
    if processes().rank == 0:
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _dispatch(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return
    if arguments[0] == "--version":
        from fdsl import __version__

        print(f"fdsl {__version__}")
        return
    if arguments[0].startswith("-"):
        raise InputError(f"unknown option {arguments[0]}: a command comes first; see fdsl --help")
    group = [name for name in COMMANDS if name.startswith(f"{arguments[0]} ")]
    if group and arguments[1:2] in (["-h"], ["--help"]):
        print(usage(group))
        return
    name, rest = _split_command(arguments, group)
    # Waiting OpenMP threads spin by default, and where drawing shares their cores a training step takes ten times as
    # long. Read when torch loads, so it is set before any command's module is.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    command = COMMANDS[name]
    getattr(importlib.import_module(command.module), command.function)(rest)


def _split_command(arguments: list[str], group: list[str]) -> tuple[str, list[str]]:
    """Return the command's name, of two words if there is a `group` that begins with the first, and what follows."""
    first, rest = arguments[0], arguments[1:]
    subcommands = [name.split()[1] for name in group]
    if not subcommands:
        return check_choice("command", first, COMMANDS), rest
    if not rest:
        raise InputError(f"fdsl {first} must be followed by {' or '.join(subcommands)}; see fdsl --help")
    return f"{first} {check_choice(f'fdsl {first}', rest[0], subcommands)}", rest[1:]


def usage(names: Iterable[str] = COMMANDS) -> str:
    """Return the text of `fdsl --help`, or of a group of commands."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {COMMANDS[name].summary}" for name in names]
    return "\n".join(
        [
            "usage: fdsl COMMAND [OPTIONS]",
            "",
            "Labelled images drawn from formulas, and vision models pre-trained on them.",
            "",
            *lines,
            "",
            "  fdsl COMMAND --help  a command's options",
            "  fdsl --version       the version",
            "  --debug              with any command: show the traceback of an error",
        ]
    )


def _describe_os_error(error: OSError) -> str:
    place = f": {error.filename}" if error.filename is not None else ""
    return f"{error.strerror or error}{place}"


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    # One line whatever the message holds: rich tracebacks and libraries like to add more.
    print("error:", " ".join(message.split()), file=sys.stderr)
    return code
