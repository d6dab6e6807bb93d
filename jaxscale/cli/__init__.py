"""The command line, one module per command."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Any

__all__ = ["entry", "main"]


def entry() -> None:
    """Start the command line; Ctrl-C ends it at once from here on, while it is imported too."""
    signal.signal(signal.SIGINT, _interrupted)
    from jaxscale.cli.parser import start

    start()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    from jaxscale.cli.parser import main as run

    return run(argv)


def _interrupted(*_: Any) -> None:
    """End at once: an exception could get lost in a callback of the compiler's threads."""
    with contextlib.suppress(OSError):
        os.write(2, b"\njaxscale: interrupted\n")
    os._exit(130)
