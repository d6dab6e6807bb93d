"""The figures of a report; each is labelled with device, dtype, cores and processor.

A function takes a document and returns a figure, or None where the document has no data for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from . import tables

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
MARKERS = "osD^vPX"


def _axes(result: dict[str, Any], title: str, size: tuple[float, float] = (7, 4.6)) -> Any:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    figure.supxlabel(tables.label(result), fontsize=7, color="0.35")
    return figure, axes


def _sweep(result: dict[str, Any], name: str) -> dict[str, list[dict[str, Any]]]:
    """Return the records of a sweep by dtype."""
    found: dict[str, list[dict[str, Any]]] = {}
    for r in result["records"]:
        if r["suite"] == "scaling" and r["extra"].get("sweep") == name and r["wall_s"]:
            found.setdefault(r["dtype"], []).append(r)
    return found


def _plain(value: float, _: Any = None) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _log_axis(axis: Any, ticks: list[float] | None = None) -> None:
    axis.set_major_formatter(FuncFormatter(_plain))
    axis.set_minor_formatter(NullFormatter())
    if ticks is not None:
        axis.set_ticks(ticks)
        axis.set_minor_locator(NullLocator())


def _line(axes: Axes, x: list[float], spreads: list[Any], k: int, label: str) -> None:
    """Draw medians with a bar from the lowest to the highest round."""
    y = np.array([s[0] for s in spreads])
    bars = np.abs(np.array([[s[1], s[2]] for s in spreads]).T - y)
    axes.errorbar(x, y, bars, color=COLORS[k % 7], marker=MARKERS[k % 7], ms=5, capsize=3,
                  lw=1.6, elinewidth=1, label=label)  # fmt: skip


def _rate(r: dict[str, Any]) -> tuple[float, float, float]:
    wall = r["wall_s"]
    return tuple(r["lanes"] / wall[key] for key in ("median", "high", "low"))  # type: ignore


def throughput(result: dict[str, Any]) -> Figure | None:
    """Fits per second against the number of starts, and against slab width."""
    starts, widths = _sweep(result, "starts"), _sweep(result, "width")
    if not starts and not widths:
        return None
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    panels = ((starts, "lanes", "starts of a search"), (widths, "width", "slab width (lanes)"))
    for axes, (groups, key, label) in zip(both, panels, strict=True):
        for k, (dtype, records) in enumerate(groups.items()):
            x = [r["lanes"] if key == "lanes" else r["extra"]["width"] for r in records]
            _line(axes, x, [_rate(r) for r in records], k, dtype)
            axes.set_xscale("log")
            _log_axis(axes.xaxis, x)
        axes.set_xlabel(label)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.08)
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.set_major_formatter(FuncFormatter(_plain))
        axes.legend(frameon=False, loc="lower right")
    both[0].set_ylabel("fits per second")
    first = next(iter((starts or widths).values()))[0]
    figure.suptitle(f"Throughput, Chinchilla on {first['n']} runs: median and range of rounds",
                    fontsize=11, fontweight="bold", x=0.01, ha="left")  # fmt: skip
    figure.supxlabel(tables.label(result), fontsize=7, color="0.35")
    return figure


def cost(result: dict[str, Any]) -> Figure | None:
    """CPU nanoseconds per lane, run and step against the number of runs."""
    own, ruler = _sweep(result, "n"), _sweep(result, "ruler")
    if not own:
        return None
    figure, axes = _axes(result, "Cost of one step, per lane and run")
    groups = {f"jaxscale {k} (value, gradient, Hessian, step)": v for k, v in own.items()}
    if ruler:
        groups["NumPy (value and gradient only)"] = next(iter(ruler.values()))
    for k, (label, records) in enumerate(groups.items()):
        unit = [r["ns_per_lane_run_step"] / r["cpu_s"]["median"] for r in records]
        spreads = [
            tuple(u * r["cpu_s"][key] for key in ("median", "low", "high"))
            for u, r in zip(unit, records, strict=True)
        ]
        x = [r["n"] for r in records]
        _line(axes, x, spreads, k, label)
        axes.set_xscale("log")
        _log_axis(axes.xaxis, x)
    axes.set_yscale("log")
    _log_axis(axes.yaxis, [5, 10, 20, 50, 100, 200])
    axes.set_xlabel("runs n in the table")
    axes.set_ylabel("CPU ns per lane, run and step")
    axes.legend(frameon=False)
    return figure


def strong(result: dict[str, Any]) -> Figure | None:
    """Speedup over host devices: one child process per point and round."""
    records = [r for group in _sweep(result, "devices").values() for r in group]
    if len(records) < 2:
        return None
    figure, axes = _axes(result, f"Strong scaling, {records[0]['lanes']:,} starts", (5.6, 4.4))
    one = np.array(records[0]["wall_s"]["rounds"])
    x = [r["devices"] for r in records]
    ratios = [one / np.array(r["wall_s"]["rounds"]) for r in records]
    _line(axes, x, [(np.median(q), q.min(), q.max()) for q in ratios], 0, "measured")
    axes.plot(x, x, ls="--", color="0.6", label="ideal")
    axes.set_xticks(x)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("host devices")
    axes.set_ylabel("times faster than one device (wall)")
    axes.legend(frameon=False, loc="upper left")
    return figure


def curve(times: dict[str, list[float]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the performance profile (Dolan and Moré 2002).

    Args:
        times: per method, seconds to a solution on each problem; infinite where it has none.

    Returns:
        Per method (factor, share): the share of problems solved within a factor of the fastest.
    """
    table = np.array(list(times.values()))
    fastest = table.min(axis=0)
    with np.errstate(invalid="ignore"):
        factor = np.where(np.isfinite(table), table / fastest, np.inf)
    count = table.shape[1]
    found = {}
    for name, row in zip(times, factor, strict=True):
        solved = np.sort(row[np.isfinite(row)])
        found[name] = (solved, np.arange(1, len(solved) + 1) / count)
    return found


def _times(records: list[dict[str, Any]]) -> dict[str, list[float]]:
    problems = list(dict.fromkeys(r["problem"] for r in records))
    times: dict[str, list[float]] = {}
    for r in records:
        name = r["method"] + ("" if r["family"] != "jaxscale" else f" {r['dtype']}")
        row = times.setdefault(name, [np.inf] * len(problems))
        if r["wall_s"] and all(r["extra"]["solved"]):
            row[problems.index(r["problem"])] = r["wall_s"]["median"]
    return times


def profile(result: dict[str, Any]) -> Figure | None:
    """Performance profile over all tables of the suite `gold`."""
    records = [r for r in result["records"] if r["suite"] == "gold" and not r["skipped"]]
    if not records:
        return None
    count = len({r["problem"] for r in records})
    title = f"Performance profile over {count} tables: time to within 1e-6 of the best"
    figure, axes = _axes(result, title, (9, 4.4))
    curves = curve(_times(records))
    end = max([x[-1] for x, _ in curves.values() if len(x)], default=1.0) * 2
    for k, (name, (x, y)) in enumerate(curves.items()):
        label = f"{name} ({len(x)} of {count})"
        x, y = np.r_[1, x, end], np.r_[0, y, y[-1] if len(y) else 0]
        axes.step(x, y, where="post", color=COLORS[k % 7], lw=1.8, label=label)
    axes.set_xscale("log")
    _log_axis(axes.xaxis)
    axes.set_xlim(0.9, end)
    axes.set_ylim(-0.02, 1.04)
    axes.set_xlabel("times the fastest method's wall seconds on a table")
    axes.set_ylabel("share of tables solved")
    figure.legend(loc="outside right center", frameon=False, fontsize=8,
                  title="solved in every round", title_fontsize=8)  # fmt: skip
    return figure


def ratios(result: dict[str, Any]) -> Figure | None:
    """Bars of the ratios to SciPy and the other libraries, on a logarithmic axis."""
    shown = [r for r in result["ratios"] if r["ratio"] and r["suite"] not in ("cold", "scaling")]
    if not shown:
        return None
    title = "The rival's cost over that of jaxscale, in the same run"
    figure, axes = _axes(result, title, (9.5, 1.5 + 0.27 * len(shown)))
    place = np.arange(len(shown))[::-1]
    middle, low, high = (
        np.array([r["ratio"][key] for r in shown]) for key in ("median", "low", "high")
    )
    names = list(dict.fromkeys(r["suite"] for r in shown))
    colors = [COLORS[names.index(r["suite"]) % 7] for r in shown]
    axes.barh(place, middle - 1, left=1, color=colors, alpha=0.75, height=0.7)
    bars = [middle - low, high - middle]
    axes.errorbar(middle, place, xerr=bars, fmt="none", ecolor="0.2", capsize=2, lw=1)
    for y, m, bottom, top in zip(place, middle, low, high, strict=True):
        at, side = ((top, 1), "left") if m >= 1 else ((bottom, -1), "right")
        axes.annotate(
            tables.number(m), (at[0], y), (6 * at[1], 0), textcoords="offset points",
            va="center", ha=side, fontsize=8,
        )  # fmt: skip
    axes.set_yticks(place, [_short(r) for r in shown], fontsize=8)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.axvline(1, color="0.2", lw=1)
    axes.set_xscale("log")
    axes.set_xlim(min(0.5, 0.4 * low.min()), max(2, 3 * high.max()))
    _log_axis(axes.xaxis)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("below 1: slower than the rival; median, lowest and highest round")
    return figure


def _short(r: dict[str, Any]) -> str:
    own, rival = r["method"].removeprefix("jaxscale "), r["rival"]
    dtype = "" if r["dtype"] == "float64" else f" {r['dtype']}"
    notes = {
        "per successful": "per success",
        "per classic": "per start",
        "all classic": "all classic starts",
        "to a solution": "told when to stop",
    }
    note = next((f", {text}" for key, text in notes.items() if key in r["question"]), "")
    if r["suite"] == "grid":  # both names end in the case
        rival = rival.split()[0]
    return f"{r['suite']}: {own}{dtype} against {rival}{note}"


FIGURES: dict[str, Callable[[dict[str, Any]], Figure | None]] = {
    "throughput": throughput,
    "cost": cost,
    "strong-scaling": strong,
    "profile": profile,
    "ratios": ratios,
}
