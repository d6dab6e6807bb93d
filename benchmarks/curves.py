"""The curves of "Revisiting neural scaling laws": M1 to M4 and a broken power law, many at once.

    python -m benchmarks.curves --data DIR [--starts 1024] [--out benchmarks/results/curves.md]

Every curve of nsl_vision.csv and nsl_lang.csv in DIR/nsl_benchmark (default $JAXSCALE_DATA) is
fitted to its small scales (training = 1) by five laws, each law to all curves in one call of
`fit_many`, least squares of the log loss; its large scales judge it, as in Alabdulmohsin et al.
2022, arXiv:2209.06640. Beside it stand the authors' own estimators, whose parameters and errors
are in reference_m1_m4.csv. Exit 1: a curve is fitted worse than by the reference, under the same
objective.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import jaxscale
from jaxscale import Law, ManyFits, Square
from jaxscale.laws.broken import M4

from .record.page import setting

LAWS: dict[str, str | Law] = {
    "M1": "PurePowerLaw:S",
    "M2": "Henighan:S",
    "M3": "M3:S",
    "M4": M4(),
    "BNSL": "BrokenPower:S",
}
"""The paper's names, and the catalogue's. M2 is the one whose limit is positive."""
SAME = 1e-6
"""Relative difference of two objectives within which neither is the worse."""
Key = tuple[str, str, str]


class Curve(NamedTuple):
    """A curve: S and loss of what is fitted, and of what is predicted."""

    S: np.ndarray
    y: np.ndarray
    far_S: np.ndarray
    far_y: np.ndarray


def read(folder: Path) -> dict[Key, Curve]:
    """Return the curves by (domain, task, model); a repeated row counts once."""
    found: dict[Key, dict[tuple[str, ...], None]] = {}
    for name in ("nsl_vision.csv", "nsl_lang.csv"):
        with (folder / name).open(newline="") as file:
            for row in csv.DictReader(file):
                key = (row["domain"], row["task"], row["model"])
                point = (row["examples"], row["loss"], row["training"])
                found.setdefault(key, {})[point] = None
    return {key: _curve(list(points)) for key, points in found.items()}


def _curve(points: Sequence[tuple[str, ...]]) -> Curve:
    S, y, fitted = (np.array([float(p[k]) for p in points]) for k in range(3))
    near = fitted == 1
    return Curve(S[near], y[near], S[~near], y[~near])


def tables(curves: Mapping[Key, Curve]) -> dict[str, jaxscale.Runs]:
    """Return the fitted part of every curve, filled up to one length by runs of no weight.

    Tables of one length are one batch of `fit_many`, with one program.
    """
    most = max(len(curve.S) for curve in curves.values())
    found = {}
    for key, curve in curves.items():
        more = most - len(curve.S)
        S, y = (np.concatenate([x, np.full(more, x[-1])]) for x in (curve.S, curve.y))
        weight = np.concatenate([np.ones(len(curve.S)), np.zeros(more)])
        found[_label(key)] = jaxscale.Runs(S=S, loss=y, weight=weight)
    return found


def references(folder: Path) -> dict[tuple[Key, str], Mapping[str, float]]:
    """Return what the authors' estimators came to, by curve and law."""
    found = {}
    with (folder / "reference_m1_m4.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            key = (row.pop("domain"), row.pop("task"), row.pop("model"))
            method = row.pop("method")
            found[key, method] = {k: float(v) for k, v in row.items()}
    return found


# --- what a law predicts, in NumPy --------------------------------------------------------------


def named(method: str, law: Law) -> dict[str, float]:
    """Return the parameters of a law by the names of the authors' estimators."""
    v = {name: float(value) for name, value in law.values.items()}
    if method == "M1":
        return {"beta": v["a"], "c": v["b"], "err_inf": 0.0}
    if method == "M2":
        return {"beta": v["A"], "c": -v["alpha"], "err_inf": v["L_inf"]}
    if method == "M4":
        beta = v["b"] * (v["eps0"] - v["eps_inf"]) ** (1 - v["alpha"])
        limits = {"err_inf": v["eps_inf"], "err_0": v["eps0"]}
        return {"beta": beta, "c": -v["c"], "alpha": v["alpha"], **limits}
    return v


def predicted(method: str, p: Mapping[str, float], S: np.ndarray) -> np.ndarray:
    """Return the losses [n] of a method at the authors' parameters; M4 by bisection."""
    if method == "BNSL":
        bend = np.logaddexp(0.0, np.log(S / p["d1"]) / p["f1"])
        return np.asarray(p["a"] + p["b"] * S ** -p["c0"] * np.exp(-p["c1"] * p["f1"] * bend))
    if method == "M3":
        return np.asarray(p["beta"] * (1 / S + p["gamma"]) ** p["c"])
    f = p["beta"] * S ** p["c"]
    if method != "M4" or p["alpha"] < 1e-5:
        return np.asarray(p["err_inf"] + f)
    height = p["err_0"] - p["err_inf"]
    low, high = np.zeros_like(S), np.full_like(S, height)
    for _ in range(200):
        middle = (low + high) / 2
        above = middle > f * (height - middle) ** p["alpha"]
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray(p["err_inf"] + low)


def rmsle(p: np.ndarray, y: np.ndarray) -> float:
    """Return the root mean square of log p - log y; infinite for what is not positive."""
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.log(p) - np.log(y)
    return float(np.sqrt(np.mean(r**2))) if np.isfinite(r).all() else np.inf


def stderr(p: np.ndarray, y: np.ndarray) -> float:
    """Return the paper's standard error of an RMSLE: sqrt(mu + sd / sqrt(n)) - sqrt(mu)."""
    r = (np.log(p) - np.log(y)) ** 2
    return float(np.sqrt(r.mean() + r.std() / np.sqrt(len(r))) - np.sqrt(r.mean()))


# --- fits and their page ----------------------------------------------------------------------


class Judged(NamedTuple):
    """One curve under one law: errors of what was fitted and of what was predicted."""

    law: str
    curve: Key
    near: float
    far: float
    error: float
    trusted: bool
    reference_near: float
    reference_far: float
    reference_error: float

    @property
    def worse(self) -> bool:
        """Whether the fitted part is fitted worse than by the reference."""
        return self.near > self.reference_near * (1 + SAME)

    @property
    def apart(self) -> float:
        """How far the error of what was predicted lies above the reference's, in both's noise.

        0 where one point was predicted, which has none.
        """
        noise = self.error + self.reference_error
        return (self.far - self.reference_far) / noise if noise > 0 else 0.0


def judged(
    name: str, curves: Mapping[Key, Curve], fits: ManyFits, known: Mapping[Any, Any]
) -> list[Judged]:
    """Return the errors of every curve under a law.

    Args:
        name: the paper's name of the law.
        curves: by key.
        fits: of all of them.
        known: the references, see `references`.
    """
    found = []
    for key, curve in curves.items():
        law, trusted = fits[_label(key)].law, fits.certificates[_label(key)].trusted
        own = named(name, law)
        near, far = (predicted(name, own, S) for S in (curve.S, curve.far_S))
        given = known.get((key, name))
        theirs = [np.nan, np.nan, np.nan]
        if given is not None:
            told = predicted(name, given, curve.far_S)
            fitted = rmsle(predicted(name, given, curve.S), curve.y)
            theirs = [fitted, given["rmsle"], stderr(told, curve.far_y)]
        errors = (rmsle(near, curve.y), rmsle(far, curve.far_y), stderr(far, curve.far_y))
        found.append(Judged(name, key, *errors, trusted, *theirs))
    return found


def _label(key: Key) -> str:
    return " / ".join(key)


def report(rows: Sequence[Judged], seconds: Mapping[str, Mapping[str, float]], starts: int) -> str:
    """Return the page.

    Args:
        rows: every curve under every law.
        seconds: by law, see `timed`.
        starts: of each curve and law.
    """
    count, of = len({row.curve for row in rows}), setting()
    warm = sum(each["warm"] for each in seconds.values())
    lines = [
        "# The curves of Revisiting neural scaling laws",
        "",
        "`python -m benchmarks.curves --data DIR`",
        "",
        f"{count} public curves of Alabdulmohsin et al. 2022 (image classification IC, translation",
        "NMT, language modelling LM, BIG-Bench BB), each fitted to its small scales and judged on",
        f"its large ones; least squares of the log loss, {starts:,} starts per curve and law, each",
        "law one call of `fit_many`. The authors' estimators stand beside it: M1 and M3 minimize",
        "the same objective; M2 and M4 that of the logarithm of the *excess* over the limit, and",
        "M4 fits eps0 too, which is 1 here. BNSL (one break) has no reference.",
        "",
        f"jaxscale {of['jaxscale']}, jax {of['jax']}, {of['dtype']}; {of['device']}, two cores",
        "shared with other work: the times are upper bounds.",
        "",
        "## Time",
        "",
        "Warm: without compiling, which is of one program for all curves; they are filled up to",
        "one length by runs of no weight.",
        "",
        "| law | compiling, s | warm, s | CPU s, both | certified |",
        "|---|---|---|---|---|",
    ]
    for law, each in seconds.items():
        mine = [row for row in rows if row.law == law]
        sure = f"{sum(row.trusted for row in mine)} of {len(mine)}"
        cells = f"{each['compile']:.0f} | {each['warm']:.1f} | {each['cpu']:.0f} | {sure}"
        lines.append(f"| {law} | {cells} |")
    lines += ["", f"All {len(seconds)} laws, warm: {warm:.1f} s."]
    lines += ["", "## The fitted part", "", *_near(rows), "", "## Extrapolation", "", *_far(rows)]
    return "\n".join([*lines, "", "## Every curve", "", *_every(rows)]) + "\n"


def _near(rows: Sequence[Judged]) -> list[str]:
    """Return how the fitted parts compare with the reference under the same objective."""
    lines = [
        "RMSLE of what was fitted, at our optimum and at the reference's parameters: the same law",
        "and the same objective on both sides. Ratio: ours over the reference's.",
        "",
        "| law | curves | better | the same to 1e-6 | worse | median ratio | least ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for law in dict.fromkeys(row.law for row in rows):
        ratio = [row.near / row.reference_near for row in rows if row.law == law]
        ratio = [r for r in ratio if np.isfinite(r)]
        if ratio:
            better, worse = (sum(test(r) for r in ratio) for test in (_better, _worse))
            same = len(ratio) - better - worse
            cells = f"{len(ratio)} | {better} | {same} | {worse} | {np.median(ratio):.4f}"
            lines.append(f"| {law} | {cells} | {min(ratio):.4f} |")
    for row in (row for row in rows if row.worse):
        lines.append(
            f"\n{row.law}, {_label(row.curve)}: {row.near:.6g}, theirs {row.reference_near:.6g}"
        )
    return lines


def _better(ratio: float) -> bool:
    return ratio < 1 - SAME


def _worse(ratio: float) -> bool:
    return ratio > 1 + SAME


def _far(rows: Sequence[Judged]) -> list[str]:
    """Return the extrapolation errors by domain, beside the reference."""
    lines = [
        "Median RMSLE of the large scales over the curves of a domain; in brackets that of the",
        "reference, and on how many curves ours is smaller (<) or larger (>) by more than both",
        "standard errors together.",
        "",
    ]
    laws = list(dict.fromkeys(row.law for row in rows))
    lines += [f"| domain | curves | {' | '.join(laws)} |", "|---|---|" + "---|" * len(laws)]
    for domain in dict.fromkeys(row.curve[0] for row in rows):
        mine = [row for row in rows if row.curve[0] == domain]
        cells = [_cell([row for row in mine if row.law == law]) for law in laws]
        lines.append(f"| {domain} | {len(mine) // len(laws)} | {' | '.join(cells)} |")
    count = len(laws)
    lines += ["", f"Over all domains: {_totals(rows, laws)}. A better fit of the small"]
    lines += [
        "scales is not yet a better prediction: what is minimized matters as much as how well.",
        "",
    ]
    lines += [f"Curves on which a law has the least error of the {count}: {_wins(rows, laws)}."]
    return lines


def _totals(rows: Sequence[Judged], laws: Sequence[str]) -> str:
    found = []
    for law in laws:
        mine = [row for row in rows if row.law == law and np.isfinite(row.reference_far)]
        less, more = (sum(sign * row.apart > 1 for row in mine) for sign in (-1, 1))
        found += [f"{law} {less} <, {more} >"] if mine else []
    return "; ".join(found)


def _cell(rows: Sequence[Judged]) -> str:
    ours = f"{np.median([row.far for row in rows]):.4f}"
    if not np.isfinite(rows[0].reference_far):
        return ours
    less, more = (sum(sign * row.apart > 1 for row in rows) for sign in (-1, 1))
    return f"{ours} ({np.median([row.reference_far for row in rows]):.4f}; {less} <, {more} >)"


def _wins(rows: Sequence[Judged], laws: Sequence[str]) -> str:
    first = dict.fromkeys(laws, 0)
    for curve in dict.fromkeys(row.curve for row in rows):
        mine = [row for row in rows if row.curve == curve]
        first[min(mine, key=lambda row: row.far).law] += 1
    return ", ".join(f"{law} {count}" for law, count in first.items())


def _every(rows: Sequence[Judged]) -> list[str]:
    """Return the extrapolation error of every curve and law."""
    laws = list(dict.fromkeys(row.law for row in rows))
    lines = ["RMSLE of the large scales, ours (reference); * not certified.", ""]
    lines += [f"| curve | {' | '.join(laws)} |", "|---|" + "---|" * len(laws)]
    for curve in dict.fromkeys(row.curve for row in rows):
        cells = []
        for row in (row for row in rows if row.curve == curve):
            theirs = f" ({row.reference_far:.4f})" if np.isfinite(row.reference_far) else ""
            cells.append(f"{row.far:.4f}{'' if row.trusted else '*'}{theirs}")
        lines.append(f"| {_label(curve)} | {' | '.join(cells)} |")
    return lines


def timed(
    law: str | Law, runs: Mapping[str, Any], starts: int
) -> tuple[ManyFits, dict[str, float]]:
    """Return the fits, and the seconds: of compiling, of everything else, of CPU in all."""
    cpu = time.process_time()
    fits = jaxscale.fit_many(law, runs, loss=Square(), starts=starts)
    compiling, total = fits.seconds["compile"], fits.seconds["total"]
    used = time.process_time() - cpu
    return fits, {"compile": compiling, "warm": total - compiling, "cpu": used}


def main() -> int:
    """Fit everything, write the page."""
    parser = argparse.ArgumentParser(
        "benchmarks.curves", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("JAXSCALE_DATA"),
                        help="folder of the public tables; default $JAXSCALE_DATA")  # fmt: skip
    parser.add_argument("--starts", type=int, default=1024)
    parser.add_argument("--laws", default=",".join(LAWS), help="default all of them")
    parser.add_argument("--out", type=Path, help="a file for the page; default stdout")
    options = parser.parse_args()
    if options.data is None:
        print("curves: no tables; give --data DIR or set JAXSCALE_DATA", file=sys.stderr)
        return 2
    folder = Path(options.data) / "nsl_benchmark"
    curves, known = read(folder), references(folder)
    filled = tables(curves)
    rows: list[Judged] = []
    seconds = {}
    for name in options.laws.split(","):
        fits, seconds[name] = timed(LAWS[name], filled, options.starts)
        rows += judged(name, curves, fits, known)
        print(f"{name}: {seconds[name]}", file=sys.stderr, flush=True)
        text = report(rows, seconds, options.starts)
        if options.out is not None:
            options.out.write_text(text)
    if options.out is None:
        print(text)
    return int(any(row.worse for row in rows))


if __name__ == "__main__":
    sys.exit(main())
