"""Figures of uncertainty: what is drawn is what the results say; every axis has a label."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import jaxscale
from jaxscale._numerics.student import student_t
from jaxscale.comparison.held_out import HeldOut
from jaxscale.comparison.splits import Split
from jaxscale.engine.loop import Status
from jaxscale.fitting.certificate import Basin
from jaxscale.fitting.linearized import Noise
from jaxscale.objective.residuals import residual_named
from jaxscale.plotting.bands import _line, plot_bands
from jaxscale.plotting.captions import called, stated
from jaxscale.plotting.corner import plot_joint
from jaxscale.plotting.influence import plot_influence
from jaxscale.plotting.multiplier import plot_multiplier
from jaxscale.plotting.profiles import plot_asymptote, plot_profiles
from jaxscale.plotting.rollout import plot_rollout
from jaxscale.plotting.starts import plot_waterfall
from jaxscale.recipes.multiplier import Multiplier
from jaxscale.uncertainty.asymptote import AsymptoteProfile
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.influence import Influence
from jaxscale.uncertainty.intervals import Interval
from jaxscale.uncertainty.profile import Profile
from jaxscale.uncertainty.quantities import Best

pytestmark = pytest.mark.slow

rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def joint(fitted) -> Draws:
    return bootstrap(fitted, method="residual", draws=200)


@pytest.fixture(scope="module")
def single(joint) -> Draws:
    """Draws of a law of one scale, without the cost of a fit."""
    law = jaxscale.PowerLaw(a=30.0, b=-0.35, c=1.0, of="D")
    D = np.geomspace(1e3, 1e7, 25)
    exact = jaxscale.predict(law, D=D)
    loss = exact * np.exp(0.005 * rng.normal(size=25))
    fit = dataclasses.replace(
        joint.fit, law=law, runs=jaxscale.Runs(D=D, loss=loss), prediction=exact
    )
    around = {"a": 30 * np.exp(0.3 * rng.normal(size=300)), "c": 1 + 0.01 * rng.normal(size=300)}
    residual = np.log(exact / loss)
    noise = Noise(residual, np.full(25, 0.04), 0.001, float(np.mean(residual**2)))
    return dataclasses.replace(joint, law=law.replace(**around), fit=fit, noise=noise)


def rendered(figure: Figure) -> Figure:
    """Return a figure after drawing it; warnings are errors."""
    before = dict(matplotlib.rcParams)
    figure.savefig(io.BytesIO(), dpi=50)
    assert dict(matplotlib.rcParams) == before
    return figure


def line(ax: Axes, label: str) -> np.ndarray:
    return next(each for each in ax.lines if each.get_label() == label).get_xydata()


def edges(ax: Axes, label: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (x, low, high) of a filled band."""
    band = next(each for each in ax.collections if each.get_label() == label)
    x, y = band.get_paths()[0].vertices.T
    at = np.unique(x)
    return at, *(np.array([pick(y[x == one]) for one in at]) for pick in (np.min, np.max))


def span(ax: Axes, x: float = 0.5) -> tuple[float, float]:
    """Return the ends of the shaded interval of an axes."""
    box = ax.patches[0].get_extents()
    return tuple(ax.transData.inverted().transform(box.get_points())[:, 0])


@pytest.mark.parametrize("name", ["joint", "single"])
def test_bands_are_the_predictions_of_the_draws(name, request):
    draws = request.getfixturevalue(name)
    top, below = rendered(plot_bands(draws, level=0.8)).axes
    label = "fitted law, best N and D" if name == "joint" else "fitted law"
    C, center = line(top, label).T
    here = draws.fit.runs.column("C" if name == "joint" else "D")
    assert C[-1] == pytest.approx(100 * here.max()) and C[0] < here.min()
    some = [0, 30, 63]
    if name == "joint":
        best = [jaxscale.allocate(draws.fit.law, compute=x) for x in C[some]]
        inputs = {k: np.array([getattr(each, k) for each in best]) for k in "ND"}
    else:
        inputs = {"D": C[some]}
    for level, words in ((0.8, "mean law, 80 %"), (0.5, "mean law, 50 %")):
        band = draws.predict(level=level, **inputs)
        x, low, high = edges(top, words)
        np.testing.assert_allclose(x, C)
        np.testing.assert_allclose(center[some], band.center, rtol=1e-8)
        np.testing.assert_allclose(low[some], band.low, rtol=1e-8)
        np.testing.assert_allclose(high[some], band.high, rtol=1e-8)
        _, low, high = edges(below, words)
        np.testing.assert_allclose(low[some], 100 * (band.low / band.center - 1), atol=1e-6)
    last = {k: x[-1] for k, x in inputs.items()}
    new = draws.predict(level=0.8, new_run=True, **last)
    assert edges(top, "new run, 80 %")[2][-1] == pytest.approx(float(new.high))
    assert below.get_xlabel() in ("training compute C (FLOPs)", "training tokens D")
    assert top.get_ylabel() == "loss (nats/token)"
    assert below.get_ylabel() == "relative to the law (%)"
    box = top.patches[0].get_extents()  # the range of the runs
    ends = top.transData.inverted().transform(box.get_points())[:, 0]
    np.testing.assert_allclose(ends, [here.min(), here.max()])
    assert "80 %" in top.figure.get_suptitle() and "100 times" in top.figure.get_suptitle()


def test_runs_stand_against_the_law_at_their_own_inputs(joint):
    fit = joint.fit
    _, below = plot_bands(joint).axes
    off = 100 * (fit.runs.loss / fit.prediction - 1)
    clouds = {each.get_label(): each.get_offsets() for each in below.collections}
    inside = [x for label, x in clouds.items() if label.startswith("_")][-1]
    inside = next(x for x in clouds.values() if len(x) > 40)
    assert set(np.round(inside[:, 1], 9)) <= set(np.round(off, 9))
    beyond = [x for label, x in clouds.items() if "beyond" in label]
    assert len(inside) + sum(map(len, beyond)) == 60 and beyond
    low, high = below.get_ylim()
    assert len(inside) == ((off >= low) & (off <= high)).sum()


def test_rising_scores_and_absolute_residuals_keep_linear_axes(single):
    law = jaxscale.PowerLaw(a=-1.8, b=-0.22, c=0.93, of="D")
    D = single.fit.runs.columns["D"]
    exact = jaxscale.predict(law, D=D)
    runs = jaxscale.Runs(D=D, loss=exact + 0.01 * rng.normal(size=25), names={"loss": "accuracy"})
    fit = dataclasses.replace(
        single.fit, law=law, runs=runs, prediction=exact, residual=residual_named("absolute")
    )
    sample = law.replace(c=0.93 + 0.01 * rng.normal(size=100))
    top, below = rendered(plot_bands(dataclasses.replace(single, law=sample, fit=fit))).axes
    assert (top.get_ylabel(), top.get_yscale()) == ("accuracy", "linear")
    assert below.get_ylabel() == "accuracy \u2212 law"


def test_a_law_without_a_best_size_is_followed_at_the_ratio_of_the_runs(fitted):
    flat = dataclasses.replace(fitted, law=fitted.law.replace(A=0.0))
    found = _line(flat, 10.0)
    N, D = found.inputs["N"], found.inputs["D"]
    np.testing.assert_allclose(6 * N * D, found.scale, rtol=1e-4)
    ratio = fitted.runs.columns["D"] / fitted.runs.columns["N"]
    np.testing.assert_allclose(D / N, np.exp(np.mean(np.log(ratio))))
    assert "tokens per parameter" in found.words


def test_bands_reach_to_the_scales_that_are_asked_for(joint):
    largest = joint.fit.runs.column("C", joint.fit.law.flops).max()
    top, below = plot_bands(joint, at=[10 * largest, 5000 * largest]).axes
    for ax in (top, below):
        marks = [x.get_xdata()[0] for x in ax.lines if len(x.get_xdata()) == 2]
        assert marks == pytest.approx([10 * largest, 5000 * largest])
    assert below.get_xlim()[1] > 5000 * largest
    assert "5,000 times the largest run" in below.figure.get_suptitle()


def test_bands_refuse_what_they_cannot_draw(joint):
    with pytest.raises(ValueError, match="reach must be a factor"):
        plot_bands(joint, reach=0.5)
    law = jaxscale.KaplanSteps(A=11.0, alpha_N=0.077, K=300.0, alpha_S=0.76)
    with pytest.raises(ValueError, match="N, S"):
        plot_bands(dataclasses.replace(joint, fit=dataclasses.replace(joint.fit, law=law)))


@pytest.mark.parametrize(
    "what, panels",
    [
        (None, 6),
        (["alpha"], 1),
        (["alpha", Best(1e22)], 3),
        (["E", "A", "B", "alpha", "beta", Best(1e22, "tokens_per_parameter")], 21),
    ],
    ids=["default", "one", "two", "six"],
)
def test_joint_figures_have_every_pair_with_labels(joint, what, panels):
    figure = rendered(plot_joint(joint, what, level=0.8))
    assert len(figure.axes) == panels
    count = int((np.sqrt(8 * panels + 1) - 1) / 2)
    bottom = [ax for ax in figure.axes if ax.get_xlabel()]
    assert len(bottom) == count - (count == 2)
    assert len([ax for ax in figure.axes if ax.get_ylabel()]) == count - 1
    assert "200 draws, residual bootstrap of 60 runs" in figure.get_suptitle()


def test_joint_marks_the_estimate_and_the_stated_interval(joint):
    what = ["alpha", Best(1e22)]
    top, pair, _ = plot_joint(joint, what, level=0.8).axes
    alpha, size = joint.intervals(what, level=0.8)
    star = next(each for each in pair.lines if each.get_marker() == "*").get_xydata()
    np.testing.assert_allclose(star, [[alpha.estimate, size.estimate]])
    np.testing.assert_allclose(span(top), [alpha.low, alpha.high], rtol=1e-9)
    assert top.lines[0].get_xdata()[0] == pytest.approx(alpha.estimate)
    assert top.get_title() == f"$\\alpha$ = {stated(alpha, log=False)}"
    assert (pair.get_xscale(), pair.get_yscale()) == ("linear", "log")
    assert pair.get_ylabel() == "N*(C=1e22)  (parameters)"


def test_outer_contour_holds_nine_tenths_of_the_draws(joint):
    wide = dataclasses.replace(joint, law=joint.fit.law.replace(
        alpha=0.35 + 0.01 * rng.normal(size=4000),
        beta=0.36 + 0.02 * rng.normal(size=4000),
    ))  # fmt: skip
    pair = plot_joint(wide, ["alpha", "beta"]).axes[1]
    points = pair.collections[0].get_offsets()
    assert len(points) == 4000 and pair.collections[0].get_rasterized()
    outline = pair.collections[-1].get_paths()
    shares = [path.contains_points(points).mean() for path in outline]
    assert shares == pytest.approx([0.9, 0.5], abs=0.04)


@pytest.mark.parametrize(
    "what, message",
    [([], "1 to 6"), (["alpha"] * 7, "got 7"), (["gamma"], "no quantity 'gamma'")],
)
def test_joint_refuses_what_has_no_room_or_no_meaning(joint, what, message):
    with pytest.raises(ValueError, match=message):
        plot_joint(joint, what)


def test_law_of_one_exponent_shows_all_its_parameters(single):
    figure = rendered(plot_joint(single, ["a", "c"]))
    assert figure.axes[1].get_xlabel() == "height $a$"
    assert [q.get_xlabel() for q in plot_joint(single).axes[-3:]][-1] == "bound $c$"


@pytest.mark.parametrize(
    "interval, log, text",
    [
        ((0.3471, 0.3204, 0.3698), False, "0.347  (0.320 to 0.370)"),
        ((-0.19, -0.222, -0.158), False, "\u22120.190  (\u22120.222 to \u22120.158)"),
        ((3184.5, 788.2, 13625.1), False, "3200  (800 to 13600)"),
        ((9.72e10, 7.06e10, 1.45e11), True, "97.2B  (70.6B to 145B)"),
        ((1.7, -np.inf, 1.9), False, "1.7  (\u2212\u221e to 1.9)"),
        ((2e23, 1e23, np.inf), True, "$2 \\times 10^{23}$  ($10^{23}$ to \u221e)"),
    ],
)
def test_intervals_are_stated_with_the_digits_they_leave_known(interval, log, text):
    assert stated(Interval("x", *interval, 0.9, 0.0, ""), log=log) == text


def test_names_have_meanings_and_units(fitted):
    assert called("alpha", fitted.law) == "model-size exponent $\\alpha$"
    assert called("a", fitted.law) == "$a$: best N grows as $C^{a}$"
    assert called("a") == called("a", fitted.law, small=True) == "$a$"
    assert called("L*(C=1e24)") == "L*(C=1e24)  (nats/token)"
    assert called("C(L=2)").endswith("(FLOPs)")


def bent(name: str, center: float, *, logarithmic: bool, end: float = 4.0) -> Profile:
    root = np.concatenate([np.linspace(-4, 0, 9), np.linspace(0, end, 9)[1:]])
    u = 0.02 * (root + 0.1 * root * np.abs(root))
    at = center * np.exp(u) if logarithmic else center + u
    return Profile(name, center, at, root, 20.0, "sandwich", logarithmic)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_profiles_show_roots_levels_and_intervals(count):
    kinds = [("alpha", 0.35, False), ("N*(C=1e24)", 1e11, True), ("E", 1.7, False)]
    profiles = [bent(name, x, logarithmic=log) for name, x, log in (kinds * 2)[:count]]
    figure = rendered(plot_profiles(profiles, level=0.8))
    for ax, each in zip(figure.axes, profiles, strict=False):
        x, y = line(ax, "profile").T
        np.testing.assert_allclose(x, each.at)
        np.testing.assert_allclose(y, np.abs(each.root))
        limit = student_t(0.9, 20.0)
        assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > limit
        assert line(ax, "80 %")[0, 1] == pytest.approx(limit)
        interval = each.interval(0.8)
        np.testing.assert_allclose(span(ax), [interval.low, interval.high], rtol=1e-6)
        assert ax.get_title() == stated(interval, log=each.logarithmic)
        assert ax.get_xlabel() == called(each.name)
    assert figure.axes[0].get_ylabel() == "distance from the best (s.e.)"


def test_an_open_profile_is_drawn_to_its_end():
    profile = bent("E", 1.7, logarithmic=False, end=1.0)
    ax = rendered(plot_profiles(profile)).axes[0]
    assert "\u221e" in ax.get_title() and ax.get_xlim()[1] == pytest.approx(profile.at[-1])
    with pytest.raises(ValueError, match="no profiles"):
        plot_profiles([])


def test_waterfall_counts_the_basins(fitted):
    values = fitted.value * np.concatenate([np.ones(20), np.full(8, 3.0), np.full(4, np.nan)])
    basins = (Basin(fitted.value, 20, "converged"), Basin(3 * fitted.value, 8, "step_limit"))
    spread = dataclasses.replace(
        fitted,
        start_values=values,
        start_status=np.array([Status.CONVERGED] * 20 + [Status.STEP_LIMIT] * 12),
        certificate=dataclasses.replace(fitted.certificate, basins=basins, starts=32),
    )
    left, right = rendered(plot_waterfall(spread)).axes
    assert [bar.get_width() for bar in right.patches] == [20, 8, 4]
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["1: best", "2: +2", "others"]
    assert [text.get_text() for text in right.texts][0] == " 20 (62.5 %)"
    mark = next(text for text in left.texts if text.get_text() == "2")
    assert mark.xy == pytest.approx((75.0, 2.0))
    assert left.get_xlabel() and left.get_ylabel() and right.get_xlabel() == "starts"
    assert len(rendered(plot_waterfall(fitted)).axes) == 2


def effects(runs: jaxscale.Runs, names: str, *, log: bool, name: str) -> Influence:
    n = len(runs)
    zero = np.zeros(n)
    values = {key: runs.columns[key] for key in names}
    without = 0.01 * rng.normal(size=n)
    return Influence(
        quantity=name, value=9.7e10 if log else 1.87, log=log, without=without, loss=zero,
        weight=zero, inputs=dict.fromkeys(names, zero), delta=1e-3, fixed={}, leverage=zero,
        residual=zero, condition=1e3, rounds=1, runs=runs, values=values,
    )  # fmt: skip


@pytest.mark.parametrize(
    "names, log, name",
    [("ND", True, "N*(C=1e24)"), ("N", False, "L(N=1e12)"), ("DN", False, "alpha")],
)
def test_influence_ranks_and_places_the_runs(noisy, names, log, name):
    found = effects(noisy, names, log=log, name=name)
    left, right, bar = rendered(plot_influence(found, most=7)).axes
    largest = found.largest(7)
    change = 100 * np.expm1(found.without) if log else found.without
    np.testing.assert_allclose([each.get_width() for each in left.patches], change[largest])
    ticks = [tick.get_text() for tick in left.get_yticklabels()]
    assert [f"row {noisy.rows[k]}:" for k in largest] == [tick.split("  ")[0] for tick in ticks]
    cloud = right.collections[0]
    x, y = found.values[names[0]], found.values[names[1]] if len(names) > 1 else noisy.loss
    want = sorted(zip(change, x, y, strict=True))
    seen = sorted(zip(cloud.get_array(), *cloud.get_offsets().T, strict=True))
    np.testing.assert_allclose(seen, want)
    assert cloud.norm.vmin == -cloud.norm.vmax == -np.abs(change).max()
    assert bar.get_ylabel() == left.get_xlabel() == "change without the run" + " (%)" * log
    assert right.get_xlabel() and right.get_ylabel()
    assert ("97B parameters" if log else "1.87") in right.figure.get_suptitle()


def windows(runs: int = 6, kind: str = "window") -> HeldOut:
    level = np.arange(runs)
    train = np.array([level <= k for k in (1, 2, 3)])
    split = Split(
        kind, "C", ("1", "2", "3"), train, ~train, np.array([30.0, 10.0, 4.0]), level,
        np.array([False, True, True]),
    )  # fmt: skip
    error = 0.01 * (1 + rng.random((2, 3, runs)))
    error[1] *= 3
    error = np.where(~train, error, np.nan)
    error[1, 0] = np.nan
    return HeldOut(split, ("good", "bad"), error, (("",) * 3, ("few", "", "")), ((), ()))


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: SimpleNamespace(held={"rollout": x})])
def test_rollout_shows_the_error_of_every_window(wrap):
    held = windows()
    ax = rendered(plot_rollout(wrap(held)).figure).axes[0]
    score = 100 * held.score()
    good = line(ax, f"good  {score[0]:.2g} %")
    np.testing.assert_allclose(good[:, 0], [4, 10, 30])
    np.testing.assert_allclose(good[:, 1], 100 * held.by_window()[0, ::-1])
    bad = line(ax, f"bad  {score[1]:.2g} %")
    assert len(bad) == 2  # the window in which it was not fitted is left out
    hollow = ax.lines[1]
    np.testing.assert_allclose(hollow.get_xydata(), good[2:])
    assert hollow.get_markerfacecolor() == "#ffffff"
    assert ax.get_xlabel() == "largest predicted / largest fitted training compute C"
    assert "%" in ax.get_ylabel()


@pytest.mark.parametrize("found", [windows(kind="fold"), SimpleNamespace(held={})])
def test_rollout_needs_windows(found):
    with pytest.raises(ValueError, match="needs a rollout"):
        plot_rollout(found)


@pytest.mark.parametrize("count", [0, 2])
def test_asymptote_shows_the_objective_and_the_predictions(count):
    E = np.linspace(1.5, 1.9, 21)
    admitted = np.abs(E - 1.7) < 0.11
    found = AsymptoteProfile(
        name="E", values=E, objective=1 + (E - 1.7) ** 2, law=None, best=1.7, admitted=admitted,
        low=1.6, high=1.8, open=(True, False), level=0.9, freedom=10, error=0.1,
        residual=residual_named("log"),
        at={"C": np.geomspace(1e22, 1e24, count)} if count else {},
        prediction=E[:, None] + np.arange(count) / 10,
    )  # fmt: skip
    figure = rendered(plot_asymptote(found))
    assert len(figure.axes) == 1 + (count > 0)
    x, y = figure.axes[0].lines[1].get_xydata().T
    np.testing.assert_allclose((x, y), (E, found.objective))
    limit = line(figure.axes[0], "admitted at 90 %")[0, 1]
    assert limit == pytest.approx(1 + student_t(0.95, 10) ** 2 / 10)
    assert span(figure.axes[0]) == pytest.approx((1.6, 1.8))
    assert "1.6 or below to 1.8" in figure.get_suptitle()
    for k in range(count):
        np.testing.assert_allclose(figure.axes[1].lines[1 + k].get_ydata(), found.prediction[:, k])


@pytest.mark.parametrize("endless", [False, True])
def test_multiplier_cuts_what_has_no_end(endless):
    C = np.geomspace(1e20, 1e24, 5)
    y = np.linspace(1.5, 3, 5)
    high = np.where(np.arange(5) > 3, np.inf, 2 * y) if endless else 2 * y
    never = np.where(np.isinf(high), 0.2, 0.0)
    found = Multiplier(C, y, y, y / 2, high, 0.9, never, True, "C", 500)
    ax = rendered(plot_multiplier(found).figure).axes[0]
    np.testing.assert_allclose(line(ax, "multiplier"), np.column_stack([C, y]))
    x, low, top = edges(ax, "90 % interval")
    np.testing.assert_allclose(low, y / 2)
    np.testing.assert_allclose(top[:4], 2 * y[:4])
    labels = ax.get_legend_handles_labels()[1]
    assert any("20 % of the draws" in label for label in labels) == endless
    assert ax.get_xlabel() == "training compute C (FLOPs) of recipe B"
    assert "500 paired draws" in ax.get_title()


def test_figures_and_commands_leave_pyplot_and_matplotlib_alone():
    code = (
        "import sys, jaxscale.cli; assert 'matplotlib' not in sys.modules;"
        "import jaxscale.plotting.profiles, jaxscale.plotting.corner;"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
