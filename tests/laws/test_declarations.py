"""What a law may say of its parameters, its inputs and its response, and what it may not."""

import json
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale import (
    Huber,
    Law,
    LawError,
    Runs,
    Scalar,
    Square,
    breakpoint_at,
    coefficient,
    constant,
    exponent,
    fit,
    offset,
    predict,
    scale,
)
from jaxscale._numerics.precision import scope
from jaxscale.fitting.preparation import prepare
from jaxscale.objective.inputs import log_unit, normalized
from jaxscale.objective.space import Space
from jaxscale.plotting.fit import plot_fit
from jaxscale.uncertainty.influence import influence

RNG = np.random.default_rng(5)


class Coupled(Law):
    """L(N, D) = E + (A N^-alpha + B D^-beta)^k."""

    E: Scalar = offset("bound")
    A: Scalar = coefficient("of N", per=dict(N="alpha"), units="1/k", linear=False)
    B: Scalar = coefficient("of D", per=dict(D="beta"), units="1/k", linear=False)
    alpha: Scalar = exponent("of N")
    beta: Scalar = exponent("of D")
    k: Scalar = exponent("outer", bounds=(0.05, 5.0))

    def __call__(self, N, D):
        return self.E + (self.A * N**-self.alpha + self.B * D**-self.beta) ** self.k


class Rational(Law):
    """(b1 + b2 x) / (1 + b3 x), x of either sign."""

    b1: Scalar = coefficient("at 0", positive=False)
    b2: Scalar = coefficient("slope above", per=dict(x=-1), positive=False)
    b3: Scalar = scale("slope below", per=dict(x=-1), positive=False)
    input_kinds: ClassVar = dict(x="signed")

    def __call__(self, x):
        return (self.b1 + self.b2 * x) / (1 + self.b3 * x)


class Inverse(Law):
    """1 / (b + c x): one over the loss."""

    b: Scalar = scale("at 0", units=-1)
    c: Scalar = scale("slope", units=-1, per=dict(x=-1))

    def __call__(self, x):
        return 1 / (self.b + self.c * x)


class ToThePower(Law):
    """b (s x)^p + (c x^(-1/q))^k + r^p: powers that follow exponents, in every form."""

    b: Scalar = coefficient("height")
    s: Scalar = scale("scale", per=dict(x=-1))
    c: Scalar = coefficient("root", units="1/k", per=dict(x="1/q"), linear=False)
    r: Scalar = scale("the loss to the power 1/p", units="1/p")
    p: Scalar = exponent("p")
    q: Scalar = exponent("q")
    k: Scalar = exponent("k")

    def __call__(self, x):
        first = self.b * (self.s * x) ** self.p
        return first + (self.c * x ** (-1 / self.q)) ** self.k + self.r**self.p


class Opposite(Law):
    """(b x^(1/q))^-k + r^(-1/p) + s^2: the same with the other sign, and a square."""

    b: Scalar = scale("root", units="-1/k", per=dict(x="-1/q"))
    r: Scalar = scale("a power", units="-p")
    s: Scalar = scale("a root", units=0.5)
    p: Scalar = exponent("p")
    q: Scalar = exponent("q")
    k: Scalar = exponent("k")

    def __call__(self, x):
        return (self.b * x ** (1 / self.q)) ** -self.k + self.r ** (-1 / self.p) + self.s**2


class Yearly(Law):
    """b1 + b2 cos(2 pi x / 12) + b3 sin(2 pi x / 12)."""

    b1: Scalar = offset("mean", positive=False)
    b2: Scalar = coefficient("cosine", positive=False)
    b3: Scalar = coefficient("sine", positive=False)
    twelve: Scalar = constant(12.0, per=dict(x=1), doc="months of a year")

    def __call__(self, x):
        angle = 2 * jnp.pi * x / self.twelve
        return self.b1 + self.b2 * jnp.cos(angle) + self.b3 * jnp.sin(angle)


class Breakdown(Law):
    """log y = b1 - b2 t exp(-b3 T) + b4 [kind = 2]."""

    b1: Scalar = offset("log y of kind 1 at t = 0", positive=False)
    b2: Scalar = coefficient("rate of ageing", per=dict(t=-1))
    b3: Scalar = scale("of temperature", per=dict(T=-1), positive=False)
    b4: Scalar = coefficient("how kind 2 differs", positive=False)
    input_kinds: ClassVar = dict(T="signed", kind="raw")
    response: ClassVar = "log"

    def __call__(self, t, T, kind):
        ageing = self.b2 * t * jnp.exp(-self.b3 * T)
        return self.b1 - ageing + jnp.where(kind == 2, self.b4, 0.0)


class LogOfSum(Law):
    """log y = log(E + A x^-a): the loss's own unit within the logarithm."""

    E: Scalar = scale("bound", units=1)
    A: Scalar = scale("height", units=1, per=dict(x="a"))
    a: Scalar = exponent("rate")
    response: ClassVar = "log"

    def __call__(self, x):
        return jnp.log(self.E + self.A * x**-self.a)


class LogLog(Law):
    """log y = b - a log x."""

    b: Scalar = offset("log y at x = 1", positive=False, shift=dict(x="a"))
    a: Scalar = coefficient("rate", positive=False)
    response: ClassVar = "log"

    def __call__(self, x):
        return self.b - self.a * jnp.log(x)


N, D = np.geomspace(1e7, 1e10, 40), np.geomspace(1e9, 1e12, 40)[RNG.permutation(40)]
T = np.tile([-40.0, 0.0, 25.0, 60.0, 85.0], 8)
AT = {
    Coupled: (dict(E=1.6, A=900.0, B=4000.0, alpha=0.5, beta=0.6, k=0.6), dict(N=N, D=D)),
    Rational: (dict(b1=4.0, b2=0.3, b3=-0.11), dict(x=np.linspace(-6, 5, 40))),
    Inverse: (dict(b=0.05, c=0.3), dict(x=np.linspace(0.5, 9, 40))),
    ToThePower: (
        dict(b=3.0, s=0.2, c=1.5, r=1.3, p=0.7, q=1.4, k=0.8),
        dict(x=np.geomspace(0.3, 50, 40)),
    ),
    Opposite: (
        dict(b=1.3, r=0.4, s=1.2, p=0.9, q=1.4, k=0.8),
        dict(x=np.geomspace(0.3, 50, 40)),
    ),
    Yearly: (dict(b1=9.0, b2=2.0, b3=-1.0), dict(x=np.arange(1.0, 41))),
    Breakdown: (
        dict(b1=2.6, b2=0.02, b3=-0.03, b4=0.4),
        dict(t=np.repeat([1.0, 2, 4, 8], 10), T=T, kind=np.tile([1.0, 2.0], 20)),
    ),
    LogOfSum: (dict(E=2.0, A=5.0, a=0.4), dict(x=np.geomspace(1, 1e4, 40))),
    LogLog: (dict(b=3.0, a=0.3), dict(x=np.geomspace(1, 1e4, 40))),
}
LAWS = pytest.mark.parametrize("law", AT, ids=lambda law: law.__name__)


def runs_of(law, noise=0.003, unit=1.0, **changes):
    values, inputs = AT[law]
    wiggle = np.random.default_rng(7).normal(size=40)
    loss = predict(law(**values), **inputs) * np.exp(noise * wiggle)
    return Runs(loss=loss * unit, **{**inputs, **changes})


# --- units ---------------------------------------------------------------------------------------


@LAWS
@pytest.mark.parametrize("held", [0, 1, 3])
def test_the_dimensionless_law_is_the_law(law, held):
    """Whatever is fixed: parameters go to coordinates and back, and predictions agree."""
    values, inputs = AT[law]
    one = law(**values)
    with scope(np.float64):
        space = Space(
            fixed={k: np.float64(one.values[k]) for k in list(one.values)[:held]}
            | ({"twelve": np.float64(12)} if law is Yearly else {}),
            log_scale={k: log_unit(x, np.ones(40), one.kinds[k]) for k, x in inputs.items()},
            loss_scale=np.float64(2.5),
            parameters=tuple(one.parameters.items()),
        )
        z = [np.float64(c) for c in space.coordinates(one.values)]
        small = one.replace(**space.normalized(z))
        args = [normalized(x, space.log_scale[k], one.kinds[k], 40) for k, x in inputs.items()]
        back = space.physical(z)
        np.testing.assert_allclose(2.5 * small.loss(*args), predict(one, **inputs), rtol=1e-12)
    for name, value in one.values.items():
        np.testing.assert_allclose(back[name], value, rtol=1e-12, err_msg=name)


@LAWS
@pytest.mark.parametrize("residual", ["log", "absolute"])
def test_the_check_of_a_formula_takes_it(law, residual):
    prepare(law(), runs_of(law), Huber(1e-3), residual)


def test_a_power_around_a_sum_is_equivariant():
    """In other units of the loss and of both inputs: the same optimum, converted."""
    runs, (truth, _) = runs_of(Coupled), AT[Coupled]
    held = Coupled(k=truth["k"])  # k is hardly determined by a few runs
    one = fit(held, runs, starts=64)
    c, n, d = 3.7, 1e-6, 1e-9
    two = fit(held, Runs(N=N * n, D=D * d, loss=runs.loss * c), starts=64)
    assert two.value == pytest.approx(one.value, rel=1e-9)
    a, b, k = one.law.alpha, one.law.beta, truth["k"]
    want = one.law.replace(
        E=c * one.law.E, A=one.law.A * c ** (1 / k) * n**a, B=one.law.B * c ** (1 / k) * d**b
    )
    for name, value in want.values.items():
        assert getattr(two.law, name) == pytest.approx(value, rel=1e-6), name


class WrongPower(Coupled):
    """The loss to the wrong power."""

    A: Scalar = coefficient("of N", per=dict(N="alpha"), units="k", linear=False)


class NoPower(Inverse):
    """The unit of the loss is missing."""

    c: Scalar = scale("slope", per=dict(x=-1))


class BothWrong(Inverse):
    """Both as if the loss stood there."""

    b: Scalar = coefficient("at 0", linear=False)
    c: Scalar = coefficient("slope", per=dict(x=-1), linear=False)


class PiAsNumber(Law):
    """b1 - arctan(x / b2) / pi, the number as if it had no unit."""

    b1: Scalar = offset("bound", positive=False)
    b2: Scalar = scale("width", per=dict(x=1))

    def __call__(self, x):
        return self.b1 - jnp.arctan(x / self.b2) / np.pi


class PiWithoutUnit(PiAsNumber):
    """The number is a field, its unit is missing."""

    pi: Scalar = constant(np.pi)

    def __call__(self, x):
        return self.b1 - jnp.arctan(x / self.b2) / self.pi


class YearWithoutUnit(Yearly):
    """The number is a field, its unit is missing."""

    twelve: Scalar = constant(12.0)


class Root(Law):
    """b x^(1/c), the power of x as if it were c."""

    b: Scalar = coefficient("height", per=dict(x="-c"))
    c: Scalar = exponent("root")

    def __call__(self, x):
        return self.b * x ** (1 / self.c)


class LogWithoutOffset(Breakdown):
    """No offset takes up the unit of the loss."""

    b1: Scalar = exponent("log y at t = 0")


@pytest.mark.parametrize(
    "law, like, words",
    [
        (WrongPower, Coupled, ["unit of the loss", "declare A with units='1/k'"]),
        (NoPower, Inverse, ["unit of the loss", "declare c with units=-1"]),
        (BothWrong, Inverse, ["unit of the loss", "declare b, c with units=-1"]),
        (PiAsNumber, Inverse, ["unit of the loss", "constant(NUMBER, units=1)"]),
        (PiWithoutUnit, Inverse, ["unit of the loss", "declare pi with units=-1"]),
        (YearWithoutUnit, Yearly, ["unit of x", "twelve = constant(..., per=dict(x=1))"]),
        (Root, Inverse, ["unit of x", "per=dict(x='-1/c')"]),
        (LogWithoutOffset, Breakdown, ["unit of the loss", "offset(..., positive=False)"]),
    ],
)
def test_the_cure_names_the_power(law, like, words):
    with pytest.raises(LawError) as refused:
        prepare(law(), runs_of(like), Huber(1e-3), "absolute")
    for word in words:
        assert word in str(refused.value), str(refused.value)


# --- what cannot be declared ---------------------------------------------------------------------


def define(**body):
    def formula(self, x):
        return self.b * x

    def of_scale(self, S):
        return self.b * S

    call = of_scale if body.pop("of_scale", False) else formula
    fields = {"b": coefficient("slope", per=dict(x=-1))} | body
    names = dict.fromkeys((k for k, v in fields.items() if hasattr(v, "metadata")), Scalar)
    return type("Made", (Law,), {"__call__": call, "__annotations__": names, **fields})


@pytest.mark.parametrize(
    "body, message",
    [
        (dict(input_kinds=dict(x="any")), "x is of the kind 'any'; there are 'positive', 'signed'"),
        (dict(input_kinds=dict(y="raw")), "names 'y', which is no argument of the formula"),
        (dict(input_kinds=dict(C="raw"), of_scale=True), "the column `of` is its argument S"),
        (dict(input_kinds="signed"), "write dict\\(x='signed'\\)"),
        (dict(response="log10"), "response is 'log10'; a formula gives one of 'loss', 'log'"),
        (dict(response="log", E=offset("e")), "E: the logarithm of a loss has either sign"),
        (dict(loss=offset("e")), "Made.loss: every law has an attribute loss"),
    ],
)
def test_a_class_that_cannot_be_is_refused_at_its_definition(body, message):
    with pytest.raises(LawError, match=message):
        define(**body)


@pytest.mark.parametrize(
    "body, message",
    [
        (dict(input_kinds=dict(x="raw")), "Made.b has a unit of x, which is raw"),
        (
            dict(input_kinds=dict(x="signed"), S0=breakpoint_at("b", of="x")),
            "Made.S0 is a break of x, which is signed",
        ),
        (dict(c=coefficient("c", units="k")), "the power 'k', which is no parameter"),
        (dict(c=coefficient("c", units="2/b")), "'2/b' is no power of the loss"),
        (dict(c=coefficient("c", units=float("nan"))), "nan is no power of the loss"),
        (dict(c=coefficient("c", units="1/b")), "the power '1/b', which carries a unit itself"),
        (dict(c=offset("c", shift=dict(x="1/b"))), "'1/b' is no power of x; shift= takes"),
    ],
)
def test_a_unit_that_cannot_be_is_refused_before_a_fit(body, message):
    with pytest.raises(LawError, match=message):
        prepare(define(**body)(), runs_of(Inverse), Huber(1e-3), "log")


@pytest.mark.parametrize("value", ["12", None, float("nan"), float("inf"), True, [12.0]])
def test_a_constant_is_a_number(value):
    with pytest.raises(LawError, match="a constant is a finite number"):
        constant(value)
    if value is None:
        with pytest.raises(LawError, match="twelve is a constant and was taken away"):
            prepare(Yearly(twelve=None), runs_of(Yearly), Square(), "absolute")


# --- constants -----------------------------------------------------------------------------------


def test_a_constant_has_its_value_from_the_start_and_is_converted(tmp_path):
    assert Yearly().fixed == {"twelve": 12.0} and Yearly().free == ("b1", "b2", "b3")
    runs = runs_of(Yearly)
    months = fit(Yearly(), runs, loss=Square(), residual="absolute", starts=16)
    years = fit(
        Yearly(twelve=1.0),
        runs.replace(x=runs.columns["x"] / 12),
        loss=Square(),
        residual="absolute",
        starts=16,
    )
    assert (months.law.twelve, years.law.twelve) == (12.0, 1.0)
    assert months.free == ("b1", "b2", "b3")
    for name in months.free:
        assert getattr(years.law, name) == pytest.approx(getattr(months.law, name), rel=1e-9)
        assert getattr(months.law, name) == pytest.approx(AT[Yearly][0][name], rel=0.05)
    months.save(tmp_path / "fit.json")
    assert jaxscale.load(tmp_path / "fit.json", Yearly).law.values == months.law.values


# --- inputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "mixed", "float32"])
def test_an_input_of_either_sign_is_fitted(precision):
    runs = runs_of(Rational, noise=0.001)
    found = fit(Rational(), runs, loss=Square(), residual="absolute", precision=precision)
    for name, value in AT[Rational][0].items():
        assert getattr(found.law, name) == pytest.approx(value, rel=0.02)
    assert found.certificate.trusted
    np.testing.assert_allclose(found.predict(x=runs.columns["x"]), found.prediction, rtol=1e-9)


def test_a_unit_of_an_input_of_either_sign_changes_nothing():
    runs = runs_of(Rational)
    one = fit(Rational(), runs, starts=64)
    two = fit(Rational(), runs.replace(x=runs.columns["x"] * 1e5), starts=64)
    assert two.value == pytest.approx(one.value, rel=1e-9)
    assert two.law.b3 * 1e5 == pytest.approx(one.law.b3, rel=1e-6)


def test_a_long_table_of_signed_inputs_is_summed_up_in_blocks():
    x = np.linspace(-6, 5, 2500)
    loss = predict(Rational(**AT[Rational][0]), x=x) * np.exp(0.01 * RNG.normal(size=2500))
    few = fit(Rational(), Runs(x=x, loss=loss), loss=Square(), starts=8)
    for name, value in AT[Rational][0].items():
        assert getattr(few.law, name) == pytest.approx(value, rel=0.02)


def test_raw_inputs_are_used_as_they_are(tmp_path):
    """Codes are compared with ==, beside a signed temperature, in a law of log(loss)."""
    runs, (truth, inputs) = runs_of(Breakdown), AT[Breakdown]
    found = fit(Breakdown(), runs, loss=Square())
    for name, value in truth.items():
        assert getattr(found.law, name) == pytest.approx(value, rel=0.05), name
    kinds = dict(t="positive", T="signed", kind="raw")
    assert found.law.kinds == kinds
    np.testing.assert_allclose(found.predict(**inputs), found.prediction, rtol=1e-10)
    found.save(tmp_path / "fit.json")
    again = jaxscale.load(tmp_path / "fit.json", Breakdown)
    assert again.law.values == found.law.values
    np.testing.assert_allclose(again.prediction, found.prediction, rtol=1e-10)
    assert set(influence(found, "b3").inputs) == set(kinds)


def test_the_derivative_in_a_signed_input_is_that_of_refitting():
    runs = runs_of(Rational)
    options = dict(loss=Square(), residual="absolute", starts=8)
    found = fit(Rational(), runs, **options)
    slope = influence(found, "b1").inputs["x"][3]
    x, h, ends = runs.columns["x"], 1e-3, []
    for sign in (1, -1):
        moved = x.copy()
        moved[3] += sign * h
        ends.append(fit(Rational(), runs.replace(x=moved), **options).law.b1)
    derivative = (ends[0] - ends[1]) / (2 * h)
    assert slope == pytest.approx(x[3] * derivative, rel=1e-3) and x[3] < 0


@pytest.mark.parametrize(
    "law, column, words",
    [
        (Inverse, "x", "Where x may be zero or negative, the law says so: input_kinds: ClassVar"),
        (Breakdown, "t", "dict\\(t='signed'\\), or 'raw'"),
        (jaxscale.KaplanN, "N", "or select rows with where \\(--where\\)$"),
    ],
)
def test_a_positive_input_is_checked_and_the_way_out_named(law, column, words):
    runs = runs_of(law) if law in AT else Runs(N=N, loss=1e3 * N**-0.3)
    bad = runs.columns[column].copy()
    bad[4] = -1.0
    with pytest.raises(jaxscale.DataError, match="expected a positive number, got -1") as said:
        prepare(law(), runs.replace(**{column: bad}), Huber(1e-3), "log")
    assert said.match(words)


@pytest.mark.parametrize(
    "asked, factor",
    [(-6.0, 1.0), (0.0, 1.0), (5.0, 1.0), (10.5, 2.0), (-11.5, 2.0), (60.5, 1 + 55.5 / 5.5)],
)
def test_extrapolation_of_a_signed_input_stretches_its_range(asked, factor):
    runs = runs_of(Rational)
    found = fit(Rational(), runs, starts=8)
    assert found.extrapolation(x=asked)["x"] == pytest.approx(factor)


@pytest.mark.parametrize("law", [Rational, Breakdown, Inverse])
def test_figures_draw_such_inputs(law, tmp_path):
    found = fit(law(), runs_of(law), starts=8)
    figure = plot_fit(found)
    figure.savefig(tmp_path / "fit.png")
    curve = figure.axes[0]
    if law is Rational:
        assert curve.get_xscale() == "linear" and curve.get_xlim()[0] < -6 < 5 < curve.get_xlim()[1]
    if law is Inverse:
        assert curve.get_xscale() == "log"


def test_the_command_predicts_at_a_negative_input(tmp_path, capsys):
    from jaxscale.cli import main

    source = tmp_path / "mine.py"
    source.write_text(
        "from typing import ClassVar\n"
        "from jaxscale import Law, Scalar, coefficient, offset\n"
        "class Line(Law):\n"
        "    '''b x + c.'''\n"
        "    b: Scalar = coefficient('slope', per=dict(x=-1), positive=False)\n"
        "    c: Scalar = offset('at 0', positive=False)\n"
        "    input_kinds: ClassVar = dict(x='signed')\n"
        "    def __call__(self, x):\n"
        "        return self.b * x + self.c\n"
    )
    rows = [f"{x},{5 - 0.5 * x + 0.01 * (-1) ** x}" for x in range(-5, 6)]
    (tmp_path / "runs.csv").write_text("\n".join(["x,loss", *rows]))
    law = f"{source}:Line"
    out = str(tmp_path / "fit.json")
    arguments = ["fit", str(tmp_path / "runs.csv"), "--law", law, "--starts", "8", "--out", out]
    assert main([*arguments, "--quiet"]) == 0
    capsys.readouterr()
    assert main(["predict", out, "--law", law, "--at", "x=-4", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["predictions"]
    assert found["loss"] == pytest.approx(7, abs=0.02) and found["extrapolation"] == {"x": 1}


# --- the logarithm of the loss -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("law", [Breakdown, LogOfSum, LogLog])
@pytest.mark.parametrize("residual", ["log", "relative", "absolute"])
def test_a_law_of_the_logarithm_fits_the_loss(law, residual):
    runs, (truth, inputs) = runs_of(law, noise=1e-4), AT[law]
    found = fit(law(), runs, loss=Square(), residual=residual, starts=256)
    for name, value in truth.items():
        assert getattr(found.law, name) == pytest.approx(value, rel=0.01), name
    np.testing.assert_allclose(found.prediction, runs.loss, rtol=1e-3)
    with scope(np.float64):
        formula = np.asarray(found.law(*inputs.values()))
    np.testing.assert_allclose(found.predict(**inputs), np.exp(formula), rtol=1e-13)


@pytest.mark.parametrize("law", [Breakdown, LogLog])
def test_another_unit_of_the_loss_moves_the_offset(law):
    runs, name = runs_of(law), "b1" if law is Breakdown else "b"
    one = fit(law(), runs, starts=64)
    two = fit(law(), runs.replace(loss=runs.loss * 1e3), starts=64)
    assert two.value == pytest.approx(one.value, rel=1e-9)
    assert getattr(two.law, name) - getattr(one.law, name) == pytest.approx(np.log(1e3), rel=1e-9)
    held = fit(law(**{name: getattr(two.law, name)}), runs.replace(loss=runs.loss * 1e3), starts=64)
    assert held.value == pytest.approx(two.value, rel=1e-9)


def test_a_law_without_a_docstring_is_its_inputs():
    """`python -OO` has none; what `dataclass` writes in its place is no formula."""

    class Bare(jaxscale.Law):
        E: jaxscale.Scalar = jaxscale.offset("e")

        def __call__(self, N, K):
            return self.E + 0 * N * K

    class Heir(jaxscale.Chinchilla):
        pass

    assert (Bare.formula(), Bare.about()) == ("L(N, K)", "")
    assert (Heir.formula(), Heir.about()) == ("L(N, D)", "")
    assert jaxscale.Chinchilla.formula().startswith("L(N, D) = E + A N^-alpha")
