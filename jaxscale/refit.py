"""One law refitted to many versions of its runs, as one batched solve.

Replicate weights, other losses, other fixed values: each is an axis [B] of the same compiled
program, and every replicate starts from the optimum of the original fit. Each also gets guards:
starts drawn from the box of random starts, so that a replicate whose best basin is another one
is seen. What the replicates mean (a bootstrap, a jackknife, a profile) is up to the caller.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxscale._positive import Positive
from jaxscale._precision import PRECISIONS, scope
from jaxscale.laws import Law
from jaxscale.losses import Absolute, Huber, Loss, Square
from jaxscale.objective import Objective
from jaxscale.optimizers import newton
from jaxscale.preparation import prepare
from jaxscale.result import FitResult
from jaxscale.search import Problems, Progress, Search
from jaxscale.starts import random_starts

LOSSES: dict[str, type[Loss]] = {"huber": Huber, "square": Square, "absolute": Absolute}


@dataclasses.dataclass(frozen=True)
class Refits:
    """B refits.

    Attributes:
        law: a law whose free parameters have a leading axis [B].
        value: [B] plain sum of w rho(r) at each optimum; inf where no start was finite.
        status: [B] `engine.Status` of the start that ended there.
        guarded: [B] whether a guard found a value lower by more than 1e-6 (relative) than the
            start at the original optimum: the replicate's best basin is another one.
        seconds: {"compile", "solve"}.
    """

    law: Law
    value: np.ndarray
    status: np.ndarray
    guarded: np.ndarray
    seconds: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.value)


def refit(
    fit: FitResult,
    *,
    weights: Any = None,
    losses: Any = None,
    fixed: Mapping[str, Any] | None = None,
    guards: int = 1,
    seed: int = 0,
    precision: str = "float64",
    progress: Progress | None = None,
    mesh: Mesh | None = None,
) -> Refits:
    """Refit a fitted law B times: to reweighted runs, other losses, other fixed values.

    Args:
        fit: the original fit; its law, runs, robust loss and residual are kept.
        weights: [B, n] weights of the runs, in place of the runs' own; zero leaves a run out.
        losses: [B, n] losses of the runs (nats per token, or as in the table).
        fixed: values [B] of parameters that are fixed in `fit`, by name.
        guards: random starts per replicate besides the one at the original optimum.
        seed: of the guards; that of replicate b depends on the seed and b only.
        precision: "float64" or "float32".
        progress: called between chunks with (starts done, starts in all).
        mesh: devices over which the starts are split; default one.

    Returns:
        The B laws with their values and statuses.

    Raises:
        ValueError: nothing varies, a shape does not fit, a value is not finite.

    Cost: for 4,096 replicates of Chinchilla on 240 runs about a fifth of a second per guard and
    core, and half that for the start at the optimum (`python -m benchmarks run --suite bootstrap`).
    """
    if precision not in PRECISIONS[:2]:
        raise ValueError(f"precision must be float64 or float32, got {precision!r}")
    if guards < 0:
        raise ValueError(f"guards must be 0 or more, got {guards}")
    held = {name: getattr(fit.law, name) for name in fit.settings.get("fixed", ())}
    free = dict.fromkeys(name for name in fit.law.parameters if name not in held)
    law = fit.law.replace(**free)
    objective = prepare(law, fit.runs, _loss(fit), fit.residual).objective
    fields, count = _fields(objective, fit, weights=weights, losses=losses, fixed=fixed or {})
    z = _starts(objective, fit, fields, count=count, guards=guards, seed=seed)
    search = Search(objective, newton(), precision, mesh=mesh)
    which = np.repeat(np.arange(count), guards + 1)
    solution = search.solve(z, progress, Problems(fields, which))
    value = solution.value.reshape(count, guards + 1)
    value = np.where(np.isfinite(value), value, np.inf)
    best = np.argmin(value, axis=1)
    rows = np.arange(count)
    chosen = solution.z.reshape(count, guards + 1, -1)[rows, best].astype(float)
    lowest = value[rows, best]
    refitted = _laws(objective, fields, chosen, fit.law)
    return Refits(
        law=refitted.replace(**{name: held[name] for name in held if name not in (fixed or {})}),
        value=lowest,
        status=solution.status.reshape(count, guards + 1)[rows, best],
        guarded=np.isfinite(lowest) & (lowest < value[:, 0] * (1 - 1e-6)),
        seconds={"compile": search.compile, "solve": search.work},
    )


def _loss(fit: FitResult) -> Loss:
    if fit.loss["loss"] == "huber":
        return Huber(fit.loss["delta"])
    if fit.loss["loss"] not in LOSSES:
        raise ValueError(f"refit() knows {', '.join(LOSSES)}, got {fit.loss['loss']!r}")
    return LOSSES[fit.loss["loss"]]()


def _table(name: str, given: Any, shape: tuple[int, ...], rule: str) -> np.ndarray:
    """Return a checked float64 array [B, ...]."""
    array = np.asarray(given, float)
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape or len(array) == 0:
        wanted = ", ".join(["B", *map(str, shape)])
        raise ValueError(f"{name} must have shape [{wanted}], got {list(array.shape)}")
    good = np.isfinite(array) & {"any": True, "positive": array > 0, "zero": array >= 0}[rule]
    if not good.all():
        at = np.argwhere(~good)[0]
        allowed = {"any": "finite", "positive": "positive and finite", "zero": "0 or more"}[rule]
        raise ValueError(f"{name}{list(map(int, at))} is {array[tuple(at)]:g}: must be {allowed}")
    return array


def _fields(
    objective: Objective,
    fit: FitResult,
    *,
    weights: Any,
    losses: Any,
    fixed: Mapping[str, Any],
) -> tuple[dict[str, Any], int]:
    """Return the fields of the objective with a leading axis [B], and B."""
    n, rows = len(fit.runs), objective.weight.shape[0]
    fields: dict[str, Any] = {}
    counts: dict[str, int] = {}
    if weights is not None:
        table = _table("weights", weights, (n,), "zero")
        fields["weight"] = np.pad(table, ((0, 0), (0, rows - n)))
        counts["weights"] = len(table)
    if losses is not None:
        rule = "any" if fit.residual == "absolute" else "positive"
        table = _table("losses", losses, (n,), rule) / float(objective.space.loss_scale)
        target = np.pad(table, ((0, 0), (0, rows - n)), constant_values=1.0)
        tiny = np.finfo(float).tiny
        fields["target"] = Positive(target, np.log(np.maximum(target, tiny)))
        counts["losses"] = len(table)
    for name, values in fixed.items():
        if name not in objective.space.fixed:
            known = ", ".join(objective.space.fixed) or "none"
            raise ValueError(
                f"fixed: {name!r} is not fixed in the original fit; fixed are: {known}"
            )
        counts[f"fixed {name}"] = len(_table(f"fixed {name}", values, (), "any"))
    if not counts:
        raise ValueError("nothing varies: give weights, losses or fixed")
    if len(set(counts.values())) > 1:
        raise ValueError(
            "every axis must have the same length B, got "
            + ", ".join(f"{name} {count}" for name, count in counts.items())
        )
    count = next(iter(counts.values()))
    if fixed:
        space = objective.space
        values = {name: np.full(count, float(v)) for name, v in space.fixed.items()}
        values |= {name: np.asarray(v, float) for name, v in fixed.items()}
        fields["space"] = dataclasses.replace(
            space,
            fixed=values,
            log_scale={name: np.full(count, float(v)) for name, v in space.log_scale.items()},
            loss_scale=np.full(count, float(space.loss_scale)),
        )
    return fields, count


def _starts(
    objective: Objective,
    fit: FitResult,
    fields: dict[str, Any],
    *,
    count: int,
    guards: int,
    seed: int,
) -> np.ndarray:
    """Return the starts [B * (1 + guards), P]: the original optimum, then the guards."""
    with scope(np.float64), np.errstate(divide="ignore"):
        values = {name: float(value) for name, value in fit.law.values.items()}
        z = np.array([float(x) for x in objective.space.coordinates(values)])
    lower, upper = objective.space.bounds()
    starts = np.empty((count, 1 + guards, len(z)))
    starts[:, 0] = np.clip(z, lower, upper)
    if guards:
        drawn = random_starts(objective, count * guards, seed)
        starts[:, 1:] = drawn.reshape(count, guards, -1)
    return starts.reshape(-1, len(z))


def _laws(objective: Objective, fields: dict[str, Any], z: np.ndarray, law: Law) -> Law:
    """Return the law with leaves [B] in the units of the runs."""
    space = fields.get("space", objective.space)
    with scope(np.float64):
        values = space.physical(tuple(z.T))
        return law.replace(**{name: np.asarray(value, float) for name, value in values.items()})
