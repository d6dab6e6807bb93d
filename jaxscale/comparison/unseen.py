"""Parameters that the runs of a window say nothing of, and that what it predicts depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxscale.laws import Law, predict
from jaxscale.text import listing

STEP = 1e-3
"""Relative change of a parameter, by which it is seen which predictions depend on it."""


def unseen(
    laws: Law,
    free: Sequence[str],
    columns: Mapping[str, Any],
    fitted: np.ndarray,
    asked: np.ndarray,
) -> list[str]:
    """Return, per window, which parameters no fitted run depends on, and an asked one does.

    A refit begins at the fit to all runs and leaves such a parameter where it is: what the window
    would predict has been learned from the very runs that it is to predict.

    Args:
        laws: W laws, their free parameters [W, 1].
        free: names of these.
        columns: [n] each, the inputs.
        fitted: [W, n] bool.
        asked: [W, n] bool, the runs to predict.
    """

    def predicted(laws: Law) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(predict(laws, **columns) * np.ones((len(fitted), 1)))

    names: list[list[str]] = [[] for _ in fitted]
    here = predicted(laws)
    for name in free:
        x = np.asarray(getattr(laws, name))
        depends = predicted(laws.replace(**{name: x + STEP * np.where(x == 0, 1, x)})) != here
        for k in np.flatnonzero((depends & asked).any(axis=1) & ~(depends & fitted).any(axis=1)):
            names[k].append(name)
    said = "no run that it would be fitted to depends on "
    return [said + listing(which) if which else "" for which in names]
