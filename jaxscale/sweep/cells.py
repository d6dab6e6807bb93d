"""The cells of a sweep on the disk: what decides their content, how they are read and kept.

A cell is a fit and, after it, chunks of bootstrap replicates. Each file carries a key, the hash of
everything that decides its content; the key of a chunk contains the seal of the fit that it
belongs to. What a file holds is worked out by `work`, wherever that runs; it is written here.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.data.runs import Runs, read_runs
from jaxscale.errors import DataError
from jaxscale.files.document import versions
from jaxscale.files.durable import BLANK, make_directory, read_sealed, write_atomically
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.saved import load
from jaxscale.laws import Law
from jaxscale.sweep.spec import Cell, DataSet, Spec

SCHEMA = 1
TAIL = len('"}}\n')
"""What follows the seal of a fit's file; the seal of a chunk stands at its very end."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A cell with its runs, its law and its place on the disk."""

    spec: Spec
    cell: Cell
    runs: Runs
    law: Law
    key: str
    folder: Path

    def read_fit(self) -> dict[str, Any] | None:
        """Return the fit's document, if one with this key is on the disk and whole."""
        raw = read_sealed(self.folder / "fit.json", TAIL)
        if raw is None:
            return None
        document = json.loads(raw)
        return document if document.get("sweep", {}).get("key") == self.key else None

    def keep_fit(self, raw: bytes) -> dict[str, Any]:
        """Write the fit's file, and return its document."""
        make_directory(self.folder)
        write_atomically(self.folder / "fit.json", raw)
        return dict(json.loads(raw))

    def discard_fit(self) -> None:
        """Remove the fit's file."""
        (self.folder / "fit.json").unlink(missing_ok=True)

    def load_fit(self) -> FitResult:
        """Return the fit as the file has it: the same bits whether it was reused or not."""
        return load(self.folder / "fit.json", self.cell.law.cls)

    def chunks(self, document: Mapping[str, Any] | None) -> list[Chunk]:
        """Return the chunks of the bootstrap; without a document they can only be counted."""
        total, size = self.spec.bootstrap, self.spec.chunk
        size = min(size, total)
        found = []
        for k, first in enumerate(range(0, total, size or 1)):
            count = min(size, total - first)
            parent = document["sweep"]["sha256"] if document else ""
            key = _sha([SCHEMA, self.key, parent, self.cell.seed, first, count, size])
            found.append(Chunk(self.folder / f"boot-{k:05d}.npz", key, first, count, size))
        return found


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Bootstrap replicates `first` to `first` + `count`, solved as a batch of `size`."""

    path: Path
    key: str
    first: int
    count: int
    size: int

    def read(self) -> dict[str, np.ndarray] | None:
        """Return the arrays, if a file with this key is on the disk and whole."""
        raw = read_sealed(self.path, 0)
        if raw is None or not raw[: -len(BLANK)].endswith(self.key.encode()):
            return None
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            return dict(arrays)

    def keep(self, raw: bytes) -> None:
        """Write the file."""
        write_atomically(self.path, raw)


def make_jobs(spec: Spec, directory: Path) -> list[Job]:
    """Read the tables, and return every cell with its runs, law and key.

    Raises:
        DataError: a table cannot be read.
    """
    tables: dict[str, Runs] = {}
    jobs = []
    for cell in spec.cells:
        if cell.data.name not in tables:
            tables[cell.data.name] = _read(spec, cell.data)
        runs = tables[cell.data.name]
        law = cell.law.law(**cell.fix)
        if cell.law.of is not None:
            law = law.replace(of=runs.column_called(cell.law.of))
        key = _key(spec, cell, runs, law)
        jobs.append(Job(spec, cell, runs, law, key, directory / "cells" / cell.id))
    return jobs


def _read(spec: Spec, data: DataSet) -> Runs:
    try:
        runs = read_runs(data.path, **data.options)
    except DataError as error:
        raise DataError(f"{spec.path}: [data.{data.name}]: {error}") from error
    # Results call the table as the specification does, from wherever the sweep is started.
    here = f"{spec.path.parent}/"
    called = {row: name.removeprefix(here) for row, name in runs.called.items()}
    return runs.replace(source=data.written, called=called)


def _key(spec: Spec, cell: Cell, runs: Runs, law: Law) -> str:
    """Return the hash of everything that decides what a fit's file contains."""
    table = [
        runs.digest(),
        runs.source,
        runs.rows.tolist(),
        [[int(row), reason] for row, reason in runs.dropped],
        runs.names,
        None if runs.group is None else runs.group.tolist(),
        list(runs.warnings),
        [[row, name] for row, name in runs.called.items()],
    ]
    return _sha(
        {
            "schema": SCHEMA,
            **environment(),
            "cell": cell.id,
            "law": [cell.law.text, cell.law.source, law.of, dict(cell.fix)],
            "loss": [cell.loss, cell.delta, cell.residual],
            "search": [cell.seed, spec.starts, spec.precision],
            "runs": table,
        }
    )


def environment() -> dict[str, Any]:
    """Return what of this process decides a result: the code of the package, and the versions."""
    return {"code": code(), "versions": {**versions(), "jaxlib": metadata.version("jaxlib")}}


@functools.cache
def code() -> str:
    """Return the hash of the package's source: a version number does not tell two commits apart."""
    root = Path(__file__).parents[1]  # the package
    sources = {str(path.relative_to(root)): path.read_text("utf-8") for path in root.rglob("*.py")}
    return _sha(sources)


def _sha(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
