"""What a person may ask an allocation for: which numbers go together, and make sense."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxscale.decisions.inverse import additive
from jaxscale.decisions.plans import PLANS
from jaxscale.decisions.repetition import DATA_WORTH, SIZE_WORTH
from jaxscale.flops import UNIT, Flops, unit_of
from jaxscale.laws import Law
from jaxscale.laws.grouped import FamilyLaw
from jaxscale.shown.blocks import Shown

UNITS = {
    "N": "number of parameters",
    "D": "number of tokens",
    "ratio": "number of tokens per parameter",
    "unique_tokens": "number of tokens",
}


@dataclasses.dataclass(frozen=True)
class Lifetime:
    """What a model costs beside its training, per parameter, over its life.

    Attributes:
        tokens: that it reads in its life.
        output: that it writes; counted apart, since writing uses the hardware worse.
        train: cost of a FLOP in training: 1 counts FLOPs, 1 / utilization those of the hardware,
            `price` dollars.
        read: of a FLOP while it reads; default that of training.
        write: of a FLOP while it writes; default that of reading.

    Source: Sardana et al. 2024, arXiv:2401.00448.

    Example:
        >>> import jaxscale
        >>> law = jaxscale.Chinchilla.preset("hoffmann_2022")
        >>> alone = jaxscale.allocate(law, compute=1e23)
        >>> served = jaxscale.allocate(law, compute=1e23, lifetime=jaxscale.Lifetime(2e12))
        >>> round(alone.N / 1e9, 1), round(served.N / 1e9, 1)
        (18.1, 8.1)
    """

    tokens: float
    output: float = 0.0
    train: float = 1.0
    read: float | None = None
    write: float | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            wrong = value is not None and not 0 <= value < math.inf
            if wrong or value == 0 and field.name in ("train", "read", "write"):
                raise ValueError(f"Lifetime({field.name}=...) must be positive, got {value!r}")

    @property
    def serving(self) -> float:
        """Cost per parameter of 2 FLOPs per token that is read or written."""
        read = self.train if self.read is None else self.read
        write = read if self.write is None else self.write
        return 2 * (self.tokens * read + self.output * write)


def price(dollars_per_hour: float, peak_flops: float, utilization: float = 1.0) -> float:
    """Return the dollars that a FLOP costs.

    Args:
        dollars_per_hour: of one device.
        peak_flops: FLOP/s of the device at its peak.
        utilization: share of the peak that is reached (MFU), above 0 and at most 1.

    Raises:
        ValueError: a number is not positive, or the utilization above 1.
    """
    given = {"price": dollars_per_hour, "peak_flops": peak_flops, "utilization": utilization}
    for name, value in given.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    if utilization > 1:
        raise ValueError(f"utilization is a share of the peak, at most 1, got {utilization:g}")
    return dollars_per_hour / 3600 / (peak_flops * utilization)


@dataclasses.dataclass(frozen=True)
class Question(Shown):
    """A question that has an answer under a law.

    Attributes:
        numbers: by name, each of the shape [m] of the question, or () where all are scalars.
        flops: FLOPs model.
    """

    numbers: Mapping[str, np.ndarray]
    flops: Flops

    @property
    def names(self) -> frozenset[str]:
        """What is given."""
        return frozenset(self.numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every number."""
        shape: tuple[int, ...] = next(iter(self.numbers.values())).shape
        return shape

    @property
    def plain(self) -> bool:
        """Whether it asks for the best run of a budget, or for a loss, and no more."""
        return self.names <= {"compute"} or self.names <= {"target_loss"}


def ask(
    law: Law,
    given: Mapping[str, Any],
    *,
    lifetime: float | Lifetime | None = None,
    worth: tuple[float, float] = (DATA_WORTH, SIZE_WORTH),
    flops: Flops | None = None,
) -> Question:
    """Return a question in order.

    Args:
        law: what will be asked.
        given: numbers or arrays by name, None for those that are not given.
        lifetime: tokens to be served, or the `Lifetime`; None for training alone.
        worth: (R*_D, R*_N) of data that are seen again.
        flops: FLOPs model; default that of the law.

    Raises:
        ValueError: the law cannot be asked, a number is not positive, or they do not go together.
    """
    numbers = {name: np.asarray(x, float) for name, x in given.items() if x is not None}
    goals = [name for name in ("compute", "target_loss") if name in numbers]
    _askable(law, set(numbers) | ({"lifetime"} if lifetime is not None else set()))
    alone = set(numbers) in ({"N"}, {"D"}) and lifetime is None
    if len(goals) != 1 and not alone:
        raise ValueError("give exactly one of compute and target_loss")
    for name, value in numbers.items():
        if not (value.size and np.all(value > 0) and np.all(np.isfinite(value))):
            unit = UNITS.get(name, "number")
            unit = f"number of {unit_of(flops or law.flops)}" if name == "compute" else unit
            shown = repr(float(value)) if value.ndim == 0 else repr(value.tolist())[:60]
            raise ValueError(f"{name} must be a positive {unit}, got {shown}")
    if lifetime is not None and (unit := unit_of(flops or law.flops)) != UNIT:
        raise ValueError(
            f"serving is counted in FLOPs, and training here in {unit}: give flops=SixND() "
            "(--flops 6) and the prices of a FLOP"
        )
    numbers |= _settings(law, set(numbers), lifetime, worth)
    if len(law.inputs) > 1 and frozenset(numbers) not in PLANS:
        extra = sorted(set(given) & set(numbers) - set(goals))
        said = ", ".join([*extra, *(["lifetime"] if lifetime is not None else [])])
        raise ValueError(f"{said} do not go together; ask for one of them at a time")
    try:
        spread = np.broadcast_arrays(*numbers.values())
    except ValueError:
        sizes = ", ".join(f"{name} {x.shape}" for name, x in numbers.items() if x.ndim)
        raise ValueError(f"give one number or equally many of each: {sizes}") from None
    if spread[0].ndim > 1:
        raise ValueError(f"give numbers, or lists of them; got the shape {spread[0].shape}")
    return Question(dict(zip(numbers, spread, strict=True)), flops or law.flops)


def _settings(
    law: Law, names: set[str], lifetime: float | Lifetime | None, worth: tuple[float, float]
) -> dict[str, np.ndarray]:
    """Return the numbers of serving, and of data that are seen again, where they are asked for."""
    found: dict[str, float] = {}
    if lifetime is not None:
        whole = lifetime if isinstance(lifetime, Lifetime) else Lifetime(float(lifetime))
        # Its logarithm is taken.
        found |= {"train_cost": whole.train, "serving_cost": max(whole.serving, 1e-300)}
    if "unique_tokens" in names:
        if additive(law) is None:
            raise ValueError(
                "unique_tokens needs a law with a term of N and a term of D, as Chinchilla; "
                f"{type(law).__name__} has none"
            )
        found |= {"data_worth": worth[0], "size_worth": worth[1]}
    return {name: np.asarray(x, float) for name, x in found.items()}


def _askable(law: Law, asked: set[str]) -> None:
    """Raise for a law that has no such answer."""
    if len(law.inputs) == 1 and asked == {"target_loss"}:
        if law.kinds[law.inputs[0]] != "positive":
            raise ValueError(f"{type(law).__name__} reads no positive scale")
    elif set(law.inputs) != {"N", "D"}:
        more = "; a law of one scale has an inverse alone: target_loss"
        more = more if len(law.inputs) == 1 else ""
        if isinstance(law, FamilyLaw):
            more = f"; say which {law.by}: fit.family({law.labels[0]!r}) (--table NAME)"
        raise ValueError(
            f"allocate() needs a law of N and D; {type(law).__name__} takes "
            f"{', '.join(law.inputs)}{more}"
        )
    if law.free:
        raise ValueError(f"{type(law).__name__}: {', '.join(law.free)} is free; fit the law first")
