"""Published fits of limited data and of vocabularies."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale
from jaxscale import Chinchilla, Huber
from jaxscale.laws.repeated import DataConstrained, Saturation
from jaxscale.laws.vocabulary import Vocabulary, vocabulary_tokens

from .chinchilla import COLUMNS, HUBER, from_logs, logs
from .entry import Goal, Published, Row
from .refit import row

MUENNIGHOFF = (
    "Muennighoff et al. 2023, arXiv:2305.16264; github huggingface/datablations, "
    "utils/parametric_fit.ipynb"
)
C4 = {k: v for k, v in Chinchilla.presets["muennighoff_2023"].values.items()}
"""Their fit of C4, which the two stages after it hold fixed."""


def rows(data: Path) -> Iterator[Row]:
    """Yield the rows of data-constrained training and of vocabularies."""
    yield from constrained(data)
    yield vocabulary(data)


def constrained(data: Path) -> Iterator[Row]:
    """Yield the three fits of the data-constrained law."""
    folder = data / "datablations"
    columns = {**COLUMNS, "U": "unique_tokens"}
    runs = jaxscale.read_runs(folder / "datablations_fit182.csv", map=columns)
    corner = np.array(list(itertools.product(np.linspace(1e-3, 20, 4), repeat=2)))
    of = dict(source=MUENNIGHOFF, runs=runs, goal=HUBER,
              read=lambda law: {k: law.values[k] for k in ("R_D", "R_N")})  # fmt: skip
    yield row(Published(
        "data-constrained", "Data-constrained law, R_D and R_N", **of,
        law=DataConstrained(**C4), make=lambda v: DataConstrained(**C4, **v),
        printed=dict(R_D="15.387756", R_N="5.309743"), stated="0.0158259366",
        starts=DataConstrained(**C4, R_D=corner[:, 0], R_N=corner[:, 1]),
        rule="16 starts (4 x 4 on [0, 20]²), L-BFGS in float32; E, A, B, alpha held fixed",
        note="The deeper minima lie outside of the box of their starts, R_D at 95",
    ))  # fmt: skip
    yield row(Published(
        "data-constrained-D", "Data-constrained law, decay of data only", source=MUENNIGHOFF,
        runs=runs, goal=HUBER, law=Saturation(**C4),
        make=lambda v: Saturation(**C4, rate=1 / v["R_D"]),
        read=lambda law: {"R_D": 1 / law.rate}, printed=dict(R_D="2.9157"),
        stated="0.016922351",
    ))  # fmt: skip
    early = jaxscale.read_runs(folder / "datablations_all.csv", map=COLUMNS, where="epochs <= 2.5")
    yield row(Published(
        "data-constrained-base", "Chinchilla with alpha = beta on the runs of at most 2.5 epochs",
        MUENNIGHOFF, law=Chinchilla(), runs=early, goal=HUBER, options=dict(tie={"beta": "alpha"}),
        printed=dict(a="6.4526", b="8.0230", e="0.63987", alpha="0.35954"), stated="0.0012",
        make=lambda v: from_logs({**v, "beta": v["alpha"]}), read=logs,
    ))  # fmt: skip


def vocabulary(data: Path) -> Row:
    """Return the row of the vocabulary law."""
    table = jaxscale.read_runs(
        data / "vocab" / "vocab_runs.csv",
        map=dict(N_nv="params_non_vocab", V="vocab_size", W="embed_dim", H="characters",
                 loss="loss_unigram_normalised"),
        where="in_paper_fit == 1",
    )  # fmt: skip
    column = table.columns
    D = np.asarray(vocabulary_tokens(column["H"], column["V"]))
    runs = jaxscale.Runs(N_nv=column["N_nv"], N_v=column["V"] * column["W"], D=D, loss=table.loss)
    return row(Published(
        "vocabulary", "Vocabulary law",
        "Tao et al. 2024, arXiv:2407.13623; github sail-sg/scaling-with-vocab, optimal_Nv_predict",
        law=Vocabulary(), runs=runs, make=_from_units, read=_in_units,
        options=dict(tie={"beta": "alpha1"}),
        goal=Goal(Huber(1e-3), "absolute", "sum of Huber (δ = 1e-3) of the losses"),
        printed=dict(E="5.5327847", A1="1.8313852", A2="0.1958424", B="2.1241123",
                     alpha2="0.6707375", beta="0.4466063"),
        starts=_grid(), rule="486 starts, L-BFGS-B with numeric gradients; of the ends with "
        "exponents in (.1, 1) that with the least relative squared error, not with the least "
        "objective",
        note="Units: N_nv and N_v in millions, D in billions of tokens, H characters times f(V / "
        "1000) as in their code; with f(V) of the paper the printed values do not fit",
    ))  # fmt: skip


def _from_units(values: Mapping[str, Any]) -> Vocabulary:
    """Return the law at values for N_nv and N_v in millions and D in billions."""
    v = values
    return Vocabulary(
        E=v["E"], A1=v["A1"] * 1e6 ** v["beta"], A2=v["A2"] * 1e6 ** v["alpha2"],
        B=v["B"] * 1e9 ** v["beta"], alpha1=v["beta"], alpha2=v["alpha2"], beta=v["beta"],
    )  # fmt: skip


def _in_units(law: jaxscale.Law) -> dict[str, float]:
    """Return those values of a law."""
    v = law.values
    small = {"A1": 1e6 ** -v["alpha1"], "A2": 1e6 ** -v["alpha2"], "B": 1e9 ** -v["beta"]}
    return {**v, **{name: v[name] * by for name, by in small.items()}}


def _grid() -> Vocabulary:
    """Return the starts of approach3_isoloss.py: logs of A1, A2, B, E and two exponents."""
    coefficient, offset, power = np.linspace(0, 5, 3), np.linspace(0, 2, 2), np.linspace(0, 1, 3)
    axes = (coefficient, coefficient, coefficient, offset, power, power)
    a1, a2, b, e, alpha2, beta = np.array(list(itertools.product(*axes))).T
    alpha2, beta = np.maximum(alpha2, 1e-6), np.maximum(beta, 1e-6)
    units = dict(E=np.exp(e), A1=np.exp(a1), A2=np.exp(a2), B=np.exp(b), alpha2=alpha2, beta=beta)
    return _from_units(units)
