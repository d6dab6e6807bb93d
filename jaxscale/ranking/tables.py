"""Named tables as a bench for laws takes them: one recipe a table, and which show the same runs.

A law of N and D is not asked to explain learning rates or training sets: of a sweep the lowest loss
of every (N, D) is taken, and runs on several training sets are a table each. Tables that show the
same training runs, cleaned or counted otherwise, are one source and count once.
"""

from __future__ import annotations

from jaxscale.data.runs import Runs
from jaxscale.datasets.loading import at_hand, load

SWEEPS = ("misfitting", "steplaw")
"""Tables with several learning rates for one (N, D)."""
GROUPED = ("gadre_overtraining",)
"""Tables whose groups are training sets."""
LEFT_OUT = ("porian", "misfitting_checkpoints")
"""The pool of fifteen tables that are named too, and checkpoints that are no runs."""
FIRST = (
    "stdlib_ladder",
    "epoch_chinchilla",
    "isoflop_llama3_raw_qc",
    "isoflop_misfitting_qc",
    "datablations",
    "gadre_overtraining",
    "misfitting",
    "steplaw",
    "porian_owt2_base_long_kaplan_standard_val",
    "porian_owt2_base_short_chinchilla_standard_val",
    "porian_owt2_base_short_kaplan_standard_val",
    "porian_owt2_tuned_short_const_standard_val",
    "porian_rw_base_long_kaplan_standard_val",
    "porian_rw_base_short_chinchilla_standard_val",
    "porian_rw_base_short_kaplan_standard_val",
    "porian_rw_tuned_long_const_kaplan_train",
    "porian_rw_tuned_short_const_standard_val",
)
"""One table per source: what is taken where no table is named."""
SOURCES = {
    "epoch_chinchilla": "Hoffmann",
    "chinchilla_kyo": "Hoffmann",
    "isoflop_epochai": "Hoffmann",
    "isoflop_scalefit": "Hoffmann",
    "llama3_isoflop": "Llama 3",
    "isoflop_llama3": "Llama 3",
    "isoflop_misfitting": "misfitting",
    "misfitting": "misfitting",
    "datablations": "datablations",
}
"""By the beginning of a name, whose training runs the table shows."""


def named_tables(name: str) -> dict[str, Runs]:
    """Return the tables that a named one is on the bench, mostly itself.

    Raises:
        DataError: there is no such name, or no copy and no way to download one.
    """
    runs = load(name)
    if name in SWEEPS:
        return {name: runs.best_of("N", "D")}
    if name in GROUPED:
        return {f"{name}/{label}": part for label, part in runs.by_group().items()}
    return {name: runs}


def tables_at_hand(*, all_of_them: bool = False) -> dict[str, Runs]:
    """Return the shipped table, and the public ones of which there is a copy; nothing is fetched.

    Args:
        all_of_them: also tables that show the same runs as another one.
    """
    names = [name for name in at_hand() if name not in LEFT_OUT]
    found: dict[str, Runs] = {}
    for name in names:
        if all_of_them or name in FIRST:
            found |= named_tables(name)
    return found


def source_of(table: str) -> str:
    """Return a name of the set of training runs that a table shows; its own where it is alone."""
    begun = [begin for begin in SOURCES if table.startswith(begin)]
    if begun:
        return SOURCES[max(begun, key=len)]
    if table.startswith("porian_"):  # data, hyperparameters, warmup, decay; what N and loss count
        return "_".join(table.split("_")[:5])
    return table
