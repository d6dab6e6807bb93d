"""One size, several counts: with embeddings and without, and what that does to exponents.

For architectures of one shape, width over depth A, the blocks are 12 L d² = 12 d³ / A parameters
and the embedding V d: with x = (parameters without embeddings)^(1/3), the total is x³ + omega x,
where omega = V (A / 12)^(1/3). So N counted one way is no power of N counted the other way, and
the best N grows as another power of C. `by_convention` shows by how much.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.pytree import pytree, static
from jaxscale.errors import DataError
from jaxscale.flops.models import FORMS, UNIT, Cost
from jaxscale.text import columns

CHINCHILLA_OMEGA = 47491.0
"""Omega of Hoffmann's models: Pearce and Song 2024, arXiv:2406.12907, section 3."""


def omega_of(vocab: float, aspect: float, matrices: float = 12.0) -> float:
    """Return omega of x³ + omega x.

    Args:
        vocab: V, times two where the head is not the embedding; the context added to it where
            positions are learned.
        aspect: width over depth.
        matrices: parameters of a block over width²; 12 with d_ff = 4 d and no gate.
    """
    return float(vocab * (aspect / matrices) ** (1 / 3))


def with_embeddings(N: Any, omega: float = CHINCHILLA_OMEGA) -> Any:
    """Return the total parameters of models of N without embeddings.

    Args:
        N: parameters without embeddings, any shape; NumPy's or JAX's.
        omega: see `omega_of`.
    """
    return N + omega * N ** (1 / 3)


def without_embeddings(N: Any, omega: float = CHINCHILLA_OMEGA) -> Any:
    """Return the parameters without embeddings of models of N in all: the inverse.

    Args:
        N: total parameters, any shape; NumPy's or JAX's.
        omega: see `omega_of`.
    """
    return _root_of_cubic(N, omega) ** 3


def _root_of_cubic(N: Any, omega: float) -> Any:
    """Return the x at which x³ + omega x = N."""
    numpy: Any = jnp if isinstance(N, jax.Array) else np
    u = 1.5 * N * math.sqrt(3) / omega**1.5
    x = 2 * math.sqrt(omega / 3) * numpy.sinh(numpy.arcsinh(u) / 3)
    return x - (x**3 + omega * x - N) / (3 * x**2 + omega)  # a step of Newton's, for rounding


def exponent_without_embeddings(
    N: Any, alpha: float, beta: float, omega: float = CHINCHILLA_OMEGA
) -> Any:
    """Return d log N* / d log C, both without embeddings, where the law counts all parameters.

    Under E + A N^-alpha + B D^-beta of total N, it falls from beta / (alpha / 3 + beta), where the
    embedding is all there is, to beta / (alpha + beta): Kaplan's exponent lies between.

    Args:
        N: parameters without embeddings, any shape.
        alpha: exponent of N of the law.
        beta: exponent of D of the law.
        omega: see `omega_of`.

    Source: Pearce and Song 2024, arXiv:2406.12907, section 3.
    """
    s = N ** (2 / 3)
    inner = (s + omega / 9) / (s + omega / 3)
    outer = (s + omega / 3) / (s + omega)
    return 1 / (1 - inner / beta + (1 + alpha) / beta * outer)


@pytree
class TransformerCost(Cost):
    """C of transformers of one shape, counted exactly, attention and head included; N is all of it.

    C = 6 D (N - E + V d) + 6 T D d² / aspect, with E = `embeddings` V d parameters that are looked
    up or form the head, and causal attention over T tokens. At small N it is far from 6 N D.
    """

    vocab: float = static()
    context: float = static(default=2048.0)
    aspect: float = static(default=128.0)
    matrices: float = static(default=12.0)
    embeddings: float = static(default=1.0)
    unit: str = static(default=UNIT)
    form = "transformer"
    formula = "6 D (blocks + head + attention)"

    def __call__(self, N: Any, D: Any) -> Any:
        """Return the FLOPs of training."""
        return D * self.per_token(N)

    def per_token(self, N: Any) -> Any:
        """Return the FLOPs per token of training."""
        x = _root_of_cubic(N, self.omega)
        d = x * (self.aspect / self.matrices) ** (1 / 3)
        return 6 * (x**3 + self.vocab * d) + 6 * (self.context + 1) * d**2 / self.aspect

    @property
    def omega(self) -> float:
        """See `omega_of`."""
        return omega_of(self.embeddings * self.vocab, self.aspect, self.matrices)

    def tokens(self, N: Any, C: Any) -> Any:
        """Return D such that a model of N parameters costs C."""
        return C / self.per_token(N)

    def parameters(self, D: Any, C: Any) -> Any:
        """Return N such that D tokens cost C."""
        slope = (self.aspect / self.matrices) ** (1 / 3)  # d over x
        linear, square = self.vocab * slope, (self.context + 1) * slope**2 / self.aspect
        goal = C / (6 * D)
        # x³ + square x² + linear x = goal; it rises and bends upward, so Newton's steps from
        # above go down to the root.
        x = goal ** (1 / 3)
        for _ in range(NEWTON):
            value = ((x + square) * x + linear) * x - goal
            x = x - value / ((3 * x + 2 * square) * x + linear)
        return x**3 + self.omega * x


NEWTON = 60
"""Steps of Newton's method: each takes a third off x while the root is far, then doubles digits."""
FORMS[TransformerCost.form] = TransformerCost


@dataclasses.dataclass(frozen=True)
class Growth:
    """How the best N and D grow with C under one way of counting: N* = coefficient C^exponent.

    Attributes:
        convention: its name.
        n: number of points.
        N: coefficient, exponent, standard error of the exponent.
        D: the same of D*; NaN where there is none.
        ratio: D* / N* of the geometric means.
    """

    convention: str
    n: int
    N: tuple[float, float, float]
    D: tuple[float, float, float]
    ratio: float


def by_convention(C: Any, optima: Mapping[str, Any]) -> list[Growth]:
    """Return the exponents of N* and D* under every way of counting parameters.

    Args:
        C: [n] budgets.
        optima: by the name of the convention, N* [n], or (N*, D*), [n] each: the minima of the
            isoFLOP curves drawn against N counted so, NaN where a budget has none.

    Raises:
        DataError: fewer than two budgets, or numbers that are missing or not positive.
    """
    found = []
    for name, given in optima.items():
        N, D = given if isinstance(given, tuple) else (given, None)
        at, best = _points(C, N, f"{name}: N*")
        of_N, of_D, ratio = _power_of(at, best, f"{name}: N*"), (math.nan,) * 3, math.nan
        if D is not None:
            tokens = _points(C, D, f"{name}: D*")
            of_D = _power_of(*tokens, f"{name}: D*")
            ratio = math.exp(np.mean(np.log(tokens[1])) - np.mean(np.log(best)))
        found.append(Growth(name, len(at), of_N, of_D, ratio))
    return found


def growth_table(rows: list[Growth]) -> str:
    """Return the exponents as text, one convention a line."""
    head = ["N counted as", "points", "N* grows as", "D* grows as", "D*/N*"]
    body = []
    for row in rows:
        powers = [
            "" if math.isnan(p) else f"C^{p:.3f}" + ("" if math.isnan(e) else f" ± {e:.3f}")
            for _, p, e in (row.N, row.D)
        ]
        ratio = "" if math.isnan(row.ratio) else f"{row.ratio:.3g}"
        body.append([row.convention, str(row.n), *powers, ratio])
    return columns([head, *body], "<><<>")


def _points(C: Any, values: Any, called: str) -> tuple[np.ndarray, np.ndarray]:
    """Return budgets and values [m], those without a value left out."""
    C, values = np.atleast_1d(np.asarray(C, float)), np.atleast_1d(np.asarray(values, float))
    if C.shape != values.shape:
        raise DataError(f"{called}: {len(values)} values for {len(C)} budgets")
    there = ~np.isnan(values)
    C, values = C[there], values[there]
    if not (np.isfinite(C) & np.isfinite(values) & (C > 0) & (values > 0)).all():
        raise DataError(f"{called}: budgets and sizes must be positive numbers")
    return C, values


def _power_of(C: np.ndarray, values: np.ndarray, called: str) -> tuple[float, float, float]:
    """Return coefficient, exponent and its standard error of a line through logarithms."""
    x, y = np.log(C), np.log(values)
    spread = float(np.sum((x - x.mean()) ** 2)) if len(x) else 0.0
    if not spread > 0:
        raise DataError(f"{called}: an exponent needs minima at two different budgets or more")
    slope = float(np.sum((x - x.mean()) * (y - y.mean())) / spread)
    off = y - y.mean() - slope * (x - x.mean())
    error = math.sqrt(float(off @ off) / (len(C) - 2) / spread) if len(C) > 2 else math.nan
    return math.exp(y.mean() - slope * x.mean()), slope, error
