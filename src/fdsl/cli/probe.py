"""`fdsl probe`: what frozen features are worth on real images, and how they err."""

from __future__ import annotations

from fdsl.cli.extras import require
from fdsl.cli.parse import parse
from fdsl.files import check_there


def run(argv: list[str]) -> None:
    """Parse `argv` into a `ProbeConfig`, make the probe and print its table."""
    require("probe", "train", "report")
    from fdsl.evaluate.probing.config import ProbeConfig

    config = parse(ProbeConfig, "probe", argv)
    check_there(
        "weights", "a folder or a file of weights", config.weights
    )  # said before torch takes its seconds
    import rich

    from fdsl.evaluate.probing.probing import FILES, probe
    from fdsl.evaluate.probing.result import heading, shape_line, table

    result = probe(config)
    print(heading(result))
    rich.get_console().print(table(result))
    print(shape_line(result))
    for note in result.notes:
        print(note)
    print(f"{config.out}: {', '.join(sorted(name for name in FILES if (config.out / name).is_file()))}")
