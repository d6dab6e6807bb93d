"""What to tell a person whose table has another shape than one row per run."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jaxscale.data.melt import chart_of
from jaxscale.data.patterns import NUMBER, SIGN
from jaxscale.data.table import Table
from jaxscale.text import short

LONG_NAMES = ("metric", "metricname", "key", "tag", "variable", "name")
"""Names of the column of metrics in a long table, in lower case without punctuation."""
SIZE = re.compile(rf"(?<![\w.]){NUMBER.pattern}(?:{SIGN.pattern})?(?![\w.])")
TIMES = re.compile(rf"{NUMBER.pattern}x")
TIMES_N = re.compile(r"x(C(?![a-z])|(?![a-z]))", re.I)
"""What makes a number one of tokens for each parameter, or of 20 of them."""
IN_NAME = re.compile(rf"(?<![0-9.]){NUMBER.pattern}(?:{SIGN.pattern})?")
LEAST = 1e6
"""Number without a suffix that looks like a size."""
FEWEST = 3
"""Columns called by numbers from which a table looks like a pivot."""


def shape_hint(table: Table) -> str:
    """Return a sentence on the shape of a table that lacks its loss; empty where there is none."""
    chart = chart_of(table)
    if chart:
        run, metrics = next(iter(chart.items()))
        metric = next(iter(metrics))
        pattern = suggestion([run]) or "{run}"
        return (
            f"This is a wide export of W&B, a column for each of {len(chart)} runs: "
            f"--melt '{pattern[:60]} - {metric[:60]}' makes one row per run"
            + (", --column 'D=TOKENS*step' its tokens" if "{step}" in pattern else "")
        )
    for kind, pattern in ((SIZE, "'{D}' (or '{N}')"), (TIMES, "'{ratio}x'")):
        sizes = [name for name in table.columns if kind.fullmatch(name)]
        if len(sizes) >= FEWEST:
            return (
                f"Columns {short(sizes[0])} to {short(sizes[-1])} are called by numbers, as in a "
                f"pivot table of losses: --melt {pattern} makes one row per cell"
            )
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in table.columns}
    metric = next((plain[name] for name in LONG_NAMES if name in plain), "")
    if metric and "value" in plain:
        first = short(table.columns[metric][0], 24)
        return (
            f'This is a long table of metrics: keep one, --where "{metric} == {first}" --column '
            f"loss={plain['value']}"
        )
    return table.hint


def suggestion(names: Iterable[str]) -> str:
    """Return a pattern that the first name with a size in it could follow; empty where none has.

    It is shown to a person, who decides; nothing is read by it.
    """
    for name in names:
        found = list(IN_NAME.finditer(name))[:8]
        if "\\" in name or not any(match[0][-1].isalpha() for match in found):
            continue
        parts, end, sizes = [], 0, ["N", "D"]
        for match in found:
            field = ""
            if name[match.end() :].lower().startswith(("step", "iter")):
                field = "step" if "{step}" not in parts else ""
            elif sizes == ["D"] and (times := TIMES_N.match(name, match.end())):
                field = "D/20N" if times[1] else "D/N"  # 1xC, 20x
                sizes.clear()
            elif sizes and (match[0][-1].isalpha() or float(match[0]) >= LEAST):
                field = sizes.pop(0)
            parts += [name[end : match.start()], f"{{{field}}}"]
            end = match.end()
        pattern = "".join([*parts, name[end:]])
        return re.sub(r"^[^{}]{2,}([^\w{}])(?=\{)", r"{}\1", pattern)
    return ""
