"""IsoFLOP tables for the tests: from a law, with noise."""

from pathlib import Path

import numpy as np
import pytest

from jaxscale import Runs, allocate
from tests.cases import data_folder

FOLDER = data_folder() or Path("absent")
LLAMA = FOLDER / "llama3_isoflop" / "llama3_isoflop_points.csv"
needs_llama = pytest.mark.skipif(not LLAMA.exists(), reason="the points of Llama 3 are not here")


def isoflop_table(law, budgets, *, width=1.0, sizes=7, off=0.0, noise=0.0, seed=0):
    """Runs of a law of N and D at sizes of exp(+-width) around exp(off) times the best N."""
    rng = np.random.default_rng(seed)
    N, D = [], []
    for C in budgets:
        best = float(allocate(law, compute=C).N)
        each = best * np.exp(off + np.linspace(-width, width, sizes))
        N += list(each)
        D += list(C / 6 / each)
    N, D = np.array(N), np.array(D)
    loss = np.asarray(law.loss(N, D), float) * np.exp(noise * rng.standard_normal(len(N)))
    return Runs(N=N, D=D, loss=loss)
