"""Figures made from a `FitResult` and from nothing else: law, residuals, starts.

Each function draws into the axes it is given, or makes a figure of its own, and returns the axes;
`plot_fit` puts the three on one page. Nothing here fits, and nothing global changes: no pyplot,
no backend, no rcParams left behind. This is the only module that imports matplotlib.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from jaxscale.engine import Status
from jaxscale.certificate import CONVERGED, SAME
from jaxscale.flops import SixND, tokens_for
from jaxscale.laws import predict
from jaxscale.result import FitResult
from jaxscale.runs import ALIASES

STYLE = {
    "font.size": 8, "axes.labelsize": 8.5, "axes.titlesize": 9, "legend.fontsize": 7,
    "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "mathtext.fontset": "dejavusans",
    "axes.linewidth": 0.7, "lines.linewidth": 1.3, "legend.frameon": False,
    "legend.handlelength": 1.6, "axes.unicode_minus": True, "figure.dpi": 100,
}
INK, MUTED, RUN, LAW, ALERT = "#222222", "#8a8a8a", "#0072B2", "#D55E00", "#CC3311"
STATUS_COLORS = {
    Status.CONVERGED: "#009E73", Status.CONVERGED_DECREASE: "#56B4E9",
    Status.CONVERGED_STEP: "#0072B2", Status.STEP_LIMIT: "#E69F00", Status.STALLED: "#D55E00",
    Status.NONFINITE_START: "#000000", Status.AT_BOUND: "#CC79A7",
    Status.DEGENERATE_TERM: "#8a8a8a",
}
"""The palette of Okabe and Ito, told apart by every common color vision."""
SIZES = LinearSegmentedColormap.from_list(
    "sizes", matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, 256))
)
"""Viridis without its pale end, which is lost on white paper."""
LABELS = {
    "N": "parameters N", "D": "training tokens D", "C": "training compute C (FLOPs)",
    "S": "scale S",
}
ENDINGS = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
RASTERIZE = 5000
"""Clouds with more points than this become pixels within a vector file."""
FLOOR = 1e-16
"""Lowest relative excess that the start plot shows: rounding."""


def plot_law(fit: FitResult, ax: Axes | None = None, by: str | None = None) -> Axes:
    """Plot the runs and the fitted law against scale.

    A law of N and D is drawn against compute, at a handful of fixed sizes, with the least loss
    that the law allows at each compute. A law of one input is drawn as a curve, continued beyond
    the runs, with its asymptote and the interval of its break. Any other law is drawn as predicted
    against observed loss.

    Args:
        fit: the result to draw.
        ax: axes to draw into; default a new figure.
        by: the input that colors the runs of a law with several inputs; default N, else the
            first. Curves of a law of N and D hold this input fixed.

    Returns:
        The axes; the figure is `ax.figure`.

    Raises:
        ValueError: `by` is not an input of the law, or the law has one input.
    """
    inputs = fit.law.inputs
    if by is not None and (len(inputs) < 2 or by not in inputs):
        allowed = f"one of {', '.join(inputs)}" if len(inputs) > 1 else "None for a law of one input"
        raise ValueError(f"by must be {allowed}, got {by!r}")
    by = by or ("N" if "N" in inputs else inputs[0])
    with _style():
        ax = _axes(ax)
        if set(inputs) == {"N", "D"}:
            _draw_joint(fit, ax, by)
        elif len(inputs) == 1:
            _draw_curve(fit, ax)
        else:
            _draw_observed(fit, ax, by)
    return ax


def plot_residuals(fit: FitResult, ax: Axes | None = None) -> Axes:
    """Plot the residuals against scale, with their distribution at the right.

    Args:
        fit: the result to draw. Residuals are of its own kind: log, relative or absolute.
        ax: axes to draw into; default a new figure.

    Returns:
        The axes. Suspects are ringed and carry the number of their row; the band is the quadratic
        zone of a Huber loss.
    """
    with _style():
        ax = _axes(ax)
        name, x = _scale(fit)
        y, p = fit.runs.loss, fit.prediction
        with np.errstate(all="ignore"):
            r = {"log": np.log(p / y), "relative": (p - y) / y}.get(fit.residual, p - y)
        delta = fit.loss["delta"]
        if delta is not None:
            inside = f"{fit.certificate.inside_delta:,} of {len(r):,} inside $\\delta$ = {delta:g}"
            ax.axhspan(-delta, delta, color="#F0C75E", alpha=0.7, lw=0, zorder=1, label=inside)
        ax.axhline(0, color=INK, lw=0.8, zorder=2)
        _cloud(ax, x, r, color=RUN, alpha=0.75)
        _log_axis(ax, "x", x, name)
        label = {"log": "log predicted / observed", "relative": "(predicted - observed) / observed"}
        ax.set_ylabel(label.get(fit.residual, "predicted - observed").replace(" - ", " \u2212 "))
        bulk = float(np.quantile(np.abs(r), 0.9))
        if bulk > 0 and np.abs(r).max() > 6 * bulk:
            _bend(ax, r, 1.5 * bulk)
        ax.margins(y=0.1)
        if len(fit.suspects):
            _ring(fit, ax, x, r)
        _histogram(ax, r)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
    return ax


def plot_starts(fit: FitResult, ax: Axes | None = None) -> Axes:
    """Plot where every start ended, sorted: the waterfall.

    Args:
        fit: the result to draw.
        ax: axes to draw into; default a new figure.

    Returns:
        The axes. Height is the value over the best one, less 1, no lower than 1e-16; a wide
        step at the bottom means that the best value is easily found again.
    """
    with _style():
        ax = _axes(ax)
        order = np.argsort(fit.start_values, kind="stable")  # NaN last
        values, status = fit.start_values[order], fit.start_status[order]
        best = float(np.nanmin(values))
        if fit.loss["loss"] != "absolute":  # whose starts end at a smoothed value
            best = min(best, fit.value)
        excess = values / best - 1 if best > 0 else values - best
        finite = np.isfinite(excess)
        excess = np.maximum(np.where(finite, excess, FLOOR), FLOOR)
        top = 10.0 ** np.ceil(np.log10(max(1.0, excess.max())) + 1)
        excess[~finite] = top
        share = (np.arange(len(values)) + 0.5) / len(values) * 100
        ax.axhspan(FLOOR / 30, SAME, color="#e9eef2", lw=0, zorder=0)
        for each in Status:
            mask = status == each
            if mask.any():
                label = f"{each.name.lower().replace('_', ' ')} ({mask.sum():,})"
                _cloud(ax, share[mask], excess[mask], color=STATUS_COLORS[each], label=label,
                       marker="o" if each in CONVERGED else "D", edge="none")
        at_best = fit.certificate.share_at_best
        ax.text(0.98, SAME / 3, f"{_percent(at_best)} of {len(values):,} starts at the best value",
                transform=ax.get_yaxis_transform(), ha="right", va="top", color=INK)
        ax.set(xlabel="starts, sorted (%)", xlim=(-1, 101), yscale="log", ylim=(FLOOR / 30, 30 * top))
        ax.set_ylabel("value / best \u2212 1" if best > 0 else "value \u2212 best")
        step = 4 if top <= 1e4 else 8
        powers = np.arange(-16, int(np.log10(top)) + 1, step)
        marks = [f"$10^{{{k}}}$" if k else "1" for k in powers]
        marks[0] = r"$\leq 10^{-16}$"
        _set_ticks(ax.yaxis, 10.0**powers, marks)
        ax.legend(loc="upper left", borderaxespad=0.3, labelspacing=0.3)
    return ax


def plot_fit(fit: FitResult) -> Figure:
    """Return a figure of the law, its residuals and its starts, titled with the fitted formula.

    Args:
        fit: the result to draw.

    Returns:
        A figure of 7.2 by 4.4 inches, the width of a page; write it with `save`.
    """
    with _style():
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.06, h_pad=0.05)
        grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1))
        law = figure.add_subplot(grid[:, 0])
        residuals = figure.add_subplot(grid[0, 1])
        starts = figure.add_subplot(grid[1, 1])
        name = type(fit.law).__name__
        head = f"{name}:  {_formula(fit)}"
        delta = fit.loss["delta"]
        loss = str(fit.loss["loss"]).capitalize() + ("" if delta is None else f" ({delta:g})")
        body = f"{len(fit.runs):,} runs, {loss} loss of {fit.residual} residuals"
        if not fit.certificate.trusted:
            body += "; not certified"
        figure.suptitle(f"{head}\n{body}", fontsize=9, color=INK)
    plot_law(fit, law)
    plot_starts(fit, starts)
    plot_residuals(fit, residuals)
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF; the same figure always gives the same bytes.

    Args:
        figure: the figure.
        path: the file; its ending decides the format.

    Raises:
        ValueError: the ending is none of those, or the folder does not exist.
    """
    path = Path(path)
    metadata = ENDINGS.get(path.suffix.lower())
    if metadata is None:
        raise ValueError(
            f"{path}: a figure is written as one of {', '.join(ENDINGS)}, got "
            f"{path.suffix or 'no ending'!r}"
        )
    if not path.parent.is_dir():
        raise ValueError(f"{path}: the folder {path.parent} does not exist; make it first")
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "jaxscale", "pdf.fonttype": 42}):
        figure.savefig(path, dpi=200, metadata=metadata)


def _draw_joint(fit: FitResult, ax: Axes, by: str) -> None:
    """Draw a law of N and D against compute: runs, curves at fixed `by`, frontier."""
    law, runs = fit.law, fit.runs
    flops = getattr(law, "flops", None) or SixND()
    column = runs.column(by, flops)
    _, C = _scale(fit)
    reach = np.geomspace(C.min() / 2, C.max() * 8, 240)
    norm = _norm(column)
    cloud = _cloud(ax, C, runs.loss, c=column, cmap=SIZES, norm=norm)
    distinct = np.unique(column)
    levels = distinct if len(distinct) <= 5 else _nice(column.min(), column.max(), 6)
    low, high = _limits(np.concatenate([runs.loss, fit.prediction]))
    for k, level in enumerate(levels):
        curve = predict(law, **{by: level, "C": reach})
        ax.plot(reach, np.where(curve < high * 1.3, curve, np.nan), color=SIZES(norm(level)), lw=1,
                zorder=2, label=f"law at fixed {by}" if k == len(levels) // 2 else None)
    frontier = _frontier(fit, reach, flops)
    ax.plot(reach, frontier, color=INK, lw=1.6, zorder=4, label="compute-optimal frontier")
    bound = _asymptote(fit)
    low = min(low, np.nanmin(frontier, initial=low) / 1.02)
    if bound is not None and low / 1.25 < bound[1] < high:
        ax.axhline(bound[1], color=MUTED, lw=1, ls="--", zorder=1,
                   label=f"{bound[0]} = {bound[1]:.3g}")
        low = min(low, bound[1] / 1.03)
    _log_axis(ax, "x", reach, "C")
    _log_axis(ax, "y", np.array([low, high]), "loss", tight=True)
    ax.set_ylabel(_loss_label(fit))
    _color_bar(ax, cloud, column, by)
    ax.legend(loc="upper right")


def _draw_curve(fit: FitResult, ax: Axes) -> None:
    """Draw a law of one input: runs, curve within and beyond them, asymptote, breaks."""
    law, (name,) = fit.law, fit.law.inputs
    x, y = fit.runs.column(name), fit.runs.loss
    span = np.log(x.max() / x.min())
    low, high = x.min() * np.exp(-0.05 * span), x.max() * np.exp(max(0.35 * span, np.log(2)))
    breaks = [float(getattr(law, k)) for k, s in law.parameters.items() if s.role == "breakpoint"]
    cuts = sorted({low, *(b for b in breaks if low < b < high), x.max(), high})
    _cloud(ax, x, y, color=RUN, label="runs")
    seen = [y]
    for a, b in zip(cuts, cuts[1:], strict=False):
        grid = np.geomspace(np.nextafter(a, b), b, 300)
        curve = predict(law, **{name: grid})
        beyond = a >= x.max()
        label = "extrapolated" if beyond else ("law" if a == low else None)
        ax.plot(grid, curve, color=LAW, alpha=0.45 if beyond else 1, zorder=4, label=label)
        seen.append(curve)
    for key, (left, right) in fit.intervals.items():
        label = f"{key}: {_short(left)} to {_short(right)}"
        ax.axvspan(left, right, color=STATUS_COLORS[Status.CONVERGED], alpha=0.25, lw=0, zorder=1,
                   label=label)
    bound, shown = _asymptote(fit), np.concatenate(seen)
    shown = shown[np.isfinite(shown)]
    rising = float(shown[-1]) > float(curve[0] if len(cuts) == 2 else seen[1][0])
    if bound is not None and abs(bound[1] - shown[-1]) < 3 * np.ptp(shown):
        ax.axhline(bound[1], color=MUTED, lw=1, ls="--", zorder=1,
                   label=f"{bound[0]} = {bound[1]:.3g}")
        shown = np.append(shown, bound[1])
    _log_axis(ax, "x", np.array([low, high]), name)
    if not rising and shown.min() > 0 and shown.max() / shown.min() > 2:
        _log_axis(ax, "y", np.array(_limits(shown)), "loss", tight=True)
    ax.set_ylabel(_loss_label(fit))
    ax.legend(loc="lower right" if rising else "upper right")


def _draw_observed(fit: FitResult, ax: Axes, by: str) -> None:
    """Draw predicted against observed loss."""
    column = fit.runs.column(by, getattr(fit.law, "flops", None))
    y, p = fit.runs.loss, fit.prediction
    cloud = _cloud(ax, y, p, c=column, cmap=SIZES, norm=_norm(column), label="runs")
    ends = np.array(_limits(np.concatenate([y, p])))
    ax.plot(ends, ends, color=INK, lw=1, zorder=2, label="predicted = observed")
    if ends[0] > 0 and ends[1] / ends[0] > 1.5:
        _log_axis(ax, "x", ends, "loss", tight=True)
        _log_axis(ax, "y", ends, "loss", tight=True)
    label = _loss_label(fit)
    ax.set(xlabel=f"observed {label}", ylabel=f"predicted {label}", xlim=ends, ylim=ends)
    _color_bar(ax, cloud, column, by)
    ax.legend(loc="upper left")


def _frontier(fit: FitResult, C: np.ndarray, flops: Any) -> np.ndarray:
    """Return the least loss [k] at each compute; NaN where the search range does not hold it."""
    N = fit.runs.column("N", flops)
    sizes = np.geomspace(N.min() / 1e4, N.max() * 1e4, 1600)
    D = np.asarray(tokens_for(flops, sizes[:, None], C[None, :]), float)
    with np.errstate(all="ignore"):
        loss = predict(fit.law, N=np.broadcast_to(sizes[:, None], D.shape), D=D)
    best = np.argmin(np.where(np.isfinite(loss), loss, np.inf), axis=0)
    inner = (best > 0) & (best < len(sizes) - 1)
    return np.where(inner, loss[best, np.arange(len(C))], np.nan)


def _asymptote(fit: FitResult) -> tuple[str, float] | None:
    """Return (name, value) of the offset that the law approaches as all inputs grow."""
    top = {name: fit.runs.column(name).max() for name in fit.law.inputs}
    with np.errstate(all="ignore"):
        far = [float(predict(fit.law, **{k: x * s for k, x in top.items()})) for s in (1e60, 1e120)]
    for name, spec in fit.law.parameters.items():
        value = float(getattr(fit.law, name))
        first, second = (abs(p - value) for p in far)
        if spec.role == "offset" and second <= max(0.9 * first, 1e-9 * abs(value)):
            return name, value
    return None


def _scale(fit: FitResult) -> tuple[str, np.ndarray]:
    """Return (name, values [n]) of what the residuals are drawn against: C where there is one."""
    flops, inputs = getattr(fit.law, "flops", None) or SixND(), fit.law.inputs
    if {"N", "D"} <= set(inputs):  # the law's own compute, whatever a column C says
        return "C", np.asarray(flops(fit.runs.column("N", flops), fit.runs.column("D", flops)))
    name = "C" if "C" in inputs or "C" in fit.runs.columns else inputs[0]
    return name, fit.runs.column(name, flops)


def _loss_label(fit: FitResult) -> str:
    """Return the loss with its unit, or what the source calls its performance."""
    called = fit.runs.names.get("loss", "loss")
    if re.sub(r"[^a-z0-9]", "", called.lower()) not in ALIASES["loss"]:
        return called.replace("$", r"\$")
    return "loss (nats/token)" if set(fit.law.inputs) <= set("NDC") else "loss"


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context(STYLE):
        yield


def _axes(ax: Axes | None) -> Axes:
    """Return the axes, or those of a new figure, with open frame and our sizes."""
    if ax is None:
        ax = Figure(figsize=(4.6, 3.4), layout="constrained").add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(which="both", labelsize=STYLE["xtick.labelsize"], width=0.7)
    ax.grid(color="#e6e6e6", lw=0.5)
    ax.set_axisbelow(True)
    return ax


def _cloud(ax: Axes, x: np.ndarray, y: np.ndarray, **style: Any) -> Any:
    edge = style.pop("edge", "white")
    many = len(x) > 500
    style = {"s": 5 if many else 15, "linewidths": 0.3, "zorder": 3, **style}
    edge = "none" if many else edge
    return ax.scatter(x, y, edgecolors=edge, rasterized=len(x) > RASTERIZE, **style)


def _norm(column: np.ndarray) -> LogNorm:
    low, high = column.min(), column.max()
    return LogNorm(low, high if high > low else 2 * low)


def _color_bar(ax: Axes, cloud: Any, column: np.ndarray, name: str) -> None:
    bar = ax.figure.colorbar(cloud, ax=ax, pad=0.02, aspect=32)
    ticks = _nice(column.min(), column.max(), 8)
    _set_ticks(bar.ax.yaxis, ticks, [_short(t) for t in ticks])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=STYLE["ytick.labelsize"], width=0.7)
    bar.set_label(_name(name))


def _bend(ax: Axes, r: np.ndarray, width: float) -> None:
    """Make the vertical axis logarithmic beyond `width`, so that outliers do not flatten it."""
    width = 10.0 ** np.round(np.log10(width) * 2) / 2
    ax.set_yscale("symlog", linthresh=width, linscale=1.5)


def _ring(fit: FitResult, ax: Axes, x: np.ndarray, r: np.ndarray, most: int = 12) -> None:
    """Ring the suspects; name the rows of the largest, where the labels find room."""
    which = fit.suspects[np.argsort(-np.abs(r[fit.suspects]), kind="stable")]
    ax.scatter(x[which], r[which], s=38, facecolors="none", edgecolors=ALERT, linewidths=0.9,
               zorder=5, label=f"suspects, with row ({len(which)})")
    ax.get_figure(root=True).draw_without_rendering()  # so that pixels are where they will be
    pixels = ax.transData.transform(np.column_stack([x, r]))[which]
    frame, unit = ax.get_window_extent(), ax.figure.dpi / 72
    taken = [(px - 4 * unit, py - 4 * unit, px + 4 * unit, py + 4 * unit) for px, py in pixels]
    for k, (px, py) in zip(which[:most], pixels, strict=False):
        text = str(fit.runs.rows[k])
        w, h = 4.4 * len(text) * unit, 7 * unit
        for dx, dy in ((5, 0), (-5, 0), (4, 7), (-4, 7), (4, -7), (-4, -7), (0, 9), (0, -9)):
            left = px + dx * unit - w * (dx < 0) - w / 2 * (dx == 0)
            box = (left, py + dy * unit - h / 2, left + w, py + dy * unit + h / 2)
            apart = all(box[0] > b[2] or box[2] < b[0] or box[1] > b[3] or box[3] < b[1]
                        for b in taken)
            if apart and frame.x0 < box[0] and box[2] < frame.x1 and frame.y0 < box[1] < frame.y1:
                ax.annotate(text, (x[k], r[k]), (dx, dy), textcoords="offset points", color=ALERT,
                            fontsize=6.5, va="center", zorder=6,
                            ha={1: "left", -1: "right", 0: "center"}[int(np.sign(dx))])
                taken.append(box)
                break


def _histogram(ax: Axes, r: np.ndarray) -> None:
    """Add a slim histogram at the right, in bins of equal height on the page."""
    side = ax.inset_axes((1.01, 0, 0.12, 1), sharey=ax)
    scale = ax.yaxis.get_transform()
    ends = scale.transform(np.array(ax.get_ylim()))
    edges = scale.inverted().transform(np.linspace(*ends, 33))
    side.hist(r, edges, orientation="horizontal", color=RUN, alpha=0.75)
    side.axis("off")


def _set_ticks(axis: Any, ticks: Any, labels: list[str]) -> None:
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter(labels))
    axis.set_minor_locator(NullLocator())


def _log_axis(ax: Axes, which: str, values: np.ndarray, name: str, tight: bool = False) -> None:
    """Make an axis logarithmic, with a few round ticks and the label of a column."""
    low, high = values.min(), values.max()
    margin = 1.0 if tight else (high / low) ** 0.03 if high > low else 2.0
    ax.set(**{f"{which}scale": "log", f"{which}lim": (low / margin, high * margin)})
    ticks = _nice(low / margin, high * margin, 6)
    power = name == "C" or high >= 1e16 or low < 1e-4
    _set_ticks(getattr(ax, f"{which}axis"), ticks, [_power(t) if power else _short(t) for t in ticks])
    ax.set(**{f"{which}label": _name(name)})


def _nice(low: float, high: float, most: int) -> np.ndarray:
    """Return at most `most` round numbers, evenly spread over a range in logarithm."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    rich = ((1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9), (1, 1.5, 2, 3, 4, 5, 7),
            (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
    for step, mantissas in [(1, m) for m in rich] + [(s, (1,)) for s in range(2, 400)]:
        powers = range(first - first % step, last + 1, step)
        ticks = np.array([m * 10.0**k for k in powers for m in mantissas])
        ticks = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
        if len(ticks) <= most:
            break
    return ticks if len(ticks) > 1 else np.linspace(low, high, 3)


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if low > 0:
        margin = (high / low) ** 0.05
        return low / margin, high * margin
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _short(value: float) -> str:
    """Return a count as people write it: 100M, 1.5B."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size * (1 - 1e-9):
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _power(value: float) -> str:
    exponent = int(np.floor(np.log10(value) + 1e-9))
    front = value / 10.0**exponent
    head = "" if abs(front - 1) < 1e-6 else rf"{front:.3g} \times "
    return f"${head}10^{{{exponent}}}$"


def _percent(share: float) -> str:
    text = f"{100 * share:.1f}"
    return "all" if share == 1 else f"{text.removesuffix('.0')} %"


def _name(name: str) -> str:
    return LABELS.get(name, name).replace("$", r"\$")


def _formula(fit: FitResult) -> str:
    """Return the law's formula set as mathematics, or as it stands where that fails."""
    text = type(fit.law).formula()
    plain = text.replace("$", r"\$")
    if not re.fullmatch(r"[\w\s()\[\]+\-*/^=<>,.]+", text):
        return plain
    greek = ("alpha", "beta", "gamma", "delta", "log", "exp")

    def word(match: re.Match[str]) -> str:
        stem, _, foot = match[0].partition("_")
        stem, digits = re.fullmatch(r"(.*?)(\d*)", stem).groups()
        foot = "_".join(filter(None, (digits, foot)))
        if stem in greek:
            stem = f"\\{stem} "
        elif len(stem) > 2:
            stem = rf"\mathrm{{\ {stem}\ }}"
        return stem + (rf"_{{{foot if len(foot) < 2 else word(re.match('.*', foot))}}}" if foot else "")

    text = re.sub(r"\^(-?[\w.]+|\([^()]*\))", r"^{\1}", text).replace("<=", r"\leq ")
    text = "$" + re.sub(r"(?<!\\)\b[A-Za-z]\w*", word, text).replace(" ", r"\,") + "$"
    try:
        MathTextParser("path").parse(text)
    except ValueError:
        return plain
    return text
