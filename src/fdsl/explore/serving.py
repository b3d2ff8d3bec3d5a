"""Starting the page on a port of this machine."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

os.environ["GRADIO_ANALYTICS_ENABLED"] = (
    "False"  # read where gradio is imported; a page of this machine tells nobody
)

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from fdsl.errors import InputError
from fdsl.explore.config import ExploreConfig
from fdsl.explore.drawing import warm, warm_all
from fdsl.explore.guard import Guard
from fdsl.explore.page import build_page
from fdsl.explore.scene import Scene
from fdsl.explore.style import CSS, theme

OWN_NAMES = ["127.0.0.1", "localhost", "[::1]"]
"""Names under which a browser may ask a page that listens on this machine alone: other sites' names are refused, so
that none of them can have its visitors' browsers draw here."""
THREADS = 16


def free_port(host: str, port: int) -> int:
    """Return `port`, or a free one for 0.

    Raises:
        InputError: it is taken, or the machine does not let us listen there.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except socket.gaierror as error:
        raise InputError(
            f"host must be an address of this machine, got {host!r}: {error.strerror}"
        ) from error
    except OSError as error:
        raise InputError(
            f"port must be free, got {port} on {host}: {(error.strerror or str(error)).lower()}; "
            "try another --port, or 0 for any free one"
        ) from error


@contextmanager
def serving(config: ExploreConfig) -> Iterator[str]:
    """Serve the page, and yield its address; it goes when the block ends.

    Raises:
        InputError: the port is taken, or the host is no address of this machine.
    """
    port = free_port(config.host, config.port)
    page = build_page(config.threads)
    local = config.host in ("127.0.0.1", "localhost", "::1")
    middleware = [Middleware(Guard)]
    if local:
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=OWN_NAMES, www_redirect=False))
    try:
        _, address, _ = page.launch(
            server_name=config.host, server_port=port, inbrowser=config.open, prevent_thread_lock=True, quiet=True,
            share=False, ssr_mode=False, pwa=False, mcp_server=False, enable_monitoring=False, run_history=False,
            show_error=False, footer_links=[], max_threads=THREADS, num_workers=0, max_file_size=1,
            theme=theme(), css=CSS, app_kwargs={"middleware": middleware},
        )  # fmt: skip
    except OSError as error:  # somebody took it in between
        raise InputError(f"port must be free, got {port} on {config.host}; try another --port") from error
    try:
        yield address
    finally:
        page.close(verbose=False)


def explore(config: ExploreConfig) -> None:
    """Serve the page until interrupted; what draws is compiled meanwhile, and the console says so.

    Raises:
        InputError: as `serving`.
    """
    free_port(config.host, config.port)
    first = Scene().family
    print(f"compiling what draws {first} ...", flush=True)
    warm(first)
    with serving(config) as address:
        print(f"{address} is open; Ctrl-C closes it", flush=True)
        others = threading.Thread(target=_warm_others, args=(first,), daemon=True)
        others.start()
        threading.Event().wait()


def _warm_others(first: str) -> None:
    warm_all(first)
    print("all families are compiled", flush=True)
