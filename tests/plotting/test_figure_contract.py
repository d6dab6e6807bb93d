"""Every figure of the table: what it returns, what it leaves alone, what it survives."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import io
import itertools
import pickle
import pkgutil
import re
import struct
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.style import library
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

import jaxscale
from jaxscale import plotting
from jaxscale.comparison.held_out import HeldOut
from jaxscale.comparison.splits import Split
from jaxscale.data.loss_curves import Curve
from jaxscale.data.tuning import Tuning
from jaxscale.designs.candidates import Candidates
from jaxscale.designs.result import Answer, Design, Other
from jaxscale.fitting.exponent_grid import ExponentGrid
from jaxscale.fitting.linearized import Noise
from jaxscale.fitting.result import FitResult
from jaxscale.flops import PowerCost
from jaxscale.forecast.forecaster import Forecast
from jaxscale.forecast.offline import Fan
from jaxscale.isoflops.result import IsoFlop
from jaxscale.laws import predict
from jaxscale.plotting import FIGURES, draw_fit, figures_of_a_fit, save
from jaxscale.plotting.canvas import Panel, Picture, axes_or_new
from jaxscale.plotting.colors import contrast, mixed
from jaxscale.plotting.style import ENDINGS, picture
from jaxscale.ranking.judging import Judged, Outcome
from jaxscale.ranking.result import Place, Ranking
from jaxscale.ranking.standing import standing
from jaxscale.ranking.trials import Trial
from jaxscale.recipes.multiplier import Multiplier
from jaxscale.specification.result import Specification, Specifications
from jaxscale.text import CONTROLS
from jaxscale.uncertainty.asymptote import AsymptoteProfile
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.influence import Influence
from jaxscale.uncertainty.intervals import Interval
from jaxscale.uncertainty.profile import Profile

NAMES = {
    "dollar": "cost $5 {a",
    "newline": "a\nb\x1b[31m",
    "long": "a very long name " * 12,
}
NAMES["all of it"] = "".join(NAMES.values())

NIGHTLY = [pytest.mark.slow, pytest.mark.nightly]


class OwnInputsWithALongNameThatSomebodyGaveToALawInAFile(jaxscale.Law):
    """L = E + A W^-alpha + B H^-beta, of inputs that the package has never heard of."""

    E: jaxscale.Scalar = jaxscale.offset("bound, in $")
    A: jaxscale.Scalar = jaxscale.coefficient("of width", per={"W": "alpha"})
    B: jaxscale.Scalar = jaxscale.coefficient("of depth", per={"H": "beta"})
    alpha: jaxscale.Scalar = jaxscale.exponent("exponent " * 12)
    beta: jaxscale.Scalar = jaxscale.exponent("another\nexponent")

    def __call__(self, W, H):
        return self.E + self.A * W**-self.alpha + self.B * H**-self.beta


CHINCHILLA = jaxscale.Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36)


def law_and_columns(kind, name, rng):
    """Return a law with the inputs [n] of its runs."""
    N, D = 10 ** rng.uniform(7, 10, 24), 10 ** rng.uniform(9, 11, 24)
    if kind == "N and D":
        return CHINCHILLA, {"N": N, "D": D}
    if kind == "one budget":
        return CHINCHILLA, {"N": N, "D": 1e20 / (6 * N)}
    if kind == "few runs":
        return CHINCHILLA, {"N": N[:6], "D": D[:6]}
    if kind == "one scale":
        return jaxscale.PowerLaw(a=30.0, b=-0.35, c=1.0, of=name), {name: D}
    law = OwnInputsWithALongNameThatSomebodyGaveToALawInAFile(
        E=0.5, A=2.0, B=3.0, alpha=0.5, beta=0.4
    )
    return law, {"W": rng.uniform(10, 1000, 24), "H": rng.uniform(4, 96, 24)}


KINDS = ("N and D", "one budget", "few runs", "one scale", "own inputs")
REFUSED = {("bands", "own inputs"): "W, H"} | {
    (figure, kind): names
    for figure in ("allocation", "contours", "overhead")
    for kind, names in (("own inputs", "W, H"), ("one scale", "needs a law of N and D"))
}
"""Where a figure has no meaning, and what the error names."""


def fit_of(base, kind, name):
    """Return a fit to runs of one group, with odd names, without the cost of fitting."""
    rng = np.random.default_rng(0)
    law, columns = law_and_columns(kind, name, rng)
    exact = np.asarray(predict(law, **columns))
    n = len(exact)
    runs = jaxscale.Runs(
        loss=exact * np.exp(0.01 * rng.normal(size=n)),
        group=np.full(n, name),
        names={"loss": name, **dict.fromkeys(columns, name)},
        source=name,
        **columns,
    )
    return dataclasses.replace(
        base, law=law, runs=runs, prediction=exact, suspects=np.array([0, n - 1])
    )


def draws_of(fit):
    rng, n = np.random.default_rng(1), len(fit.runs)
    spread = {
        key: value * np.exp(0.02 * rng.normal(size=60)) for key, value in fit.law.values.items()
    }
    noise = Noise(np.linspace(-0.01, 0.01, n), np.full(n, 1 / n), 0.001, 1e-4)
    return Draws(
        law=fit.law.replace(**spread),
        fit=fit,
        method="case",
        seed=0,
        noise=noise,
        freedom=10.0,
        widening=1.0,
        notes=(),
        seconds={},
    )


def exponents_of(fit):
    return [key for key, spec in fit.law.parameters.items() if spec.role == "exponent"]


def grid_of(fit):
    names = tuple(exponents_of(fit))
    best = [float(getattr(fit.law, key)) for key in names]
    axes = tuple(np.linspace(x - 0.2, x + 0.2, 21) for x in best)
    height = sum(np.meshgrid(*((a - x) ** 2 for a, x in zip(axes, best, strict=True)))) + 1e-3
    height = height.T if len(axes) == 2 else height
    basins = fit.law.replace(**{key: np.array([x]) for key, x in zip(names, best, strict=True)})
    return ExponentGrid(
        names=names,
        axes=axes,
        value=height,
        law=fit.law,
        basins=basins,
        basin_values=np.array([height.min()]),
        loss=fit.loss,
        residual=fit.residual,
        warnings=(),
        seconds={},
    )


def profiles_of(fit, name):
    root = np.linspace(-4, 4, 17)
    return [
        Profile(each, 0.35, 0.35 + 0.02 * root, root, 20.0, "sandwich", False)
        for each in (*fit.law.parameters, "N*(C=1e24)", name)
    ]


def asymptote_of(fit, count=2):
    values = np.linspace(1.5, 1.9, 21)
    return AsymptoteProfile(
        name=next(key for key, spec in fit.law.parameters.items() if spec.role == "offset"),
        values=values,
        objective=1 + (values - 1.7) ** 2,
        law=fit.law,
        best=1.7,
        admitted=np.abs(values - 1.7) < 0.11,
        low=1.6,
        high=1.8,
        open=(True, False),
        level=0.9,
        freedom=10,
        error=0.1,
        residual="log",
        at={key: np.array([1e22, 1e24]) for key in fit.law.inputs},
        prediction=values[:, None] + np.arange(count) / 10,
    )


def influence_of(fit, name):
    n = len(fit.runs)
    zero = np.zeros(n)
    return Influence(
        quantity=name,
        value=9.7e10,
        log=True,
        without=0.01 * np.random.default_rng(2).normal(size=n),
        loss=zero,
        weight=zero,
        inputs=dict.fromkeys(fit.law.inputs, zero),
        delta=1e-3,
        fixed={},
        leverage=zero,
        residual=zero,
        condition=1e3,
        rounds=1,
        runs=fit.runs,
        values={key: fit.runs.columns[key] for key in fit.law.inputs},
    )


def held_of(fit, name):
    level = np.arange(6)
    train = np.array([level <= k for k in (1, 2, 3)])
    split = Split(
        kind="window",
        by=fit.law.inputs[0],
        labels=("1", "2", "3"),
        train=train,
        test=~train,
        factor=np.array([30.0, 10.0, 4.0]),
        level=level,
        counted=np.array([False, True, True]),
    )
    error = np.where(~train, 0.01 * (1 + np.random.default_rng(3).random((2, 3, 6))), np.nan)
    laws = (name, type(fit.law).__name__)
    return HeldOut(split, laws, error, (("",) * 3,) * 2, ((), ()))


def multiplier_of(fit):
    scale, y = np.geomspace(1e20, 1e24, 5), np.linspace(1.5, 3, 5)
    never = np.array([0.0, 0.0, 0.0, 0.0, 0.2])
    high = np.where(never > 0, np.inf, 2 * y)
    return Multiplier(scale, y, y, y / 2, high, 0.9, never, True, fit.law.inputs[0], 500)


def isoflop_of(name):
    """Three approaches on curves of six sizes; the law left out, so that nothing is compiled."""
    N, D = np.repeat(np.geomspace(1e7, 1e9, 6), 24), np.tile(np.geomspace(1e8, 1e11, 24), 6)
    loss = 1.8 + 480 * N**-0.35 + 2100 * D**-0.36
    return jaxscale.isoflop(jaxscale.Runs(N=N, D=D, loss=loss, source=name), law=None)


def tuning_of(name):
    """Two sizes, one with an optimum and one at the edge, over two columns of that name."""
    x = np.array([(a, b) for a in np.geomspace(1e-4, 1e-2, 5) for b in (8, 16, 32)])
    u = np.log(x / x[7])
    loss = [3 + 0.01 * (u**2).sum(1), 3 + 0.01 * u[:, 0]]
    runs = jaxscale.Runs(
        N=np.repeat([1e8, 2e8], 15), lr=np.tile(x[:, 0], 2), batch=np.tile(x[:, 1], 2),
        loss=np.concatenate(loss),
    )  # fmt: skip
    found = runs.tuning("N", over="lr,batch")
    return dataclasses.replace(
        found, by=(name,), over=(name, name), labels={name: found.labels["N"]}
    )


def forecast_of(name):
    step, ahead = np.arange(1, 400), np.linspace(400, 800, 9)
    curve = Curve(step, 2 + 1 / step, None, name, name)
    rest = [field.name for field in dataclasses.fields(Forecast)][3:]
    end = Forecast(*(np.array(x) for x in (2.0, 1.9, 2.1)), **dict.fromkeys(rest))
    flat = np.full(9, 2.0)
    return curve, end, Fan(ahead, flat, flat - 0.1, flat + 0.1, ahead, np.linspace(1e-3, 0, 9))


def design_of(fit, name):
    """Three runs from candidates around those that are there, bought in a unit of that name."""
    there = fit.problem.inputs
    inputs = {key: np.concatenate([x, 1.5 * x]) for key, x in there.items()}
    cost = np.linspace(1e18, 1e20, len(next(iter(inputs.values()))))
    halves = np.array([np.inf, 1.2, 0.5, 0.2])
    ends = [Interval(name, 3e9, 3e9 * np.exp(-h), 3e9 * np.exp(h), 0.9, h, "x") for h in (9, 0.2)]
    return Design(
        law=name, candidates=Candidates(inputs, cost, name, name, np.empty(0, int)),
        batch=np.array([0, 3, 5]), loss=np.ones(3), criterion="c", budget=1e21,
        answers=(Answer(name, *ends, True),), steps=np.array([1.0, 0.9, 0.5, 0.2]), halves=halves,
        spent=np.concatenate([[0.0], np.cumsum(cost[[0, 3, 5]])]), swaps=(),
        others=(Other(name, 5, 1e20, 0.9, 2.0), Other("an L", 5, 1e20, np.nan, np.inf)),
        noise=0.01, present=there, level=0.9, notes=(), identified=True, seconds=0.1,
    )  # fmt: skip


def specifications_of(fit, name):
    """A fit among other choices, made by hand: one is not certified, one has no answer."""
    own = dict(approach="3", law=name, loss="huber (delta 0.001)", residual="log", data="all")
    rows = [
        Specification("fit", **own, N=1e9, D=2e10, loss_there=2.0, a=0.5, trusted=True),
        Specification("loss", **{**own, "loss": "square"}, N=3e9, D=7e9, trusted=True),
        Specification("law", **{**own, "law": "Skaling"}, N=8e8, D=2e10, reason="k at a bound"),
        Specification("approach", **{**own, "approach": "2, cubic in log D", "law": ""}),
    ]
    near = Interval("N*", 1e9, 5e8, 4e9, 0.9, np.nan, "percentile")
    return Specifications(tuple(rows), 1e21, fit, {"N": near}, f"40 draws of {name}", 10.0, 1.0)


def ranking_of(name):
    """Three laws on four trials, one of them on no trial."""
    mask = np.ones(3, bool)
    trials = tuple(Trial(table, by, mask, ~mask, 3.0) for table in "ab" for by in ("C", name))
    error = np.array([[0.1, 0.2, 0.1, 0.3], [0.2, 0.1, 0.2, np.nan], [np.nan] * 4])
    judged = [Judged([Outcome(x) for x in row], 3, "L(N)", "", 1.0) for row in error]
    places = [Place(f"{name}{k}", k == 0, each) for k, each in enumerate(judged)]
    found = standing(error, error[1], ["a", "a", "b", "b"], draws=20)
    return Ranking(
        places=tuple(places), standing=found, along={"C": found, name: found}, against={},
        tables={"a": {"source": "a"}, name: {"source": name}}, trials=trials, skipped={},
        baseline=(name,), settings={"level": 0.9}, seconds=1.0,
    )  # fmt: skip


def arguments(figure, fit, name):
    """Return what a figure's function takes, made from a fit."""
    made = {
        FitResult: lambda: (fit,),
        Draws: lambda: (draws_of(fit),),
        ExponentGrid: lambda: (grid_of(fit),),
        Profile: lambda: (profiles_of(fit, name),),
        AsymptoteProfile: lambda: (asymptote_of(fit),),
        Influence: lambda: (influence_of(fit, name),),
        HeldOut: lambda: (held_of(fit, name),),
        Multiplier: lambda: (multiplier_of(fit),),
        IsoFlop: lambda: (isoflop_of(name),),
        Tuning: lambda: (tuning_of(name),),
        Design: lambda: (design_of(fit, name),),
        Forecast: lambda: forecast_of(name),
        Specifications: lambda: (specifications_of(fit, name),),
        Ranking: lambda: (ranking_of(name),),
    }
    return made[FIGURES[figure].takes]()


def drawn(base, figure, kind="N and D", name="D", **options):
    return FIGURES[figure].draw(*arguments(figure, fit_of(base, kind, name), name), **options)


def whole(result):
    return result.figure if isinstance(result, Axes) else result


def lies_within_its_page(figure):
    """Whether no text, tick or mark reaches over the edge of the figure by more than a hair."""
    low, high = figure.get_tightbbox().get_points()
    return (low > -0.05).all() and (high < figure.get_size_inches() + 0.05).all()


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_drawn_into_what_is_given_else_into_one_that_shows_itself(fitted, figure):
    result = drawn(fitted, figure)
    page = whole(result)
    assert isinstance(page, Picture) and isinstance(result, Picture | Panel)
    parts = Figure(figsize=(15, 5), layout="constrained").subfigures(1, 2)
    if "ax" not in inspect.signature(FIGURES[figure].draw).parameters:
        assert isinstance(result, Figure)
        made = arguments(figure, fit_of(fitted, "N and D", "D"), "D")
        assert FIGURES[figure].draw(*made, figure=parts[0]) is parts[0]
        assert len(parts[0].axes) == len(page.axes) and not parts[1].axes
        return
    assert isinstance(result, Axes)
    given = parts[0].add_subplot()
    assert not hasattr(given, "_repr_png_")  # its figure is shown by who made it
    assert drawn(fitted, figure, ax=given) is given
    assert given.has_data() and given.get_xlabel() and given.get_ylabel()
    assert [len(given.lines), len(given.collections)] == [
        len(result.lines),
        len(result.collections),
    ]
    assert not parts[1].axes


@pytest.mark.parametrize("figure", FIGURES)
def test_matplotlib_and_pyplot_are_left_as_they_were(fitted, figure, tmp_path):
    before, loaded = dict(matplotlib.rcParams), "matplotlib.pyplot" in sys.modules
    save(drawn(fitted, figure), tmp_path / "a.png")
    with pytest.raises((ValueError, AttributeError, TypeError)):
        FIGURES[figure].draw(None)
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == loaded


def test_figures_have_one_public_name_each_with_what_it_takes():
    names = {row.draw.__name__.removeprefix("plot_"): row.draw for row in FIGURES.values()}
    assert set(dir(jaxscale.plot)) == {*names, "save"} == set(jaxscale.plot.__all__)
    assert all(inspect.unwrap(getattr(jaxscale.plot, k)) is draw for k, draw in names.items())
    for draw in names.values():
        assert ("ax:" in draw.__doc__) != ("figure: figure or part" in draw.__doc__), draw
    with pytest.raises(AttributeError, match="no figure 'pie'; jaxscale.plot has fit, law"):
        _ = jaxscale.plot.pie


def test_pyplot_is_never_imported():
    code = "import sys, jaxscale.plotting; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def ticks_within(axis):
    """The places and texts of the ticks that an axis shows."""
    low, high = sorted(axis.get_view_interval())
    locs = axis.get_majorticklocs()
    texts = axis.get_major_formatter().format_ticks(locs)
    return {at: text for at, text in zip(locs, texts, strict=True) if low <= at <= high}


@pytest.mark.parametrize(
    "figure", [pytest.param(name, marks=[pytest.mark.slow] * (name != "all")) for name in FIGURES]
)
def test_ticks_follow_limits_that_are_set_later(fitted, figure):
    for ax in whole(drawn(fitted, figure)).axes:
        for axis, limits in ((ax.xaxis, ax.set_xlim), (ax.yaxis, ax.set_ylim)):
            texts = axis.get_major_formatter().format_ticks(axis.get_majorticklocs())
            named = isinstance(axis.get_major_locator(), FixedLocator) and any(
                re.sub(r"\\times|[\d.,${}^kMBT\u2212 ]", "", text) for text in texts
            )  # for runs, laws and choices
            if named or not len(axis.get_majorticklocs()) or ax.get_label() == "<colorbar>":
                continue
            scale = axis.get_transform()
            low, high = scale.transform(np.array(axis.get_view_interval()))
            for a, b in ((0.3, 0.7), (-0.5, 1.5)):
                ends = np.array([low + a * (high - low), low + b * (high - low)])
                limits(scale.inverted().transform(ends))
                found = ticks_within(axis)
                assert len(found) >= 2 and any(found.values()), (axis, ends, found)


DARK, LARGE = library["dark_background"], {"font.family": "serif", "font.size": 12.0}
HERS = {"axes.prop_cycle": cycler(color=["#aa00ff", "#00aa55", "#555500"])}
READ = 3.0


def colors_of(figure):
    """Yield what is written and drawn, its color, and what is behind it."""
    for ax in figure.axes:
        face = ax.get_facecolor()
        for line in ax.lines if ax.axison else ():
            if line.get_zorder() > 1 and len(line.get_xdata()):  # those below are guides
                dots = line.get_linestyle() == "None"
                color = line.get_markeredgecolor() if dots else line.get_color()
                inner = line.get_markerfacecolor() if dots else color
                seen = [each for each in (color, inner) if each not in ("none", face)]
                yield line, [mixed(face, each, line.get_alpha() or 1) for each in seen], face
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and not text.get_path_effects():
            yield text, [text.get_color()], figure.get_facecolor()


@pytest.mark.parametrize(
    "figure",
    [pytest.param(name, marks=NIGHTLY * (name != "law")) for name in FIGURES],
)
def test_a_figure_has_the_style_of_its_owner(fitted, figure):
    with matplotlib.rc_context({**DARK, **LARGE, **HERS}):
        matplotlib.rcParams.update(HERS if figure == "law" else {})
        result = whole(drawn(fitted, figure))
    result.draw_without_rendering()  # her settings are gone by now
    texts = [text for text in result.findobj(Text) if text.get_text().strip()]
    assert {family for text in texts for family in text.get_fontfamily()} == {"serif"}
    assert min(text.get_fontsize() for text in texts) >= 12 * 5 / 8
    with matplotlib.rc_context({**DARK}):
        result = whole(drawn(fitted, figure))
    result.draw_without_rendering()
    for artist, colors, face in colors_of(result):
        on_a_mark = figure == "design" and artist in result.axes[0].texts
        best = max(contrast(color, face) for color in colors)
        assert best >= READ or on_a_mark, (artist, colors)


def test_runs_and_laws_have_the_first_colors_of_a_cycle(fitted):
    with matplotlib.rc_context(HERS):
        runs = plotting.plot_residuals(fitted).collections[0]
    assert to_hex(runs.get_facecolor()[0]) == "#aa00ff"
    house = plotting.plot_residuals(fitted).collections[0]
    assert to_hex(house.get_facecolor()[0]) == "#0072b2"


def test_given_axes_keep_their_look_and_decide_on_the_ink(fitted):
    with matplotlib.rc_context(DARK):
        given = Figure().add_subplot()
    plotting.plot_law(fitted, given)  # after the style has gone
    frontier = next(x for x in given.lines if x.get_label() == "compute-optimal frontier")
    assert contrast(frontier.get_color(), given.get_facecolor()) >= READ
    assert all(spine.get_visible() for spine in given.spines.values())
    assert given.xaxis.label.get_fontsize() == 10.0


def test_color_bars_beside_each_other_keep_to_their_own_panel(fitted):
    for layout, (k, place) in itertools.product((None, "constrained"), enumerate("ab")):
        figure = Figure(figsize=(9, 3.4), layout=layout)
        panels = figure.subplots(1, 2)
        for ax in panels:
            plotting.plot_law(fitted, ax)
        figure.draw_without_rendering()
        bar, other = figure.axes[2 + k], panels[1 - k]
        assert not bar.get_tightbbox().overlaps(other.get_tightbbox()), (layout, place)


def test_a_figure_is_a_picture_in_a_notebook_and_has_text_as_text_in_a_file(fitted):
    with matplotlib.rc_context({**DARK, "figure.dpi": 60.0}):
        ax = plotting.plot_law(fitted)
    for shown in (ax, ax.figure):
        png = shown._repr_png_()  # as the last line of a cell
        assert png[:4] == b"\x89PNG"
        assert struct.unpack(">II", png[16:24]) == (276, 204)  # 4.6 by 3.4 inches
    again = pickle.loads(pickle.dumps(ax))
    assert again._repr_png_() == png
    files = {}
    for name in ("svg", "pdf"):
        ax.figure.savefig(file := io.BytesIO(), format=name)
        files[name] = file.getvalue()
    assert b">parameters N</text>" in files["svg"]
    assert b"/FontFile2" in files["pdf"] and b"/Type3" not in files["pdf"]
    with matplotlib.rc_context({"svg.fonttype": "path", "pdf.fonttype": 3}):
        assert b"parameters N</text>" in picture(ax, ".svg")
        assert b"<text" not in picture(ax, ".svg", outlines=True)


def test_a_law_is_drawn_as_far_as_it_is_asked_to_be(fitted):
    far = plotting.plot_law(fitted, reach=1000)
    line = next(x for x in far.lines if x.get_label() == "compute-optimal frontier")
    largest = np.asarray(fitted.runs.column("C", fitted.law.flops)).max()
    assert line.get_xdata()[-1] == pytest.approx(1000 * largest)
    assert far.get_xlim()[1] >= 1000 * largest
    with pytest.raises(ValueError, match="reach must be a factor of 1 or more, got 0.5"):
        plotting.plot_law(fitted, reach=0.5)


@pytest.mark.parametrize(
    "figure",
    [pytest.param(name, marks=NIGHTLY * (name != "law")) for name in FIGURES],
)
def test_the_same_result_gives_the_same_bytes(fitted, figure, tmp_path):
    for ending in ENDINGS:
        for name in "ab":
            save(drawn(fitted, figure), tmp_path / f"{name}{ending}")
        a, b = ((tmp_path / f"{name}{ending}").read_bytes() for name in "ab")
        assert a == b and len(a) > 1000


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=NIGHTLY * (kind in ("one budget", "few runs"))) for kind in KINDS],
)
@pytest.mark.parametrize("figure", FIGURES)
def test_every_kind_of_law_is_drawn_or_refused_by_name(fitted, figure, kind, tmp_path):
    if (figure, kind) in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[figure, kind]):
            drawn(fitted, figure, kind)
        return
    result = whole(drawn(fitted, figure, kind))
    save(result, tmp_path / "a.png")  # warnings are errors
    for ax in result.axes:
        if ax.axison:
            assert ax.get_position().width > 0 and ax.get_position().height > 0
    assert lies_within_its_page(result)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, id=what, marks=[pytest.mark.nightly] * (what != "all of it"))
        for what, name in NAMES.items()
    ],
)
@pytest.mark.parametrize("figure", FIGURES)
def test_odd_names_are_shown_and_leave_room_for_the_figure(fitted, figure, name, tmp_path):
    for kind in ("one scale", "own inputs"):
        if (figure, kind) in REFUSED:
            continue
        result = whole(drawn(fitted, figure, kind, name))
        save(result, tmp_path / "a.svg")
        texts = [text.get_text() for text in result.findobj(Text)]
        assert not any(CONTROLS.search(text.replace("\n", "")) for text in texts)
        assert not any("\x1b" in text or "a\nb" in text for text in texts)
        panels = [ax for ax in result.axes if ax.axison and ax.get_label() != "<colorbar>"]
        share = sum(ax.get_position().width * ax.get_position().height for ax in panels)
        assert share > 0.2, [ax.get_position() for ax in panels]
        assert lies_within_its_page(result), kind


def test_every_figure_function_of_the_wing_is_in_the_table():
    found = set()
    for module in pkgutil.iter_modules(plotting.__path__, "jaxscale.plotting."):
        for name, function in vars(importlib.import_module(module.name)).items():
            if name.startswith("plot_") and function.__module__ == module.name:
                found.add(function)
    assert found == {row.draw for row in FIGURES.values()}
    for name, row in FIGURES.items():
        assert re.fullmatch("[a-z]+", name) and row.shows[-1] not in ".!"
        assert row.draw.__name__ in plotting.__all__
        assert "Returns:" in row.draw.__doc__ and "Args:" in row.draw.__doc__


def test_a_figure_of_a_fit_is_drawn_by_name(fitted):
    for name in ("all", "law", "residuals", "starts", "waterfall", "bands", "joint"):
        assert name in figures_of_a_fit()
    assert {"surface", "forecast"}.isdisjoint(figures_of_a_fit())
    assert isinstance(draw_fit(fitted), Figure)
    assert isinstance(draw_fit(fitted, "starts"), Axes)
    with pytest.raises(ValueError, match="all, law, .*, joint, .*; there is no 'surface'"):
        draw_fit(fitted, "surface")


def test_compute_is_labelled_in_the_unit_of_the_cost(fitted):
    cost = PowerCost(3e-17, 0.9, 1.02, unit="gpu hours")
    for law, said in ((fitted.law, "(FLOPs)"), (fitted.law.replace(flops=cost), "(gpu hours)")):
        fit = dataclasses.replace(fitted, law=law, prepared=None)
        for drawn in (plotting.plot_law(fit), plotting.plot_residuals(fit)):
            assert drawn.get_xlabel() == f"training compute C {said}".replace("\\_", "_")


def test_save_takes_axes_within_a_part_of_a_figure(tmp_path):
    figure = Figure()
    ax = figure.subfigures(1, 2)[1].add_subplot()
    save(axes_or_new(ax), tmp_path / "ax.png")
    save(figure, tmp_path / "figure.png")
    assert (tmp_path / "ax.png").read_bytes() == (tmp_path / "figure.png").read_bytes()
