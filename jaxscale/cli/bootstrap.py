"""The command `bootstrap`: confidence intervals of a fit and of what follows from it."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxscale._numerics.level import check_level
from jaxscale.cli.given import (
    code,
    data_of,
    doubt_sentences,
    doubts,
    fit_given,
    has_compute,
    places,
    refusal,
)
from jaxscale.cli.intervals import head_row, interval_limits, interval_row
from jaxscale.cli.options import (
    figure_option,
    force_option,
    goal_options,
    input_options,
    level_option,
    out_option,
    own_flops_option,
    quiet_option,
    seed_option,
    source_options,
)
from jaxscale.cli.outputs import check_figure, deliver, with_progress
from jaxscale.cli.values import integer
from jaxscale.decisions.allocation import allocate
from jaxscale.decisions.frontier import scale_name
from jaxscale.fitting.fractions import beyond_a_fraction
from jaxscale.fitting.reach import FAR, note_together, whole_inputs
from jaxscale.fitting.result import FitResult
from jaxscale.flops import unit_of
from jaxscale.text import columns, count, marked, one_line
from jaxscale.text import quantity as number
from jaxscale.uncertainty.bootstrap import CLUSTERED, GROUPED, METHODS, bootstrap
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.intervals import KINDS, Interval
from jaxscale.uncertainty.profile import Profile, profile
from jaxscale.uncertainty.quantities import (
    BEST,
    Best,
    ComputeFor,
    Prediction,
    Quantity,
    asked_of,
    quantity,
)

EXAMPLES = (
    "jaxscale bootstrap fit.json --compute 1e24 --N 70e9 --D 1.4e12 --figure bands.png",
    "jaxscale bootstrap fit.json --kind profile --level 0.95 --json",
)
DRAWS = 4000


class _Section(NamedTuple):
    """Quantities of one place: the law itself, a budget, a target loss or named inputs."""

    kind: str  # "law", "budget", "target" or "prediction"
    title: str
    about: dict[str, Any]  # what the JSON says of the place
    asked: dict[str, Quantity]
    extrapolation: dict[str, float]


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `bootstrap`."""
    source_options(sub, presets=False)
    own_flops_option(sub)
    sub.add_argument(
        "--method", choices=METHODS, default="auto", help="what is drawn; auto goes by residuals"
    )
    text = f"bootstrap tables that the law is fitted to; default {DRAWS}"
    sub.add_argument("--draws", type=integer, metavar="B", help=text)
    seed_option(sub, "the draws")
    level_option(sub)
    kinds = (*KINDS, "profile")
    sub.add_argument(
        "--kind", choices=kinds, default=kinds[0], help="of interval; profile draws nothing"
    )
    sub.add_argument("--group", metavar="COLUMN", help="runs that move together: draw them whole")
    goal_options(sub)
    input_options(sub)
    force_option(sub)
    out_option(sub)
    figure_option(sub, "the bands, or the profiles,")
    sub.add_argument("--joint", metavar="FILE", help="draw the joint spread of the exponents there")
    quiet_option(sub)


def run(options: argparse.Namespace) -> int:
    """Print confidence intervals of everything that was asked for."""
    asks = [options.compute, options.target_loss, *(getattr(options, name) for name in "NDCS")]
    fit = fit_given(options, whole=not any(asks) and not options.at)
    check_level(options.level)
    _consistent(options, fit)
    sections = [_Section("law", "", {}, {q.name: q for q in asked_of(fit)}, {})]
    spends = bool(options.compute or options.target_loss)
    refused = refusal(options, fit) if spends else []
    if not refused:
        sections += [_budget(fit, C) for C in options.compute or ()]
        sections += [_target(fit, loss) for loss in options.target_loss or ()]
    sections += [_prediction(fit, at) for at in places(options, fit)]
    asked = [q for section in sections for q in section.asked.values()]
    group = _group(fit, options.group)
    draws: Draws | None = None
    if options.kind == "profile":
        profiles = profile(fit, asked, group=group)
        found = [each.interval(options.level) for each in profiles]
        how = f"profile intervals, sandwich, {profiles[0].freedom:g} degrees of freedom"
    else:
        draws = _drawn(fit, options, group)
        found = draws.intervals(asked, level=options.level, kind=options.kind)
        how = f"{len(draws):,} draws, {draws.method} bootstrap, {options.kind} intervals, "
        how += f"seed {options.seed}"
    rest = iter(found)
    result = _Answer(
        fit,
        options,
        sections,
        [{name: next(rest) for name in section.asked} for section in sections],
        [_new_run(draws, section, options.level) for section in sections],
        draws,
        how,
    )
    deliver(
        options,
        result.table(),
        result.document,
        notes=result.notes,
        told=[*doubt_sentences(fit), *refused],
        noted=True,
        files=_figures(options, draws, None if draws else profiles),
    )
    return code(fit)


def _new_run(draws: Draws | None, section: _Section, level: float) -> Any:
    if draws is None or section.kind != "prediction":
        return None
    return draws.predict(level=level, new_run=True, **section.about["inputs"])


def _consistent(options: argparse.Namespace, fit: FitResult) -> None:
    """Raise before any work for options that do not go together."""
    draws_asked = options.method != "auto" or options.draws is not None or options.joint
    if options.kind == "profile" and draws_asked:
        raise ValueError("--method, --draws and --joint go with draws; --kind profile makes none")
    if options.group is not None and options.method not in ("auto", *GROUPED):
        raise ValueError(f"--group goes with --method {' or '.join(GROUPED)}")
    if options.method in CLUSTERED and options.group is None and fit.runs.group is None:
        raise ValueError(
            f"--method {options.method} needs to know which runs move together: give --group "
            "COLUMN, after jaxscale fit --column group=COLUMN"
        )
    check_figure("--figure", options.figure)
    check_figure("--joint", options.joint)
    if options.figure and options.kind != "profile":
        scale_name(fit.law)  # raises where bands cannot be drawn


def _group(fit: FitResult, name: str | None) -> Any:
    """Return the labels [n] or the column that `--group` names; None without it."""
    runs = fit.runs
    if name is None:
        return None
    if runs.group is not None and name in ("group", runs.names.get("group")):
        return runs.group
    if runs.column_called(name) in runs.columns:
        return name
    kept = ", ".join([*runs.columns, *(["group"] if runs.group is not None else [])])
    raise ValueError(
        f"--group {name}: the fit keeps no such column of its table, only {kept}; fit again with "
        f"--column group={name}"
    )


def _budget(fit: FitResult, compute: float) -> _Section:
    asked = {what: quantity(Best(compute, what), fit.law) for what in BEST}
    about = {"compute": compute, "at_edge": bool(allocate(fit.law, compute=compute).at_edge)}
    far = _outside(fit, C=compute)
    title = f"best run of {compute:.4g} {unit_of(fit.law.flops)}".replace("e+", "e")
    return _Section("budget", title, about, asked, far)


def _target(fit: FitResult, loss: float) -> _Section:
    asked = {"compute": quantity(ComputeFor(loss), fit.law)}
    far = _outside(fit, C=allocate(fit.law, target_loss=loss).compute)
    return _Section(
        "target", f"cheapest run of {fit.runs.response.kind} {loss:g}", {"loss": loss}, asked, far
    )


def _prediction(fit: FitResult, at: Mapping[str, float]) -> _Section:
    asked = {"mean_law": quantity(Prediction(dict(at)), fit.law)}
    words = ", ".join(f"{name} {count(x)}" for name, x in at.items()).replace("e+", "e")
    far = _outside(fit, **whole_inputs(fit, at))
    return _Section(
        "prediction", f"{fit.runs.response.kind} at {words}", {"inputs": dict(at)}, asked, far
    )


def _outside(fit: FitResult, **at: float) -> dict[str, float]:
    """Return how far outside the runs a place lies: a factor by input, where that is known."""
    if "C" in at and not has_compute(fit) and "C" not in fit.runs.columns:
        at = {name: x for name, x in at.items() if name != "C"}
    return {name: float(f"{x:.6g}") for name, x in fit.extrapolation(**at).items()}


def _drawn(fit: FitResult, options: argparse.Namespace, group: Any) -> Draws:
    method = options.method
    if options.group is not None and method == "auto":
        method = "cluster"
    return with_progress(
        options,
        lambda progress: bootstrap(
            fit,
            method=method,
            draws=DRAWS if options.draws is None else options.draws,
            seed=options.seed,
            group=group,
            progress=progress,
        ),
        doing="drawing",
        of="draw",
    )


@dataclasses.dataclass(frozen=True)
class _Answer:
    """What the command found, as text and as JSON."""

    fit: FitResult
    options: argparse.Namespace
    sections: Sequence[_Section]
    found: Sequence[dict[str, Interval]]  # per section
    new_runs: Sequence[Any]  # per section, a band for a prediction
    draws: Draws | None
    how: str

    @property
    def notes(self) -> list[str]:
        """What a reader should see beside the numbers."""
        said = list(self.draws.notes) if self.draws is not None else []
        for section in self.sections:
            if section.about.get("at_edge"):
                said.append(f"{section.title}: the law has no best size of its own there")
            far = [(name, x) for name, x in section.extrapolation.items() if x > FAR]
            if far:
                name, x = far[0]
                words = [f"{name} is a factor {number(x, 3)}"]
                words += [f"{name} a factor {number(x, 3)}" for name, x in far[1:]]
                said.append(f"{section.title}: {', '.join(words)} outside the range of the runs")
            if section.kind == "prediction":
                said += note_together(self.fit, section.about["inputs"])
        for section, found in zip(self.sections, self.found, strict=True):
            ends = [x for i in found.values() for x in (i.low, i.estimate, i.high)]
            if section.kind == "prediction":
                said += beyond_a_fraction(self.fit, ends, section.title)
        limits = [(i.low, i.high) for found in self.found for i in found.values()]
        if np.isinf(limits).any():
            said.append("an infinite limit: the runs do not bound that side")
        return said

    def document(self) -> dict[str, Any]:
        """Return what JSON says."""
        options, draws, fit = self.options, self.draws, self.fit
        places: dict[str, list[dict[str, Any]]] = {"budget": [], "target": [], "prediction": []}
        for section, found, band in zip(self.sections, self.found, self.new_runs, strict=True):
            if section.kind == "law":
                own = {name: interval_limits(i) for name, i in found.items()}
                continue
            entry = {**section.about, "extrapolation": section.extrapolation}
            entry |= {name: interval_limits(i) for name, i in found.items()}
            if section.kind == "prediction":
                entry["new_run"] = band and {"low": float(band.low), "high": float(band.high)}
            places[section.kind].append(entry)
        return {
            "law": type(fit.law).__name__,
            "formula": type(fit.law).formula(),
            "method": None if draws is None else draws.method,
            "kind": options.kind,
            "level": options.level,
            "draws": 0 if draws is None else len(draws),
            "seed": options.seed,
            "freedom": None if draws is None else draws.freedom,
            "shared_noise": None if draws is None else _shared_noise(draws),
            "intervals": own,
            **{f"{kind}s": entries for kind, entries in places.items()},
            **doubts(fit),
            "data": data_of(fit),
            "seconds": None if draws is None else draws.seconds,
        }

    def table(self) -> str:
        """Return the text for a person."""
        fit = self.fit
        rows, titles = [head_row(self.options.level)], {}
        for section, found, band in zip(self.sections, self.found, self.new_runs, strict=True):
            if section.title:
                titles[len(rows)] = section.title
            for name, i in found.items():
                rows.append(interval_row(name, i))
            if band is not None:
                name = "  a new run" + " (percentile)" * (self.options.kind != "percentile")
                rows.append([name, "", "", number(band.low), number(band.high)])
        lines = columns(rows, "<>>>>").split("\n")
        body = [f"\n{titles[k]}\n{x}" if k in titles else x for k, x in enumerate(lines)]
        head = f"{type(fit.law).__name__}: {type(fit.law).formula()}\n"
        head += one_line(f"{len(fit.runs)} runs from {fit.runs.source}; {self.how}") + "\n"
        return "\n".join([head, *body]) + marked(self.notes)


def _shared_noise(draws: Draws) -> dict[str, Any] | None:
    """Return which runs move together, for a script; None where none are seen to."""
    found = draws.sharing
    if found is None:
        return None
    groups = len(np.unique(found.labels))
    p = None if math.isnan(found.p) else found.p
    return {"of": found.of, "groups": groups, "intraclass_correlation": found.icc, "p": p}


def _figures(
    options: argparse.Namespace, draws: Draws | None, profiles: Sequence[Profile] | None
) -> list[Callable[[], None]]:
    """Return what draws the figures that were asked for, each into its file."""
    level = options.level

    def bands() -> None:
        from jaxscale import plotting
        from jaxscale.plotting.bands import plot_bands
        from jaxscale.plotting.profiles import plot_profiles

        if draws is not None:
            asked = options.compute or () if scale_name(draws.fit.law) == "C" else ()
            plotting.save(plot_bands(draws, at=asked, level=level), options.figure)
        if profiles is not None:
            plotting.save(plot_profiles(profiles, level=level), options.figure)

    def joint() -> None:
        from jaxscale import plotting
        from jaxscale.plotting.corner import plot_joint

        assert draws is not None
        plotting.save(plot_joint(draws, level=level), options.joint)

    return [draw for draw, path in ((bands, options.figure), (joint, options.joint)) if path]
