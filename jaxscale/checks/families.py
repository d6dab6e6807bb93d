"""What the runs of each family have to be, for its own parameters to be known. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator

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
    if not isinstance(law, FamilyLaw) or law.pooled:
        return
    for label, own, here in _parts(law, runs, inputs):
        free = len(own.free)
        count = distinct(settings_of(own, inputs, here)) if here.any() else 0
        if free and count <= free:
            have = f"{counted(int(here.sum()), 'run')} at {counted(count, 'setting')}"
            raise DataError(
                f"{runs.source}: {law.by} {label!r} has {have} for {listed(own.free)} of its own; "
                f"it takes at least {free + 1}. Add runs, leave it out (--where), or let families "
                "lean on each other: pool=True (--pool)"
            )


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
        for label, own, here in _parts(law, runs, inputs):
            logs = {
                name: np.log(x[here]) for name, x in plain.items() if own.kinds[name] == "positive"
            }
            said = too_few_values(own, logs) if own.free else []
            found += [f"{law.by} {label}: {sentence}" for sentence in said]
    return tuple(found)


def _parts(
    law: FamilyLaw, runs: Runs, inputs: dict[str, np.ndarray]
) -> Iterator[tuple[str, Law, np.ndarray]]:
    """Yield label, the law with only its own parameters free, and which runs [n] are of it."""
    used, codes = runs.weights > 0, inputs[FAMILY]
    for code, label in enumerate(law.labels):
        one = law[label]
        own = one.replace(**{name: 1.0 for name in one.free if name not in law.own})
        yield label, own, used & (codes == code)
