"""What runs determine follows from their design and their noise, whatever the design is called."""

import numpy as np
import pytest
from cases import TokensFirst

import jaxscale
from jaxscale import (
    Chinchilla,
    Huber,
    Kaplan,
    KaplanSteps,
    Law,
    PowerLaw,
    Runs,
    Scalar,
    Square,
    coefficient,
    exponent,
    offset,
    power,
)
from jaxscale.checks.determined import undetermined
from jaxscale.checks.information import best_size
from jaxscale.datasets.synthetic import isoflop_design
from jaxscale.decisions.allocation import allocate
from jaxscale.fitting.informed import information
from jaxscale.fitting.preparation import prepare

PLANTED = Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
HOFFMANN = Chinchilla(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
STEEP = Chinchilla(E=1.2, A=5e4, B=8e4, alpha=0.6, beta=0.55)
FIRST = TokensFirst(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
KAPLAN = Kaplan.preset("kaplan_2020")
STEPS = KaplanSteps(A=8.0, K=40.0, alpha_N=0.077, alpha_S=0.3)
SIZES = np.geomspace(2e7, 1.5e9, 12)


class Three(Law):
    """E + A N^-alpha + B D^-beta + G R^-gamma."""

    E: Scalar = offset("bound")
    A: Scalar = coefficient("of N", per=dict(N="alpha"))
    B: Scalar = coefficient("of D", per=dict(D="beta"))
    G: Scalar = coefficient("of R", per=dict(R="gamma"))
    alpha: Scalar = exponent("of N")
    beta: Scalar = exponent("of D")
    gamma: Scalar = exponent("of R")

    def __call__(self, N, D, R):
        terms = self.A * power(N, -self.alpha) + self.B * power(D, -self.beta)
        return self.E + terms + self.G * power(R, -self.gamma)


THREE = Three(E=1.5, A=480.0, B=2100.0, G=0.5, alpha=0.35, beta=0.37, gamma=0.5)


def ladder(jitter, n=12):
    """D = 20 N times exp(jitter), the same odd multiples of it in every call."""
    N = np.geomspace(2e7, 1.5e9, n)
    off = np.cos(2.4 * np.arange(n)) * np.sqrt(2)
    return N, 20 * N * np.exp(jitter * off)


def rectangle(a, b):
    return np.repeat(np.geomspace(2e7, 1.5e9, a), b), np.tile(np.geomspace(1e9, 1e11, b), a)


def isoflop(budgets, sizes):
    return isoflop_design(np.logspace(18, 20, budgets), sizes)


def told(law, noise, *, loss=None, **inputs):
    """What is said at the true law, of residuals of exactly this size and of no chance."""
    n = len(next(iter(inputs.values())))
    pattern = np.random.default_rng(0).normal(size=n)
    slopes = np.stack([np.ones(n), *(np.log(x) for x in inputs.values())], axis=1)
    pattern -= slopes @ np.linalg.lstsq(slopes, pattern, rcond=None)[0]
    pattern *= noise / np.sqrt(np.mean(pattern**2))
    runs = Runs(loss=np.asarray(jaxscale.predict(law, **inputs)) * np.exp(pattern), **inputs)
    free = law.replace(**dict.fromkeys(law.parameters))
    problem = prepare(free, runs, loss or Huber(1e-3), "log")
    z = np.array([float(x) for x in problem.objective.space.coordinates(law.values)])
    return undetermined(information(problem, z))


DETERMINED = {
    "isoFLOP 4 x 5": isoflop(4, 5),
    "isoFLOP 3 x 7": isoflop(3, 7),
    "isoFLOP 5 x 6": isoflop(5, 6),
    "rectangle 4 x 5": rectangle(4, 5),
    "rectangle 5 x 6": rectangle(5, 6),
    "D/N all over": ladder(1.5, 40),
}
OPEN = {
    "D = 20 N +- 7 %": ladder(0.07),
    "D = 20 N +- 10 %": ladder(0.10),
    "D = 20 N +- 20 %": ladder(0.20),
    "D = 20 N +- 30 %": ladder(0.30),
    "60 N": (SIZES, 3 * ladder(0.2)[1]),
    "one knob, more or less": (SIZES, 7e3 * SIZES**0.7 * ladder(0.2)[1] / SIZES / 20),
    "six runs": tuple(x[[0, 3, 7, 10, 13, 19]] for x in rectangle(4, 5)),
}


@pytest.mark.parametrize("name", DETERMINED)
@pytest.mark.parametrize("law", [PLANTED, HOFFMANN, STEEP, FIRST], ids=lambda law: str(law.E))
def test_a_design_that_determines_the_best_size_raises_no_doubt(law, name):
    N, D = DETERMINED[name]
    assert told(law, 0.004, N=N, D=D) == ()


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("law", [PLANTED, HOFFMANN, FIRST], ids=lambda law: str(law.E))
def test_a_design_that_leaves_it_open_is_told_with_what_follows(law, name):
    N, D = OPEN[name]
    (said,) = told(law, 0.004, N=N, D=D)
    assert "the best N for " in said and "may be off by " in said and "\n" not in said


def test_the_sentence_is_about_the_line_where_there_is_one():
    (said,) = told(PLANTED, 0.004, N=SIZES, D=ladder(0.1)[1])
    assert said.startswith("D/N is 20 (± 14 %) in all 12 runs: with residuals of 0.52 %")
    (said,) = told(PLANTED, 0.004, N=SIZES, D=7e3 * SIZES**0.7 * ladder(0.2)[1] / SIZES / 20)
    assert said.startswith("D follows N in all 12 runs")


def test_the_same_design_is_judged_by_its_noise_and_by_its_length():
    N, D = ladder(0.2)
    assert told(PLANTED, 0.004, N=N, D=D) and not told(PLANTED, 0.0004, N=N, D=D)
    N, D = ladder(0.2, 400)
    assert not told(PLANTED, 0.004, N=N, D=D)


def test_least_squares_is_surer_than_least_deviations():
    factors = [1.0 + k / 10 for k in range(30)]
    N, D = isoflop(4, 5)

    def first(loss):
        return next(f for f in factors if told(PLANTED, 0.01 * f, N=N, D=D, loss=loss))

    assert first(Huber(1e-3)) < first(Square())


@pytest.mark.parametrize(
    "law, inputs, words",
    [
        (KAPLAN, dict(N=SIZES, D=ladder(0.1)[1]), "the best N"),
        (STEPS, dict(N=SIZES, S=SIZES / 1e3 * ladder(0.06)[1] / SIZES), "how much N counts"),
        (THREE, dict(N=SIZES, D=ladder(0.1)[1], R=np.tile([1.0, 4, 16], 4)), "the best N"),
    ],
    ids=["Kaplan", "KaplanSteps", "three inputs"],
)
def test_other_laws_of_several_inputs_are_judged_alike(law, inputs, words):
    assert words in " ".join(told(law, 0.01, **inputs))


@pytest.mark.parametrize("law", [KAPLAN, THREE, STEPS], ids=lambda law: type(law).__name__)
def test_and_have_nothing_said_against_them_where_the_runs_spread(law):
    N, D = rectangle(6, 8)
    others = {"D": D, "S": D / 1e5, "R": np.tile([1.0, 4.0, 16.0], 16)}
    assert told(law, 0.002, N=N, **{k: others[k] for k in law.inputs if k != "N"}) == ()


def test_a_law_of_one_input_does_not_mind():
    law = PowerLaw(a=30.0, b=-0.35, c=1.0, of="N")
    assert told(law, 0.02, N=SIZES) == ()


@pytest.mark.parametrize("law", [PLANTED, FIRST, KAPLAN], ids=lambda law: type(law).__name__)
def test_slopes_of_the_best_size_are_those_of_the_allocation(law):
    N, D = rectangle(4, 5)
    runs = Runs(N=N, D=D, loss=np.asarray(jaxscale.predict(law, N=N, D=D)))
    problem = prepare(law.replace(**dict.fromkeys(law.parameters)), runs, Huber(1e-3), "log")
    z = np.array([float(x) for x in problem.objective.space.coordinates(law.values)])
    at = information(problem, z)
    local = best_size(at, 1e21)(at.at(z))
    for k in range(len(z)):
        step = 1e-4 * (np.arange(len(z)) == k)
        up, down = (at.at(z + s * step) for s in (1, -1))
        true = np.log(allocate(up, compute=1e21).N / allocate(down, compute=1e21).N)
        assert local(up) - local(down) == pytest.approx(true, rel=1e-2, abs=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, certified", [("D = 20 N +- 20 %", (0, 2)), ("isoFLOP 4 x 5", (30, 30))]
)
def test_of_planted_tables_only_those_are_certified_that_are_right(name, certified):
    N, D = {**OPEN, **DETERMINED}[name]
    mean = np.asarray(jaxscale.predict(PLANTED, N=N, D=D))
    true, right, wrong = allocate(PLANTED, compute=1e21).N, 0, 0
    for seed in range(30):
        loss = mean * np.exp(0.004 * np.random.default_rng(seed).normal(size=len(N)))
        fit = jaxscale.fit(Chinchilla(), Runs(N=N, D=D, loss=loss), starts=64)
        if fit.certificate.trusted:
            off = abs(np.log(allocate(fit.law, compute=1e21).N / true)) > np.log(3)
            right, wrong = right + (not off), wrong + off
    assert certified[0] <= right <= certified[1] and wrong == 0


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda N, D, loss: (D, N, loss), "columns N and D swapped"),
        (lambda N, D, loss: (30 * D, N, loss), "columns N and D swapped"),
        (lambda N, D, loss: (N, D, np.exp(loss)), "is it perplexity"),
        (lambda N, D, loss: (N, D, np.exp(1.5 * loss)), "is it perplexity"),
        (lambda N, D, loss: (N, D, loss), ""),
        (lambda N, D, loss: (N, D, loss / np.log(2)), ""),
        (lambda N, D, loss: (N, D, loss * np.where(np.arange(len(N)) == 7, 10, 1)), ""),
        (lambda N, D, loss: (N, D, loss * np.where(np.arange(len(N)) < 4, 30, 1)), ""),
    ],
    ids="swapped,swapped and more,perplexity,more of it,as it is,bits,tenfold,diverged".split(","),
)
def test_columns_that_are_others_than_they_are_called_are_said(change, words):
    N, D = rectangle(4, 5)
    N, D, loss = change(N, D, np.asarray(jaxscale.predict(PLANTED, N=N, D=D)))
    runs = Runs(N=N, D=D, loss=loss)
    said = [x for x in prepare(Chinchilla(), runs, Huber(1e-3), "log").warnings if "only" not in x]
    assert len(said) == bool(words) and words in "".join(said)


@pytest.mark.parametrize("far", [-1e3, 1e3])
@pytest.mark.parametrize("law", [PLANTED, KAPLAN], ids=["additive", "Kaplan"])
def test_a_law_whose_every_parameter_is_at_a_bound_leaves_the_best_size_open(law, far):
    N, D = rectangle(4, 4)
    runs = Runs(N=N, D=D, loss=np.linspace(4, 3, 16))
    problem = prepare(type(law)(), runs, Huber(), "log")
    lower, upper = map(np.array, problem.objective.space.bounds())
    at = information(problem, np.clip(np.full(len(lower), far), lower, upper))
    assert not at.moving.any() and np.isinf(at.at_optimum(lambda law: lambda other: 0.0))
    undetermined(at)
