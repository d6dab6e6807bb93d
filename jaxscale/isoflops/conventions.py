"""Approach 2 under several ways of counting parameters: one exponent of N* per column of sizes.

The budgets, the tokens and the losses are the same; what the valleys are drawn against is not. A
table that has the counts of its models, with and without embeddings, shows here how far they part.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.flops import Growth, by_convention
from jaxscale.isoflops.minima import by_budget
from jaxscale.text import listing, short


def by_count(
    runs: Runs, counts: Sequence[str], *, degree: int | str = 2
) -> tuple[list[Growth], list[str]]:
    """Return how N* and D* grow under each column of parameters, and notes on budgets left out.

    Args:
        runs: runs of several budgets, with columns C and D of their own.
        counts: columns of parameters; the column N is counted first.
        degree: of the polynomial in log N; see `by_budget`.

    Raises:
        DataError: a column is missing, or has minima at fewer than two budgets.
    """
    for name in ("N", "D", "C"):
        if name not in runs.columns:
            raise DataError(
                f"{runs.source}: exponents under several counts need columns N, D and C; "
                f"without {name} it would follow from N as counted"
            )
    optima, budgets, notes = {}, None, []
    for name in dict.fromkeys(["N", *(runs.column_called(count) for count in counts)]):
        if name not in runs.columns:
            raise DataError(
                f"{runs.source}: no column {short(name)} of numbers (columns: "
                f"{listing(list(runs.columns))})"
            )
        found = by_budget(runs.replace(N=runs.columns[name]), degree=degree, along="N")
        label = runs.names.get(name, name)
        lost = [row for row in found.valleys if row.refused]
        if lost:
            notes.append(
                f"{label}: {len(lost)} of {len(found.valleys)} budgets have no minimum "
                f"(C = {lost[0].budget:.3g}: {lost[0].refused})"
            )
        budgets = [row.budget for row in found.rows]
        optima[label] = ([row.N for row in found.rows], [row.D for row in found.rows])
    return by_convention(budgets, optima), notes
