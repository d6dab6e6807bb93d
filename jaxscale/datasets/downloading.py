"""A source's CSV, downloaded once into the user's cache.

pooch does the work and is imported when it is needed. What arrives is not trusted: the caller
checks the numbers and removes the file where they differ.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxscale.datasets.entry import Entry, Source
from jaxscale.errors import DataError

RAW = "https://raw.githubusercontent.com"
CACHE_VARIABLE = "JAXSCALE_DATASETS_CACHE"


def url_of(source: Source) -> str:
    """Return the address of a source's file."""
    return f"{RAW}/{source.repository}/{source.ref}/{source.path}"


def downloaded(name: str, entry: Entry, source: Source, *, progress: bool) -> Path:
    """Return the file of a source in the cache; downloads it where it is not there.

    The cache is the folder that JAXSCALE_DATASETS_CACHE names, else `datasets` in the cache of
    the operating system for jaxscale. Names that share a source share the file.

    Args:
        name: the table's name, for messages.
        entry: what the catalogue says of the table.
        source: where its file is.
        progress: whether to show a bar while it is downloaded.

    Raises:
        DataError: pooch is missing, or the download failed.
    """
    try:
        import pooch
    except ImportError as error:
        raise DataError(
            f"{name}: there is no copy {instead(entry)}, and a download needs pooch; install it "
            "with: pip install 'jaxscale[data]'"
        ) from error
    url = url_of(source)
    given = os.environ.get(CACHE_VARIABLE)
    folder = Path(given) if given else Path(pooch.os_cache("jaxscale")) / "datasets"
    file = "-".join((*source.repository.split("/"), source.ref[:12], Path(source.path).name))
    try:
        with _quiet(pooch.get_logger()):
            return Path(
                pooch.retrieve(
                    url,
                    known_hash=None,
                    fname=file,
                    path=folder,
                    downloader=pooch.HTTPDownloader(progressbar=progress),
                )
            )
    except OSError as error:  # of the file system, and every error of requests
        raise DataError(
            f"{name}: {url} cannot be downloaded into {folder} ({str(error)[:160]}). Try again, or "
            f"put a copy {instead(entry)}"
        ) from error


def instead(entry: Entry) -> str:
    """Return where a copy would be looked for, for a message."""
    return f"at {entry.file} in the folder that the environment variable JAXSCALE_DATA names"


@contextlib.contextmanager
def _quiet(logger: Any) -> Iterator[None]:
    """Silence pooch, which writes hashes to stderr that mean nothing here."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
