"""The command `demo`: the whole way on the table of real runs in the package."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxscale.cli.console import say
from jaxscale.cli.fit import brief_fit
from jaxscale.cli.options import folder_option, quiet_option
from jaxscale.cli.outputs import check_outputs, deliver, with_progress
from jaxscale.cli.plot import draw_fit
from jaxscale.datasets import load as load_dataset
from jaxscale.decisions.allocation import Allocation, allocate
from jaxscale.fitting.account import notes
from jaxscale.fitting.fit import fit
from jaxscale.laws import Chinchilla
from jaxscale.text import count

EXAMPLES = ("jaxscale demo", "jaxscale demo --folder out --json")


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `demo`."""
    folder_option(sub, "write fit.json and fit.png there")
    quiet_option(sub)


def run(options: argparse.Namespace) -> int:
    """Fit the ladder of real models that ships with the package and show the whole way."""
    runs = load_dataset("stdlib_ladder")
    fit_file, figure = _demo_files(options.folder, runs.source)
    budget = 10 * float(runs.column("C").max())
    result = with_progress(options, lambda progress: fit(Chinchilla(), runs, progress=progress))
    text = (
        f"{len(runs)} byte-level transformers, trained on the source of Python's standard "
        f"library\n(jaxscale datasets stdlib_ladder; examples/ladder).\n\n{result}"
    )
    best: Allocation | None = None
    if result.certificate.trusted:
        best = allocate(result.law, compute=budget)
        text += (
            f"\n\nWith {budget:.3g} FLOPs, ten times the largest: N {count(best.N)}, "
            f"D {count(best.D)} ({best.tokens_per_parameter:.1f} bytes per parameter), "
            f"loss {best.loss:.4f}."
        )
    files: list[Callable[[], Any]] = []
    if options.folder:
        files = [lambda: result.save(fit_file), lambda: draw_fit(result, str(figure))]

    def document() -> dict[str, Any]:
        return {**result.to_dict(), "allocation": best and dataclasses.asdict(best)}

    deliver(options, text, document, brief=brief_fit, notes=notes(result), noted=True, files=files)
    if options.folder:
        say(f"wrote fit.json and fit.png to {options.folder}")
    return 0 if result.certificate.trusted else 1


def _demo_files(folder: str | None, source: str) -> tuple[Path, Path]:
    """Make the folder of the demo; raise where a person's own results stand in it."""
    paths = Path(folder or "") / "fit.json", Path(folder or "") / "fit.png"
    if folder is None:
        return paths
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    check_outputs({"--folder": paths[0], "--folder, its figure": paths[1]})
    before = paths[0].read_bytes() if paths[0].is_file() else b""
    if any(path.exists() for path in paths) and json.dumps(source).encode() not in before:
        raise ValueError(
            f"--folder {folder}: there is a fit.json or fit.png that is not of the demo; give "
            "another folder"
        )
    return paths
