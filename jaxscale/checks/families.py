"""What the runs of each family have to be, for its own parameters to be known. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from jaxscale.checks.alike import distinct
from jaxscale.checks.design import counted, listed, settings_of, too_few_values, weaknesses
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.laws import Law
from jaxscale.laws.grouped import FAMILY, FamilyLaw


def refuse_small_families(law: Law, runs: Runs, inputs: dict[str, np.ndarray]) -> None:
    """Raise where a family has too few runs for its own parameters; none is too few if pooled.

    Args:
        law: over families; of any other nothing is asked.
        runs: of all of them.
        inputs: [n] each, of the law.

    Raises:
        DataError: naming the family.
    """
    if small := small_family(law, inputs, runs.weights > 0):
        raise DataError(
            f"{runs.source}: {small}. Add runs, leave it out (--where), or let families lean on "
            "each other: pool=True (--pool)"
        )


def small_family(law: Law, inputs: Mapping[str, np.ndarray], used: np.ndarray) -> str:
    """Return which family has too few runs for its own parameters; empty if none, or if pooled.

    Args:
        law: over families; of any other nothing is asked.
        inputs: [n] each, of the law.
        used: [n] bool, the runs that count.
    """
    if not isinstance(law, FamilyLaw) or law.pooled:
        return ""
    for label, own, here in _parts(law, inputs, used):
        free = len(own.free)
        count = distinct(settings_of(own, inputs, here)) if here.any() else 0
        if free and count <= free:
            have = f"{counted(int(here.sum()), 'run')} at {counted(count, 'setting')}"
            return (
                f"{law.by} {label!r} has {have} for {listed(own.free)} of its own; it takes at "
                f"least {free + 1}"
            )
    return ""


def family_weaknesses(law: FamilyLaw, runs: Runs, inputs: dict[str, np.ndarray]) -> tuple[str, ...]:
    """Return what the runs of all families, and those of each, cannot determine; see `weaknesses`.

    Shared parameters are judged by all runs, own ones by those of their family.

    Args:
        law: over families.
        runs: of all of them.
        inputs: [n] each, of the law.
    """
    plain = {name: x for name, x in inputs.items() if name != FAMILY}
    found: list[str] = []
    if set(law.free) - {field for fields in law.names.values() for field in fields}:
        found += weaknesses(law[law.labels[0]], runs, plain)
    if not found and not law.pooled:
        for label, own, here in _parts(law, inputs, runs.weights > 0):
            logs = {
                name: np.log(x[here]) for name, x in plain.items() if own.kinds[name] == "positive"
            }
            said = too_few_values(own, logs) if own.free else []
            found += [f"{law.by} {label}: {sentence}" for sentence in said]
    return tuple(found)


def _parts(
    law: FamilyLaw, inputs: Mapping[str, np.ndarray], used: np.ndarray
) -> Iterator[tuple[str, Law, np.ndarray]]:
    """Yield label, the law with only its own parameters free, and which runs used [n] are of it."""
    codes = inputs[FAMILY]
    for code, label in enumerate(law.labels):
        one = law[label]
        own = one.replace(**{name: 1.0 for name in one.free if name not in law.own})
        yield label, own, used & (codes == code)
