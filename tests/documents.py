"""Runs the code blocks of a Markdown page in order, as a reader would: Python in one namespace, shell in one folder.

A block that is not to be run has an HTML comment before it, `<!-- not run: why -->`. Its Python is compiled and its
`fdsl` commands are parsed all the same, so that no option of the documentation can go stale. A fence with
`title="NAME"` is a file that the reader writes.

    python documents.py PAGE FOLDER      runs a page in FOLDER, which is how docs/gallery/ was drawn
"""

from __future__ import annotations

import os
import re
import select
import shlex
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest import mock

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"<!--\s*not run:\s*(.+?)\s*-->", re.DOTALL)
TEXTS = ("text", "yaml", "csv")
"""Languages of what is to be read, not run."""
CLUSTER = {
    "SLURM_ARRAY_TASK_ID": "1",
    "SLURM_ARRAY_TASK_COUNT": "3",
    "SLURM_CPUS_PER_TASK": "2",
    "SLURM_JOB_ID": "1",
    "SLURM_JOB_NODELIST": "node1",
    "USER": "somebody",
}
# Shell in which nothing is found but what bash has built in: every other command is written down, a line a command.
RECORDING = (
    'PATH=/nowhere\ncommand_not_found_handle() { printf "%q " "$@" >> "$RECORD"; echo >> "$RECORD"; }\n'
)
# `fdsl` is answered by the process that has its libraries and kernels loaded already, and everything stops at an error.
ANSWERED = """set -euo pipefail
fdsl() { local code; printf "%q " "$PWD" "$@" > "$ASK"; read -r code < "$ANSWER"; cat "$SAID"; return "$code"; }
"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A code block: its language, text and line; why it is not run, or None; and the file that it is, or None."""

    language: str
    text: str
    line: int
    reason: str | None = None
    file: str | None = None


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page, fenced and indented; the indented ones are shell."""
    found, reason = [], None
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block" and (mark := MARK.search(token.content)):
            reason = " ".join(mark[1].split())
        elif token.type in ("fence", "code_block"):
            assert token.map is not None
            language, _, rest = token.info.partition(" ")
            title = re.search(r'title="([^"]+)"', rest)
            found.append(
                Block(
                    language="bash" if token.type == "code_block" else language,
                    text=token.content,
                    line=token.map[0] + 1,
                    reason=reason,
                    file=title[1] if title else None,
                )
            )
            reason = None
        elif token.nesting >= 0 and token.type != "inline":
            reason = None
    return found


def run_page(page: Path, said: Callable[[str], object] = print) -> int:
    """Run a page's blocks in the current folder and return their number, those that are only checked too.

    `said` gets what each block prints that is not Python.
    """
    module, found = types.ModuleType("page"), blocks(page)
    for block in found:
        where = f"{page.name}, line {block.line}"
        if block.language not in ("python", "bash", *TEXTS):
            raise AssertionError(f"{where}: a block of {block.language or 'no language'}")
        try:
            if block.file is not None:
                Path(block.file).write_text(block.text, encoding="utf-8")
            elif block.language == "python":
                code = compile(block.text, where, "exec")
                if block.reason is None:
                    exec(code, module.__dict__)
            elif block.language == "bash":
                check_commands(block.text)
                if block.reason is None:
                    run_shell(block.text, said)
        except Exception as error:
            error.add_note(f"in {where}:\n{block.text}")
            raise
    return len(found)


def fences(page: Path) -> int:
    """Return how many blocks a page has between fences, counted without reading them."""
    return page.read_text(encoding="utf-8").count("\n```") // 2


def commands(script: str) -> Iterator[list[str]]:
    """Yield the arguments of every `fdsl` in a script, with its variables filled in, and run none of it."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        record.touch()
        done = subprocess.run(
            ["bash", "--norc"],
            input=RECORDING + script,
            cwd=folder,
            env={**CLUSTER, "RECORD": str(record)},
            capture_output=True,
            text=True,
        )
        assert "syntax error" not in done.stderr, done.stderr
        for line in record.read_text().splitlines():
            words = shlex.split(line)
            if words[0] == "fdsl":
                yield words[1:]
            elif ("-m", "fdsl") in pairwise(words):
                yield words[words.index("fdsl") + 1 :]


class Parsed(BaseException):
    """A command has read its arguments and found nothing wrong with them."""


def check_commands(script: str) -> None:
    """Have every `fdsl` in a script parsed by its command, and none done."""
    from fdsl.cli import main, parse

    read = parse._read

    def read_only(*args: object, **options: object) -> None:
        read(*args, **options)  # type: ignore[arg-type]
        raise Parsed

    for argv in commands(script):
        with mock.patch.object(parse, "_read", read_only):
            try:
                code = main(argv)
            except Parsed:
                continue
        # --help and --version are all that a command line does without reading options
        assert code == 0, f"fdsl {shlex.join(argv)} ended with {code}"
        assert argv[-1] in ("--help", "--version"), f"fdsl {shlex.join(argv)} was not parsed"


def run_shell(script: str, said: Callable[[str], object]) -> None:
    """Run a script in bash, which stops at the first command that fails; its `fdsl` runs in this process.

    Raises:
        AssertionError: a command failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        ask, answer, told, printed = (Path(folder) / name for name in ("ask", "answer", "told", "printed"))
        os.mkfifo(ask)
        os.mkfifo(answer)
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        source = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
        names = {"ASK": ask, "ANSWER": answer, "SAID": told, "PATH": paths, "PYTHONPATH": source}
        environment = os.environ | {name: str(value) for name, value in names.items()}
        # both ends of both are open here: neither waits for the other to open one, or takes its closing for an answer
        pipes = [os.open(pipe, os.O_RDWR) for pipe in (ask, answer)]
        with printed.open("w") as file:
            command = ["bash", "-c", ANSWERED + script]
            with subprocess.Popen(command, env=environment, stdout=file, stderr=file) as shell:
                try:
                    _answer_until(shell, *pipes, told)
                finally:
                    shell.kill()
        for pipe in pipes:
            os.close(pipe)
        output = printed.read_text()
        said(output)
        assert shell.returncode == 0, f"ended with {shell.returncode}:\n{output}"


def _answer_until(shell: subprocess.Popen[bytes], asked: int, answer: int, told: Path) -> None:
    """Do the commands that a shell asks for until it has ended."""
    request = b""
    while shell.poll() is None:
        if not select.select([asked], [], [], 0.05)[0]:
            continue
        request += os.read(asked, 1 << 16)
        if request.endswith(b" "):
            code = _done(shlex.split(request.decode()), told)
            os.write(answer, f"{code}\n".encode())
            request = b""


def _done(words: list[str], told: Path) -> int:
    """Run `fdsl` with the words after the first, which is the folder to run it in; what it prints goes to a file."""
    from fdsl.cli import main

    with told.open("w") as file, redirect_stdout(file), redirect_stderr(file), chdir(words[0]):
        return main(words[1:])


if __name__ == "__main__":
    page, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with chdir(folder):
        run_page(page)
