"""What the explorer is told."""

from __future__ import annotations

from dataclasses import dataclass

from fdsl.errors import InputError, check_int

MOST_THREADS = 1024


@dataclass(frozen=True, kw_only=True)
class ExploreConfig:
    """Open a local page on which a family redraws as its parameters move.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    host: str = "127.0.0.1"
    """Address to listen on. With 0.0.0.0 everyone in the network can have this machine draw; there is no password."""
    port: int = 7860
    """Port to listen on; 0 takes a free one."""
    threads: int | None = None
    """CPU threads that draw; None uses all cores."""
    open: bool = False
    """Open the page in the browser, too."""

    def __post_init__(self) -> None:
        if not isinstance(self.host, str) or not self.host.strip() or "/" in self.host:
            raise InputError(f"host must be an address such as 127.0.0.1, got {self.host!r}")
        check_int("port", self.port, 0, 65_535)
        if self.threads is not None:
            check_int("threads", self.threads, 1, MOST_THREADS)
