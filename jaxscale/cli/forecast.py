"""The command `forecast`: where a run that is still training will end.

The text has the notes of a run below its numbers. A run that leaves its law has a wide interval, a
note that says so, and the exit code 1.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.cli.console import say
from jaxscale.cli.given import column_map
from jaxscale.cli.options import (
    column_option,
    figure_option,
    level_option,
    out_option,
)
from jaxscale.cli.outputs import check_figure, check_outputs, deliver, inputs_of
from jaxscale.cli.values import number, step_count
from jaxscale.data.loss_curves import Curve, read_metrics
from jaxscale.forecast.doubts import reasons
from jaxscale.forecast.forecaster import Forecast, Forecaster
from jaxscale.forecast.links import LINKS, Link, Told, find_link, linked, metric_below, told
from jaxscale.forecast.local_level import Prior
from jaxscale.forecast.offline import (
    RECENT,
    forecast_curve,
    forecast_fan,
    learn_from,
    loss_at,
    scheduled,
)
from jaxscale.forecast.schedules import SCHEDULES, Schedule, schedule_named
from jaxscale.text import columns, listing, many, one_line, quantity

EXAMPLES = (
    "jaxscale forecast metrics.jsonl --final-step 20000 --schedule cosine --below 2.9",
    "jaxscale forecast metrics.jsonl --final-step 20000 --column loss=val_loss --figure end.png",
)
CURVES = ("annealing", "power")
"""What a loss curve follows: the summed learning rate and its lowering, or the steps alone."""
MEASURED = ("loss", "step", "lr")
"""What a column of a log may be."""
FEW = 20
"""Below so many losses the prior speaks more than the run."""
APART = 0.03
"""Largest difference between a logged and a planned rate, of the peak, that is not worth a word."""


@dataclasses.dataclass(frozen=True)
class _Outlook:
    """One run: what was known, what is forecast, and what came of it."""

    curve: Curve  # up to --until, in the unit of the log
    link: Link
    forecaster: Forecaster
    forecast: Forecast  # of the loss that the link makes of the metric
    told: Told  # the same of the metric
    doubts: list[str]
    now: float
    below: list[tuple[float, float]]
    outcome: float | None
    notes: list[str]


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `forecast`."""
    sub.add_argument(
        "metrics",
        nargs="+",
        help="CSV or JSON Lines of metrics, a W&B export, or event files of TensorBoard",
    )
    sub.add_argument(
        "--final-step", type=step_count, required=True, metavar="N", help="where the run ends"
    )
    sub.add_argument("--schedule", choices=SCHEDULES, help="default: the rate stays as it is")
    sub.add_argument("--peak-lr", type=number, metavar="X", help="default the largest rate logged")
    sub.add_argument("--warmup", type=number, metavar="X", help="steps, or below 1 a fraction")
    sub.add_argument("--floor", type=number, metavar="X", help="lowest rate, of the peak")
    sub.add_argument(
        "--decay",
        type=number,
        metavar="X",
        help="of wsd: steps, or below 1 a fraction; default 0.2",
    )
    column_option(sub, "loss=val_loss", ", ".join(MEASURED))
    sub.add_argument(
        "--metric",
        choices=("auto", *LINKS),
        default="auto",
        help="what the column is: a share of 1 or percent that rises, an error rate; default auto",
    )
    sub.add_argument("--run", metavar="NAME", help="of several runs, this one")
    text = "use the losses up to there; now, and what came of it, are means over 2 %% of the steps"
    sub.add_argument("--until", type=step_count, metavar="STEP", help=text)
    sub.add_argument(
        "--below", type=number, nargs="+", default=[], metavar="X", help="how likely is a lower end"
    )
    level_option(sub)
    text = "annealing knows the learning rate, power goes by steps alone"
    sub.add_argument("--curve", choices=CURVES, default="annealing", help=text)
    text = "finished runs of the same recipe, in a file or several: what is usual for it"
    sub.add_argument("--learn", nargs="+", action="extend", metavar="FILE", help=text)
    out_option(sub)
    figure_option(sub, "losses, forecast and learning rate")
    sub.add_argument("--log-steps", action="store_true", help="draw them on a logarithmic axis")


def run(options: argparse.Namespace) -> int:
    """Forecast the end of every run of the files; print the result."""
    _consistent(options)
    columns = column_map(options, MEASURED)
    curves = [
        curve
        for path in options.metrics
        for curve in read_metrics(path, run=options.run, **columns).values()
    ]
    finished = _finished(options, columns, {curve.name for curve in curves})
    figures = _figure_paths(options, curves)
    outlooks = [_outlook(options, curve, finished) for curve in curves]
    deliver(
        options,
        "\n\n".join(_block(options, outlook) for outlook in outlooks),
        lambda: _document(options, outlooks),
        notes=[f"{outlook.curve.name}: {note}" for outlook in outlooks for note in outlook.notes],
        noted=True,
        files=[
            functools.partial(_draw, options, *drawn)
            for drawn in zip(outlooks, curves, figures, strict=bool(figures))
        ],
    )
    for path in figures:
        say(f"wrote {path}")
    return int(any(outlook.doubts for outlook in outlooks))


def _consistent(options: argparse.Namespace) -> None:
    """Refuse options that would have no effect, and figures that could not be written."""
    if options.curve == "power" and options.schedule:
        raise ValueError("--schedule goes with --curve annealing; power knows steps only")
    for name in ("peak_lr", "warmup", "floor", "decay"):
        if getattr(options, name) is not None and not options.schedule:
            raise ValueError(f"--{name.replace('_', '-')} goes with --schedule")
    if options.decay is not None and options.schedule != "wsd":
        raise ValueError(f"--decay goes with --schedule wsd, not with {options.schedule}")
    _in_range(options)
    if options.log_steps and not options.figure:
        raise ValueError("--log-steps goes with --figure")
    check_figure("--figure", options.figure)


def _in_range(options: argparse.Namespace) -> None:
    """Refuse numbers that are no level or no loss."""
    if not 0 < options.level < 1:
        raise ValueError(f"--level must lie between 0 and 1, got {options.level:g}")
    if not np.isfinite(options.below).all():
        given = " ".join(f"{x:g}" for x in options.below)
        raise ValueError(f"--below takes finite losses, got {given}")


def _finished(
    options: argparse.Namespace, columns: dict[str, str], to_forecast: set[str]
) -> list[Curve]:
    """Return the runs to learn from."""
    if not options.learn:
        return []
    finished = [
        curve
        for path in options.learn
        for name, curve in read_metrics(path, **columns).items()
        if name not in to_forecast
    ]
    if not finished:
        raise ValueError(f"--learn {listing(options.learn)}: no run in it but those to forecast")
    return finished


def _learned(options: argparse.Namespace, finished: list[Curve], share: float, link: Link) -> Prior:
    """Return the prior of finished runs; each had the schedule of the options, over its steps."""
    known = []
    for metric in finished:
        curve = linked(metric, link)
        own = argparse.Namespace(**{**vars(options), "final_step": int(curve.step[-1])})
        known.append((curve, _forecaster(options.curve, _schedule(own, curve, []))))
    return learn_from(known, share)


def _forecaster(kind: str, schedule: Schedule | None) -> Forecaster:
    forecaster = Forecaster(schedule=schedule)
    return forecaster if kind == "annealing" else dataclasses.replace(forecaster, annealing=())


def _outlook(options: argparse.Namespace, curve: Curve, finished: list[Curve]) -> _Outlook:
    """Forecast one run."""
    known = curve if options.until is None else curve.until(options.until)
    if not len(known):
        raise ValueError(
            f"{curve.source}: run {curve.name!r} has no loss up to step {options.until:,}; its "
            f"first is at step {curve.step[0]:,}"
        )
    notes = list(known.notes)
    link, word = LINKS.get(options.metric), ""
    if link is None:
        link, word = find_link(known.column, known)
    notes += [word] if word else []
    schedule = _schedule(options, known, notes)
    forecaster = _forecaster(options.curve, schedule)
    if finished:
        share = known.step[-1] / options.final_step
        forecaster = dataclasses.replace(forecaster, prior=_learned(options, finished, share, link))
        notes.append(f"what is usual was learned from {many(len(finished), 'finished run')}")
    forecast = forecast_curve(forecaster, linked(known, link), options.final_step, options.level)
    good = int(np.isfinite(known.loss).sum())
    if good < len(known):
        notes.append(f"{len(known) - good} of {len(known)} losses are not finite; left out")
    if good < FEW and not finished:
        few = many(good, "loss", "losses")
        notes.append(f"only {few}: the forecast rests on what is usual")
    doubts = reasons(forecast.doubts, link.of(known.column))
    notes += doubts
    chances = metric_below(link, forecast, options.below) if options.below else []
    below = list(zip(options.below, chances, strict=True))
    now = loss_at(known, int(known.step[-1]))
    ended = len(curve) > len(known) and curve.step[-1] >= (1 - RECENT) * options.final_step
    outcome = loss_at(curve, options.final_step) if ended else None
    assert now is not None
    said = told(link, forecast)
    return _Outlook(known, link, forecaster, forecast, said, doubts, now, below, outcome, notes)


def _schedule(options: argparse.Namespace, known: Curve, notes: list[str]) -> Schedule | None:
    """Return the schedule that the options name; its peak is the largest rate logged."""
    if options.curve == "power":
        return None
    if not options.schedule:
        rate = "" if known.lr is None else f" at {known.lr[-1]:.3g}"
        notes.append(f"no --schedule: the learning rate is taken to stay{rate}")
        return None
    peak = options.peak_lr
    if peak is None:
        peak = 1.0 if known.lr is None else float(known.lr.max())
        if known.lr is None:
            notes.append(
                "no learning rate logged and no --peak-lr: a peak of 1 is taken, so the schedule "
                "counts by its shape only"
            )
    given = {"warmup": options.warmup, "floor": options.floor, "decay": options.decay}
    given = {name: value for name, value in given.items() if value is not None}
    schedule = schedule_named(options.schedule, peak=peak, steps=options.final_step, **given)
    if known.lr is not None:
        planned = scheduled(schedule, known.step)
        apart = np.abs(planned - known.lr)
        k = int(np.argmax(apart))
        if apart[k] > APART * peak:
            notes.append(
                f"at step {known.step[k]:,} the log has the learning rate {known.lr[k]:.3g}, the "
                f"schedule {planned[k]:.3g}: are --peak-lr, --warmup, --floor and --final-step "
                "those of the run?"
            )
    return schedule


def _block(options: argparse.Namespace, outlook: _Outlook) -> str:
    """Return what a person reads of one run."""
    curve, said, level = outlook.curve, outlook.told, f"{100 * options.level:g} %"
    style = _style(said)
    loss, low, high = (f"{x:{style}}" for x in said)
    rows = [
        ["now", f"{outlook.now:{style}}", f"step {curve.step[-1]:,} of {options.final_step:,}"],
        ["forecast", loss, f"{low} to {high} ({level})"],
    ]
    if outlook.outcome is not None:
        inside = "inside" if said.lower <= outlook.outcome <= said.upper else "outside"
        off = 100 * (float(said.median) / outlook.outcome - 1) if outlook.outcome else math.inf
        words = f"forecast {off:+.2f} % off, {inside} the interval"
        rows.append(["turned out", f"{outlook.outcome:{style}}", words])
    for x, p in outlook.below:
        rows.append([f"below {quantity(x, 6)}", f"{100 * p:.1f} %", "probability"])
    lines = [one_line(f"{curve.name}  ({curve.source})"), columns(rows, "<><")]
    return "\n".join([*lines, *(one_line(f"! {note}") for note in outlook.notes)])


def _style(said: Told) -> str:
    """Return the format of a loss: the digits that the interval leaves known, and one more."""
    width, size = float(said.upper - said.lower), abs(float(said.median))
    plain = 1e-3 <= size < 1e7  # others would be written as zero, or in hundreds of digits
    if not width > 0:
        return ".6f" if plain else ".6e"
    digits = 2 - math.floor(math.log10(width))
    if plain:
        return f".{min(max(digits, 2), 6)}f"
    return f".{min(max(digits + math.floor(math.log10(size or 1.0)), 2), 6)}e"


def _document(options: argparse.Namespace, outlooks: list[_Outlook]) -> dict[str, Any]:
    """Return what a script reads."""
    runs = [
        {
            "name": each.curve.name,
            "source": each.curve.source,
            "losses": len(each.curve),
            "skipped": int((~np.isfinite(each.curve.loss)).sum()),
            "step": int(each.curve.step[-1]),
            "loss": each.now,
            "metric": each.link.name,
            "link": each.link.formula,
            "forecast": float(each.told.median),
            "lower": float(each.told.lower),
            "upper": float(each.told.upper),
            "trusted": not each.doubts,
            "below": [{"loss": x, "probability": p} for x, p in each.below],
            "outcome": each.outcome,
            "notes": each.notes,
        }
        for each in outlooks
    ]
    names = ("final_step", "level", "curve", "schedule", "until")
    return {**{name: getattr(options, name) for name in names}, "runs": runs}


def _figure_paths(options: argparse.Namespace, curves: list[Curve]) -> list[str]:
    """Return the figure file of every run: with its name where there are several runs.

    Raises:
        ValueError: two runs would have one file, or a file may not be written.
    """
    if not options.figure:
        return []
    given, paths = Path(options.figure), [options.figure]
    if len(curves) > 1:
        safe = [re.sub(r"[^\w.-]+", "_", curve.name).strip("._") or "run" for curve in curves]
        paths = [str(given.with_name(f"{given.stem}-{name}{given.suffix}")) for name in safe]
    for curve, path in zip(curves, paths, strict=True):
        if paths.count(path) > 1:
            raise ValueError(
                f"--figure {given}: run {curve.name!r} and another would both be drawn into "
                f"{path}; draw one of them with --run NAME"
            )
    named = {
        f"--figure of run {curve.name!r}": path for curve, path in zip(curves, paths, strict=True)
    }
    check_outputs(named, list(inputs_of(options)))
    return paths


def _draw(options: argparse.Namespace, outlook: _Outlook, whole: Curve, path: str) -> None:
    from jaxscale import plotting
    from jaxscale.plotting.forecast import plot_forecast

    known, final, link, said = outlook.curve, options.final_step, outlook.link, outlook.told
    fan = forecast_fan(outlook.forecaster, linked(known, link), final, options.level)
    way = told(link, fan)
    fan = fan._replace(loss=way.median, lower=way.lower, upper=way.upper)
    end = dataclasses.replace(
        outlook.forecast, loss=said.median, lower=said.lower, upper=said.upper
    )
    later = (whole.step > known.step[-1]) & (whole.step <= final)
    truth = dataclasses.replace(whole, step=whole.step[later], loss=whole.loss[later], lr=None)
    figure = plot_forecast(
        known,
        end,
        fan,
        level=options.level,
        truth=truth if len(truth) else None,
        log=options.log_steps,
    )
    plotting.save(figure, path)
