"""The document of a run as aligned text and as Markdown."""

from __future__ import annotations

from typing import Any

COLUMNS = ("method", "dtype", "n", "lanes", "run", "success", "gap", "steps", "wall s", "spread",
           "CPU s", "fits/s", "ms/succ", "ns/step", "first s", "compile s")  # fmt: skip
RATIOS = ("the rival's cost over ours", "method", "rival", "ratio", "rounds", "target")


def number(value: float | None) -> str:
    """Return three significant digits, with separators where that is readable."""
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def _cells(r: dict[str, Any]) -> list[str]:
    wall, cpu, first = r["wall_s"], r["cpu_s"], r["first_call"] or {}
    success, gap = r["share_successful"], r["gap"]
    return [
        r["method"],
        r["dtype"],
        f"{r['n']:,}",
        f"{r['lanes']:,}",
        f"{r['lanes_run']:,}" if r["extrapolated"] else "",
        "" if success is None else f"{success:.1%}",
        "" if gap is None else f"{gap:.0e}",
        number(r["median_steps"]),
        number(wall and wall["median"]),
        f"{(wall['high'] - wall['low']) / wall['median']:.0%}" if wall else "",
        number(cpu and cpu["median"]),
        number(r["fits_per_second"]),
        number(r["cpu_ms_per_success"]),
        number(r["ns_per_lane_run_step"]),
        number(first.get("wall_s")),
        number(first.get("compile_s")),
    ]


def _ratio_cells(r: dict[str, Any]) -> list[str]:
    ratio, target = r["ratio"], ""
    if r["target"] is not None:
        target = f"{r['target']:g} {'met' if r['met'] else 'missed'}"
    span = f"{number(ratio['low'])} to {number(ratio['high'])}" if ratio else ""
    median = number(ratio["median"]) if ratio else "none"
    return [r["question"], f"{r['method']} {r['dtype']}", r["rival"], median, span, target]


def _aligned(head: tuple[str, ...], rows: list[list[str]], left: int) -> list[str]:
    """Return lines; the first `left` columns to the left, empty columns dropped."""
    keep = [k for k in range(len(head)) if any(row[k] for row in rows)]
    table = [[row[k] for k in keep] for row in [list(head), *rows]]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    side = ["<" if k < left else ">" for k in keep]
    return [
        "  ".join(f"{cell:{s}{w}}" for cell, s, w in zip(row, side, widths, strict=True)).rstrip()
        for row in table
    ]


def markdown(head: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    """Return the lines of a Markdown table, empty columns dropped."""
    keep = [k for k in range(len(head)) if any(row[k] for row in rows)]
    lines = ["| " + " | ".join(head[k] for k in keep) + " |", "|" + "---|" * len(keep)]
    return lines + ["| " + " | ".join(row[k] for k in keep) + " |" for row in rows]


def label(result: dict[str, Any]) -> str:
    """Return device, dtype, cores and processor in one line."""
    record = result["records"][0]
    own = [r["dtype"] for r in result["records"] if r["family"] == "jaxscale"]
    dtypes = "/".join(dict.fromkeys(own)) or record["dtype"]
    kind = "" if record["device_kind"] == record["device"] else f" ({record['device_kind']})"
    return (
        f"{record['device']}{kind}, {dtypes}, {record['cores']} cores, {record['processor']}; "
        f"jaxscale {record['versions']['jaxscale']} at {(record['commit'] or 'no commit')[:9]}"
        f"{', modified' if record['modified'] else ''}, jax {record['versions']['jax']}"
    )


def suites(result: dict[str, Any]) -> list[str]:
    """Return the suites in the order of the document."""
    return list(dict.fromkeys(r["suite"] for r in result["records"]))


def _gold(records: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return one line per method instead of one per method and table."""
    head = ("method", "dtype", "tables solved", "median wall s", "slowest s")
    rows = []
    for method, dtype in dict.fromkeys((r["method"], r["dtype"]) for r in records):
        mine = [r for r in records if (r["method"], r["dtype"]) == (method, dtype) and r["wall_s"]]
        walls = sorted(r["wall_s"]["median"] for r in mine)
        solved = sum(all(r["extra"]["solved"]) for r in mine)
        if mine:
            middle, last = number(walls[len(walls) // 2]), number(walls[-1])
            rows.append([method, dtype, f"{solved} of {len(mine)}", middle, last])
    return head, rows


def _remarks(records: list[dict[str, Any]]) -> list[str]:
    lines = []
    missing = dict.fromkeys((r["method"], r["skipped"]) for r in records if r["skipped"])
    lines += [f"skipped: {method}: {reason}" for method, reason in missing]
    peaks = [r for r in records if "peak_bytes" in r["extra"]]
    lines += [
        f"peak memory: {r['extra']['peak_bytes'] / 2**20:.0f} MiB for a cold fit from "
        f"{r['lanes']:,} starts, of which imports {r['extra']['peak_bytes_of_imports'] / 2**20:.0f}"
        for r in peaks
    ]
    if any(r["extrapolated"] for r in records):
        lines.append("Times of methods with a number in `run` are extrapolated from those lanes.")
    return lines


def render(result: dict[str, Any], *, as_markdown: bool = False) -> str:
    """Return the whole document: one section per suite, its table, remarks and ratios."""
    lines = [label(result)]
    for suite in suites(result):
        records = [r for r in result["records"] if r["suite"] == suite]
        names = dict.fromkeys(r["problem"] for r in records)
        title = (
            f"{suite}: {', '.join(names)}" if len(names) < 6 else f"{suite}: {len(names)} tables"
        )
        shown = [r for r in records if not r["skipped"] and r["wall_s"]]
        table = _gold(records) if suite == "gold" else (COLUMNS, [_cells(r) for r in shown])
        ratios = [_ratio_cells(r) for r in result["ratios"] if r["suite"] == suite]
        if as_markdown:
            lines += ["", f"## {title}", "", *markdown(*table), ""]
            lines += [f"- {remark}" for remark in _remarks(records)]
            lines += ["", *markdown(RATIOS, ratios)] if ratios else []
        else:
            lines += ["", title, "", *_aligned(*table, left=2), *_remarks(records)]
            lines += ["", *_aligned(RATIOS, ratios, left=3)] if ratios else []
    return "\n".join(lines)
