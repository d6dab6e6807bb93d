"""What a notebook makes of results and errors, cell by cell."""

from __future__ import annotations

import dataclasses
import traceback
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jaxscale
from jaxscale._numerics.precision import host
from jaxscale.data.run_names import LONGEST, told_apart
from jaxscale.decisions.allocation import Limits
from jaxscale.fitting.linearized import Noise
from jaxscale.shown.blocks import Grid, html_of
from jaxscale.uncertainty.draws import Band, Draws
from jaxscale.uncertainty.intervals import Interval

LAW = jaxscale.Chinchilla.preset("hoffmann_2022")
TABLE = {"N": [1e8, 1e9], "D": [1e9, 1e10], "loss": [3.0, 2.5]}


@host()
def of_another():
    return np.zeros(3).reshape(2, 2)


def folded(error):
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [f for f in frames if f.f_globals["__name__"].startswith("jaxscale.")]
    assert ours
    return {f.f_code.co_name: f.f_locals.get("__tracebackhide__", False) for f in ours}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: jaxscale.fit("Chinchilla", {"N": [1e8], "D": [1e9]}),
        lambda: jaxscale.allocate(LAW, compute=-1),
        lambda: jaxscale.allocate("Chinchilla", compute=1e20),
        lambda: jaxscale.fit("Chinchila", TABLE),
    ],
    ids=["a column", "a value", "a type", "a name"],
)
def test_an_error_of_ours_folds_the_frames_between_the_cell_and_the_message(wrong):
    with pytest.raises((ValueError, TypeError)) as caught:
        wrong()
    assert set(folded(caught.value).values()) == {True}


def test_a_missing_argument_folds_the_door_and_an_error_within_another_library_keeps_its_frames():
    with pytest.raises(TypeError, match="'what'") as caught:
        jaxscale.influence(object())
    assert folded(caught.value) == {"checked": True}
    with pytest.raises(ValueError, match="reshape") as caught:
        of_another()
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert "__tracebackhide__" not in frames[-1].f_locals


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(1.5, 2.5), "1.5 to 2.5"),
        (Limits(np.array([1e9, 2e9]), np.array([3e9, 4e9])), "1.000e+09 to 3.000e+09, 2.0"),
        (Limits(np.arange(20.0), np.arange(20.0) + 1), "7 to 8 and 12 more"),
    ],
)
def test_limits_unpack_and_are_one_line(limits, text):
    low, high = limits
    assert low is limits.low and high is limits.high
    assert text in repr(limits) and "\n" not in repr(limits)


@pytest.mark.parametrize(
    ("inputs", "columns"),
    [
        ({"N": np.array([7e9, 1e10]), "D": np.asarray(1.4e11)}, ["N", "D"]),
        ({"x": np.array([0.5, 2.0])}, ["x"]),
        ({}, []),
    ],
)
def test_a_band_says_where_it_is(inputs, columns):
    ends = np.array([2.1, 2.0])
    band = Band(ends, ends - 0.1, ends + 0.1, 0.9, "the mean law", "", inputs)
    table = band.table(kind="dict")
    assert list(table) == [*columns, "center", "low", "high"]
    assert {len(column) for column in table.values()} == {2}
    head = str(band).splitlines()[1].split()
    assert head[: len(columns)] == columns
    assert ("140 B" in str(band)) == ("D" in inputs)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("N*(C=1e23)", 1.4e10, "N*(C=1e23) 14 B ["),
        ("D*(C=1e23)", 1.2e12, "D*(C=1e23) 1.2 T ["),
        ("alpha", 0.34, "alpha 0.34 ["),
        ("L*(C=1e23)", 1.9, "L*(C=1e23) 1.9 ["),
    ],
)
def test_an_interval_of_sizes_is_in_billions(name, value, text):
    assert str(Interval(name, value, value / 2, value * 2, 0.9, 0.1, "case")).startswith(text)


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["short-1", "short-2"], ["short-1", "short-2"]),
        ([f"lr3e-4_bs2048_wd0.1_seed{k}_sunny-dawn" for k in (1, 12)], ["…seed1…", "…seed12…"]),
        ([f"sweep/2024-06-01/width-ablation/{k}" for k in "ab"], ["…a", "…b"]),
        ([f"{k}-of-the-very-long-ablation-of-widths" for k in "ab"], ["a…", "b…"]),
        (["x" * 50, "y" * 50], ["x" * 50, "y" * 50]),
        (["same" * 20] * 2, ["same" * 20] * 2),
    ],
)  # fmt: skip
def test_long_names_are_cut_where_they_are_alike(names, shown):
    found = told_apart(names)
    assert [found[name] for name in names] == shown
    assert all(name in found for name in names)
    runs = jaxscale.Runs.of({**TABLE, "run": names})
    assert all(len(called) <= LONGEST for called in runs.called.values())


def test_cells_of_a_page_break_where_they_are_long_and_keep_their_indent():
    page = html_of(
        [
            "title",
            Grid(
                [["choice", "why"], ["the law", ""], ["  Skaling", "too " * 20], ["x", " a"]], "<<"
            ),
        ]
    )
    assert '<td class="within">Skaling</td>' in page
    assert '<td class="long">too' in page and page.count('class="long"') == 1
    page = html_of(["title", Grid([["  E", "1"], ["  A", "2"]], "<>", head=False)])
    assert "within" not in page.partition("</style>")[2]


@pytest.mark.parametrize(
    ("figure", "given", "maker"),
    [
        ("allocation", lambda fit: jaxscale.allocate(LAW, compute=1e20), "bootstrap"),
        ("bands", lambda fit: fit, "bootstrap"),
        ("influence", lambda fit: fit, "influence"),
        ("law", lambda fit: fit.runs, "fit"),
    ],
)
def test_a_figure_of_another_result_says_what_it_takes(figure, given, maker, fitted):
    with pytest.raises(TypeError, match=rf"plot.{figure} takes what jaxscale.{maker} returned"):
        getattr(jaxscale.plot, figure)(given(fitted))


def test_draws_of_a_doubtful_fit_show_its_doubts(fitted):
    doubtful: Any = SimpleNamespace(reasons=("the optimum is far",))
    poor = dataclasses.replace(fitted, certificate=doubtful)
    law = poor.law.replace(E=poor.law.E * np.linspace(0.9, 1.1, 9))
    noise = Noise(np.zeros(3), np.full(3, 1 / 3), 0.001, 1e-4)
    found = Draws(law, poor, "case", 0, noise, 10.0, 1.0, ("few",), {})
    assert all(doubt in str(found) for doubt in (*poor.doubts, "few")) and poor.doubts
    assert 'class="note doubt"' in found._repr_html_()
