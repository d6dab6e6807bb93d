"""What each command does, once its options are parsed.

Results go to stdout, notes to stderr, by the door that is `console`.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import optax
from tqdm import tqdm

from jaxscale._visible import one_line
from jaxscale.allocation import allocate
from jaxscale.columns import check_map
from jaxscale.console import BarStream, say, show
from jaxscale.datasets import load as load_dataset
from jaxscale.exponents import exponent_grid
from jaxscale.fit import fit
from jaxscale.lawnames import find_law
from jaxscale.laws import CATALOGUE, Chinchilla, Law, predict
from jaxscale.losses import Loss, loss_named
from jaxscale.outputs import check_figure, check_outputs, deliver
from jaxscale.result import FitResult
from jaxscale.runs import Runs, read_runs
from jaxscale.saved import load
from jaxscale.tabulate import columns, count, notes, quantity

T = TypeVar("T")
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "newton": lambda: None,
    "lbfgs": optax.lbfgs,
    "adam": lambda: optax.adam(1e-2),
}


def _law(options: argparse.Namespace, runs: Runs) -> Law:
    cls = find_law(options.law)
    fields = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    settings: dict[str, Any] = {}
    if "of" in fields:
        scales = [name for name in ("S", "N", "D", "C") if name in runs.columns]
        if options.of is None and len(scales) != 1 and "S" not in scales:
            raise ValueError(
                f"{cls.__name__} is a law of one scale: say which with --of COLUMN "
                f"({', '.join(scales or runs.columns)})"
            )
        settings["of"] = runs.column_called(options.of or ("S" if "S" in scales else scales[0]))
    elif options.of is not None:
        raise ValueError(f"{cls.__name__} takes {', '.join(cls().inputs)}; --of does not apply")
    names = [name for name, _ in options.fix]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"--fix {twice[0]} is given twice")
    return cls(**settings).replace(**dict(options.fix))


def run_fit(options: argparse.Namespace) -> int:
    """Fit a law to a table; print the result."""
    loss, mapping = robust_loss(options), column_map(options)
    runs = table(options, mapping)
    law = _law(options, runs)
    check_map(mapping, [*law.inputs, options.of or ""], options.where)
    result = with_progress(
        options,
        lambda progress: fit(
            law,
            runs,
            loss=loss,
            residual=options.residual,
            optimizer=OPTIMIZERS[options.optimizer](),
            starts=options.starts,
            seed=options.seed,
            precision=options.precision,
            max_steps=options.max_steps,
            progress=progress,
        ),
    )
    result = dataclasses.replace(
        result,
        settings={**result.settings, "optimizer": options.optimizer, "law": options.law},
    )
    deliver(options, str(result), result.to_json, out=options.out, notes=notes(result))
    return 0 if result.certificate.trusted else 1


def robust_loss(options: argparse.Namespace) -> Loss:
    """Return the loss that `--loss` and `--delta` name."""
    if options.delta is not None and options.loss != "huber":
        raise ValueError(f"--delta goes with --loss huber, not with {options.loss}")
    if options.delta is not None and not options.delta > 0:
        raise ValueError(f"--delta must be positive, got {options.delta:g}")
    return loss_named(options.loss, options.delta)


def column_map(options: argparse.Namespace) -> dict[str, str]:
    """Return what `--map` says of the columns."""
    mapping: dict[str, str] = {}
    for text in options.map:
        letter, mark, name = text.partition("=")
        if not (letter and mark and name):
            raise ValueError(f"--map {text}: expected LETTER=COLUMN, e.g. N=params")
        if letter in mapping:
            raise ValueError(f"--map {letter} is given twice, {mapping[letter]} and {name}")
        mapping[letter] = name
    return mapping


def table(options: argparse.Namespace, mapping: dict[str, str]) -> Runs:
    """Read the table of runs."""
    return read_runs(
        options.runs,
        decimal=options.decimal,
        map=mapping,
        where=options.where,
        drop_highest=options.drop_highest,
        bad=options.bad,
        units=options.units,
    )


def with_progress(
    options: argparse.Namespace, work: Callable[[Any], T], doing: str = "fitting", of: str = "start"
) -> T:
    """Show a bar on stderr once the work has taken a second."""
    if getattr(options, "quiet", False) or sys.stderr is None:
        return work(None)
    look: Any = dict(desc=f"compiling, then {doing}", unit=of, delay=1.0, leave=False)
    with tqdm(**look, file=BarStream()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.set_description(doing, refresh=False)
            bar.update(done - bar.n)

        return work(progress)


def source(options: argparse.Namespace) -> tuple[Law, FitResult | None]:
    """Return the law to use, and the fit it came from (None for a preset)."""
    cls = find_law(options.law) if options.law else None
    name, mark, preset = options.fit.partition(":")
    known = {law.lower() for law in CATALOGUE}
    if not Path(options.fit).exists() and (mark or name.lower() in known):
        return find_law(name).preset(preset), None
    result = load(options.fit, cls)
    for reason in result.certificate.reasons:
        say(f"note: this fit is not certified: {reason}")
    return result.law, result


def code(fit: FitResult | None) -> int:
    """Return the exit code of an answer: 1 where it rests on a fit that is not certified."""
    return 0 if fit is None or fit.certificate.trusted else 1


def allocates(options: argparse.Namespace, fit: FitResult | None) -> bool:
    """Return whether compute may be spent by this fit; say so where it may not."""
    if code(fit) == 0 or options.force:
        return True
    say(
        "error: no allocation from a fit that is not certified: it may be wrong by any factor. "
        "Mend what the notes say, or see what it would be with --force"
    )
    return False


def given_inputs(options: argparse.Namespace, law: Law) -> dict[str, list[float]]:
    """Return the inputs that `--N`, `--at` and the like give, equally many of each."""
    inputs: dict[str, Any] = {
        name: getattr(options, name) for name in "NDCS" if getattr(options, name) is not None
    }
    for name, value in options.at:
        inputs.setdefault(name, []).append(value)
    for name, values in inputs.items():
        if not all(value > 0 and math.isfinite(value) for value in values):
            raise ValueError(f"{name} must be positive and finite, got {min(values):g}")
    lengths = {len(values) for values in inputs.values()} - {1}
    if len(lengths) > 1:
        raise _unequal(law)
    many = max(lengths, default=1)
    return {name: values * (many // len(values)) for name, values in inputs.items()}


def _unequal(law: Law) -> ValueError:
    example = " ".join(f"--{name} 1e9" for name in law.inputs)
    return ValueError(f"give one value or equally many per input, e.g. {example}")


def run_predict(options: argparse.Namespace) -> int:
    """Evaluate a fitted law or a preset at given inputs."""
    law, result = source(options)
    table = given_inputs(options, law)
    if not table:
        raise _unequal(law)
    many = len(next(iter(table.values())))
    losses = [float(x) for x in predict(law, **{k: np.asarray(v) for k, v in table.items()})]
    rows: list[dict[str, Any]] = [
        dict({k: v[i] for k, v in table.items()}, loss=losses[i]) for i in range(many)
    ]
    if result is not None:
        factors = result.extrapolation(**{k: np.asarray(v) for k, v in table.items()})
        for i, row in enumerate(rows):
            row["extrapolation"] = {name: float(f[i]) for name, f in factors.items()}
    if options.json:
        show(json.dumps({"law": type(law).__name__, **doubts(result), "predictions": rows}))
        return code(result)
    head = [*table, "loss"] + (["outside the runs"] if result is not None else [])
    body = []
    for row in rows:
        cells = [*(count(row[name]) for name in table), f"{row['loss']:.6g}"]
        if result is not None:
            far = {n: f for n, f in row["extrapolation"].items() if f > 1.0000001}
            cells.append(", ".join(f"{n} x {f:.3g}" for n, f in far.items()) or "within")
        body.append(cells)
    show(columns([head, *body], ">" * len(head)))
    return code(result)


def doubts(result: FitResult | None) -> dict[str, Any]:
    """Return what JSON says of the fit that an answer rests on; nothing for a preset."""
    if result is None:
        return {}
    return {"trusted": result.certificate.trusted, "reasons": list(result.certificate.reasons)}


def run_allocate(options: argparse.Namespace) -> int:
    """Print the best N and D for budgets or target losses."""
    law, result = source(options)
    goals = [dict(compute=c) for c in options.compute or ()]
    goals += [dict(target_loss=x) for x in options.target_loss or ()]
    if not allocates(options, result):
        goals = []
    found = [allocate(law, **goal) for goal in goals]
    reach = [1.0] * len(found)
    if result is not None and has_compute(result):
        reach = [float(result.extrapolation(C=a.compute)["C"]) for a in found]
    if options.json:
        rows = [
            dict(dataclasses.asdict(a), extrapolation=x) for a, x in zip(found, reach, strict=True)
        ]
        show(json.dumps({"law": type(law).__name__, **doubts(result), "allocations": rows}))
    elif found:
        head = ["compute", "N", "D", "tokens/param", "loss"]
        body = [
            [
                f"{a.compute:.4g}",
                count(a.N),
                count(a.D),
                quantity(a.tokens_per_parameter),
                f"{a.loss:.5f}",
            ]
            for a in found
        ]
        show(columns([head, *body], ">>>>>"))
    for a, x in zip(found, reach, strict=True):
        if a.at_edge:
            say(f"note: the optimum at C = {a.compute:.3g} lies at the edge of the sizes searched")
        if x > 10:
            say(f"note: {a.compute:.3g} FLOPs is a factor {x:.3g} outside the range of the runs")
    return code(result)


def has_compute(result: FitResult) -> bool:
    """Return whether the compute of the runs is known."""
    return sum(name in result.runs.columns for name in "NDC") >= 2


def run_plot(options: argparse.Namespace) -> int:
    """Draw a fit into a file."""
    _, result = source(options)
    if result is None:
        raise ValueError("plot needs a fit with its runs: write one with jaxscale fit --out")
    check_figure("--out", options.out)
    draw = functools.partial(_draw, result, options.out, options.panels)
    if options.surface:
        draw = functools.partial(_draw_surface, result, options.out)
    document = json.dumps({"figure": options.out, **doubts(result)})
    deliver(options, one_line(options.out), lambda: document, files=[draw])
    return code(result)


def _draw(result: FitResult, path: str, figure: str = "all") -> None:
    from jaxscale import plotting

    if figure == "waterfall":
        from jaxscale import analysis_plots

        plotting.save(analysis_plots.plot_waterfall(result), path)
        return
    if figure == "bands":
        from jaxscale import uncertainty_plots
        from jaxscale.bootstrap import bootstrap

        plotting.save(uncertainty_plots.plot_bands(bootstrap(result)), path)
        return
    panels: dict[str, Callable[[FitResult], Any]] = {
        "law": plotting.plot_law,
        "residuals": plotting.plot_residuals,
        "starts": plotting.plot_starts,
    }
    drawn = plotting.plot_fit(result) if figure == "all" else panels[figure](result).figure
    plotting.save(drawn, path)


def _draw_surface(result: FitResult, path: str) -> None:
    from jaxscale import contours, plotting

    grid = exponent_grid(
        result.unfitted,
        result.runs,
        loss=result.robust,
        residual=result.residual,
        resolution=0.0025,
    )
    for line in str(grid).splitlines():
        say(line)
    drawn: Any = contours.plot_surface(grid).figure
    plotting.save(drawn, path)


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
        files = [lambda: result.save(fit_file), lambda: _draw(result, str(figure))]
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
