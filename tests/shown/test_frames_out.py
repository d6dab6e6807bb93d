"""Tables out: of the kind that the runs came in, or that is asked for."""

from __future__ import annotations

import dataclasses

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from test_results_shown import RESULTS, made

import jaxscale
from jaxscale.decisions.near import near_optimal
from jaxscale.shown import frames
from jaxscale.shown.frames import LIBRARIES, frame

FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table, "dict": dict}
MADE = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table, "dict": dict}
DATA = {"N": [1e8, 2e8, 4e8], "D": [1e9, 2e9, 4e9], "loss": [3.0, 2.8, 2.6]}
NO_TABLE = {
    "law", "free law", "sample of laws", "certificate", "interval", "asymptote", "grid",
    "comparison's entry", "answer", "candidates", "specification", "approach", "minima", "check",
    "verified", "warmup", "speed-up", "tuning", "cost", "planned", "forecast", "forecasts",
    "distribution", "fan", "state", "curve", "forecaster", "objective", "problem", "solver",
    "closed form", "report", "no fits",
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_every_table_has_the_same_columns_and_rows_in_every_kind(fitted, name):
    result = made(name, fitted)
    if name in NO_TABLE:
        assert not hasattr(result, "table") or not len(result)
        return
    plain = result.table(kind="dict")
    (rows,) = {len(column) for column in plain.values()}
    assert all(isinstance(x, np.ndarray) for x in plain.values())
    assert not any(x.dtype == object for x in plain.values())
    for kind in LIBRARIES:
        native = result.table(kind=kind)
        assert isinstance(native, FRAMES[kind])
        wide = nw.from_native(native)
        assert wide.columns == list(plain) and len(wide) == rows


@pytest.mark.parametrize("given", MADE)
def test_a_table_is_of_the_kind_that_the_runs_came_from(fitted, given):
    runs = jaxscale.Runs.of(MADE[given](DATA))
    kept = (runs, runs.select(runs.loss > 2.7, "low"), runs.replace(loss=runs.loss + 1))
    default = pd.DataFrame if given == "dict" else FRAMES[given]
    assert all(isinstance(each.table(), default) for each in kept)
    fit = dataclasses.replace(fitted, runs=fitted.runs.replace(frame_kind=runs.frame_kind))
    assert isinstance(fit.table(), default) and isinstance(fit.runs.table(), default)
    assert isinstance(fit.table(kind="pyarrow"), pa.Table)
    assert isinstance(jaxscale.allocate(fit, compute=1e23, draws=0).table(), default)
    assert isinstance(jaxscale.covariance(fit).table(["alpha"]), default)
    assert isinstance(made("draws", fitted).predict(N=1e9, D=1e11).table(kind="dict"), dict)
    near = near_optimal(fit.law, jaxscale.allocate(fit, compute=1e23, draws=0), 0.01)
    assert isinstance(near.table(), default)


def test_a_fit_says_every_parameter_with_its_error_and_what_it_is(fitted):
    fit = dataclasses.replace(fitted, fixed=("E",), errors={**fitted.errors, "E": np.nan})
    table = fit.table(kind="pandas").set_index("parameter")
    assert list(table.index) == ["E", "A", "B", "alpha", "beta", "a", "b"]
    assert table.estimate["alpha"] == fit.law.alpha and np.isnan(table.standard_error["E"])
    assert table.standard_error["beta"] == fit.errors["beta"]
    assert list(table.state) == ["fixed"] + ["fitted"] * 4 + ["derived"] * 2
    assert fit.table(kind="dict")["meaning"][3] == "model-size exponent"


def test_a_fit_read_from_a_file_gives_what_is_installed(fitted, tmp_path):
    fit = dataclasses.replace(fitted, runs=fitted.runs.replace(frame_kind="polars"))
    assert isinstance(fit.table(), pl.DataFrame)
    fit.save(tmp_path / "fit.json")
    assert isinstance(jaxscale.load(tmp_path / "fit.json").table(), pd.DataFrame)


def test_what_is_not_installed_is_passed_over_or_named_where_it_is_asked_for(monkeypatch):
    columns = {"a": [1.0, 2.0], "b": ["x", "y"]}
    gone = {"pandas"}
    monkeypatch.setattr(frames, "find_spec", lambda name: None if name in gone else object())
    assert isinstance(frame(columns), pl.DataFrame)
    assert isinstance(frame(columns, own="pandas"), pl.DataFrame)
    with pytest.raises(ImportError, match="kind='pandas' needs pandas: pip install pandas"):
        frame(columns, "pandas")
    gone |= {"polars", "pyarrow"}
    assert isinstance(frame(columns), dict)
    with pytest.raises(ValueError, match="one of pandas, polars, pyarrow, dict, got 'numpy'"):
        frame(columns, "numpy")
