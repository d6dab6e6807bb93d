"""Which laws of N and D extrapolate: the whole catalogue on every table of N and D at hand.

    python -m benchmarks.laws [--data DIR] [--starts 256] [--out FILE.md] [--json FILE.json]

The bench of `jaxscale rank` (fixed trials along C, N and D, errors relative to Chinchilla's) on the
shipped table, the public ones of which DIR (default JAXSCALE_DATA) has a copy, and the tables of
DIR/loss_to_loss. Tables that show the same training runs are one source, and sources count alike.
Before it begins it says what it expects to take, and afterwards what it took.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxscale import CATALOGUE, Ranking, Runs, rank, read_runs
from jaxscale.errors import DataError
from jaxscale.laws.names import one_scale
from jaxscale.ranking.rank import TWINS
from jaxscale.ranking.tables import source_of, tables_at_hand

from .document import environment
from .tables import markdown

COMPILING, PER_TRIAL = 14.0, 0.12
"""CPU seconds of a law to compile, and per trial of 256 starts: what is predicted from."""
CORPORA = "loss_to_loss/loss_to_loss_sweep.csv"
ERROR_RATES = ("Rosenfeld",)
"""Laws that are bounded by 1, so no laws of a loss in nats."""
HEAD = ("place", "law", "error", "90 %", "better", "trials", "along C", "along N", "along D",
        "median error", "coverage", "certified", "free", "s")  # fmt: skip


def tables(folder: Path) -> dict[str, Runs]:
    """Return every table of N and D at hand, by name."""
    found = tables_at_hand(all_of_them=True)
    path = folder / CORPORA
    if path.is_file():
        loss = "`eval/c4_val/CrossEntropyLoss`"
        runs = read_runs(path, map={"N": "params", "D": "tokens", "loss": loss, "group": "data"},
                         bad="drop")  # fmt: skip
        keep = {name: runs.columns[name] for name in "ND"}
        runs = Runs(loss=runs.loss, group=runs.group, source="loss_to_loss", **keep)
        found |= {f"loss_to_loss/{label}": part for label, part in runs.by_group().items()}
    return {name: runs for name, runs in found.items() if len({*runs.columns} & set("NDC")) > 1}


def laws() -> list[str]:
    """Return the laws of the catalogue that read N and D or one scale."""
    aside = (*TWINS, *ERROR_RATES)
    read = {name: {*law().inputs} for name, law in CATALOGUE.items() if name not in aside}
    return [name for name, own in read.items() if one_scale(CATALOGUE[name]) or own <= {*"NDC"}]


def line(result: Ranking, k: int) -> list[str]:
    """Return the cells of a law."""
    place, s = result.places[k], result.standing
    if not s.shared[k]:
        why = place.judged.failure or place.judged.outcomes[0].reason
        return ["-", place.label, why[:80], *["-"] * (len(HEAD) - 3)]
    along = [result.along[by].relative[k] if by in result.along else np.nan for by in "CND"]
    return [
        f"{s.rank[k]} ({s.best[k]:.0f} to {s.worst[k]:.0f})" if s.rank[k] else "-",
        place.label,
        f"{s.relative[k]:.3f}",
        f"{s.low[k]:.3f} to {s.high[k]:.3f}",
        f"{100 * s.better[k]:.0f} %",
        str(s.shared[k]),
        *(f"{x:.2f}" if np.isfinite(x) else "-" for x in along),
        f"{100 * place.median:.2f} %",
        f"{100 * place.coverage:.0f} %" if np.isfinite(place.coverage) else "-",
        f"{100 * place.certified:.0f} %",
        str(place.judged.free),
        f"{place.judged.seconds:.0f}",
    ]


def learnt(result: Ranking) -> list[str]:
    """Return sentences that the numbers bear out."""
    s, places = result.standing, result.places
    named = {place.label: k for k, place in enumerate(places)}
    ranked = [k for k in range(len(places)) if s.rank[k]]
    below = [places[k].label for k in ranked if s.high[k] < 1]
    above = [places[k].label for k in ranked if s.low[k] > 1]
    chinchilla = places[named["Chinchilla"]]
    error = np.array([[o.error for o in place.judged.outcomes] for place in places])
    both = [k for k in ranked if {"N", "D"} <= reading(places[k].judged.formula)]
    whole = error[both][:, np.isfinite(error[both]).all(axis=0)]
    best = whole.argmin(axis=0)
    first = {
        by: min(both, key=lambda k, by=by: result.along[by].relative[k])
        for by in "CND"
        if by in result.along
    }
    wins = sorted(((int((best == i).sum()), places[k].label) for i, k in enumerate(both)))[::-1]
    gap = np.median(error[named["Chinchilla"]][np.isfinite(error[named["Chinchilla"]])])
    coverage = [(places[k].coverage, places[k].label) for k in both]
    sure = [places[k] for k in both if places[k].certified >= 0.9]
    found = [
        f"{', '.join(below) or 'No law'} {'extrapolate' if len(below) > 1 else 'extrapolates'} "
        "better than Chinchilla beyond the noise of the bench (the whole interval is below 1); "
        f"{', '.join(above) or 'none'} worse.",
        f"On the {whole.shape[1]} trials that every law of N and D applies to, the least error has "
        + ", ".join(f"{label} on {count}" for count, label in wins if count) + ".",
        "The least mean error has "
        + ", ".join(
            f"along {by} {places[k].label} ({result.along[by].relative[k]:.2f} of Chinchilla's)"
            for by, k in first.items()
        )
        + ".",
        f"Chinchilla's median error on runs held out is {100 * gap:.1f} %; its 90 % intervals hold "
        f"{100 * chinchilla.coverage:.0f} % of them. Over the laws of N and D the coverage is "
        f"{100 * min(coverage)[0]:.0f} % ({min(coverage)[1]}) to {100 * max(coverage)[0]:.0f} % "
        f"({max(coverage)[1]}): intervals that take the law for true are too narrow where it is "
        "extrapolated.",
        f"Certified on 90 % of the trials or more: {', '.join(p.label for p in sure) or 'none'} "
        "(of the laws of N and D).",
    ]  # fmt: skip
    return found


def reading(formula: str) -> set[str]:
    """Return the inputs of a formula, from its head: L(N, D) = ..."""
    return {name.strip() for name in formula.partition("(")[2].partition(")")[0].split(",")}


def page(result: Ranking, command: str, cost: Sequence[float]) -> str:
    """Return the Markdown text.

    Args:
        result: the ranking.
        command: that made it.
        cost: predicted CPU, CPU and wall seconds.
    """
    env = environment()
    sources = {str(each["source"]) for each in result.tables.values()}
    predicted, cpu, wall = cost
    lines = [
        "# Which laws of N and D extrapolate",
        "",
        f"`{command}`; CPU, float64, {env['cores']} cores, {env['processor']}; jaxscale "
        f"{env['versions']['jaxscale']}, jax {env['versions']['jax']}. {len(result.trials)} trials "
        f"of {len(result.tables)} tables, {len(sources)} sources of runs; {len(result.places)} "
        f"laws, {result.settings['starts']} starts a trial. CPU time predicted {predicted:.0f} s, "
        f"measured {cpu:.0f} s, compiling included; {wall:.0f} s of wall time.",
        "",
        "A trial fits the smaller runs of a table and predicts the largest, about 30 % of the "
        "runs, along compute, parameters or tokens. error: geometric mean, over trials and then "
        "sources, of the root mean square log error divided by Chinchilla's on the same trial; the "
        "interval and the range of places are by the bootstrap over sources and trials. better: "
        "share of trials with a smaller error than Chinchilla's. coverage: of 90 % prediction "
        "intervals. free: parameters. s: wall time, compiling included, on a busy machine.",
        "",
        *markdown(HEAD, [line(result, k) for k in range(len(result.places))]),
        "",
        "## What was learnt",
        "",
        *(f"- {sentence}" for sentence in learnt(result)),
        "",
        "## Tables",
        "",
        *markdown(
            ("table", "source", "runs", "trials: fitted, predicted, how far"),
            [
                [
                    name,
                    str(each["source"]),
                    str(each["runs"]),
                    "; ".join(
                        f"{t.by} {t.train.sum()}, {t.test.sum()}, x {t.factor:.1f}"
                        for t in result.trials
                        if t.table == name
                    ),
                ]
                for name, each in result.tables.items()
            ],
        ),
        "",
        *(f"- {name}: {why}" for name, why in result.skipped.items()),
    ]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Rank, and write the page."""
    parser = argparse.ArgumentParser("benchmarks.laws", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of tables; default $JAXSCALE_DATA")
    parser.add_argument("--starts", type=int, default=256)
    parser.add_argument("--law", help="only these of the catalogue, with commas between")
    parser.add_argument("--out", type=Path, help="a file for the page; default stdout")
    parser.add_argument("--json", type=Path, help="a file for every outcome, for --check")
    options = parser.parse_args(argv)
    folder = options.data or Path(os.environ.get("JAXSCALE_DATA", "."))
    os.environ["JAXSCALE_DATA"] = str(folder)
    every = tables(folder)
    begin, predicted = time.perf_counter(), 0.0

    def progress(done: int, total: int) -> None:
        nonlocal predicted
        if not done:
            predicted = total * (COMPILING + PER_TRIAL * 3 * len(every) * options.starts / 256)
            print(f"{total} laws, {len(every)} tables: about {predicted:.0f} s of CPU time",
                  file=sys.stderr)  # fmt: skip
        print(f"{done} of {total} laws, {time.perf_counter() - begin:.0f} s", file=sys.stderr,
              flush=True)  # fmt: skip

    rivals = options.law.split(",") if options.law else laws()
    try:
        result = rank([], every, rivals=rivals, starts=options.starts, progress=progress,
                      sources={name: source_of(name) for name in every})  # fmt: skip
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    used = resource.getrusage(resource.RUSAGE_SELF)
    cost = (predicted, used.ru_utime + used.ru_stime, time.perf_counter() - begin)
    command = "python -m benchmarks.laws" + (f" --law {options.law}" if options.law else "")
    command += f" --starts {options.starts}" if options.starts != 256 else ""
    text = page(result, command, cost)
    if options.out:
        options.out.write_text(text)
    else:
        print(text)
    if options.json:
        options.json.write_text(json.dumps(result.to_dict(), allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
