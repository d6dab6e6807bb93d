"""Resumable sweeps: many fits, each kept on the disk as soon as it is done.

A sweep killed at any moment and started again ends with the same bytes in every result file as
one that was never stopped. Three rules make it so. A file is written atomically and sealed, so
what is found is whole. Every file carries a key, the hash of all that decides its content, and
is reused only if the key is that of this specification, these runs and these versions. And
nothing that differs between two runs of the same sweep (times, hosts, what was reused) goes into
a result file: that goes to `log.jsonl`.

    DIR/cells/CELL/fit.json        a fit, as `jaxscale.load` reads it; its seconds are zero
    DIR/cells/CELL/boot-00000.npz  a chunk of bootstrap replicates
    DIR/summary.csv, summary.json  one row per cell, written when the sweep ends
    DIR/log.jsonl, lock            no results

Cells that a specification no longer has stay where they are, and are reused if they come back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jaxscale.errors import JaxscaleError
from jaxscale.files.durable import locked, make_directory, remove_temporaries, same_file
from jaxscale.fitting.refit import refit
from jaxscale.fitting.result import FitResult
from jaxscale.laws.names import law_file
from jaxscale.sweep.cells import Job, Refit, make_jobs
from jaxscale.sweep.spec import Spec
from jaxscale.sweep.summary import summary_row, write_summary

BEGINNINGS = {
    "lock": b"process ",
    "log.jsonl": b'{"time": ',
    "summary.json": b'{\n "schema_version": ',
    "summary.csv": b"cell,data,law,",
}
"""How the files begin that a sweep writes beside its cells."""

CellProgress = Callable[[int, int, int, float], None]
"""Called after each cell; see `run_sweep`."""


@dataclasses.dataclass(frozen=True)
class Planned:
    """What a sweep would do about one cell.

    Attributes:
        cell: its name.
        fit: whether the fit on the disk would be reused.
        chunks: chunks of bootstrap replicates.
        reused: how many of them would be reused.
    """

    cell: str
    fit: bool
    chunks: int
    reused: int


@dataclasses.dataclass(frozen=True)
class SweepResult:
    """What a sweep led to.

    Attributes:
        directory: where its files are.
        rows: one mapping per cell, as in `summary.json`.
        reused: fits and chunks that were on the disk already.
        computed: fits and chunks that were computed now.
        seconds: wall time of this run.
    """

    directory: Path
    rows: tuple[Mapping[str, Any], ...]
    reused: int
    computed: int
    seconds: float

    @property
    def failures(self) -> dict[str, str]:
        """The sentence of every cell that failed, by its name."""
        return {row["cell"]: row["error"] for row in self.rows if row["error"]}

    @property
    def trusted(self) -> bool:
        """Whether every cell was fitted and its certificate has nothing against it."""
        return all(row["trusted"] and not row["error"] for row in self.rows)


def plan_sweep(spec: Spec, directory: str | Path) -> tuple[Planned, ...]:
    """Return what `run_sweep` would compute and what it would reuse; writes nothing.

    Raises:
        DataError: a table cannot be read.
    """
    return tuple(_planned(job) for job in make_jobs(spec, Path(directory)))


def _planned(job: Job) -> Planned:
    document = job.read_fit()
    chunks = job.chunks(document)
    # Without its fit, the key of a chunk is not known yet.
    done = sum(document is not None and chunk.read() is not None for chunk in chunks)
    return Planned(job.cell.id, document is not None, len(chunks), done)


def run_sweep(
    spec: Spec,
    directory: str | Path,
    *,
    progress: CellProgress | None = None,
    refit: Refit = refit,
) -> SweepResult:
    """Compute every cell of a sweep that is not on the disk yet.

    Args:
        spec: what `read_spec` returned.
        directory: where results are kept; made if need be. One process at a time.
        progress: called after every fit or chunk with how many are done, how many there are, how
            many of them were reused, and how many are computed per second.
        refit: solves all replicates of a chunk; default `jaxscale.refit`.

    Returns:
        Every cell's row, failed ones included: a cell that fails is tried again the next time.

    Raises:
        DataError: a table cannot be read.
        JaxscaleError: another process works in the directory.
        ValueError: the directory is a file, or holds a file that is no sweep's, or an input, by a
            name that the sweep writes.
        OSError: the disk is full, or may not be written.
    """
    begin = time.perf_counter()
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"{directory} is a file; a sweep writes into a directory")
    jobs = make_jobs(spec, directory)
    _check_directory(spec, directory, jobs)
    make_directory(directory)
    with locked(directory / "lock"):
        remove_temporaries(directory)
        log = _Log(directory / "log.jsonl")
        tally = _Tally([_planned(job) for job in jobs], progress)
        log.write("start", cells=len(jobs), total=tally.total, reused=tally.reused)
        rows = [_run_cell(job, refit, tally, log) for job in jobs]
        write_summary(directory, rows)
        seconds = time.perf_counter() - begin
        log.write("end", reused=tally.reused, computed=tally.computed, seconds=seconds)
    return SweepResult(directory, tuple(rows), tally.reused, tally.computed, seconds)


def _check_directory(spec: Spec, directory: Path, jobs: list[Job]) -> None:
    """Raise before a file is overwritten that is not a sweep's, or that this sweep reads."""
    for name, start in BEGINNINGS.items():
        path = directory / name
        if path.is_file():
            with open(path, "rb") as file:
                own = start.startswith(file.read(len(start)))
            if not own:
                raise ValueError(f"{path} is not a sweep's; give the sweep a folder of its own")
    laws = [law_file(cell.law.text, spec.path.parent) for cell in spec.cells]
    read = [spec.path, *(cell.data.path for cell in spec.cells), *filter(None, laws)]
    written = [
        *(directory / name for name in BEGINNINGS),
        *(job.folder / "fit.json" for job in jobs),
    ]
    for path in dict.fromkeys(read):
        if any(same_file(path, each) for each in written):
            raise ValueError(f"the sweep would overwrite {path}, which it reads; give it a folder")


def _run_cell(job: Job, refit: Refit, tally: _Tally, log: _Log) -> dict[str, Any]:
    """Compute what is missing of a cell, and return its row of the summary."""
    cell, document, replicates, error = job.cell.id, job.read_fit(), [], ""
    result: FitResult | None = None
    planned = document is not None
    try:
        if document is None:
            with log.timed("fit", cell):
                document = job.write_fit()
            tally.computed_one()
        for chunk in job.chunks(document):
            arrays = chunk.read()
            if arrays is None:
                result = result or job.load_fit()
                with log.timed("chunk", cell, first=chunk.first, count=chunk.count):
                    arrays = chunk.write(result, job.cell.seed, refit)
                tally.computed_one()
            elif not planned:
                tally.found_one()
            replicates.append(arrays)
        if replicates:
            result = result or job.load_fit()
    except JaxscaleError as failure:
        error = str(failure)
        log.write("failed", cell=cell, error=error)
        if document is None:  # what lies there is the answer to another question
            job.discard_fit()
    return summary_row(
        job.cell, len(job.runs), document, result, replicates=replicates, error=error
    )


class _Tally:
    """Counts fits and chunks, and reports them."""

    def __init__(self, planned: list[Planned], progress: CellProgress | None) -> None:
        self.total = sum(1 + cell.chunks for cell in planned)
        self.reused = sum(cell.fit + cell.reused for cell in planned)
        self.computed = 0
        self.progress = progress
        self.begin = time.perf_counter()
        self._report()

    def computed_one(self) -> None:
        self.computed += 1
        self._report()

    def found_one(self) -> None:
        """Count a chunk that turned out to belong to a fit computed anew."""
        self.reused += 1
        self._report()

    def _report(self) -> None:
        if self.progress is not None:
            seconds = time.perf_counter() - self.begin
            rate = self.computed / seconds if self.computed else 0.0
            self.progress(self.reused + self.computed, self.total, self.reused, rate)


class _Log:
    """Appends to `log.jsonl`: everything about a sweep that is not a result."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.who = {"process": os.getpid(), "host": socket.gethostname()}
        if path.exists() and not path.read_bytes().endswith(b"\n"):  # a killed writer's half line
            self._append("\n")

    def write(self, event: str, **facts: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._append(json.dumps({"time": now, "event": event, **self.who, **facts}) + "\n")

    @contextlib.contextmanager
    def timed(self, event: str, cell: str, **facts: Any) -> Iterator[None]:
        """Write an event with its seconds once it has succeeded."""
        begin = time.perf_counter()
        yield
        self.write(event, cell=cell, seconds=time.perf_counter() - begin, **facts)

    def _append(self, text: str) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(text)
