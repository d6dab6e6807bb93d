"""From a published fit to its row: refits under its objective, the descent, the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

import jaxscale

from .entry import (
    CONFIRMED,
    DIFFERS,
    LOCAL,
    MIXED,
    OTHER,
    STOPPED,
    Goal,
    Published,
    Row,
    agreed,
    excess,
    judged,
    matches,
    number,
)


class Fitter:
    """`fit` of one published fit under one objective, with starts left open."""

    def __init__(self, published: Published, goal: Goal) -> None:
        self.law, self.published, self.goal = published.law, published, goal

    @property
    def free(self) -> tuple[str, ...]:
        """Free parameters that are tied to no other."""
        tied = dict(self.published.options.get("tie", {}))
        return tuple(name for name in self.law.free if name not in tied)

    def __call__(self, starts: Any) -> jaxscale.FitResult:
        """Return the fit from starts."""
        one, goal = self.published, self.goal
        return jaxscale.fit(
            one.law, one.runs, loss=goal.loss, residual=goal.residual, starts=starts, **one.options
        )


def descended(fit: Fitter, law: jaxscale.Law) -> jaxscale.Law:
    """Return where a descent from a law ends."""
    one = {name: np.array([float(getattr(law, name))]) for name in fit.free}
    return fit(fit.law.replace(**one)).law


def row(one: Published) -> Row:
    """Return the row of a published fit."""
    fit = Fitter(one, one.goal)
    found, shares = [], []
    for starts, words in ((one.ours, "ours"), (one.starts, "the authors'")):
        if starts is None:
            continue
        result = fit(starts)
        certificate = result.certificate
        reached = round(certificate.share_at_best * certificate.rivals)
        shares.append(
            f"{reached:,} of {certificate.rivals:,} starts of {words} at their best, "
            f"{'certified' if certificate.trusted else 'not certified'}"
        )
        found.append(result.law)
    printed = one.make(one.values)
    found.append(descended(fit, printed))
    values = [one.goal.value(law, one.runs) for law in found]
    best = int(np.argmin(values))
    return concluded(one, found[best], printed, down=values[-1], search="; ".join(shares))


def concluded(
    one: Published, law: jaxscale.Law, printed: jaxscale.Law, *, down: float, search: str
) -> Row:
    """Return the row of a published fit whose optimum is known.

    Args:
        one: the published fit.
        law: our optimum.
        printed: the law at the printed values.
        down: objective where a descent from the printed values ends.
        search: how the optimum was found, in words.
    """
    at_printed, at_ours = (one.goal.value(each, one.runs) for each in (printed, law))
    ours = {name: float(value) for name, value in one.read(law).items()}
    same = matches(one.printed, ours)
    apart = optimum_of_other(one) if one.other is not None and not same else {}
    of_other = {k for k, text in one.printed.items() if apart and close(text, apart[k])}
    of_ours = {k for k, text in one.printed.items() if close(text, ours[k])}
    other = of_other == {*one.printed}
    mixed = bool(of_other and of_ours) and of_other | of_ours == {*one.printed} and not other
    verdict = judged(at_printed, at_ours, down, same, MIXED if mixed else OTHER if other else "")
    far = excess(at_printed, at_ours)
    words = one.other.words if one.other is not None else ""
    said = {
        CONFIRMED: "",
        OTHER: f"{far}; they are the optimum of the {words}, to {least(one.printed, apart)} digits",
        MIXED: f"{far}; {', '.join(sorted(of_other - of_ours))} of the optimum of the {words}, "
        f"{', '.join(sorted(of_ours - of_other))} of ours",
        LOCAL: f"{far}; a descent from them ends at {number(down)}",
        STOPPED: f"{far}; a descent from them ends at our optimum",
    }.get(verdict, far)
    return Row(
        key=one.key,
        title=one.title,
        source=one.source,
        verdict=verdict,
        reason=". ".join(part for part in (said, one.note) if part),
        formula=one.law.formula(),
        goal=one.goal.words,
        rule=one.rule,
        runs=len(one.runs),
        printed=one.printed,
        ours=ours,
        objective_printed=at_printed,
        objective_ours=at_ours,
        stated=one.stated,
        search=search,
    )


def close(text: str, value: float) -> bool:
    """Return whether a value is within a unit of the last place printed, or shares five digits."""
    unit = 10.0 ** int(Decimal(text).as_tuple().exponent)
    return abs(value - float(text)) <= unit or agreed(text, value)[0] >= 5


def least(printed: Mapping[str, str], values: Mapping[str, float]) -> int:
    """Return the digits that the worst of the printed values shares with `values`."""
    return min((agreed(text, values[k])[0] for k, text in printed.items() if values), default=0)


def optimum_of_other(one: Published) -> Mapping[str, float]:
    """Return the optimum of the other objective, by the authors' names."""
    assert one.other is not None
    return one.read(Fitter(one, one.other)(one.ours).law)


def of_numbers(
    head: Mapping[str, str],
    printed: Mapping[str, str],
    ours: Mapping[str, float],
    *,
    note: str = "",
    otherwise: str = DIFFERS,
    **further: Any,
) -> Row:
    """Return the row of printed numbers that are no parameters: errors, means of a bootstrap.

    Args:
        head: key, title and source.
        printed: by name, as printed.
        ours: the same numbers.
        note: what explains the verdict.
        otherwise: the verdict where they do not come out.
        further: other fields of the row.
    """
    same = matches(printed, ours)
    verdict = CONFIRMED if same else otherwise
    return Row(**head, verdict=verdict, reason=note, printed=printed, ours=ours, **further)


def summary(
    head: Mapping[str, str], verdicts: Sequence[str], *, reason: str, **further: Any
) -> Row:
    """Return one row of many published fits: the commonest verdict, and how often each came.

    Args:
        head: key, title and source.
        verdicts: of each of them.
        reason: what explains them.
        further: other fields of the row.
    """
    counts = {word: verdicts.count(word) for word in dict.fromkeys(verdicts)}
    counts = dict(sorted(counts.items(), key=lambda each: -each[1]))
    return Row(**head, verdict=next(iter(counts)), reason=reason, counts=counts, **further)
