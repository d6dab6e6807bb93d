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

The work may be spread over processes and machines. They send bytes, and this process alone writes
and reads the directory, so none of the three rules depends on them.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jaxscale.errors import JaxscaleError
from jaxscale.executors import Crew, WorkerError, killed
from jaxscale.files.durable import locked, make_directory, remove_temporaries, same_file
from jaxscale.fitting.refit import refit
from jaxscale.fitting.result import FitResult
from jaxscale.laws.names import law_file
from jaxscale.sweep.cells import Chunk, Job, make_jobs
from jaxscale.sweep.result import Planned, SweepResult
from jaxscale.sweep.spec import Spec
from jaxscale.sweep.summary import summary_row, write_summary
from jaxscale.sweep.work import Made, Refit, kind, order, work

BEGINNINGS = {
    "lock": b"process ",
    "log.jsonl": b'{"time": ',
    "summary.json": b'{\n "schema_version": ',
    "summary.csv": b"cell,data,law,",
}
"""How the files begin that a sweep writes beside its cells."""

CellProgress = Callable[[int, int, int, float], None]
"""Called after each cell; see `run_sweep`."""
Item = tuple[Job, Chunk | None]
"""A fit, or a chunk of its replicates."""
BYTES = 24
"""Of a cell of a table, about, in an order: as text in the file of a fit, or as a number."""


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
    executor: Executor | None = None,
    workers: int | None = None,
) -> SweepResult:
    r"""Compute every cell of a sweep that is not on the disk yet.

    Args:
        spec: what `read_spec` returned.
        directory: where results are kept; made if need be. One process at a time.
        progress: called after every fit or chunk with how many are done, how many there are, how
            many of them were reused, and how many are computed per second, by all workers.
        refit: solves all replicates of a chunk; default `jaxscale.refit`.
        executor: any `concurrent.futures.Executor` that computes the cells: threads, processes
            (with spawn), `distributed.Client(address).get_executor()`; default this process. It
            changes no byte, as long as its workers have the same versions and kind of machine.
            Their scheduler is trusted: who can reach it can run code.
        workers: instead of an executor, so many processes of this machine, started with spawn (a
            script then needs `if __name__ == "__main__":`); one that dies is replaced. They share
            compiled programs if `JAX_COMPILATION_CACHE_DIR` is set.

    Returns:
        Every cell's row, failed ones included; a cell that fails is tried again the next time.

    Raises:
        DataError: a table cannot be read.
        JaxscaleError: another process works in the directory.
        WorkerError: the workers are lost, or are of other versions; what is finished is kept.
        ValueError: the directory is a file, or holds a file that is no sweep's, or an input, by a
            name that the sweep writes; or both an executor and workers are given.
        OSError: the disk is full, or may not be written.

    Example:
        >>> from pathlib import Path
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> rows = zip(runs.column("N"), runs.column("D"), runs.loss)
        >>> lines = ["N,D,loss", *(f"{N},{D},{loss}" for N, D, loss in rows)]
        >>> _ = Path("runs.csv").write_text("\n".join(lines))
        >>> text = '[data.ladder]\npath = "runs.csv"\n[sweep]\nlaws = ["Chinchilla"]\nstarts = 64\n'
        >>> _ = Path("sweep.toml").write_text(text)
        >>> spec = jaxscale.read_spec("sweep.toml")
        >>> done = jaxscale.run_sweep(spec, "results")
        >>> done.trusted, done.computed, jaxscale.run_sweep(spec, "results").computed
        (True, 1, 0)
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
        under_way = {id(job): _UnderWay(job, log, tally) for job in jobs}

        def call(item: Item) -> tuple[Any, Any]:
            return work, order(item[0], item[1], refit)

        size = max(len(job.runs) * BYTES * (2 + len(job.runs.columns)) for job in jobs)
        with Crew(call, executor=executor, workers=workers, size=size) as crew:
            _compute(under_way, _Queue(crew))
        rows = [under_way[id(job)].row for job in jobs]
        write_summary(directory, rows)
        seconds = time.perf_counter() - begin
        log.write("end", reused=tally.reused, computed=tally.computed, seconds=seconds)
    return SweepResult(
        directory, tuple(rows), tally.reused, tally.computed, seconds, len(tally.workers)
    )


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


def _compute(under_way: dict[int, _UnderWay], queue: _Queue) -> None:
    """Work out what is missing, and keep it as it comes."""
    for cell in under_way.values():
        queue.add(cell.begin())
    for item, future in queue.crew:
        cell = under_way[id(item[0])]
        error = future.exception()
        if error is None:
            queue.add(cell.keep(item[1], future.result()), first=True)
        elif killed(error) or (
            isinstance(error, JaxscaleError) and not isinstance(error, WorkerError)
        ):
            cell.fail(str(error))
        else:
            raise error
        queue.open(item)


class _Queue:
    """The way to the workers: of each kind that compiles something, one goes first.

    The others of its kind follow when it is back. So workers that share a cache of compiled
    programs compile each of them once, and begin with different ones.
    """

    def __init__(self, crew: Crew[Item]) -> None:
        self.crew = crew
        self.held: dict[Hashable, list[Item] | None] = {}  # None for a kind that is open

    def add(self, items: list[Item], first: bool = False) -> None:
        """Add items, before those that wait if one goes after the other in this process."""
        if self.crew.most == 1:
            for item in reversed(items) if first else items:
                self.crew.add(item, first=first)
            return
        for item in items:
            which = kind(*item)
            held = self.held.get(which, [])
            if held is None or which not in self.held:
                self.crew.add(item)
                self.held.setdefault(which, [])
            else:
                held.append(item)

    def open(self, item: Item) -> None:
        """Let all follow that are of the kind of an item."""
        held, self.held[kind(*item)] = self.held.get(kind(*item)), None
        for each in held or ():
            self.crew.add(each)


class _UnderWay:
    """A cell on its way to its row of the summary."""

    def __init__(self, job: Job, log: _Log, tally: _Tally) -> None:
        self.job, self.log, self.tally = job, log, tally
        self.error = ""
        self.left = 0
        self.row: dict[str, Any] = {}

    def begin(self) -> list[Item]:
        """Return what can be worked out at once."""
        document = self.job.read_fit()
        if document is None:
            self.left = 1
            return [(self.job, None)]
        return self._chunks(document)

    def keep(self, chunk: Chunk | None, made: Made) -> list[Item]:
        """Write what was worked out, and return what can be worked out now."""
        facts = {"cell": self.job.cell.id, "process": made.process, "host": made.host}
        more: list[Item] = []
        self.left -= 1
        if chunk is None:
            document = self.job.keep_fit(made.raw)
            self.log.write("fit", **facts, seconds=made.seconds)
            self.tally.computed_one(made)
            more = self._chunks(document, new=True)
        else:
            chunk.keep(made.raw)
            part = {"first": chunk.first, "count": chunk.count}
            self.log.write("chunk", **facts, seconds=made.seconds, **part)
            self.tally.computed_one(made)
            self._finish()
        return more

    def fail(self, error: str) -> None:
        """Note why the cell, or a chunk of it, cannot be worked out."""
        self.left -= 1
        self.error = self.error or error
        self.log.write("failed", cell=self.job.cell.id, error=error)
        self._finish()

    def _chunks(self, document: Mapping[str, Any], new: bool = False) -> list[Item]:
        chunks = self.job.chunks(document)
        missing = [chunk for chunk in chunks if chunk.read() is None]
        for _ in range(len(chunks) - len(missing) if new else 0):
            self.tally.found_one()
        self.left = len(missing)
        self._finish()
        return [(self.job, chunk) for chunk in missing]

    def _finish(self) -> None:
        """Make the row, once nothing is left to be waited for."""
        if self.left:
            return
        job, document = self.job, self.job.read_fit()
        if document is None:  # what lies there is the answer to another question
            job.discard_fit()
        arrays = [] if self.error else [chunk.read() for chunk in job.chunks(document)]
        replicates = [each for each in arrays if each is not None]
        result: FitResult | None = None
        try:
            result = job.load_fit() if replicates else None
        except JaxscaleError as failure:  # a file that is whole, and yet no fit
            self.error = str(failure)
            self.log.write("failed", cell=job.cell.id, error=self.error)
        n = len(job.runs)
        self.row = summary_row(
            job.cell, n, document, result, replicates=replicates, error=self.error
        )


class _Tally:
    """Counts fits and chunks, and reports them."""

    def __init__(self, planned: list[Planned], progress: CellProgress | None) -> None:
        self.total = sum(1 + cell.chunks for cell in planned)
        self.reused = sum(cell.fit + cell.reused for cell in planned)
        self.computed = 0
        self.workers: set[tuple[str, int]] = set()
        self.progress = progress
        self.begin = time.perf_counter()
        self._report()

    def computed_one(self, made: Made) -> None:
        self.computed += 1
        self.workers.add((made.host, made.process))
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

    def _append(self, text: str) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(text)
