"""Figures made from a `FitResult` and from nothing else: law, residuals, starts.

Each draws into given axes or a figure of its own and returns the axes. No global state changes.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure

from jaxscale._durable import write_atomically
from jaxscale.certificate import CONVERGED, SAME
from jaxscale.engine import Status
from jaxscale.flops import complete
from jaxscale.labels import as_written, formula
from jaxscale.laws import predict
from jaxscale.result import FitResult

STYLE: Any = {"font.size": 8, "legend.fontsize": 7, "legend.labelspacing": 0.2}
STYLE |= {"legend.title_fontsize": 7, "legend.handlelength": 1.5, "legend.edgecolor": "none"}
INK, MUTED, RUN, LAW, ALERT = "#222222", "#8a8a8a", "#0072B2", "#D55E00", "#CC3311"
HUES = "#009E73 #56B4E9 #0072B2 #E69F00 #D55E00 #000000 #CC79A7 #8a8a8a".split()  # by Status
# Colors of Okabe and Ito, told apart by all; viridis without its pale end, lost on white paper.
SIZES = LinearSegmentedColormap.from_list("s", matplotlib.colormaps["viridis"](np.arange(230)))
LABELS = {"N": "parameters N", "D": "training tokens D", "C": "training compute C (FLOPs)"}
LABELS |= {"log": "log (predicted / observed)", "relative": "predicted / observed \u2212 1"}
LABELS |= {"absolute": "predicted \u2212 observed"}
ENDINGS = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}  # what makes files differ
RASTERIZE = 5000  # points beyond which a cloud becomes pixels within a vector file
FLOOR, CEILING = 1e-16, 1e4  # excess over the best value, from rounding to hopeless


def plot_law(fit: FitResult, ax: Axes | None = None, by: str | None = None) -> Axes:
    """Plot the runs and the fitted law against scale.

    Against compute for a law of N and D, at a few fixed sizes and at the best; as a curve for one
    input, with its asymptote and its break; for any other law, predicted against observed.

    Args:
        fit: the result to draw.
        ax: axes to draw into; default a new figure.
        by: of several inputs, the one that colors the runs and that curves hold fixed; default N.

    Returns:
        The axes; the figure is `ax.figure`.

    Raises:
        ValueError: `by` is not an input of the law, or the law has only one.
    """
    inputs = fit.law.inputs
    if by is not None and (len(inputs) < 2 or by not in inputs):
        allowed = ", ".join(inputs) if len(inputs) > 1 else "left out: the law has one input"
        raise ValueError(f"by={by!r}; allowed: {allowed}")
    with matplotlib.rc_context(STYLE):
        ax = _axes(ax)
        joint = set(inputs) == {"N", "D"}
        draw = _draw_joint if joint else _draw_curve if len(inputs) == 1 else _draw_observed
        draw(fit, ax, by or ("N" if "N" in inputs else inputs[0]))
    return ax


def plot_residuals(fit: FitResult, ax: Axes | None = None) -> Axes:
    """Plot the residuals against scale, with their distribution at the right.

    Args:
        fit: the result to draw; residuals are of its own kind (log, relative or absolute).
        ax: axes to draw into; default a new figure.

    Returns:
        The axes: suspects ringed and named by row, a band where a Huber loss is quadratic.
    """
    y, p, delta = fit.runs.loss, fit.prediction, fit.loss["delta"]
    r = {"log": np.log(np.abs(p / y)), "relative": p / y - 1}.get(fit.residual, p - y)
    with matplotlib.rc_context(STYLE):
        ax = _axes(ax)
        if delta is not None:
            inside = f"{fit.certificate.inside_delta:,} of {len(r):,} inside $\\delta$ = {delta:g}"
            ax.axhspan(-delta, delta, color="#F0C75E", alpha=0.7, lw=0, zorder=1, label=inside)
        ax.axhline(0, color=INK, lw=0.8, zorder=2)
        name, x = _scale(fit)
        _cloud(ax, x, r, color=RUN, alpha=0.8 if len(r) <= 500 else 0.4)
        _log_axis(ax, "x", x.min(), x.max(), name)
        ax.set(ylabel=LABELS[fit.residual], ymargin=0.1)
        bulk = 1.5 * float(np.quantile(np.abs(r), 0.9))
        if np.abs(r).max() > 5 * bulk > 0:
            ax.set_yscale("asinh", linear_width=bulk)
            ticks = 10.0 ** np.arange(np.round(np.log10(bulk)), np.log10(np.abs(r).max()) + 1)
            ticks = np.concatenate([-ticks[::-1], [0.0], ticks])
            ax.set_yticks(ticks, [f"{tick:g}".replace("-", "\u2212") for tick in ticks])
            ax.set_yticks([], minor=True)
            ax.set_ylim(1.5 * min(r.min(), -bulk), 1.5 * max(r.max(), bulk))
        if len(r) >= 20:
            side = ax.inset_axes((1.01, 0, 0.12, 1), sharey=ax)
            scale: Any = ax.yaxis.get_transform()
            low, high = scale.transform(np.array(ax.get_ylim()))
            edges = scale.inverted().transform(np.linspace(low, high, 33))
            side.hist(r, edges, orientation="horizontal", color=RUN)
            side.axis("off")
        if len(fit.suspects):
            _ring(fit, ax, x, r)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2, columnspacing=1)
    return ax


def plot_starts(fit: FitResult, ax: Axes | None = None) -> Axes:
    """Plot where every start ended, sorted: the waterfall.

    Args:
        fit: the result to draw.
        ax: axes to draw into; default a new figure.

    Returns:
        The axes. Height is value / best - 1 between 1e-16 and 1e4, where also the starts stand
        that ended nowhere; the shaded zone counts as the best value.
    """
    order = np.argsort(fit.start_values, kind="stable")  # NaN last
    values, status = fit.start_values[order], fit.start_status[order]
    smoothed = fit.loss["loss"] == "absolute"  # its starts end at another value than the fit
    best = min(float(np.nanmin(values)), np.inf if smoothed else fit.value)
    excess = values / best - 1 if best > 0 else values - best
    excess = np.clip(np.nan_to_num(excess, nan=CEILING), FLOOR, CEILING)
    share = (np.arange(len(values)) + 0.5) / len(values) * 100
    hits = round(fit.certificate.share_at_best * len(values))
    with matplotlib.rc_context(STYLE):
        ax = _axes(ax)
        ax.axhspan(FLOOR / 50, SAME, color="#e9eef2", lw=0, zorder=0)
        for each in map(Status, np.unique(status)):
            mask = status == each
            label = f"{each.name.lower().replace('_', ' ')} ({mask.sum():,})"
            style = dict(marker="o" if each in CONVERGED else "D", s=9, linewidths=0, label=label)
            _cloud(ax, share[mask], excess[mask], color=HUES[each], **style)
        ax.set(xlabel="starts, sorted (%)", xlim=(-1.5, 101.5), yscale="log")
        ax.set_ylabel("value / best \u2212 1" if best > 0 else "value \u2212 best")
        marks = [r"$\leq 10^{-16}$", "$10^{-12}$", "$10^{-8}$", "$10^{-4}$", "1"]
        ax.set_yticks(10.0 ** np.arange(-16, 5, 4), [*marks, r"$\geq 10^4$"])
        ax.set_yticks([], minor=True)
        ax.set_ylim(FLOOR / 50, CEILING * 50)
        title = f"{hits:,} of {len(values):,} starts at the best value"
        at: Any = dict(loc="upper right", bbox_to_anchor=(1, SAME), borderpad=0, frameon=False)
        ax.legend(title=title, alignment="left", bbox_transform=ax.get_yaxis_transform(), **at)
    return ax


def plot_fit(fit: FitResult) -> Figure:
    """Return a figure of the law, its residuals and its starts, titled with the formula.

    Args:
        fit: the result to draw.

    Returns:
        A figure as wide as a page, 7.2 by 4.4 inches; write it with `save`.
    """
    law, loss = type(fit.law), fit.loss["loss"].capitalize()
    title = f"{law.__name__}:  {formula(law.formula())}\n{len(fit.runs):,} runs, "
    title += f"{loss} loss of {fit.residual} residuals"
    title += "" if fit.certificate.trusted else "; not certified"
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        figure.suptitle(title, fontsize=9, color=INK)
        axes = figure.subplot_mosaic("ab;ac", width_ratios=(1.2, 1))
        plot_law(fit, axes["a"])
        plot_starts(fit, axes["c"])
        plot_residuals(fit, axes["b"])  # last: its labels look for room on the finished page
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF; the same figure always gives the same bytes.

    Args:
        figure: the figure.
        path: the file; its ending decides the format.

    Raises:
        ValueError: the ending is none of those, or the folder does not exist.
        OSError: the file could not be written; an old one is whole.
    """
    path, ending = Path(path), Path(path).suffix.lower()
    wrong = "" if path.parent.is_dir() else f"there is no folder {str(path.parent)!r}"
    wrong = wrong if ending in ENDINGS else f"a figure file ends in one of {', '.join(ENDINGS)}"
    if wrong:
        raise ValueError(f"{path}: {wrong}")
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "jaxscale", "pdf.fonttype": 42}):
        picture = io.BytesIO()
        figure.savefig(picture, format=ending[1:], dpi=200, metadata={ENDINGS[ending]: None})
    write_atomically(path, picture.getvalue())


def _draw_joint(fit: FitResult, ax: Axes, by: str) -> None:
    """Draw a law of N and D against compute: runs, curves at fixed `by`, frontier."""
    law, flops, other = fit.law, getattr(fit.law, "flops", None), "D" if by == "N" else "N"
    column, along, C = _column(fit, by), _column(fit, other), _scale(fit)[1]
    distinct = np.unique(column)
    levels = distinct if len(distinct) <= 5 else _nice(column.min(), column.max(), 6)
    cloud = _colored(ax, (C, fit.runs.loss), column, by, levels)
    low, high = _widen(fit.runs.loss, fit.prediction)
    grid = np.geomspace(along.min() / 4, along.max() * 4, 240)
    for k, level in enumerate(levels):
        at, color = {by: level, other: grid}, SIZES(cloud.norm(level))
        label = f"law at fixed {by}" if k == len(levels) // 2 else None
        x, y = complete(**at, flops=flops)[2], predict(law, **at)
        ax.plot(x, y, color=color, lw=1, zorder=3.5 if len(C) > 500 else 2, label=label)
    reach = np.geomspace(C.min() / 2, C.max() * 8, 240)
    sizes = _column(fit, "N")[0] * np.geomspace(1e-8, 1e8, 2500)
    losses = predict(law, N=sizes[:, None], C=reach[None, :])
    best = np.argmin(np.where(np.isfinite(losses), losses, np.inf), axis=0)
    inner = (best > 0) & (best < len(sizes) - 1)  # else the law has no best size
    if inner.any():
        frontier = np.where(inner, losses[best, np.arange(len(reach))], np.nan)
        ax.plot(reach, frontier, color=INK, lw=1.7, zorder=4, label="compute-optimal frontier")
        low = min(low, np.nanmin(frontier) / 1.02)
    low = min(low, _draw_asymptote(fit, ax, low / 1.25, high, low) / 1.03)
    _log_axis(ax, "x", reach[0], reach[-1], "C")
    if low > 0:
        _log_axis(ax, "y", low, high)
    ax.set(ylabel=_loss_label(fit), ylim=(low, high))
    ax.legend(loc="upper right")


def _draw_curve(fit: FitResult, ax: Axes, name: str) -> None:
    """Draw a law of one input: runs, curve within and beyond them, asymptote, breaks."""
    law, x, y = fit.law, _column(fit, name), fit.runs.loss
    span = x.max() / x.min()
    first, last = x.min() * span**-0.05, x.max() * max(span**0.35, 2.0)
    breaks = [float(getattr(law, k)) for k, s in law.parameters.items() if s.role == "breakpoint"]
    cuts = sorted({first, *(b for b in breaks if first < b < last), x.max(), last})
    seen = np.concatenate([y, fit.prediction])
    low, high = seen.min() - 0.4 * np.ptp(seen), seen.max() + 0.4 * np.ptp(seen)
    _cloud(ax, x, y, color=RUN, label="runs")
    for a, b in zip(cuts, cuts[1:], strict=False):
        grid = np.geomspace(np.nextafter(a, b), b, 300)
        curve = predict(law, **{name: grid})
        curve = np.where((curve > low) & (curve < high), curve, np.nan)
        beyond = a >= x.max()
        label = "extrapolated" if beyond else ("law" if a == first else None)
        ax.plot(grid, curve, color=LAW, alpha=0.45 if beyond else 1, zorder=4, label=label)
        seen = np.append(seen, curve[np.isfinite(curve)])
    for key, (left, right) in fit.intervals.items():
        label = f"{key}: {_short(left, left > 1e15)} to {_short(right, left > 1e15)}"
        ax.axvspan(left, right, color=HUES[0], alpha=0.25, lw=0, zorder=1, label=label)
    seen = np.append(seen, _draw_asymptote(fit, ax, low, high, seen.min()))
    rising = np.polyfit(np.log(x), y, 1)[0] > 0
    _log_axis(ax, "x", first, last, name)
    if not rising and seen.min() > 0 and seen.max() / seen.min() > 2:
        _log_axis(ax, "y", *_widen(seen))
    ax.set_ylabel(_loss_label(fit))
    ax.legend(loc="lower right" if rising else "upper right")


def _draw_observed(fit: FitResult, ax: Axes, by: str) -> None:
    """Draw predicted against observed loss."""
    y, p, column, label = fit.runs.loss, fit.prediction, _column(fit, by), _loss_label(fit)
    _colored(ax, (y, p), column, by, _nice(column.min(), column.max(), 7))
    ends = _widen(y, p)
    ax.plot(ends, ends, color=INK, lw=1, zorder=2, label="predicted = observed")
    ax.set(xlabel=f"observed {label}", ylabel=f"predicted {label}", xlim=ends, ylim=ends)
    ax.legend(loc="upper left")


def _draw_asymptote(fit: FitResult, ax: Axes, low: float, high: float, default: float) -> float:
    """Draw and return the offset that the law approaches; `default` if none is within range."""
    top = {name: _column(fit, name).max() for name in fit.law.inputs}
    near, far = (float(fit.predict(**{k: x * s for k, x in top.items()})) for s in (1e60, 1e120))
    for name, spec in fit.law.parameters.items():
        value = float(getattr(fit.law, name))
        reached = abs(far - value) <= max(0.9 * abs(near - value), 1e-9 * abs(value))
        if spec.role == "offset" and reached and low < value < high:
            ax.axhline(value, color=MUTED, lw=1, ls="--", zorder=1, label=f"{name} = {value:.3g}")
            return value
    return default


def _ring(fit: FitResult, ax: Axes, x: np.ndarray, r: np.ndarray) -> None:
    """Ring the suspects; name the rows of the largest, where the labels find room."""
    which = fit.suspects[np.argsort(-np.abs(r[fit.suspects]), kind="stable")]
    data, unit = np.column_stack([x, r])[which], ax.figure.dpi / 72
    ax.plot(*data.T, "o", ms=6, mfc="none", mec=ALERT, zorder=5, label="suspect (row)")
    root: Any = ax.get_figure(root=True)
    root.draw_without_rendering()  # so that pixels are where they will be
    points = ax.transData.transform(data) / unit
    frame = np.reshape(ax.get_window_extent().extents, (2, 2)) / unit
    taken = [(point - 4, point + 4) for point in points]
    for k, point in zip(which[:12], points, strict=False):
        text = str(fit.runs.rows[k])
        size = np.array([4.2 * len(text), 6.0])
        for side in ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1.5), (0, -1.5)):
            center = point + np.array(side) * (5.5 + size[0] / 2, 6.0)
            a, b = center - size / 2, center + size / 2
            free = all((a > d).any() or (b < c).any() for c, d in taken)
            if free and (a > frame[0]).all() and (b < frame[1]).all():
                at = dict(xytext=center - point, textcoords="offset points", ha="center")
                ax.annotate(text, (x[k], r[k]), va="center", color=ALERT, fontsize=6.5, **at)
                taken.append((a, b))
                break


def _column(fit: FitResult, name: str) -> np.ndarray:
    return fit.runs.column(name, getattr(fit.law, "flops", None))


def _scale(fit: FitResult) -> tuple[str, np.ndarray]:
    """Return (name, values [n]) of what residuals are drawn against: C where there is one."""
    if {"N", "D"} <= set(fit.law.inputs):  # the law's own compute, whatever a column C says
        N, D, flops = _column(fit, "N"), _column(fit, "D"), getattr(fit.law, "flops", None)
        return "C", np.asarray(complete(N=N, D=D, flops=flops)[2], float)
    name = "C" if "C" in fit.runs.columns else fit.law.inputs[0]
    return name, _column(fit, name)


def _loss_label(fit: FitResult) -> str:
    """Return the loss with its unit, or what the source calls its performance."""
    called = fit.runs.names.get("loss", "loss")
    if "loss" not in called.lower() and called not in "Ll":
        return as_written(called)
    return "loss (nats/token)" if set(fit.law.inputs) <= set("NDC") else "loss"


def _axes(ax: Axes | None) -> Axes:
    ax = ax or Figure(figsize=(4.6, 3.4), layout="constrained").add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e6e6e6", lw=0.5)
    return ax


def _cloud(ax: Axes, x: np.ndarray, y: np.ndarray, **style: Any) -> Any:
    look = dict(s=15, linewidths=0.3, edgecolors="w") if len(x) <= 500 else dict(s=6, linewidths=0)
    return ax.scatter(x, y, zorder=3, rasterized=len(x) > RASTERIZE, **(look | style))


def _colored(ax: Axes, points: Any, column: np.ndarray, name: str, ticks: np.ndarray) -> Any:
    """Scatter with colors by the logarithm of a column, explained by a bar; return the cloud."""
    cloud = _cloud(ax, *points, c=column, cmap=SIZES, norm=LogNorm(column.min(), column.max()))
    bar = ax.figure.colorbar(cloud, ax=ax, pad=0.02, aspect=32)
    bar.set_ticks(list(ticks), labels=[_short(tick) for tick in ticks])
    bar.minorticks_off()
    bar.set_label(LABELS.get(name) or as_written(name))
    cloud.set_alpha(1.0 if len(column) <= 500 else 0.4)  # after the bar, which stays opaque
    return cloud


def _log_axis(ax: Axes, which: str, low: float, high: float, name: str = "") -> None:
    """Make an axis logarithmic with round ticks; a name adds margins and the axis label."""
    margin = max((high / low) ** 0.03, 1.1) if name else 1.0
    low, high, powers = low / margin, high * margin, name == "C" or high > 1e15 or low < 1e-4
    ticks = _nice(low, high, 4 if powers and high / low < 1e4 else 7)
    label = LABELS.get(name) or as_written(name)
    axis = getattr(ax, f"{which}axis")
    ax.set(**{f"{which}lim": (low, high), f"{which}scale": "log", f"{which}label": label})
    axis.set_ticks(ticks, labels=[_short(tick, powers) for tick in ticks])
    axis.set_ticks([], minor=True)


def _nice(low: float, high: float, most: int) -> np.ndarray:
    """Return at most `most` round numbers, evenly spread over a range in logarithm."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    rich: list[Any] = [np.arange(10, 100, k) / 10 for k in (1, 2, 5)]
    rich += [(1, 1.5, 2, 3, 5), (1, 2, 5), (1, 3)]
    for step, mantissas in [*((1, m) for m in rich), *((k, (1,)) for k in range(1, 400))]:
        powers = range(first - first % step, last + 1, step)
        ticks = np.array([m * 10.0**k for k in powers for m in mantissas])
        ticks = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
        if len(ticks) <= most:
            break
    return ticks if len(ticks) > 1 else np.array([low, high])


def _widen(*values: np.ndarray) -> tuple[float, float]:
    """Return the range of values with margins, in logarithm where they are positive."""
    low, high = float(np.min(values)), float(np.max(values))
    room = (high / low) ** 0.05 if low > 0 else 0.05 * (high - low)
    return (low / room, high * room) if low > 0 else (low - room, high + room)


def _short(value: float, powers: bool = False) -> str:
    """Return a count as people write it, 100M or 1.5B, or as a power of ten."""
    if powers:
        front, exponent = f"{value:.2e}".split("e")
        head = "" if float(front) == 1 else rf"{float(front):g} \times "
        return f"${head}10^{{{int(exponent)}}}$"
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size * (1 - 1e-9):
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
