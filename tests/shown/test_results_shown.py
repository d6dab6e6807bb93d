"""Every result that a person can hold, at a prompt and in a notebook: short, escaped, a table."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import pkgutil
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import jax
import numpy as np
import pytest
from cases import hand_made

import jaxscale
from jaxscale.comparison.likelihood import Information
from jaxscale.comparison.result import Comparison, Entry
from jaxscale.comparison.stacking import Difference
from jaxscale.data.loss_curves import Curve
from jaxscale.decisions.mixing import Mixture
from jaxscale.decisions.near import near_optimal
from jaxscale.designs.candidates import Candidates
from jaxscale.designs.result import Answer, Design, Other
from jaxscale.fitting.exponent_grid import ExponentGrid
from jaxscale.fitting.linearized import Noise
from jaxscale.fitting.many_result import ManyFits
from jaxscale.fitting.refit import Refits
from jaxscale.fitting.reproduction import Verified
from jaxscale.fitting.warmup import Warmup
from jaxscale.flops import fit_cost
from jaxscale.forecast.forecaster import Forecast
from jaxscale.forecast.local_level import Mixture as Normals
from jaxscale.forecast.offline import Fan
from jaxscale.ranking.check import Checked
from jaxscale.ranking.judging import Judged, Outcome
from jaxscale.ranking.result import Place, Ranking
from jaxscale.ranking.standing import standing
from jaxscale.ranking.trials import Trial
from jaxscale.recipes.multiplier import Multiplier
from jaxscale.recipes.speedup import effective_speedup
from jaxscale.shown.blocks import MOST, WIDTH, Shown
from jaxscale.specification.result import Specification, Specifications
from jaxscale.sweep.result import Planned, SweepResult
from jaxscale.uncertainty.asymptote import AsymptoteProfile
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.influence import Influence
from jaxscale.uncertainty.intervals import Interval
from jaxscale.uncertainty.profile import Profile, Profiles

rng = np.random.default_rng(0)
MANY = 1024
ODD = "a<script>alert(1)</script>\x1b[31m"


def sample(fit, size=MANY):
    spread = {k: v * np.exp(0.02 * rng.normal(size=size)) for k, v in fit.law.values.items()}
    return fit.law.replace(**spread)


def draws_of(fit):
    n = len(fit.runs)
    noise = Noise(np.linspace(-0.01, 0.01, n), np.full(n, 1 / n), 0.001, 1e-4)
    told = ("draws are few",)
    return Draws(sample(fit), fit, "case", 0, noise, 10.0, 1.0, told, {}, np.arange(n))


def profile_of(name):
    root = np.linspace(-4, 4, 17)
    return Profile(name, 0.35, 0.35 + 0.02 * root, root, 20.0, "sandwich", False)


def influence_of(fit):
    n, law = len(fit.runs), fit.law
    zero = np.zeros(n)
    values = {name: fit.runs.columns[name] for name in law.inputs}
    slopes = dict.fromkeys(law.inputs, zero)
    moved = 0.01 * rng.normal(size=n)
    return Influence("N*", 9.7e10, True, moved, zero, zero, slopes, 1e-3, {}, np.ones(n), zero,
                     1e3, 1, fit.runs, values)  # fmt: skip


def comparison_of(fit):
    held = hand_made(np.full((2, 3, len(fit.runs)), 0.01) * [[[1]], [[2]]])
    known, gap = (
        Information(1.0, 6, 60, 0.01, 2.0, -3.0),
        Difference(0.01, 0.005, 0.002, 0.02, "run"),
    )
    entries = [
        Entry(label, fit.law, fit, "", {"rollout": x}, behind, known, 0.5, None, ())
        for label, x, behind in (("a", 0.01, None), ("b", 0.02, gap))
    ]
    return Comparison(tuple(entries), {"rollout": held}, (), fit.runs, fit.loss, fit.residual,
                      ("two laws only",), {}, 1.0)  # fmt: skip


def design_of(fit):
    there = {name: fit.runs.columns[name] for name in fit.law.inputs}
    cost = np.geomspace(1e18, 1e20, len(fit.runs))
    ends = [Interval("N*", 3e9, 3e9 / h, 3e9 * h, 0.9, 0.1, "x") for h in (9, 1.2)]
    return Design(
        "Chinchilla", Candidates(there, cost, "FLOPs", "a grid", np.empty(0, int)),
        np.array([0, 3, 5]), np.ones(3), "c", 1e21, (Answer("N*", *ends, True),),
        np.array([1.0, 0.9, 0.5, 0.2]), np.array([np.inf, 1.2, 0.5, 0.2]),
        np.concatenate([[0.0], np.cumsum(cost[[0, 3, 5]])]), (), (Other("an L", 5, 1e20, 0.9, 2),),
        0.01, there, 0.9, ("a note",), True, 0.1,
    )  # fmt: skip


def specifications_of(fit):
    own = dict(approach="3", law="Chinchilla", loss="huber", residual="log", data="all")
    rows = (
        Specification("fit", **own, N=1e9, D=2e10, loss_there=2.0, a=0.5, trusted=True),
        Specification("loss", **{**own, "loss": "square"}, N=3e9, D=7e9, trusted=True),
        Specification("law", **{**own, "law": "Skaling"}, N=8e8, D=2e10, reason="k at a bound"),
    )
    near = Interval("N*", 1e9, 5e8, 4e9, 0.9, np.nan, "percentile")
    return Specifications(rows, 1e21, fit, {"N": near}, "40 draws", 10.0, 1.0)


def ranking_of():
    mask = np.ones(3, bool)
    trials = tuple(Trial(table, by, mask, ~mask, 3.0) for table in "ab" for by in "CN")
    error = np.array([[0.1, 0.2, 0.1, 0.3], [0.2, 0.1, 0.2, np.nan], [np.nan] * 4])
    judged = [Judged([Outcome(x) for x in row], 3, "L(N)", "", 1.0) for row in error]
    places = tuple(Place(f"{ODD}{k}", k == 0, each) for k, each in enumerate(judged))
    found = standing(error, error[1], ["a", "a", "b", "b"], draws=20)
    tables = {name: {"source": name} for name in "ab"}
    return Ranking(places, found, {"C": found}, {}, tables, trials, {}, ("b",), {"level": 0.9}, 1.0)


def grid_of(fit):
    axes = (np.linspace(0.1, 0.6, 64), np.linspace(0.1, 0.6, 64))
    lowest = sample(fit, 2), np.array([0.1, 0.2])
    own = fit.loss, fit.residual, ("a warning",), {}
    return ExponentGrid(("alpha", "beta"), axes, rng.random((64, 64)), fit.law, *lowest, *own)


def asymptote_of(fit):
    values = np.linspace(1.5, 1.9, 21)
    near = np.abs(values - 1.7) < 0.11
    at = {"N": np.array([1e9]), "D": np.array([1e11])}
    ends = near, 1.6, 1.8, (True, False), 0.9, 10, 0.1, fit.residual, at, values[:, None]
    return AsymptoteProfile("E", values, values**2, sample(fit, 21), 1.7, *ends)


def isoflop_of():
    N, D = np.repeat(np.geomspace(1e7, 1e9, 6), 24), np.tile(np.geomspace(1e8, 1e11, 24), 6)
    runs = jaxscale.Runs(N=N, D=D, loss=1.8 + 480 * N**-0.35 + 2100 * D**-0.36, source=ODD)
    return jaxscale.isoflop(runs, law=None)


def tuning_of():
    x = np.tile(np.geomspace(1e-4, 1e-2, 9), 2)
    loss = 3 + 0.01 * np.log(x / 1e-3) ** 2 + 1e-4 * rng.normal(size=18)
    return jaxscale.Runs(N=np.repeat([1e8, 2e8], 9), lr=x, loss=loss).tuning("N", over="lr")


def sweep_of():
    row = dict(cell="a|huber", data="a", law="PowerLaw", loss="huber", delta=1e-3, residual="log",
               seed=0, n=24, value=0.1, share_at_best=1.0, starts=16, status="converged",
               trusted=True, reasons=[], params={"a": 1.0}, standard_error={}, interval={},
               error="")  # fmt: skip
    lost = {**row, "cell": ODD, "value": None, "trusted": False, "error": "no start was finite"}
    return SweepResult(Path("out"), (row, lost), 3, 1, 2.0)


def forecast_of(*shape):
    doubts = jaxscale.forecast.doubts.Doubts(*(np.zeros(shape, bool) for _ in range(5)))
    normals = Normals(*(np.ones((*shape, MANY)) for _ in range(3)))
    ends, level = (np.full(shape, x) for x in (3.4, 3.36, 3.45)), np.full(shape, 0.9)
    return Forecast(*ends, normals, doubts, level)


def costs():
    N, D = np.geomspace(1e7, 1e9, 12), np.geomspace(1e9, 1e11, 12)
    return fit_cost(dict(N=N, D=D, C=6.3 * N * D * np.exp(0.01 * rng.normal(size=12))))


def mixture():
    shares, losses = {ODD: 0.3, "code": 0.7}, {"a": 3.0, "b": 3.1}
    return Mixture(shares, 3.05, losses, 1.0, 0.5, {"code": "most"}, ("a note",))


def steps():
    return Curve(np.arange(1, MANY + 1), 2 + 1 / np.arange(1, MANY + 1), None, ODD, ODD)


def flat(*shape):
    return np.linspace(1.0, 2.0, MANY).reshape(shape or (MANY,))


RESULTS = {
    "runs": lambda fit: fit.runs.replace(
        source=ODD, warnings=("odd " * 40,), group=np.full(len(fit.runs), ODD)
    ),
    "law": lambda fit: fit.law,
    "free law": lambda fit: jaxscale.Kaplan(),
    "sample of laws": sample,
    "fit": lambda fit: fit,
    "doubted fit": lambda fit: dataclasses.replace(
        fit, certificate=dataclasses.replace(fit.certificate, share_at_best=0.0, grad_norm=1.0,
                                             gain=1.0), warnings=(ODD,)),
    "certificate": lambda fit: fit.certificate,
    "draws": draws_of,
    "interval": lambda fit: draws_of(fit).interval("alpha"),
    "band": lambda fit: draws_of(fit).predict(N=flat() * 1e9, D=1e11),
    "covariance": jaxscale.covariance,
    "profile": lambda fit: profile_of("alpha"),
    "profiles": lambda fit: Profiles(fit, (profile_of("alpha"), profile_of("beta"))),
    "asymptote": asymptote_of,
    "influence": influence_of,
    "refits": lambda fit: Refits(
        sample(fit), flat(), np.zeros(MANY, int), np.zeros(MANY, bool), {}
    ),
    "grid": grid_of,
    "comparison": comparison_of,
    "comparison's entry": lambda fit: comparison_of(fit).best,
    "held out": lambda fit: comparison_of(fit).held["rollout"],
    "allocation": lambda fit: jaxscale.allocate(fit.law, compute=1e23),
    "allocations": lambda fit: jaxscale.allocate(
        fit, compute=[1e21, 1e22, 1e23], draws=draws_of(fit)
    ),
    "allocations of a sample": lambda fit: jaxscale.allocate(sample(fit), compute=[1e21, 1e22]),
    "near": lambda fit: near_optimal(fit.law, jaxscale.allocate(fit.law, compute=1e23), 0.0025),
    "mixture": lambda fit: mixture(),
    "design": design_of,
    "answer": lambda fit: design_of(fit).answers[0],
    "candidates": lambda fit: design_of(fit).candidates,
    "specifications": specifications_of,
    "specification": lambda fit: specifications_of(fit).rows[0],
    "isoflop": lambda fit: isoflop_of(),
    "approach": lambda fit: isoflop_of()["parabola"],
    "minima": lambda fit: isoflop_of().minima["parabola"],
    "ranking": lambda fit: ranking_of(),
    "check": lambda fit: Checked((("digest", True, "as stated"), (ODD, False, ODD)), None, (ODD,)),
    "many": lambda fit: ManyFits(
        [f"t{k}" for k in range(MANY)] + [ODD], dict.fromkeys((f"t{k}" for k in range(MANY)), fit),
        {ODD: "no rows"}, {}),
    "no fits": lambda fit: ManyFits([ODD], {}, {ODD: "no rows"}, {}),
    "verified": lambda fit: Verified(
        fit, fit, ("one", "two"), (), dict.fromkeys(fit.free, 0.1), 1e-9
    ),
    "warmup": lambda fit: Warmup(3, 1.0, (9, 16), 1024),
    "multiplier": lambda fit: Multiplier(
        *(flat(),) * 5, 0.9, flat(), True, "C", 500
    ),
    "speed-up": lambda fit: effective_speedup(fit.law, 2.9, 2.8),
    "tuning": lambda fit: tuning_of(),
    "cost": lambda fit: costs(),
    "sweep": lambda fit: sweep_of(),
    "planned": lambda fit: Planned(ODD, True, 3, 1),
    "forecast": lambda fit: forecast_of(),
    "forecasts": lambda fit: forecast_of(4),
    "distribution": lambda fit: forecast_of().mixture,
    "fan": lambda fit: Fan(*(flat(),) * 6),
    "state": lambda fit: jaxscale.Forecaster().init(),
    "curve": lambda fit: steps(),
    "forecaster": lambda fit: jaxscale.Forecaster(),
    "objective": lambda fit: fit.problem.objective,
    "problem": lambda fit: fit.problem,
    "solver": lambda fit: jaxscale.solver(jaxscale.Chinchilla(), fit.runs, starts=4),
    "closed form": lambda fit: sample(fit).closed_form(),
    "report": lambda fit: jaxscale.Report("<html>", (ODD,), ("a doubt",), False, None),
}  # fmt: skip

ROOM = {"ranking": 140}
"""Columns of a text that has more of them than fit on a line."""
VALUES = {
    "Absolute", "AffineCost", "Asymmetric", "Constraints", "Example", "Grouped", "Huber",
    "Lifetime", "NamedLaw", "Origin", "Parameter", "Positive", "PowerCost", "Preset", "Quantile",
    "Residual", "Response", "SixND", "Square", "StudentT", "Transformer",
}  # fmt: skip
"""What a person gives, not gets, and one array in two parts: their repr is the call they are."""


class Page(HTMLParser):
    """The tags of a page, its texts, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] != "style":
            self.texts.append(data)


@functools.cache
def _made():
    return {}


def made(name, fit):
    """A result, made once for all tests."""
    if name not in _made():
        _made()[name] = RESULTS[name](fit)
    return _made()[name]


@pytest.fixture(params=RESULTS)
def named(request, fitted):
    return request.param, made(request.param, fitted)


def test_the_repr_is_the_text_that_is_printed_and_no_wall_of_numbers(named):
    name, result = named
    assert list(result._blocks())  # raises nothing by itself
    text = repr(result)
    lines = text.split("\n")
    assert text == str(result) and text.strip()
    assert len(lines) <= 60 and max(map(len, lines)) <= ROOM.get(name, WIDTH)
    assert not re.search(r"array\(|Array\(|\n *\[?-?\d\S*( +-?\d\S*){9,}", text)
    assert "\x1b" not in text and "object at 0x" not in text


def test_a_notebook_gets_tables_that_are_escaped_without_scripts_and_colours_of_the_page(named):
    name, result = named
    page = Page(result._repr_html_())
    assert not page.open and "".join(page.texts).strip()
    assert {tag for tag, _ in page.tags} <= {
        "div", "style", "p", "span", "table", "thead", "tbody", "tr", "th", "td"
    }  # fmt: skip
    assert not any(key.startswith("on") or key == "style" for _, a in page.tags for key in a)
    assert "background" not in result._repr_html_()
    assert sum(tag == "tr" for tag, _ in page.tags) <= 8 * MOST


def test_what_was_given_as_text_stays_text(fitted):
    """In both, and the marks of doubts differ from those of notes."""
    doubted = made("doubted fit", fitted)
    for result in (doubted, *(made(name, fitted) for name in ("runs", "check", "isoflop"))):
        page = result._repr_html_()
        assert "<script" not in page and "&lt;script" in page and "\\x1b" in page
    page = Page(doubted._repr_html_())
    marks = [tag[1].get("class") for tag in page.tags if "note" in tag[1].get("class", "")]
    assert marks == ["note doubt"] * 2 + ["note"] * 2 and "⚠" in page.texts


def test_every_class_that_a_public_function_can_hand_over_shows_itself():
    """By the annotations of returns and attributes, from the public names on."""
    for module in pkgutil.walk_packages(jaxscale.__path__, "jaxscale."):
        if not re.search(r"__main__|\.cli", module.name):
            importlib.import_module(module.name)

    def classes(annotation, module):
        names = (getattr(sys.modules[module], n, None) for n in re.findall(r"\w+", str(annotation)))
        return [c for c in names if inspect.isclass(c) and c.__module__.startswith("jaxscale")]

    def returned(function):
        function = getattr(function, "fget", None) or getattr(function, "func", None) or function
        function = inspect.unwrap(getattr(function, "__func__", function))
        if not inspect.isfunction(function):
            return []
        return classes(function.__annotations__.get("return", ""), function.__module__)

    public = [getattr(jaxscale, name) for name in jaxscale.__all__]
    todo, reached = [c for x in public for c in ([x] if inspect.isclass(x) else returned(x))], set()
    while todo:
        one = todo.pop()
        if one in reached:
            continue
        reached.add(one)
        for base in (c for c in one.__mro__ if c.__module__.startswith("jaxscale")):
            for annotation in vars(base).get("__annotations__", {}).values():
                todo += classes(annotation, base.__module__)
            todo += [c for n, x in vars(base).items() if n[0] != "_" for c in returned(x)]
    assert len(reached) > 100
    mute = {c for c in reached if dataclasses.is_dataclass(c) or hasattr(c, "_fields")}
    assert {c.__name__ for c in mute if not hasattr(c, "_repr_html_")} == VALUES


@pytest.mark.parametrize("name", ["law", "objective", "state", "forecast", "distribution"])
def test_what_is_traced_is_shown_as_such(fitted, name):
    result, seen = made(name, fitted), []

    def look(each):
        seen.append((repr(each), each._repr_html_()))
        return each

    wide = jax.tree.map(np.asarray, result)
    jax.jit(look)(wide)
    jax.vmap(look)(jax.tree.map(lambda x: np.stack([x, x]), wide))
    jax.tree.map(lambda x: None, result)
    repr(jax.tree.map(lambda x: None, result)), repr(jax.tree.map(lambda x: object(), result))
    assert len(seen) == 2 and all(text and "object at" not in text for text, _ in seen)
    assert name == "objective" or all("traced float" in text for text, _ in seen)


@pytest.mark.parametrize(
    "law",
    [
        jaxscale.Chinchilla.preset("hoffmann_2022"),
        jaxscale.Chinchilla(alpha=0.1 + 0.2),
        jaxscale.PowerLaw(a=1e-300, of="tokens seen"),
        jaxscale.Kaplan(flops=jaxscale.SixND(7.0)),
        jaxscale.Chinchilla(),
    ],
    ids=str,
)
def test_a_law_is_written_as_the_call_that_makes_it(law):
    names = {name: getattr(jaxscale, name) for name in jaxscale.__all__}
    again = eval(repr(law), names)
    assert repr(again) == repr(law) and again.values == law.values and again.of == law.of


@dataclasses.dataclass(frozen=True)
class Odd(Shown):
    """A result whose account cannot be worked out, or is of what is no number."""

    error: Exception
    values: np.ndarray

    def _blocks(self):
        raise self.error


@pytest.mark.parametrize(
    ("error", "doubts"),
    [(jaxscale.FitError("alpha is at its bound"), 1), (TypeError("a None in its place"), 0)],
    ids=lambda x: type(x).__name__,
)
def test_a_result_that_cannot_be_worked_out_shows_its_fields_and_says_why(error, doubts):
    odd = Odd(error, flat())
    lines = repr(odd).splitlines()
    assert lines[0] == "Odd" and "[1,024] from 1 to 2" in repr(odd)
    assert lines[3:] == ["! alpha is at its bound"] * doubts
    assert odd._repr_html_().count('class="note doubt"') == doubts
