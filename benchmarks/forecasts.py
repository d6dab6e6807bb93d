"""How good forecasts of the final loss are.

    python -m benchmarks.forecasts            # prints the tables, writes results/forecasts.md
    python -m benchmarks.forecasts --quick    # prints the rows of the default only

Every run of the ladder that ships with jaxscale, and of `misfitting_curves.csv` (Li et al. 2025,
arXiv:2502.18969) where `JAXSCALE_DATA` holds it, is cut at a share of its steps; the validation
loss at its end is forecast from what was evaluated before. The schedule of the ladder is known;
that of the other table is not recorded and taken to be a cosine to zero after 2 % warmup.

"prior learned": the half of the runs with the fewest FLOPs teaches the prior, the other half is
forecast; the rows "larger half" are the same half without it. The default prior was chosen in view
of both tables, so its rows are no test on unseen runs; those of the learned prior are.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.document import environment
from examples.ladder.train import learning_rate
from jaxscale import datasets
from jaxscale.data.tables import read_table
from jaxscale.forecast.annealing import MultiPower, Tissue
from jaxscale.forecast.forecaster import Forecaster
from jaxscale.forecast.learning import learn_prior
from jaxscale.forecast.local_level import Evidence, Prior

RESULT = Path(__file__).parent / "results" / "forecasts.md"
SHARES = (0.1, 0.3, 0.6)
DEFAULT = Forecaster().annealing
FORMS = {
    "default": DEFAULT,
    "multi-power law": (MultiPower(),),
    "Tissue's law": (Tissue(),),
    "no schedule": (),
}


class Run(NamedTuple):
    """A finished run; `step` counts from 0."""

    step: np.ndarray
    loss: np.ndarray
    steps: float
    peak: float
    wsd: bool
    flops: float

    def until(self, share: float) -> np.ndarray:
        """Return which evaluations had been made by then."""
        return self.step < share * self.steps


def ladder(metric: str = "loss") -> list[Run]:
    """Return the runs of the shipped ladder, by their loss or, of their accuracy, 1 - x."""
    folder = Path(datasets.__file__).parent / "stdlib_ladder"
    rows = read_table(folder / "runs.csv").columns
    curves = datasets.load_curves("stdlib_ladder")
    numbers = (np.asarray(rows[name], float) for name in ("steps", "lr", "flops"))
    values = {
        run: 1 - curve["accuracy"] if metric == "accuracy" else curve["loss"]
        for run, curve in curves.items()
    }
    return [
        Run(curves[run]["step"] - 1, values[run], steps, lr, schedule == "wsd", flops)
        for run, schedule, steps, lr, flops in zip(
            rows["run"], rows["schedule"], *numbers, strict=True
        )
    ]


def misfitting() -> list[Run]:
    """Return the finished runs of the public table with an evaluation before 30 % of the way."""
    path = Path(os.environ.get("JAXSCALE_DATA", "")) / "misfitting" / "misfitting_curves.csv"
    if not path.is_file():
        return []
    table = read_table(path).columns
    keys = zip(*(table[k] for k in ("model", "lr", "total_steps", "sweep")), strict=True)
    runs: dict[Any, list[int]] = {}
    for row, key in enumerate(keys):
        runs.setdefault(key, []).append(row)
    step, loss, share, flops = (
        np.asarray(table[k], float) for k in ("step", "loss", "portion_steps", "flops")
    )
    found = []
    for (_, lr, steps, _), rows in runs.items():
        _, first = np.unique(step[rows], return_index=True)
        order = np.array(rows)[first]
        if share[order[-1]] > 0.999:
            last = order[-1]
            run = Run(step[order] - 1, loss[order], float(steps), float(lr), False, flops[last])
            found += [run] if run.until(0.3)[run.step >= 0.02 * run.steps].any() else []
    return found


def evidence(runs: Sequence[Run], share: float, annealing: Any) -> Evidence:
    """Return what every run had shown by a share of its steps; leading axis the runs."""
    longest = max(len(run.step) for run in runs)
    step, loss = np.zeros((len(runs), longest), np.int32), np.full((len(runs), longest), np.nan)
    for row, run in enumerate(runs):
        step[row], known = run.step[-1], run.until(share)
        step[row, : len(run.step)] = run.step
        loss[row, : len(run.step)][known] = run.loss[known]

    @jax.jit
    @jax.vmap
    def one(step: Any, loss: Any, steps: Any, peak: Any, wsd: Any) -> Evidence:
        def schedule(at: Any) -> Any:
            return learning_rate(at, steps, peak, wsd)

        forecaster = Forecaster(schedule=schedule, annealing=annealing)

        def take(state: Any, x: Any) -> Any:
            return forecaster.update(state, *x, schedule(x[0])), None

        state, _ = jax.lax.scan(take, forecaster.init(), (step, loss))
        return forecaster.evidence(state, steps - 1)

    numbers = (np.array([getattr(r, k) for r in runs], np.float32) for k in ("steps", "peak"))
    return one(step, loss.astype(np.float32), *numbers, np.array([r.wsd for r in runs]))


def score(runs: Sequence[Run], seen: Evidence, prior: Prior) -> dict[str, Any]:
    """Return the errors of forecasts, and how often their 90 % intervals hold the truth."""
    forecaster = Forecaster(prior=prior)
    made = jax.jit(jax.vmap(lambda seen: forecaster.forecast(seen, 0.9)))(seen)
    truth = np.array([run.loss[-1] for run in runs])
    inside = np.asarray((truth >= made.lower) & (truth <= made.upper))
    width, doubted = np.median((made.upper - made.lower) / truth), np.asarray(made.doubts.any)
    quiet = 100 * inside[~doubted].mean() if not doubted.all() else np.nan
    return judged(made.loss, truth) | {
        "covered": 100 * inside.mean(),
        "width": 100 * width,
        "doubted": 100 * doubted.mean(),
        "quiet": quiet,
    }


def judged(forecast: Any, truth: np.ndarray) -> dict[str, Any]:
    """Return the median error and the median deviation, in per cent."""
    off = 100 * (np.asarray(forecast) / truth - 1)
    return {"runs": len(truth), "error": np.median(np.abs(off)), "bias": np.median(off)}


def baselines(runs: Sequence[Run], share: float) -> dict[str, dict[str, Any]]:
    """Return what the last value and a line in log D through all but the warmup say."""
    truth = np.array([run.loss[-1] for run in runs])
    last, line = [], []
    for run in runs:
        known = run.until(share) & np.isfinite(run.loss)
        step, loss = np.log(run.step[known] + 1), run.loss[known]
        late = run.step[known] >= 0.05 * run.steps
        last.append(loss[-1])
        many = late.sum() > 1
        fit = np.polyfit(step[late], loss[late], 1) if many else (0.0, loss[-1])
        line.append(np.polyval(fit, np.log(run.steps)))
    return {"last value": judged(last, truth), "OLS in log D": judged(line, truth)}


def quick(runs: Sequence[Run], title: str) -> None:
    """Print what the default says."""
    print(title)
    for share in SHARES:
        usable = [run for run in runs if run.until(share).any()]
        print(line(share, "default", score(usable, evidence(usable, share, DEFAULT), Prior())))


def table(runs: Sequence[Run], shares: Sequence[float], title: str) -> list[str]:
    """Return one Markdown table."""
    order = np.argsort([run.flops for run in runs], kind="stable")
    half = len(runs) // 2
    small, large = ([runs[k] for k in part] for part in (order[:half], order[half:]))
    lines = [f"## {title}", ""]
    lines += ["| at | runs | method | median error | bias | covered (90 %) | width | doubted |"]
    lines[-1] += " covered, not doubted |"
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for share in shares:
        usable = [run for run in runs if run.until(share).any()]
        rows: dict[str, dict[str, Any]] = {}
        for name, annealing in FORMS.items():
            rows[name] = score(usable, evidence(usable, share, annealing), Prior())
        rows |= baselines(usable, share)
        few, many = ([r for r in part if r.until(share).any()] for part in (small, large))
        taught = evidence(few, share, DEFAULT)
        each = [jax.tree.map(lambda x, k=k: x[k], taught) for k in range(len(few))]
        prior = learn_prior(each, np.array([run.loss[-1] for run in few], np.float32))
        seen, half_by = evidence(many, share, DEFAULT), "larger half by FLOPs: "
        rows[half_by + "default, prior learned"] = score(many, seen, prior)
        rows[half_by + "default"] = score(many, seen, Prior())
        rows |= {half_by + name: row for name, row in baselines(many, share).items()}
        lines += [line(share, name, row) for name, row in rows.items()]
        print("\n".join(lines[-len(rows) :]), flush=True)
    return [*lines, ""]


def line(share: float, name: str, row: dict[str, Any]) -> str:
    """Return one row of the Markdown table."""
    text = f"| {100 * share:.0f} % | {row['runs']} | {name} | {row['error']:.1f} % "
    text += f"| {row['bias']:+.1f} % "
    covered = "covered" in row
    if not covered:
        return text + "| | | | |"
    return (
        text + "".join(f"| {row[x]:.0f} % " for x in ("covered", "width", "doubted", "quiet")) + "|"
    )


def main() -> None:
    began = time.perf_counter()
    runs = ladder()
    parts = [
        ([run for run in runs if not run.wsd], "Ladder, cosine to zero"),
        ([run for run in runs if run.wsd], "Ladder, WSD"),
        (misfitting(), "misfitting_curves.csv, cosine assumed"),
        (ladder("accuracy"), "Ladder, 1 - accuracy"),
    ]
    if "--quick" in sys.argv:
        for part, title in parts:
            if part:
                quick(part, title)
        return
    where = environment()
    lines = ["# Forecasts of the final validation loss", ""]
    lines += [f"`python -m benchmarks.forecasts`; {where['device']}, {where['processor']}, "]
    lines += [f"float32, jax {jax.__version__}. Median absolute error and bias relative"]
    lines += ["to the loss that came; width of the interval relative to it. doubted: said not to"]
    lines += ["follow the law, with a wider interval.", ""]
    for part, title in parts:
        if part:
            lines += table(part, SHARES, title)
    RESULT.write_text("\n".join(lines))
    print(f"wrote {RESULT} in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
