"""The explorer's server in a process of its own: what Gradio leaves open at its end goes with the process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

SERVE = """
import sys
from fdsl.explore.config import ExploreConfig
from fdsl.explore.drawing import warm
from fdsl.explore.serving import serving
for family in sys.argv[1:]:
    warm(family)
with serving(ExploreConfig(port=0)) as address:
    print(address, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def explorer(*families: str) -> Iterator[str]:
    """Yield the address of a server whose kernels of `families` are compiled."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, *families], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), "the server did not start"
            yield address
        finally:
            process.stdin.close()
    assert process.returncode == 0
