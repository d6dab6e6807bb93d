"""The command `sweep`: many fits, resumably."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tqdm import tqdm

from jaxscale.cli.cluster import given_workers, worker_options, worker_words
from jaxscale.cli.console import BarStream, say, say_text
from jaxscale.cli.options import RUNS_FILE, folder_option, quiet_option
from jaxscale.cli.outputs import deliver
from jaxscale.sweep.result import Planned, SweepResult
from jaxscale.sweep.run import plan_sweep, run_sweep
from jaxscale.sweep.spec import Spec, read_spec
from jaxscale.text import columns, many, one_line, quantity

EXAMPLES = (
    "jaxscale sweep spec.toml --folder out",
    "jaxscale sweep spec.toml --folder out --dry-run --json",
)
SHOWN = 20
"""Lines of the table of best cells at most; the summary has all of them."""


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `sweep`."""
    text = f"TOML file: [data.NAME], [sweep] and [fix.LAW]; for laws in it, {RUNS_FILE}"
    sub.add_argument("spec", help=text)
    folder_option(sub, "results; a sweep that was stopped goes on with what is there", True)
    sub.add_argument(
        "--dry-run", action="store_true", help="list the cells and what would be reused"
    )
    worker_options(sub)
    quiet_option(sub)


def run(options: argparse.Namespace) -> int:
    """Compute a sweep, or list its cells."""
    spec = read_spec(options.spec)
    if options.dry_run:
        return _dry_run(spec, options)
    with _resumable(options), given_workers(options) as where, _bar(options) as progress:
        result = run_sweep(spec, options.folder, progress=progress, **where)
    doubted = sum(not row["trusted"] and not row["error"] for row in result.rows)
    deliver(
        options,
        _account(spec, result, doubted),
        lambda: _document(result, doubted),
        notes=_notes(result, doubted),
    )
    return 0 if result.trusted else 1


def _notes(result: SweepResult, doubted: int) -> list[str]:
    notes = [f"failed: {cell}: {error}" for cell, error in result.failures.items()]
    if result.failures:
        notes.append("a cell that failed is tried again when the same command is given again")
    if doubted:
        verb = "is" if doubted == 1 else "are"
        notes.append(
            f"{doubted} of {len(result.rows)} cells {verb} not certified; see the columns trusted "
            f"and reasons of {result.directory / 'summary.csv'}"
        )
    return notes


def _document(result: SweepResult, doubted: int) -> dict[str, Any]:
    return {
        "folder": str(result.directory),
        "reused": result.reused,
        "computed": result.computed,
        "failed": len(result.failures),
        "doubted": doubted,
        "seconds": result.seconds,
        "workers": result.workers,
        "trusted": result.trusted,
        "cells": [dict(row) for row in result.rows],
    }


def _account(spec: Spec, result: SweepResult, doubted: int) -> str:
    cells, failed = len(result.rows), len(result.failures)
    directory = one_line(str(result.directory))
    lines = [
        f"{many(cells, 'cell')} in {directory}: {cells - failed} fitted, {failed} failed, "
        f"{doubted} not certified",
        f"{_work(spec)}: {result.reused} reused, {result.computed} computed "
        f"in {result.seconds:.1f} s"
        + (f" by {result.workers} workers" if result.workers > 1 else ""),
    ]
    body = _best(result.rows)
    if len(body) > 1:
        title = "Best seed of each law (compare within one data set, loss and residual)"
        lines += ["", title, columns(body[: SHOWN + 1], "<<<<>><<")]
    if len(body) > SHOWN + 1:
        lines.append(f"and {len(body) - SHOWN - 1} more")
    lines += ["", f"All cells: {directory}/summary.csv"]
    return "\n".join(lines)


def _work(spec: Spec) -> str:
    return "fits and bootstrap chunks" if spec.bootstrap else "fits"


def _best(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the best seed of every law; only values of one data set and objective compare."""
    best: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for row in rows:
        loss = row["loss"] + (f" {row['delta']:g}" if row["delta"] is not None else "")
        group = (row["data"], loss, row["residual"], row["law"])
        if row["value"] is not None:
            if group not in best or row["value"] < best[group]["value"]:
                best[group] = row
    head = ["data", "loss", "residual", "law", "objective", "at best", "status", "parameters"]
    place = {group[:3]: k for k, group in reversed(list(enumerate(best)))}
    ranked = sorted(best, key=lambda group: (place[group[:3]], best[group]["value"]))
    return [head] + [
        [
            *group,
            quantity(best[group]["value"], 6),
            f"{100 * best[group]['share_at_best']:.0f} %",
            best[group]["status"] + ("" if best[group]["trusted"] else " (!)"),
            _parameters(best[group]),
        ]
        for group in ranked
    ]


def _parameters(row: Mapping[str, Any]) -> str:
    parts = []
    for name, value in row["params"].items():
        error = row["standard_error"].get(name)
        spread = "" if error is None else f" ± {quantity(error, 2)}"
        parts.append(f"{name} {quantity(value)}{spread}")
    return ", ".join(parts)


def _dry_run(spec: Spec, options: argparse.Namespace) -> int:
    planned = plan_sweep(spec, options.folder)
    total = sum(1 + cell.chunks for cell in planned)
    reused = sum(cell.fit + cell.reused for cell in planned)
    head = ["cell", "fit"] + (["bootstrap chunks"] if spec.bootstrap else [])
    body = [_planned_line(cell)[: len(head)] for cell in planned]
    deliver(
        options,
        f"{columns([head, *body], '<' * len(head))}\n\n"
        f"{many(len(planned), 'cell')}; {_work(spec)}: {reused} would be reused, "
        f"{total - reused} computed",
        lambda: {
            "reused": reused,
            "to_compute": total - reused,
            "cells": [dataclasses.asdict(cell) for cell in planned],
        },
    )
    return 0


def _planned_line(cell: Planned) -> list[str]:
    chunks = f"{cell.reused} of {cell.chunks} reused"
    if cell.chunks and not cell.fit:
        chunks = f"{cell.chunks}, once there is the fit"
    return [cell.cell, "reused" if cell.fit else "to compute", chunks]


@contextlib.contextmanager
def _resumable(options: argparse.Namespace) -> Iterator[None]:
    """Let Ctrl-C end at once and say how to go on: everything on the disk is whole at any time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    words = ["jaxscale", "sweep", options.spec, "--folder", options.folder]
    again = shlex.join([*words, *worker_words(options)])

    def stop(*_: Any) -> None:
        # An exception could get lost in a callback of the compiler's threads.
        text = f"interrupted; what is finished is kept. Go on with: {again}"
        say_text(f"\njaxscale: {one_line(text)}")
        os._exit(130)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _bar(options: argparse.Namespace) -> Iterator[Any]:
    """Show a bar on stderr, with what is computed per second and the time that is left."""
    if options.quiet or sys.stderr is None:
        yield None
        return
    bars: list[Any] = []

    def progress(done: int, total: int, reused: int, rate: float) -> None:
        if not bars:
            if reused:
                say(f"{reused} of {total} fits and chunks are there already")
            # What was there already must not count as speed.
            bars.append(
                tqdm(total=total, initial=done, unit="fit", file=BarStream(), leave=False, delay=1)
            )
        bars[0].update(done - bars[0].n)

    try:
        yield progress
    finally:
        for bar in bars:
            bar.close()
