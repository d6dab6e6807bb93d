"""Power laws of N* and D* that papers print; each is for its own data and its own counting."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxscale.decisions.allocation import allocate
from jaxscale.laws import Chinchilla


class Published(NamedTuple):
    """D*(C) = coefficient C^exponent, as printed; N* = C / (6 D*).

    Attributes:
        name: who and when.
        source: where it stands.
        coefficient: of D*, in tokens; C in FLOPs.
        exponent: of C.
    """

    name: str
    source: str
    coefficient: float
    exponent: float

    def D(self, C: np.ndarray) -> np.ndarray:
        """Return the best tokens at budgets [m]."""
        found: np.ndarray = self.coefficient * np.asarray(C, float) ** self.exponent
        return found

    def N(self, C: np.ndarray) -> np.ndarray:
        """Return the best parameters at budgets [m]."""
        found: np.ndarray = np.asarray(C, float) / 6 / self.D(C)
        return found


def published() -> tuple[Published, ...]:
    """Return the laws, in the order of their years."""
    made = []
    for name, preset in (("Hoffmann 2022", "hoffmann_2022"), ("Besiroglu 2024", "besiroglu_2024")):
        law = Chinchilla.preset(preset)
        one, b = allocate(law, compute=1e20), float(law.derived()["b"])
        source = Chinchilla.presets[preset].source
        made.append(Published(name, source, float(one.D) / 1e20**b, b))
    deepseek = Published("DeepSeek 2024", "Bi et al. 2024, arXiv:2401.02954, eq. 4", 5.8316, 0.4757)
    llama = Published(
        "Llama 3 2024", "Grattafiori et al. 2024, arXiv:2407.21783, section 3.2.1", 0.299, 0.537
    )
    return (made[0], deepseek, made[1], llama)
