"""The architectures nearest to the sizes of an allocation, as text and as JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Self

import numpy as np

from jaxscale.cli.size import described
from jaxscale.decisions.allocation import Allocation
from jaxscale.flops import UNIT, Family, Flops, Transformer, nearest, unit_of
from jaxscale.text import columns, count


@dataclasses.dataclass(frozen=True)
class Built:
    """What `--build` adds to an allocation.

    Attributes:
        runs: (N, D, the nearest architecture, what it costs by the law's own cost) of every answer.
        unit: of that cost.
    """

    runs: tuple[tuple[float, float, Transformer, float], ...] = ()
    unit: str = UNIT

    @classmethod
    def of(cls, vocab: int | None, found: Allocation | None, flops: Flops) -> Self:
        """Return the architectures for the answers; none where they are not asked for.

        Args:
            vocab: tokens of the vocabulary; None for none.
            found: the allocation.
            flops: the cost that it counts with.

        Raises:
            ValueError: no architecture has about that size.
        """
        if vocab is None or found is None:
            return cls()
        runs = []
        sizes = zip(np.atleast_1d(found.N), np.atleast_1d(found.D), strict=True)
        for N, D in sizes:
            if math.isfinite(N) and math.isfinite(D):
                model = nearest(float(N), Family(vocab=vocab), number=1)[0]
                runs.append((float(N), float(D), model, float(flops(model.total, float(D)))))
        return cls(tuple(runs), unit_of(flops))

    def table(self) -> str:
        """Return the text for a person; empty where nothing was asked."""
        if not self.runs:
            return ""
        head = ["N", "layers", "width", "heads", "d_ff", "parameters", "off"]
        head += ["exact FLOPs", f"as counted ({self.unit})"]
        body = [
            [
                count(N),
                *map(str, (model.layers, model.d_model, model.heads, model.ff)),
                f"{model.total:,}",
                f"{100 * (model.total / N - 1):+.2f} %",
                f"{model.training_flops(D):.4g}",
                f"{cost:.4g}",
            ]
            for N, D, model, cost in self.runs
        ]
        return "\n\n" + columns([head, *body], ">" * len(head))

    def document(self) -> dict[str, Any]:
        """Return what JSON says; empty where nothing was asked."""
        if not self.runs:
            return {}
        return {
            "built": [
                {"N": N, "D": D, "off": model.total / N - 1, "cost": cost, **described(model, D)}
                for N, D, model, cost in self.runs
            ]
        }
