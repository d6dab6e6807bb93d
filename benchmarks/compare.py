"""Whether a change made jaxscale slower: ratios to a peer of the same run, never absolute times.

From two files, the change of a ratio is a difference of logarithms: the median of all pairs of an
old and a new round (Hodges and Lehmann), with the exact interval that order statistics of those
pairs give whatever the distribution (Mann and Whitney). From paired rounds (`--against`), it is
the median of all means of two pairs, with the interval of Wilcoxon's signed ranks. A regression
is a change that the whole interval confirms and that exceeds a floor, because two processes of
the same code differ by some per cent for as long as they live.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from .tables import number

LEVEL, FLOOR = 0.95, 0.15
KEY = ("suite", "problem", "question", "method", "rival", "dtype")


@dataclasses.dataclass(frozen=True)
class Change:
    """How a ratio changed; all but the ratios are logarithms, negative means slower.

    Attributes:
        name: what is compared.
        old: median ratio before.
        new: median ratio now.
        middle: estimate of the change.
        low: lower end of its interval.
        high: upper end.
        verdict: "slower", "faster", "same", "unclear", "gone", "new", or "wrong" for an answer
            that used to be right.
    """

    name: str
    old: float | None
    new: float | None
    middle: float = 0.0
    low: float = 0.0
    high: float = 0.0
    verdict: str = "same"

    @property
    def failed(self) -> bool:
        """Whether this is a regression."""
        return self.verdict in ("slower", "wrong")


def _cut(counts: np.ndarray, level: float) -> int:
    """Return how many of the smallest and largest order statistics the interval leaves out."""
    tail = np.cumsum(counts) / counts.sum()
    return int(np.searchsorted(tail, (1 - level) / 2, side="right"))


def unpaired(old: np.ndarray, new: np.ndarray, level: float = LEVEL) -> tuple[float, float, float]:
    """Return (middle, low, high) of new - old; with few rounds, the widest interval there is."""
    differences = np.sort((new[:, None] - old[None, :]).ravel())
    m, n = len(new), len(old)
    counts = np.zeros((m + 1, m * n + 1))  # [rows used, U]: sets of ranks with that U
    counts[0, 0] = 1
    for rank in range(m + n):
        for used in range(min(m, rank + 1), 0, -1):
            shift = rank - used + 1  # old rounds below this new one
            if 0 <= shift <= n:
                counts[used, shift:] += counts[used - 1, : m * n + 1 - shift]
    cut = min(_cut(counts[m], level), (len(differences) - 1) // 2)
    low, high = differences[max(cut - 1, 0)], differences[-max(cut, 1)]
    return float(np.median(differences)), float(low), float(high)


def paired(change: np.ndarray, level: float = LEVEL) -> tuple[float, float, float]:
    """Return (middle, low, high) of paired differences."""
    n = len(change)
    i, j = np.triu_indices(n)
    means = np.sort((change[i] + change[j]) / 2)
    counts = np.zeros(len(means) + 1)
    counts[0] = 1
    for rank in range(1, n + 1):
        counts[rank:] += counts[:-rank].copy()
    cut = min(_cut(counts, level), (len(means) - 1) // 2)
    low, high = means[max(cut - 1, 0)], means[-max(cut, 1)]
    return float(np.median(means)), float(low), float(high)


def judge(
    name: str,
    ratios: tuple[float, float],
    interval: tuple[float, float, float],
    floor: float,
) -> Change:
    """Return the change with its verdict."""
    middle, low, high = interval
    edge = math.log1p(floor)
    verdict = "same"
    if high < 0 and middle < -edge:
        verdict = "slower"
    elif low > 0 and middle > edge:
        verdict = "faster"
    elif low < -edge or high > edge:
        verdict = "unclear"
    return Change(name, *ratios, middle, low, high, verdict)


def _keyed(result: dict[str, Any]) -> dict[tuple, dict[str, Any]]:
    return {tuple(r[k] for k in KEY): r for r in result["ratios"] if r["ratio"]}


def _answers(result: dict[str, Any]) -> dict[tuple, bool | None]:
    keys = ("suite", "problem", "method", "dtype", "devices")
    own = (r for r in result["records"] if r["family"] == "jaxscale")
    return {tuple(r[k] for k in keys): r["successful"] for r in own}


def compare(
    old: dict[str, Any], new: dict[str, Any], *, floor: float = FLOOR, level: float = LEVEL
) -> list[Change]:
    """Compare two documents.

    Args:
        old: the document before.
        new: the document now.
        floor: relative change of a ratio below which nothing is called a regression.
        level: of the intervals.

    Raises:
        ValueError: a document has another schema, or nothing in common with the other.
    """
    for result in (old, new):
        if result.get("schema_version") != new.get("schema_version") or "ratios" not in result:
            raise ValueError("the files have different schemas: measure again with one version")
    before, now = _keyed(old), _keyed(new)
    if not before.keys() & now.keys():
        raise ValueError("the files have no ratio in common: run the same suites")
    found = []
    for key in dict.fromkeys([*before, *now]):
        name = f"{key[0]}: {key[3]} {key[5]} / {key[4]}, {key[2]}"
        if key not in now or key not in before:
            there = (before.get(key) or now[key])["ratio"]["median"]
            gone = key not in now
            pair = (there, None) if gone else (None, there)
            found.append(Change(name, *pair, verdict="gone" if gone else "new"))
            continue
        sides = [each[key]["ratio"] for each in (before, now)]
        logs = [np.log(side["rounds"]) for side in sides]
        ratios = (sides[0]["median"], sides[1]["median"])
        found.append(judge(name, ratios, unpaired(*logs, level), floor))
    right = _answers(old)
    for key, good in _answers(new).items():
        if right.get(key) and good is False:
            name = f"{key[0]}: {key[2]} {key[3]} on {key[1]}, answer"
            found.append(Change(name, None, None, verdict="wrong"))
    return found


def table(changes: list[Change]) -> str:
    """Return aligned text: name, old ratio, new ratio, change, interval, verdict."""
    width = max(len(c.name) for c in changes)
    lines = [f"{'ratio to the peer of the same run':<{width}}  {'old':>8}  {'new':>8}  "
             f"{'change':>8}  {'interval':>16}  verdict"]  # fmt: skip
    for c in changes:
        change = span = ""
        if c.old is not None and c.new is not None:
            change = f"{math.expm1(c.middle):+.0%}"
            span = f"{math.expm1(c.low):+.0%} to {math.expm1(c.high):+.0%}"
        lines.append(f"{c.name:<{width}}  {number(c.old):>8}  {number(c.new):>8}  {change:>8}  "
                     f"{span:>16}  {c.verdict}")  # fmt: skip
    bad = sum(c.failed for c in changes)
    lines.append(f"{bad} regression{'s' if bad != 1 else ''} in {len(changes)} ratios")
    return "\n".join(lines)
