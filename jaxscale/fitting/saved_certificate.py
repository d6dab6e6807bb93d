"""What a file of a fit says of its starts, and the certificate, held against each other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxscale.engine.loop import Status
from jaxscale.files.fields import LARGEST, Field
from jaxscale.fitting.certificate import Basin, Certificate
from jaxscale.fitting.verification import SAME
from jaxscale.laws import Law

LATER: dict[str, Any] = {
    **{"idle": [], "weaknesses": [], "gain": 0, "excess": 0, "exact": False},
    **{"rivals": "starts", "searches": [], "singles": 0, "sampled": 0, "solved_on": 0},
    "limits": [],
}
"""Fields of a certificate that were added since, and what a file without them is read as: a value,
or the name of the field that says the same."""
STATUSES = tuple(status.name.lower() for status in Status)


def certificate_of(
    document: Field, law: Law, fixed: Sequence[str], n: int
) -> tuple[np.ndarray, np.ndarray, Certificate]:
    """Return the value and status of every start, and the certificate that agrees with them.

    Args:
        document: of the fit.
        law: what was fitted.
        fixed: names of its parameters that were not.
        n: how many runs there are.
    """
    stated, starts = document["certificate"], document["starts"]
    S = stated["starts"].whole(1)
    values = starts["values"].numbers(S, gaps=True)
    status = np.array(starts["status"].wholes(S, max(Status)), int)
    free = [name for name in law.parameters if name not in fixed]
    counts = {Status(s).name.lower(): int(np.sum(status == s)) for s in np.unique(status)}
    statuses = {name: field.whole(1) for name, field in stated["statuses"].only(STATUSES).items()}
    if statuses != counts:
        raise stated["statuses"].wrong(f"the counts of starts.status, {counts}")
    share = stated["share_at_best"]
    if share.number(0) > 1:
        raise share.wrong("a share between 0 and 1")
    basins = tuple(_basin(field, S) for field in stated["basins"].elements())
    best = np.min(values, initial=math.inf, where=np.isfinite(values))
    if not (basins and abs(basins[0].value - best) <= SAME * min(abs(best), LARGEST)):
        raise stated["basins"].wrong(f"the lowest of starts.values, {best:.9g}, in the first")
    stated["trusted"].flag()
    stated["reasons"].texts()
    known = {field.name for field in dataclasses.fields(Certificate)}
    stated.only([*known, "trusted", "reasons"])
    certificate = Certificate(
        status=stated["status"].text(STATUSES),
        starts=S,
        share_at_best=share.number(),
        searches=tuple(_later(stated, "searches").wholes(None, S)),
        singles=_later(stated, "singles").whole(0, S),
        rivals=_later(stated, "rivals").whole(0, S),
        sampled=_later(stated, "sampled").whole(0, n),
        solved_on=_later(stated, "solved_on").whole(0, S),
        basins=basins,
        statuses=statuses,
        grad_norm=stated["grad_norm"].number(0, null=math.inf),
        condition=stated["condition"].number(0, null=math.inf),
        at_bound=stated["at_bound"].texts(free),
        limits=tuple(_limit(pair, free) for pair in _later(stated, "limits").elements()),
        degenerate=stated["degenerate"].texts(free),
        idle=_later(stated, "idle").texts(free),
        weaknesses=_later(stated, "weaknesses").texts(),
        gain=_later(stated, "gain").number(0, null=math.inf),
        excess=_later(stated, "excess").number(0, null=math.inf),
        exact=_later(stated, "exact").flag(),
        inside_delta=stated["inside_delta"].whole(0, n),
        median_steps=stated["median_steps"].number(0, null=math.inf),
    )
    return values, status, certificate


def _later(stated: Field, name: str) -> Field:
    """Return a field of the certificate that older files do not have: then it says nothing."""
    if name in stated.value:
        return stated.need(name)
    neutral = LATER[name]
    return stated[neutral] if isinstance(neutral, str) else Field(f"certificate.{name}", neutral)


def _basin(field: Field, S: int) -> Basin:
    count, status = field["count"].whole(1, S), field["status"].text(STATUSES)
    return Basin(field["value"].number(), count, status)


def _limit(pair: Field, free: Sequence[str]) -> tuple[str, float]:
    name, bound = pair.elements(2)
    return name.text(free), bound.number()
