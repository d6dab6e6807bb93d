"""What a worker does for a sweep: one fit, or one chunk of replicates, as the bytes of its file.

An order has all that decides these bytes, so it does not matter where it is filled: in this
process, in another, on another machine of the same kind. It travels by pickle, and a law of a
person's own file by the name of the file: the worker runs that file, where it is the same one.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import os
import socket
import tempfile
import time
import zipfile
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxscale.data.runs import Runs
from jaxscale.executors import WorkerError
from jaxscale.files.durable import BLANK, seal
from jaxscale.fitting.fit import fit
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.saved import load
from jaxscale.laws import Law
from jaxscale.laws.names import NamedLaw, named_law
from jaxscale.objective.losses import loss_named
from jaxscale.sweep.cells import TAIL, Chunk, Job, environment
from jaxscale.sweep.spec import Cell
from jaxscale.uncertainty.resampling import case_weights

Refit = Callable[..., Any]
NOT_HERE = Law
"""Stands for the class of a law that has travelled by name."""


@dataclasses.dataclass(frozen=True)
class Order:
    """A fit, or a chunk of the replicates of one, to be worked out.

    Attributes:
        cell: which; `name` is its name.
        key: of the fit.
        runs: its table; None for a chunk, as the fit's file has it.
        of: the column that a law of one scale reads.
        starts: random starts.
        precision: of the search.
        folder: where a FILE.py of laws is looked for.
        made: `environment()` of the process that ordered it.
        fit: the fit's file, for a chunk.
        chunk: which chunk; None for the fit.
        refit: solves the replicates of a chunk.
    """

    cell: Cell
    name: str
    key: str
    runs: Runs | None
    of: str | None
    starts: int
    precision: str
    folder: Path
    made: dict[str, Any]
    fit: bytes
    chunk: Chunk | None
    refit: Refit | None

    def __getstate__(self) -> dict[str, Any]:
        # A class of a person's own file is known by that file alone.
        named = dataclasses.replace(self.cell.law, cls=NOT_HERE)
        return {**self.__dict__, "cell": dataclasses.replace(self.cell, law=named)}

    @property
    def named(self) -> NamedLaw:
        """The law, from its file if it is a person's own."""
        law: NamedLaw = self.cell.law
        return law if law.cls is not NOT_HERE else _named(law.text, self.folder, law.source)


class Made(NamedTuple):
    """What became of an order: the bytes of its file, and who took how long over it."""

    raw: bytes
    seconds: float
    process: int
    host: str


def order(job: Job, chunk: Chunk | None, refit: Refit) -> Order:
    """Return the order for the fit of a job, or for a chunk of its replicates.

    Args:
        job: the cell.
        chunk: None for the fit.
        refit: solves the replicates.
    """
    return Order(
        cell=job.cell,
        name=job.cell.id,
        key=job.key,
        runs=job.runs if chunk is None else None,
        of=None if job.cell.law.of is None else job.law.of,
        starts=job.spec.starts,
        precision=job.spec.precision,
        folder=job.spec.path.parent.absolute(),
        made=environment(),
        fit=b"" if chunk is None else (job.folder / "fit.json").read_bytes(),
        chunk=chunk,
        refit=None if chunk is None else refit,
    )


def kind(job: Job, chunk: Chunk | None) -> Hashable:
    """Return what tells apart the orders that need other compiled programs."""
    cell = job.cell
    shape = (len(job.runs), chunk and chunk.size)
    return (cell.law.text, tuple(cell.fix), cell.loss, cell.residual, shape)


def work(order: Order) -> Made:
    """Fill an order.

    Raises:
        FitError: no start led anywhere.
        DataError: the runs do not determine the law.
        WorkerError: this process would not work out what the one that ordered it asks for.
    """
    begin = time.perf_counter()
    _require(order.made)
    raw = _fit(order) if order.chunk is None else _replicates(order, order.chunk)
    return Made(raw, time.perf_counter() - begin, os.getpid(), socket.gethostname())


def _require(made: dict[str, Any]) -> None:
    """Raise if results of this process may differ from those of the one that ordered them."""
    own = environment()
    if own == made:
        return
    differing = {
        name: (version, made["versions"].get(name))
        for name, version in own["versions"].items()
        if version != made["versions"].get(name)
    } or {"jaxscale": ("of other source code", "not")}
    name, (here, there) = next(iter(differing.items()))
    raise WorkerError(
        f"a worker on {socket.gethostname()} has {name} {here}, the process that began the sweep "
        f"{there}; start both in the same environment, on machines of one kind"
    )


@functools.lru_cache(maxsize=64)
def _named(text: str, folder: Path, source: str) -> NamedLaw:
    """Return a law by its name, the same class for all cells."""
    try:
        law = named_law(text, folder)
    except ValueError as error:
        raise WorkerError(f"a worker on {socket.gethostname()}: {error}") from error
    if law.source != source:
        raise WorkerError(
            f"a worker on {socket.gethostname()}: {text} is not as the sweep began with it"
        )
    return law


def _fit(order: Order) -> bytes:
    assert order.runs is not None
    cell, named = order.cell, order.named
    law = named.law(**cell.fix)
    if order.of is not None:
        law = law.replace(of=order.of)
    result = fit(
        law,
        order.runs,
        loss=loss_named(cell.loss, cell.delta),
        residual=cell.residual,
        starts=order.starts,
        seed=cell.seed,
        precision=order.precision,
    )
    settings = {**result.settings, "law": named.text}
    document = dataclasses.replace(result, settings=settings).to_dict()
    document["seconds"] = dict.fromkeys(document["seconds"], 0.0)
    document["sweep"] = {"cell": order.name, "key": order.key, "sha256": BLANK}
    return seal(json.dumps(document, allow_nan=False).encode() + b"\n", TAIL)


def _replicates(order: Order, chunk: Chunk) -> bytes:
    result = _loaded(order.fit, order.named)
    weights = case_weights(result.runs, order.cell.seed, chunk.first, chunk.count)
    # Every chunk has the same shape, so all of them share one compiled program.
    padding = np.repeat(weights[:1], chunk.size - chunk.count, axis=0)
    assert order.refit is not None
    solved = order.refit(result, weights=np.concatenate([weights, padding]), guards=1)
    free = [name for name in result.law.parameters if name not in result.fixed]
    leaves = {f"param_{name}": getattr(solved.law, name) for name in free}
    leaves |= {"value": solved.value, "status": solved.status}
    arrays: dict[str, Any] = {
        name: np.asarray(leaf)[: chunk.count] for name, leaf in leaves.items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    # The key and the seal are the archive's comment, which stands at the end of the file.
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = (chunk.key + BLANK).encode()
    return seal(buffer.getvalue(), 0)


@functools.lru_cache(maxsize=4)
def _loaded(raw: bytes, named: NamedLaw) -> FitResult:
    """Return a fit as its file has it: the same bits whether it was reused or not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.json"
        path.write_bytes(raw)
        return load(path, named.cls)
