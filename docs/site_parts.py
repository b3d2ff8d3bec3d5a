"""What MkDocs is told beside mkdocs.yml: pages made from files of the root and from the commands' own help.

RESULTS.md, CHANGELOG.md and CONTRIBUTING.md stay where readers of the repository look for them, and links to and from
them work in both places: as files, and in the site.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any
from unittest import mock

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
ROOT_PAGES = {"results.md": "RESULTS.md", "changes.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
COMMANDS_PAGE = "commands.md"
WIDTH = 82

COMMANDS_PREAMBLE = """# Commands

What each command says of itself with `--help`. `fdsl pretrain` and `fdsl finetune` take the name of a
[recipe](recipes.md) and a file of fields before their options.
"""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are no files of this folder."""
    for page, source in ROOT_PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=from_root(text)))
    files.append(File.generated(config, COMMANDS_PAGE, content=commands_page()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Turn links to files of the root into links to their pages."""
    for page, source in ROOT_PAGES.items():
        markdown = markdown.replace(f"](../{source}", f"]({page}")
    return markdown


def from_root(text: str) -> str:
    """Return the Markdown of a file of the root with the links that it needs as a page."""
    text = text.replace("](docs/", "](").replace("](README.md)", "](index.md)")
    for page, source in ROOT_PAGES.items():
        text = text.replace(f"]({source}", f"]({page}")
    return text


def commands_page() -> str:
    """Return the help of every command as Markdown."""
    from fdsl.cli.app import COMMANDS

    parts = [COMMANDS_PREAMBLE]
    for name, command in COMMANDS.items():
        said = f"{command.summary[0].upper()}{command.summary[1:]}."
        parts.append(f"## fdsl {name}\n\n{said}\n\n```text\n{help_text(name)}\n```\n")
    return "\n".join(parts)


def help_text(name: str) -> str:
    """Return what `fdsl NAME --help` prints on a terminal of WIDTH columns without colours."""
    from fdsl.cli import main

    printed = io.StringIO()
    plain = {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"}
    with mock.patch.dict(os.environ, plain), contextlib.redirect_stdout(printed):
        code = main([*name.split(), "--help"])
    if code:
        raise RuntimeError(f"fdsl {name} --help ended with {code}")
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())
