"""What several tests share: laws, tables and results made by hand."""

import os
from pathlib import Path

import numpy as np
import pytest

import jaxscale
from jaxscale.comparison.held_out import HeldOut
from jaxscale.comparison.splits import Split
from jaxscale.laws import CATALOGUE, RANGES

TRUTH = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)


class TokensFirst(jaxscale.Law):
    """L(D, N) = B D^-beta + A N^-alpha + E, its inputs in the other order: no closed form."""

    E: jaxscale.Scalar = jaxscale.offset("e")
    A: jaxscale.Scalar = jaxscale.coefficient("a", per=dict(N="alpha"))
    B: jaxscale.Scalar = jaxscale.coefficient("b", per=dict(D="beta"))
    alpha: jaxscale.Scalar = jaxscale.exponent("x")
    beta: jaxscale.Scalar = jaxscale.exponent("y")

    def __call__(self, D, N):
        return self.B * D**-self.beta + self.A * N**-self.alpha + self.E


def law_class(name):
    """The class of a law, with the arguments of its example where it takes some."""
    cls = CATALOGUE[name]
    return cls[cls.example.arguments] if cls.example.arguments else cls


def inputs(law, n=60):
    """Inputs [n] of a law, drawn from the ranges of its example."""
    rng, drawn = np.random.default_rng(1), {}
    for name, kind in law.kinds.items():
        low, high = {**RANGES, **law.example.inputs}[name]
        even = rng.uniform(*(np.log((low, high)) if kind == "positive" else (low, high)), n)
        drawn[name] = np.exp(even) if kind == "positive" else even
    return drawn


def residual_for(loss):
    """The residual that a fit of such losses takes: one of either sign has no logarithm."""
    return "log" if np.all(loss > 0) else "absolute"


def data_folder() -> Path | None:
    """The folder of public tables, where a checkout has one beside it."""
    root = Path(os.environ.get("JAXSCALE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    return root if (root / "gold.json").is_file() else None


needs_data = pytest.mark.skipif(data_folder() is None, reason="no ../shared/data, no JAXSCALE_DATA")


def hand_made(errors, test=None, level=None):
    """HeldOut of given errors [L, W, n]; every run in every window unless said."""
    errors = np.array(errors, float)
    laws, windows, n = errors.shape
    test = np.ones((windows, n), bool) if test is None else np.array(test)
    split = Split(
        "window", "C", tuple(map(str, range(windows))), ~test, test, np.ones(windows),
        np.arange(n) if level is None else np.array(level), np.ones(windows, bool),
    )  # fmt: skip
    skipped = tuple(tuple("" if np.isfinite(row).any() else "why" for row in law) for law in errors)
    return HeldOut(split, tuple("abcdef"[:laws]), errors, skipped, ((),) * laws)
