"""The command `demo`: the whole way on the table of real runs in the package."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxscale.cli.console import say
from jaxscale.cli.outputs import check_outputs, deliver, with_progress
from jaxscale.cli.plot import draw_fit
from jaxscale.datasets import load as load_dataset
from jaxscale.decisions.allocation import allocate
from jaxscale.fitting.fit import fit
from jaxscale.laws import Chinchilla
from jaxscale.text import count


def run_demo(options: argparse.Namespace) -> int:
    """Fit the ladder of real models that ships with the package and show the whole way."""
    runs = load_dataset("stdlib_ladder")
    fit_file, figure = _demo_files(options.directory, runs.source)
    budget = 10 * float(runs.column("C").max())
    result = with_progress(options, lambda progress: fit(Chinchilla(), runs, progress=progress))
    text = (
        f"{len(runs)} byte-level transformers, trained on the source of Python's standard "
        f"library\n(jaxscale datasets stdlib_ladder; examples/ladder).\n\n{result}"
    )
    if result.certificate.trusted:
        best = allocate(result.law, compute=budget)
        text += (
            f"\n\nWith {budget:.3g} FLOPs, ten times the largest: N {count(best.N)}, "
            f"D {count(best.D)} ({best.tokens_per_parameter:.1f} bytes per parameter), "
            f"loss {best.loss:.4f}."
        )
    files: list[Callable[[], Any]] = []
    if options.directory:
        files = [lambda: result.save(fit_file), lambda: draw_fit(result, str(figure))]
    deliver(options, text, result.to_json, files=files)
    if options.directory:
        say(f"wrote fit.json and fit.png to {options.directory}")
    return 0 if result.certificate.trusted else 1


def _demo_files(directory: str | None, source: str) -> tuple[Path, Path]:
    """Make the folder of the demo; raise where a person's own results stand in it."""
    paths = Path(directory or "") / "fit.json", Path(directory or "") / "fit.png"
    if directory is None:
        return paths
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    check_outputs({"--out": paths[0], "--out, its figure": paths[1]})
    before = paths[0].read_bytes() if paths[0].is_file() else b""
    if any(path.exists() for path in paths) and json.dumps(source).encode() not in before:
        raise ValueError(
            f"--out {directory}: there is a fit.json or fit.png that is not of the demo; give "
            "another folder"
        )
    return paths
