"""The text: the Python sources of the running interpreter's standard library, as bytes.

Every file goes to training or to validation by the hash of its contents, so that two machines
with the same Python agree and no text, copies included, is on both sides.
"""

from __future__ import annotations

import hashlib
import sysconfig
from pathlib import Path
from typing import NamedTuple

import numpy as np

HELD_OUT = 20  # one file in so many is held out
NOT_PART = {"site-packages", "dist-packages"}


class Corpus(NamedTuple):
    """Bytes of both sides, uint8; `digest` names the exact text."""

    train: np.ndarray
    valid: np.ndarray
    files: int
    digest: str


def read_corpus(root: Path | None = None) -> Corpus:
    """Read every .py file below `root` (default: the standard library)."""
    root = root or Path(sysconfig.get_path("stdlib"))
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    whole, seen = hashlib.sha256(), set()
    for path in sorted(root.rglob("*.py")):
        if NOT_PART & set(path.relative_to(root).parts):
            continue
        text = path.read_bytes()
        name = hashlib.sha256(text).digest()
        if name in seen:
            continue
        seen.add(name)
        whole.update(name)
        held_out = int.from_bytes(name[:8], "big") % HELD_OUT == 0
        sides[held_out].append(text + b"\0")
    train, valid = (np.frombuffer(b"".join(side), np.uint8) for side in sides)
    return Corpus(train, valid, len(seen), whole.hexdigest()[:16])


def held_out_windows(corpus: Corpus, count: int, length: int) -> np.ndarray:
    """Return [count, length + 1] evenly spaced windows of the validation text, always the same."""
    last = len(corpus.valid) - length - 1
    offsets = np.linspace(0, last, count).astype(np.int64)
    return corpus.valid[offsets[:, None] + np.arange(length + 1)]
