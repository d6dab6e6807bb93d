"""Named tables of training runs: one in the package, others that are read where they lie.

`load(name)` returns `Runs`. The table `stdlib_ladder` is shipped. The public tables are not, since
several have no stated licence: they are read from a copy under the folder that the environment
variable JAXSCALE_DATA names, else downloaded once from their source where that is a plain CSV
(`pip install 'jaxscale[data]'`). Either way their numbers must have the recorded digest.
"""

from __future__ import annotations

from jaxscale.datasets.loading import at_hand, card, content_digest, load, load_curves, names

__all__ = ["at_hand", "card", "content_digest", "load", "load_curves", "names"]


def __dir__() -> list[str]:
    return sorted(__all__)
