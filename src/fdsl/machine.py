"""What a measurement ran on."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from fdsl.cores import usable_cores

PACKAGES = ("numpy", "numba", "numba-cuda", "pillow", "torch", "timm")


def cpu_model() -> str:
    """Return the processor's name as the system reports it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine_facts() -> dict[str, str | int]:
    """Return processor, cores, system and package versions; a package that is not installed is left out."""
    from fdsl import __version__

    facts: dict[str, str | int] = {
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "fdsl": __version__,
    }
    for package in PACKAGES:
        try:
            facts[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return facts
