"""A plain function is a law: what it proves of itself is declared, the rest is left as it is."""

import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale import LawError, Runs, fit, law_of
from jaxscale.checks.formula import check_formula
from jaxscale.checks.table import on_response, refuse_forgotten_inputs
from jaxscale.fitting.preparation import prepare
from jaxscale.laws.names import find_law, law_given

N = np.geomspace(1e6, 1e9, 16)
RUNS = Runs(N=N, loss=(1.7 + 40 * N**-0.3) * np.exp(0.003 * np.sin(7 * np.arange(16))))


def saturating(N, a, b, c):
    """L(N) = c + a N^-b."""
    return c + a * N**-b


def joint(N, D, E, A, B, alpha, beta):
    return E + A * N**-alpha + B * D**-beta


def outer(N, D, E, A, B, alpha, beta, k):
    return E + (A * N**-alpha + B * D**-beta) ** k


def units(law):
    """What is declared: by parameter its power of the loss, of the inputs, and its logarithms."""
    return {
        name: (spec.units, dict(spec.per), dict(spec.shift))
        for name, spec in law().parameters.items()
        if spec.role != "constant" and not spec.dimensionless
    }


PROVEN = [
    (saturating, {"a": (1, {"N": "b"}, {}), "c": (1, {}, {})}, ("a", "c")),
    (
        lambda N, a, b, c: c + a * (N / 1e9) ** b,
        {"a": (1, {"N": "-b"}, {}), "c": (1, {}, {})},
        "ac",
    ),
    (lambda N, a, b: b - a * jnp.log(N), {"a": (1, {}, {}), "b": (1, {}, {"N": "a"})}, ("a", "b")),
    (lambda N, a, M, g: a / (1 + N / M) ** g, {"a": (1, {}, {}), "M": (0, {"N": 1}, {})}, ("a",)),
    (
        joint,
        {"E": (1, {}, {}), "A": (1, {"N": "alpha"}, {}), "B": (1, {"D": "beta"}, {})},
        ("E", "A", "B"),
    ),
    (
        outer,
        {"E": (1, {}, {}), "A": ("1/k", {"N": "alpha"}, {}), "B": ("1/k", {"D": "beta"}, {})},
        ("E",),
    ),
    (
        lambda x, a, b, c: a * jnp.exp(-b * x) + c,
        {"a": (1, {}, {}), "c": (1, {}, {}), "b": (0, {"x": -1}, {})},
        "ac",
    ),
]


@pytest.mark.parametrize(("function", "expected", "linear"), PROVEN)
def test_the_units_and_the_linear_parameters_of_a_function_are_found(function, expected, linear):
    law = law_of(function)
    assert units(law) == expected
    assert {k for k, spec in law().parameters.items() if spec.linear} == set(linear)
    assert law().free == tuple(k for k in law().parameters)  # nothing is held


LEFT = [
    (lambda N, D, E, A, a, B, b: E + A * N**-a + B * jnp.exp(-D / 1e12) * D**-b, {"unit_D"}),
    (lambda N, a, b: 1 / (1 + jnp.exp(a * jnp.log(N) + b)), {"unit_loss"}),
    (lambda N, a, b: a * jnp.where(N > 1e9, 1.0, 2.0) * N**-b, {"unit_N"}),
    (lambda N, a, b: jnp.log(b + a * N + N**2), {"unit_N", "unit_loss"}),
    (lambda N, unit_N, b: jnp.tanh(N / 1e6) * unit_N + b, {"unit_N_"}),
]


@pytest.mark.parametrize(("function", "expected"), LEFT)
def test_what_is_not_proven_is_taken_in_the_units_of_the_runs(function, expected):
    law = law_of(function)
    assert set(law().fixed) == expected
    if expected != {"unit_loss"}:
        assert "units of the runs" in law.origin.unknown((), ())


@pytest.mark.parametrize(
    "function", [saturating, lambda N, a, b: jnp.log1p(N / 3e7) * a + b, lambda N, a, b: a * b**N]
)
def test_a_fit_sees_the_function_itself(function):
    """The check of every fit that a formula is what its fields declare."""
    problem = prepare(law_of(function)(), RUNS, None, "log")
    check_formula(problem.objective, problem.inputs, RUNS.rows)
    assert any("plain function" in said for said in problem.warnings)


ALL = dict(positive=("a",), bounds={"b": (0, 2)}, start={"a": (1, 9)})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "what a, p and b mean, which sign they have and where they lie is not known"),
        (dict(positive=("a",)), "mean, which sign p and b have and where a, p and b lie is not"),
        (
            dict(positive=("a", "p"), bounds={"b": (0, 2)}),
            "what a, p and b mean and where a and p lie is not known",
        ),
        (
            dict(bounds={"b": (-1, 2)}, start={"a": (1, 9)}, positive=("p",)),
            "which sign a and b have and where p lies is not known",
        ),
        (dict(ALL, start={"a": (1, 9), "p": (-1, 1)}), "mean and which sign p has is not known"),
        (
            dict(ALL, bounds={"b": (0, 2), "p": (-9, 0)}),
            "Plain is a plain function: what a, p and b mean is not known",
        ),
    ],
)
def test_what_a_person_says_of_a_function_is_not_called_unknown(options, said):
    assert said in law_of(lambda N, a, p, b: p + a * N**b, **options).origin.unknown((), ())


COLUMNS = dict.fromkeys(("hidden", "vocab", "depth", "loss"), np.ones(4))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            lambda hidden, vocab, a, b: a * hidden**-b * vocab,
            "would fit the column 'vocab': to read it, law_of(f, inputs=('hidden', 'vocab')); for "
            "a parameter choose another name",
        ),
        (
            lambda hidden, vocab, depth, a: a * hidden * vocab * depth,
            "would fit the columns 'vocab', 'depth': to read them, "
            "law_of(f, inputs=('hidden', 'vocab', 'depth')); for parameters choose another name",
        ),
    ],
)
def test_a_parameter_that_is_called_like_a_column_is_refused(function, said):
    with pytest.raises(jaxscale.errors.DataError, match=re.escape(said)):
        refuse_forgotten_inputs(law_of(function, inputs=("hidden",))(), jaxscale.Runs(**COLUMNS))


@pytest.mark.parametrize(
    "function",
    [
        lambda hidden, a, b, vocab=2.0: a * hidden**-b * vocab,
        lambda hidden, a, b: a * hidden**-b,
    ],
)
def test_one_that_is_held_is_not(function):
    refuse_forgotten_inputs(law_of(function, inputs=("hidden",))(), jaxscale.Runs(**COLUMNS))


@pytest.mark.parametrize(
    ("held", "bounds", "said"),
    [
        ({"b": 0.5}, {}, "which sign a and p have and where a and p lie is not known"),
        ({}, {"p": (0.0, 0.5)}, "which sign a and b have and where a and b lie is not known"),
        ({"b": 0.5}, {"a": (-1.0, 2.0)}, "which sign a and p have and where p lies is not known"),
        ({"b": 0.5, "a": 1.0}, {"p": (0.0, 1.0)}, "what a, p and b mean is not known"),
    ],
)
def test_nor_is_what_a_fit_is_told_of_it(held, bounds, said):
    law = law_of(lambda N, a, p, b: p + a * N**b)(**held)
    assert said in on_response(law, RUNS, tuple(bounds.items()))[0]


REFUSED = [
    (lambda N, *p: p[0] * N, {}, "name each of them"),
    (lambda N, **p: p["a"] * N, {}, "name each of them"),
    (lambda u, a: a * u, {}, "which are inputs"),
    (lambda N, D: N + D, {}, "no parameter is left"),
    (lambda N, a, b: a * np.exp(-b) * N, {}, "jnp.exp instead of np.exp"),
    (lambda N, a, b: a * math.exp(-b) * N, {}, "functions of jax.numpy"),
    (lambda N, a, b: a * N if b > 0 else b, {}, "jnp.where"),
    (lambda N, a, b: a * N if N.max() > 0 else b, {}, "jnp.where"),
    (lambda N, a: None, {}, "returns NoneType"),
    (lambda N, a: (a, N), {}, "returns tuple"),
    (lambda N, a: jnp.stack([a * N, N]), {}, "shape"),
    (lambda N, S0, a: jnp.where(N > S0, a, 2 * a), {}, "breakpoint_at"),
    (lambda N, a, b: a * N, {}, "depends on b"),
    (lambda N, values: values * N, {}, "call the parameter otherwise"),
    (lambda N, a, mode="fast": a * N, {}, "is no number"),
    (max, {}, "arguments have names"),
    (saturating, dict(inputs=("D",)), "no such argument"),
    (saturating, dict(positive=("A",)), "no parameter"),
    (saturating, dict(bounds={"a": (2, 1)}), "low < high"),
    (saturating, dict(start={"a": (0, math.inf)}), "low < high"),
    (saturating, dict(start={"N": (1, 2)}), "no parameter"),
    (saturating, dict(kinds={"N": "odd"}), "their kinds"),
    (saturating, dict(name="two words"), "no name"),
    (jaxscale.Chinchilla, {}, "plain function"),
    ("PowerLaw", {}, "plain function"),
]


@pytest.mark.parametrize(("function", "options", "said"), REFUSED)
def test_a_function_that_is_no_law_is_refused_in_a_sentence(function, options, said):
    with pytest.raises((LawError, ValueError, TypeError)) as error:
        law_of(function, **options)
    assert said in str(error.value) and str(error.value).count("\n") == 0
    assert len(str(error.value)) < 320


def test_what_a_person_says_of_a_function_is_declared():
    law = law_of(saturating, positive=("b",), bounds={"a": (1, 1e3)}, start={"c": (1, 2)})
    specs = law().parameters
    assert specs["b"].positive and specs["b"].bounds[0] == -40 and specs["b"].role == "scale"
    assert specs["a"].bounds == (1, 1e3) and specs["c"].start == (1, 2)
    assert set(law().fixed) == {"unit_N", "unit_loss"}  # numbers of the runs' own units
    assert law_of(lambda N, b, a=1.0, *, c=0.0: c + a * N**b)().fixed == {"a": 1.0, "c": 0.0}
    assert law_of(lambda u, a: a * u, inputs="u", kinds={"u": "signed"})().kinds == {"u": "signed"}
    assert law_of(lambda N, a, b: a * jnp.sqrt(b) * N)().parameters["b"].positive


def test_an_input_of_codes_or_of_either_sign_is_said_to_be_one():
    codes = dict(inputs=("N", "family"), kinds={"family": "raw"})

    def by_family(N, family, a, b, c):
        return jnp.where(family == 2, a, b) * N**-c

    assert units(law_of(by_family, **codes)) == {
        "a": (1, {"N": "c"}, {}),
        "b": (1, {"N": "c"}, {}),
    }
    with pytest.raises(LawError, match="kinds="):
        law_of(by_family, inputs=("N", "family"))
    lines = Runs(x=np.linspace(-1, 1, 8), loss=3 + np.linspace(-1, 1, 8))
    with pytest.raises(jaxscale.DataError, match=r"kinds=dict\(x='signed'\)"):
        prepare(law_of(lambda x, a, b: a * x + b)(), lines, None, "log")
    prepare(law_of(lambda x, a, b: a * x + b, kinds={"x": "signed"})(), lines, None, "log")


def test_the_same_function_is_the_same_class():
    assert law_of(saturating) is law_of(saturating) and law_of(saturating) is not law_of(joint)
    assert type(law_given(saturating)) is law_of(saturating)
    assert (
        law_of(saturating).__name__ == "saturating"
        and law_of(lambda N, a: a * N).__name__ == "Plain"
    )
    assert law_of(functools.partial(joint, beta=0.3))().fixed == {"beta": 0.3}
    assert law_of(jax.jit(saturating))().inputs == ("N",)
    at = law_of(saturating)(a=40.0, b=0.3, c=1.7)
    np.testing.assert_allclose(jaxscale.predict(at, N=N), saturating(N, 40, 0.3, 1.7), rtol=1e-14)


FILE = """
from jaxscale import law_of
def saturating(N, a, b, c):
    return c + a * N**-b
arrow = lambda N, a, b: a * N**-b
named = law_of(lambda N, a, b: a * N**-b, name="named")
other = law_of(lambda N, a, b: a * N**-b)
bad = lambda N, *p: p[0] * N
"""


def test_a_function_in_a_file_is_a_law_of_that_name(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    for name in ("saturating", "arrow", "named"):
        assert find_law(f"{path}:{name}").__name__ == name
    assert find_law(f"{path}:other").__name__ == "Plain"
    for name, said in (
        ("bad", "name each"),
        ("none", "defines no"),
    ):
        with pytest.raises(ValueError, match=said):
            find_law(f"{path}:{name}")


@pytest.mark.parametrize("name", ["N", "hidden"])
def test_a_fit_over_families_of_a_function_comes_back_with_the_function(tmp_path, name):
    scope = {}
    exec(f"def law({name}, c, a, p): return c + a * {name}**-p", scope)
    x, family = np.tile(np.geomspace(1e6, 1e9, 12), 2), np.repeat(["a", "b"], 12)
    noise = 1 + 0.003 * np.sin(np.arange(24.0))
    runs = Runs(**{name: x}, loss=(1.5 + 40 * x**-0.3) * noise, group=family)
    grouped = jaxscale.Grouped(law_of(scope["law"], inputs=(name,)), by="group", own=("a",))
    found = fit(grouped, runs, starts=8)
    found.save(tmp_path / "fit.json")
    again = jaxscale.load(tmp_path / "fit.json", law=scope["law"])
    assert again.law.values == found.law.values


def test_a_law_under_another_name_than_that_of_its_function_finds_its_fit(tmp_path):
    path = tmp_path / "mine.py"
    text = "from jaxscale import law_of\ndef mine(hidden, a, b):\n    return a * hidden**-b\n"
    path.write_text(text + "Mine = law_of(mine, inputs=('hidden',))\n")
    x = np.geomspace(1.0, 64.0, 12)
    runs = Runs(hidden=x, loss=3 * x**-0.2 * np.exp(0.01 * np.sin(np.arange(12.0))))
    found = fit(find_law(f"{path}:Mine"), runs, starts=8)
    found.save(tmp_path / "fit.json")
    again = jaxscale.load(tmp_path / "fit.json", law=find_law(f"{path}:Mine"))
    assert again.law.values == found.law.values


EDITED = r"damaged fit result, or 'saturating' is no longer the law that was fitted \(its file ed"
CHANGED = [
    (lambda N, a, b, c: a + b * N**c, f"{EDITED}.*not those of the fit"),
    (lambda N, a, b, d: d + a * N**b, f"{EDITED}.*params"),
    (lambda N, a, b, c, d: c + a * N**b + d, f"{EDITED}.*params"),
    (
        jaxscale.Chinchilla,
        "fitted with the law 'saturating'; another one was given, 'Chinchilla'; it",
    ),
]


def test_a_function_has_the_optimum_of_the_class_and_is_saved(tmp_path):
    found = fit(saturating, RUNS, starts=32)
    known = fit("PowerLaw:N", RUNS, starts=32)
    for name, sign in (("a", 1), ("b", -1), ("c", 1)):
        there = sign * known.law.values[name]
        np.testing.assert_allclose(found.law.values[name], there, rtol=1e-6)
    found.save(tmp_path / "fit.json")
    again = jaxscale.load(tmp_path / "fit.json", law=law_of(saturating))
    assert again.law.values == found.law.values
    assert jaxscale.load(tmp_path / "fit.json", law=saturating).law == again.law
    with pytest.raises(jaxscale.DataError, match=r"'saturating'; .* load\(path, law=saturating\)"):
        jaxscale.load(tmp_path / "fit.json")
    for changed, said in CHANGED:
        with pytest.raises(jaxscale.DataError, match=said):
            jaxscale.load(tmp_path / "fit.json", law=changed)


@pytest.mark.parametrize("name", ["lr", "d_model", "tokens_seen"])
def test_the_file_of_a_fit_knows_the_inputs_of_its_function(tmp_path, name):
    scope = {}
    exec(f"def law({name}, a, b): return a * {name}**-b", scope)
    x = np.geomspace(1.0, 64.0, 12)
    runs = Runs(**{name: x}, loss=3 * x**-0.2 * np.exp(0.01 * np.sin(np.arange(12.0))))
    found = fit(law_of(scope["law"], inputs=(name,)), runs, starts=8)
    found.save(tmp_path / "fit.json")
    assert jaxscale.load(tmp_path / "fit.json", law=scope["law"]).law == found.law


@pytest.mark.slow
def test_everything_that_takes_a_fit_takes_that_of_a_function(tmp_path):
    n, d = np.meshgrid(np.geomspace(1e7, 1e10, 5), np.geomspace(1e9, 1e12, 5))
    noise = np.exp(0.003 * np.cos(5 * np.arange(25.0)))
    runs = Runs(
        N=n.ravel(), D=d.ravel(), loss=(1.8 + 480 * n**-0.35 + 2100 * d**-0.37).ravel() * noise
    )
    found = fit(joint, runs, starts=64)
    known = fit("Chinchilla", runs, starts=64)
    assert found.value == pytest.approx(known.value, rel=1e-9)
    C = 1e22
    np.testing.assert_allclose(
        float(jaxscale.allocate(found, compute=C).N),
        float(jaxscale.allocate(known, compute=C).N),
        rtol=1e-5,
    )
    draws = jaxscale.bootstrap(found, draws=16)
    assert np.isfinite(draws.law.E).all()
    assert jaxscale.compare([joint, "Chinchilla"], runs, starts=64, draws=0) is not None


@pytest.mark.parametrize("home", [{}, {"__name__": "not_imported"}, {"__name__": None}])
def test_a_function_of_text_that_runs_in_no_module_is_a_law_too(home):
    exec("f = lambda N, a, b: a * N**-b", home)
    assert jaxscale.law_of(home["f"])(a=2.0, b=0.5)(4.0) == 1.0
