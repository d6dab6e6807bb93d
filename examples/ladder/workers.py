"""Train many models at a time, one process per core, and lose nothing when killed."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tqdm import tqdm

from examples.ladder.train import Run

_worker: dict[str, Any] = {}


def _begin(cores: Any) -> None:
    """Prepare a worker: a core of its own (small models do not fill two) and the text."""
    if cores is not None:
        os.sched_setaffinity(0, {cores.get()})
    import jax.numpy as jnp

    from examples.ladder.corpus import read_corpus

    corpus = read_corpus()
    _worker.update(corpus=corpus, text=jnp.asarray(corpus.train))


def _train(run: Run) -> dict[str, Any]:
    from examples.ladder.train import train

    row, curve = train(run, _worker["corpus"], _worker["text"])
    return {"row": row, "curve": curve, "corpus": _worker["corpus"].digest}


def read_log(path: Path) -> dict[str, dict[str, Any]]:
    """Return the finished runs by name; a line torn by a kill does not count."""
    done = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        done[entry["row"]["run"]] = entry
    return done


def train_all(runs: Sequence[Any], log: Path, workers: int, title: str) -> list[dict[str, Any]]:
    """Train what the log lacks; return the entries of all `runs` in their order."""
    done = read_log(log)
    todo = [run for run in runs if run.name not in done]
    cost = {run.name: 6 * run.size.params * run.tokens for run in runs}
    bar = {"desc": title, "unit": "FLOP", "unit_scale": True, "total": sum(cost.values())}
    with tqdm(**bar) as progress, log.open("a") as out:
        if log.stat().st_size and not log.read_bytes().endswith(b"\n"):
            out.write("\n")  # after a line that a kill has torn
        progress.update(sum(cost[run.name] for run in runs if run.name in done))
        for entry in _results(todo, workers):
            name = entry["row"]["run"]
            out.write(json.dumps(entry) + "\n")
            out.flush()
            done[name] = entry
            progress.set_postfix_str(f"{name} loss {entry['row']['loss']:.4f}")
            progress.update(cost[name])
    return [done[run.name] for run in runs]


def _results(todo: Sequence[Run], workers: int) -> Iterator[dict[str, Any]]:
    if workers == 1 or len(todo) < 2:
        _begin(None)
        yield from map(_train, todo)
        return
    context = multiprocessing.get_context("spawn")  # JAX does not survive a fork
    cores = context.Queue() if hasattr(os, "sched_setaffinity") else None
    if cores is not None:
        own = sorted(os.sched_getaffinity(0))
        for k in range(workers):
            cores.put(own[k % len(own)])
    with ProcessPoolExecutor(workers, context, _begin, (cores,)) as pool:
        try:
            for future in as_completed([pool.submit(_train, run) for run in todo]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
