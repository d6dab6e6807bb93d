"""Where compiled programs are kept between processes: a folder that nobody else can write to."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def private_cache() -> Path | None:
    """Return the user's own cache directory, or None where it cannot be private.

    Whoever can write to a compilation cache can run code in this process.
    """
    home = os.path.expanduser("~")
    base = os.environ.get("JAXSCALE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "jaxscale", "programs"
    )
    try:
        path = Path(base)
        if Path(home) in path.parents and not os.path.isdir(home):
            return None  # a home that is not there is not made
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError:
        return None
    private = status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return path if private else None


def keep_programs() -> None:
    """Have JAX keep its programs in that directory, unless the environment says otherwise.

    Of use before JAX is imported.
    """
    given = "JAX_COMPILATION_CACHE_DIR" in os.environ
    if os.name != "posix" or given or os.environ.get("JAXSCALE_CACHE", "") == "off":
        return
    directory = private_cache()
    if directory is not None:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(directory)
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
