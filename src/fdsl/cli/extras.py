"""Says which optional part of the installation a command needs, before an import fails half-way."""

from __future__ import annotations

from importlib.util import find_spec

from fdsl.errors import InputError

# One module of each distribution that pyproject.toml lists under the extra.
EXTRAS = {
    "train": (
        "torch",
        "torchvision",
        "timm",
        "lightning",
        "safetensors",
        "tensorboard",
        "pyarrow",
        "sklearn",
        "yaml",
    ),
    "report": ("jinja2", "matplotlib"),
    "explore": ("gradio",),
}


def require(command: str, *extras: str) -> None:
    """Check that the extras `command` needs are installed.

    Raises:
        InputError: one is not; the message is the pip command that installs it.
    """
    missing = [extra for extra in extras if any(find_spec(module) is None for module in EXTRAS[extra])]
    if missing:
        plural = "extras" if len(missing) > 1 else "extra"
        names = " and ".join(missing)
        raise InputError(
            f'fdsl {command} needs the {names} {plural}: pip install "fdsl[{",".join(missing)}]"'
        )
