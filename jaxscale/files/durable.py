"""Files that survive being killed at any moment: atomic writes, seals, and a lock.

A file appears under its name only when all of it is on the disk, so a reader meets the old file,
the new one, or none. A seal, the SHA-256 of all other bytes written into the file itself, also
tells damage that happens later (a full disk, a copy that stopped, a flipped bit). Nothing here
knows what the files mean.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from jaxscale.errors import JaxscaleError

try:
    import fcntl
except ImportError:  # not on Windows: there, nobody stops a second process
    fcntl = None  # type: ignore[assignment]

TEMPORARY = re.compile(r"\..{1,40}\.\d+\.\d+\.tmp", re.DOTALL)
BLANK = "0" * 64
"""What a writer leaves where the seal will stand."""


def write_atomically(path: Path, raw: bytes) -> None:
    """Write a file so that a kill or a full disk leaves the old file or the new one, whole.

    A link stays a link: the file that it leads to is written. A file keeps its permissions. What
    is no regular file (`/dev/stdout`, a pipe) is written to as it is. A kill in the middle leaves a
    temporary file behind; see `remove_temporaries`.

    Raises:
        OSError: it could not be written; names `path`, and no temporary file is left.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(raw)
        else:
            _replace(Path(os.path.realpath(path)), raw)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _replace(path: Path, raw: bytes) -> None:
    # A name may be as long as the system allows; that of the temporary file is no longer.
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, KeyboardInterrupt):
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def same_file(one: str | Path, other: str | Path) -> bool:
    """Return whether two paths are one regular file, by whatever links, or would be one."""
    try:
        first, second = os.stat(one), os.stat(other)
    except OSError:  # one is not there yet
        return os.path.realpath(one) == os.path.realpath(other)
    return stat.S_ISREG(first.st_mode) and os.path.samestat(first, second)


def make_directory(path: Path) -> None:
    """Make a directory and those above it, on the disk when this returns."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    _sync(path.parent)


def remove_temporaries(directory: Path) -> None:
    """Remove what killed writers left in a directory and below; only for the holder of its lock.

    Only names that `write_atomically` gives: the folder may hold a person's own `.notes.tmp`.
    """
    for path in directory.rglob(".*.tmp"):
        if TEMPORARY.fullmatch(path.name):
            path.unlink()


def _sync(directory: Path) -> None:
    """Put a directory's entries on the disk: without it a rename may be lost in a power cut."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except PermissionError:  # a folder that may be written and not read
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal(raw: bytes, tail: int) -> bytes:
    """Return the bytes with their seal in place of the `BLANK` that ends `tail` bytes before it."""
    end = len(raw) - tail
    return raw[: end - len(BLANK)] + _digest(raw, end).encode() + raw[end:]


def read_sealed(path: Path, tail: int) -> bytes | None:
    """Return a sealed file's bytes, or None where it is missing, cut short or damaged."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    end = len(raw) - tail
    if end < len(BLANK) or raw[end - len(BLANK) : end] != _digest(raw, end).encode():
        return None
    return raw


def _digest(raw: bytes, end: int) -> str:
    sha = hashlib.sha256(raw[: end - len(BLANK)])
    sha.update(raw[end:])
    return sha.hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; the system gives it up however the process ends.

    Raises:
        JaxscaleError: another process holds it.
    """
    with open(path, "a+b") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read(200).decode(errors="replace").strip() or "another process"
                raise JaxscaleError(
                    f"{path.parent} is in use by {owner}; wait for it to end, or write to "
                    "another directory"
                ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        file.flush()
        yield
