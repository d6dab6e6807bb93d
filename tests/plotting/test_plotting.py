"""Figures: what is drawn, for laws of one and two inputs; files are deterministic."""

from __future__ import annotations

import dataclasses

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import jaxscale
from jaxscale.engine.loop import Status
from jaxscale.objective.residuals import residual_named
from jaxscale.plotting import labels
from jaxscale.plotting.fit import plot_fit, plot_law, plot_residuals
from jaxscale.plotting.starts import plot_starts
from jaxscale.plotting.style import save


@pytest.fixture(scope="module")
def joint() -> jaxscale.FitResult:
    rng = np.random.default_rng(1)
    N, D = 10 ** rng.uniform(7.5, 10, 60), 10 ** rng.uniform(9, 11.5, 60)
    law = jaxscale.Chinchilla.preset("besiroglu_2024")
    y = jaxscale.predict(law, N=N, D=D) * np.exp(rng.normal(0, 0.003, 60))
    y[[3, 11]] *= 1.4
    return jaxscale.fit(jaxscale.Chinchilla(), jaxscale.Runs(N=N, D=D, loss=y), starts=32)


def _result(
    like: jaxscale.FitResult, law: jaxscale.Law, names: dict | None = None, **columns: np.ndarray
) -> jaxscale.FitResult:
    """Return a result as `like` for noisy runs of a law, without the cost of another fit."""
    exact = jaxscale.predict(law, **columns)
    y = exact * np.exp(0.005 * np.random.default_rng(0).normal(size=len(exact)))
    runs = jaxscale.Runs(loss=y, names=names, **columns)
    none = np.array([], int)
    return dataclasses.replace(like, law=law, runs=runs, prediction=exact, suspects=none)


@pytest.fixture(scope="module")
def single(joint) -> jaxscale.FitResult:
    law = jaxscale.PowerLaw(a=30.0, b=-0.35, c=1.0, of="D")
    return _result(joint, law, D=np.geomspace(1e3, 1e7, 25))


@pytest.fixture(scope="module")
def broken(joint) -> jaxscale.FitResult:
    law = jaxscale.Piecewise(a1=-1e-4, b1=4.0, a2=30.0, b2=-0.35, c2=1.0, S0=5e3)
    fit = _result(joint, law, S=np.geomspace(1e2, 1e6, 30))
    return dataclasses.replace(fit, intervals={"S0": (4e3, 6e3)})


def _labels(ax: Axes) -> list[str]:
    return ax.get_legend_handles_labels()[1]


def _line(ax: Axes, label: str) -> np.ndarray:
    return next(line for line in ax.lines if line.get_label() == label).get_xydata()


def test_joint_law_shows_runs_frontier_and_irreducible_loss(joint):
    ax = plot_law(joint)
    assert ax.get_xlabel() == "training compute C (FLOPs)"
    assert ax.get_ylabel() == "loss (nats/token)"
    assert {"law at fixed N", "compute-optimal frontier"} <= set(_labels(ax))
    assert f"E = {joint.law.E:.3g}" in _labels(ax)
    assert len(ax.collections[0].get_offsets()) == 60
    assert ax.figure.axes[1].get_ylabel() == "parameters N"
    assert "1B" in [tick.get_text() for tick in ax.figure.axes[1].get_yticklabels()]


def test_frontier_is_the_closed_form_optimum(joint):
    law = joint.law
    C, loss = _line(plot_law(joint), "compute-optimal frontier").T
    G = (law.alpha * law.A / (law.beta * law.B)) ** (1 / (law.alpha + law.beta))
    N = G * (C / 6) ** (law.beta / (law.alpha + law.beta))
    np.testing.assert_allclose(loss, jaxscale.predict(law, N=N, C=C), rtol=1e-5)


def test_by_chooses_what_is_held_fixed(joint, single):
    ax = plot_law(joint, by="D")
    assert "law at fixed D" in _labels(ax)
    assert ax.figure.axes[1].get_ylabel() == "training tokens D"
    with pytest.raises(ValueError, match="'S'.*N, D"):
        plot_law(joint, by="S")
    with pytest.raises(ValueError, match="one input"):
        plot_law(single, by="D")


def test_curve_goes_beyond_the_runs_towards_the_asymptote(single):
    ax = plot_law(single)
    assert ax.get_xlabel() == "training tokens D"
    assert _labels(ax)[:3] == ["runs", "law", "extrapolated"]
    assert f"c = {single.law.c:.3g}" in _labels(ax)
    assert _line(ax, "extrapolated")[-1, 0] >= 2e7


def test_break_is_marked_and_not_bridged(broken):
    ax = plot_law(broken)
    assert ax.get_ylabel() == "loss"
    assert any(label.startswith("S0: ") for label in _labels(ax))
    for line in ax.lines:
        x = np.asarray(line.get_xdata(), float)
        assert line.get_linestyle() == "--" or not (x.min() < 4e3 and x.max() > 6e3)


def test_rising_score_keeps_its_name(joint):
    law = jaxscale.PowerLaw(a=-1.8, b=-0.22, c=0.93, of="D")
    fit = _result(joint, law, names={"loss": "accuracy"}, D=np.geomspace(1e3, 1e7, 25))
    ax = plot_law(fit)
    assert (ax.get_ylabel(), ax.get_yscale()) == ("accuracy", "linear")
    absolute = dataclasses.replace(fit, residual=residual_named("absolute"))
    assert plot_residuals(absolute).get_ylabel() == "predicted \u2212 observed"


def test_other_inputs_are_predicted_against_observed(joint):
    rng = np.random.default_rng(0)
    law = jaxscale.KaplanSteps(A=11.0, alpha_N=0.077, K=300.0, alpha_S=0.76)
    columns = {"N": 10 ** rng.uniform(6, 9, 40), "S": 10 ** rng.uniform(3, 5.5, 40)}
    ax = plot_law(_result(joint, law, **columns))
    assert ax.get_xlabel() == "observed loss"
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.figure.axes[1].get_ylabel() == "parameters N"


def test_residuals_show_delta_and_name_the_suspects(joint):
    ax = plot_residuals(joint)
    inside = joint.certificate.inside_delta
    assert any(label.startswith(f"{inside} of 60 inside") for label in _labels(ax))
    offsets = ax.collections[0].get_offsets()
    np.testing.assert_allclose(offsets[:, 1], np.log(joint.prediction / joint.runs.loss))
    rows = {text.get_text() for text in ax.texts}
    assert {"4", "12"} <= rows <= {str(joint.runs.rows[k]) for k in joint.suspects}
    assert len(ax.child_axes) == 1


def test_residuals_without_delta_or_suspects_need_no_legend(single):
    plain = dataclasses.replace(single, loss=jaxscale.Square())
    assert plot_residuals(plain).get_legend() is None


def test_starts_show_every_start_by_status(joint):
    status = np.array([Status.CONVERGED] * 20 + [Status.STEP_LIMIT] * 8 + [Status.STALLED] * 4)
    values = joint.value * np.concatenate([np.ones(20), np.full(8, 3.0), np.full(4, np.nan)])
    spread = dataclasses.replace(joint, start_values=values, start_status=status)
    ax = plot_starts(spread)
    assert _labels(ax) == ["converged (20)", "step limit (8)", "stalled (4)"]
    heights = [float(cloud.get_offsets()[0, 1]) for cloud in ax.collections]
    assert heights == pytest.approx([1e-16, 2.0, 1e4])


def test_starts_that_all_agree_are_said_to(joint):
    title = plot_starts(joint).get_legend().get_title().get_text()
    assert title == "32 of 32 starts at the best value"


@pytest.mark.parametrize("name", ["joint", "single", "broken"])
def test_plot_fit_has_three_panels_and_a_title(name, request, tmp_path):
    fit = request.getfixturevalue(name)
    before = dict(matplotlib.rcParams)
    figure = plot_fit(fit)
    save(figure, tmp_path / "fit.png")
    assert dict(matplotlib.rcParams) == before
    assert figure.get_suptitle().startswith(f"{type(fit.law).__name__}: ")
    assert f"{len(fit.runs)} runs" in figure.get_suptitle()
    assert len([ax for ax in figure.axes if ax.get_xlabel()]) == 3


@pytest.mark.parametrize(
    "name, message",
    [
        ("a.jpg", r"one of \.png, \.svg, \.pdf"),
        ("a", r"one of \.png, \.svg, \.pdf"),
        ("missing/a.png", "there is no folder '.*missing'"),
    ],
)
def test_save_says_where_and_what_it_writes(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        save(Figure(), tmp_path / name)


def test_formulas_are_set_as_mathematics_where_that_works():
    for law in jaxscale.CATALOGUE.values():
        assert labels.formula(law.formula()).startswith("$")
    assert labels.formula("costs $5 {a") == r"costs \$5 {a"
