"""`fdsl bench render`: measure how fast images are drawn."""

from __future__ import annotations

from rich.console import Console

from fdsl.cli.parse import parse
from fdsl.errors import InputError
from fdsl.files import write_json


def run(argv: list[str]) -> None:
    """Parse `argv` into a `BenchRenderConfig`, measure, print the table and write the JSON file."""
    from fdsl.bench.render import BenchRenderConfig, run_bench, to_json
    from fdsl.bench.table import print_table

    config = parse(BenchRenderConfig, "bench render", argv)
    if config.json is not None and config.json.is_dir():
        raise InputError(f"json must be a file, got the folder {str(config.json)!r}")
    console = Console(highlight=False, markup=False)
    with console.status("") as status:
        measurements = run_bench(config, lambda line: status.update(f"measuring {line}"))
    print_table(console, config, measurements)
    if config.json is not None:
        write_json(config.json, to_json(config, measurements))
        console.print(f"written to {config.json}")
