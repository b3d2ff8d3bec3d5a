"""What the registry knows of each family, from its class and docstring: for the command line, and as a page."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from fdsl.evaluate.sheet import family_sheet, save_picture
from fdsl.files import write_text
from fdsl.formulas import Family, families
from fdsl.formulas.base import ALWAYS
from fdsl.formulas.published import PublishedFamily

SHEET_ROWS, SHEET_COLUMNS, SHEET_SIZE = 4, 6, 96
GRAYS = 16
COLOURS = 64
SIGNIFICANT = 4
"""Digits of a parameter that are shown."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a family.

    Attributes:
        name: as in Python and in `--options`.
        default: as Python has it; of `variant`, all choices, the default first.
        text: what it means.
    """

    name: str
    default: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A family as the catalogue has it.

    Attributes:
        name: in the registry.
        drawn: what an image shows, in a sentence or two.
        more: further paragraphs.
        fields: all of them, in order.
        native_size: side of the native canvas, pixels.
        colours: "gray" or "colour", and which variants are otherwise.
        source: citation and, where known, address.
        labels: what a dataset can hand out beside an image, as `FormulaDataset(targets=)` has it.
        published: whether categories are read from and written to files.
    """

    name: str
    drawn: str
    more: tuple[str, ...]
    fields: tuple[Field, ...]
    native_size: int
    colours: str
    source: str
    labels: tuple[str, ...]
    published: bool

    @property
    def citation(self) -> str:
        """The source without its address."""
        return self.source.split(", http")[0]

    @property
    def settings(self) -> str:
        """The fields that are this family's own, with their defaults."""
        own = [field for field in self.fields if field.name not in ("classes", "files")]
        return "\n".join(f"{field.name} = {field.default}" for field in own)


def entry(cls: type[Family]) -> Entry:
    """Return what the registry knows of a family. Searches for nothing and draws nothing."""
    paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    prose = [" ".join(part.split()) for part in paragraphs if not part.startswith("Attributes:")]
    texts = _attributes(cls)
    fields = [
        Field(field.name, _default(cls, field), texts.get(field.name, ""))
        for field in dataclasses.fields(cls)
    ]
    return Entry(
        name=cls.name,
        drawn=prose[0],
        more=tuple(prose[1:]),
        fields=tuple(fields),
        native_size=cls.native_size,
        colours=_colours(cls),
        source=cls.source,
        labels=(*ALWAYS, *cls.labels),
        published=issubclass(cls, PublishedFamily),
    )


def _default(cls: type[Family], field: dataclasses.Field[Any]) -> str:
    return ", ".join(cls.variants) if field.name == "variant" and cls.variants else repr(field.default)


def _attributes(cls: type) -> dict[str, str]:
    """Return the texts of the docstrings' Attributes by name, a class's own before those it inherits."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        documented = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")[2].split("\n\n")[0]
        for name, text in re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", documented, re.MULTILINE):
            texts[name] = " ".join(text.split())
    return texts


def _colours(cls: type[Family]) -> str:
    names = {1: "gray", 3: "colour"}
    usual = names[cls().channels]
    by_variant = {variant: names[cls.build(variant=variant).channels] for variant in cls.variants}
    others = [variant for variant, colours in by_variant.items() if colours != usual]
    return (
        f"{usual} ({names[3] if usual == names[1] else names[1]}: {', '.join(others)})" if others else usual
    )


def parameter_lines(category: dict[str, Any]) -> Iterator[str]:
    """Say what the parameters of a category are, to four digits: a line each, or a line a row of what has rows."""
    for name, value in category.items():
        if isinstance(value, list) and value and isinstance(value[0], list):
            yield f"{name}:"
            yield from (f"  {_rounded(row)}" for row in value)
        else:
            yield f"{name}: {_rounded(value)}"


def _rounded(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_rounded, value))
    return f"{value:.{SIGNIFICANT}g}" if isinstance(value, float) else str(value)


def thumbnail(cls: type[Family]) -> Image.Image:
    """Return a small contact sheet, 4 categories of 6 instances at 96 pixels, in few grays or colours."""
    sheet = family_sheet(cls(classes=SHEET_ROWS), SHEET_ROWS, SHEET_COLUMNS, size=SHEET_SIZE)
    if sheet.mode == "RGB":
        return sheet.quantize(COLOURS, dither=Image.Dither.NONE)
    step = 255 // (GRAYS - 1)
    few = sheet.point([(gray + step // 2) // step for gray in range(256)])
    few.putpalette([level * step for level in range(GRAYS) for _ in "RGB"])
    return few


def page(pictures: str) -> str:
    """Return the catalogue of all families as Markdown; `pictures` is the folder of their sheets, as a link has it."""
    classes = families().values()
    parts = [
        PREAMBLE,
        _overview([entry(cls) for cls in classes]),
        *(_section(cls, pictures) for cls in classes),
    ]
    return "\n\n".join(parts) + "\n"


def write_page(file: Path) -> None:
    """Write the catalogue as Markdown to `file`, and the sheets into a folder beside it named as it is.

    Raises:
        OSError: they cannot be written.
    """
    folder = file.with_suffix("")
    for name, cls in families().items():
        save_picture(thumbnail(cls), folder / f"{name}.png")
    write_text(file, page(folder.name))


PREAMBLE = """# Families

<!-- made by: make docs -->

Every family is a frozen dataclass: `fdsl.family(name, field=value, ...)`, or `fdsl preview NAME --options field=value`
on the command line. The sheets show four categories, one a row, and six instances of each, at 96 pixels. `fdsl
families` prints this list, `fdsl families NAME` one of them."""


def _overview(entries: list[Entry]) -> str:
    rows = [
        (
            f"[{one.name}](#{one.name.lower()})",
            one.drawn,
            str(one.native_size),
            one.colours,
            "yes" if one.published else "",
            one.citation,
        )
        for one in entries
    ]
    return _table(("name", "what is drawn", "native size", "colours", "category files", "source"), rows)


def _section(cls: type[Family], pictures: str) -> str:
    one = entry(cls)
    address = re.sub(r"(https://\S+)", r"<\1>", one.source)
    example = "\n".join(f"    {line}" for line in parameter_lines(cls(classes=2).category(0, 0)))
    fields = [(f"`{field.name}`", f"`{field.default}`", field.text) for field in one.fields]
    return "\n\n".join(
        [
            f"## {one.name}",
            f"![Four categories of {one.name}, six instances of each]({pictures}/{one.name}.png)",
            one.drawn,
            *one.more,
            f"Source: {address}. Labels: {', '.join(one.labels)}.",
            _table(("field", "default", "meaning"), fields),
            "Category 0 of seed 0:",
            example,
            *([FILES.format(name=one.name)] if one.published else []),
        ]
    )


FILES = (
    "Categories as published files: `fdsl params export {name} --out FOLDER` writes them, "
    "`{name}.from_csv(folder)` or `--options files=FOLDER` reads them."
)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [
        head,
        tuple("---" for _ in head),
        *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
