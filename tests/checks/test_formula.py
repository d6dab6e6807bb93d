"""A law that does not do what it says of itself is refused, with the field and the cure."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import inputs, law_class, residual_for
from nist_forms import FORMS

import jaxscale
from jaxscale import (
    CATALOGUE,
    Chinchilla,
    Huber,
    Law,
    LawError,
    Runs,
    Scalar,
    Square,
    coefficient,
    exponent,
    offset,
    power,
    scale,
)
from jaxscale._numerics import precision
from jaxscale.checks.formula import check_fit
from jaxscale.cli.console import shortened
from jaxscale.fitting.preparation import prepare
from jaxscale.laws import predict

N = np.geomspace(1e7, 1e10, 6).repeat(5)
D = np.tile(np.geomspace(1e9, 1e12, 5), 6)
NOISE = np.exp(0.003 * np.random.default_rng(0).normal(size=len(N)))
FAMILY = np.tile([1.0, 2.0, 3.0], 10)
RUNS = Runs(N=N, D=D, family=FAMILY, loss=(1.8 + 480 * N**-0.35 + 2100 * D**-0.37) * NOISE)


class Joint(Law):
    """E + A N^-alpha + B D^-beta, as it should be."""

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("of N", per=dict(N="alpha"))
    B: Scalar = coefficient("of D", per=dict(D="beta"))
    alpha: Scalar = exponent("of N")
    beta: Scalar = exponent("of D")

    def __call__(self, N, D):
        return self.E + self.A * N**-self.alpha + self.B * D**-self.beta


class NoPer(Joint):
    """The units are missing."""

    A: Scalar = coefficient("of N")
    B: Scalar = coefficient("of D")


class WrongPer(Joint):
    """The other exponent."""

    A: Scalar = coefficient("of N", per=dict(N="beta"))


class SignPer(Joint):
    """The wrong sign."""

    B: Scalar = coefficient("of D", per=dict(D="-beta"))


class OtherInput(Joint):
    """The other input."""

    A: Scalar = coefficient("of N", per=dict(D="alpha"))


class Outer(Joint):
    """A power around terms that carry the loss's unit."""

    k: Scalar = exponent("outer")

    def __call__(self, N, D):
        return self.E + (self.A * N**-self.alpha + self.B * D**-self.beta) ** self.k


class OuterNotLinear(Outer):
    """The same, not called linear."""

    A: Scalar = coefficient("of N", per=dict(N="alpha"), linear=False)
    B: Scalar = coefficient("of D", per=dict(D="beta"), linear=False)


class Skaling(Joint):
    """A term in N D whose coefficient knows of N only."""

    G: Scalar = coefficient("of both", per=dict(N="gamma"))
    gamma: Scalar = exponent("of both")

    def __call__(self, N, D):
        return super().__call__(N, D) + self.G * (N * D) ** -self.gamma


class One(Law):
    """E + A N^-alpha."""

    E: Scalar = offset("bound")
    A: Scalar = coefficient("height", per=dict(N="alpha"))
    alpha: Scalar = exponent("rate")

    def __call__(self, N):
        return self.E + self.A * N**-self.alpha


class Squared(One):
    """A is squared."""

    def __call__(self, N):
        return self.E + self.A**2 * N**-self.alpha


class Product(One):
    """E and A are multiplied."""

    def __call__(self, N):
        return self.E * (1 + self.A * N**-self.alpha)


class Moved(One):
    """A constant with a unit."""

    def __call__(self, N):
        return self.E + self.A * (N + 1e9) ** -self.alpha


class OnePlus(One):
    """A constant with the unit of the loss."""

    def __call__(self, N):
        return 1.0 + self.A * N**-self.alpha


class Over(One):
    """In units of a billion, the coefficient as if it had no unit."""

    A: Scalar = coefficient("height")

    def __call__(self, N):
        return self.E + self.A * (N / 1e9) ** -self.alpha


class Rate(Law):
    """E + A exp(-r N), r declared as a number."""

    E: Scalar = offset("bound")
    A: Scalar = coefficient("height")
    r: Scalar = exponent("rate")

    def __call__(self, N):
        return self.E + self.A * jnp.exp(-self.r * N)


class TrueRate(Rate):
    """The same with its unit."""

    r: Scalar = scale("rate", per=dict(N=-1))


class Logarithm(Law):
    """c - a log N without the shift of c."""

    c: Scalar = offset("at N = 1", positive=False)
    a: Scalar = coefficient("slope", positive=False)

    def __call__(self, N):
        return self.c - self.a * jnp.log(N)


class ShiftedLogarithm(Logarithm):
    """With it."""

    c: Scalar = offset("at N = 1", positive=False, shift=dict(N="a"))


class WrongShift(Logarithm):
    """Shifted the other way."""

    c: Scalar = offset("at N = 1", positive=False, shift=dict(N="-a"))


class Codes(One):
    """Families compared with ==."""

    F: Scalar = offset("bound of the others")

    def __call__(self, N, family):
        return jnp.where(family == 1, self.E, self.F) + self.A * N**-self.alpha


class Cutoff(Codes):
    """Families compared with a number."""

    def __call__(self, N, family):
        return jnp.where(family < 1.5, self.E, self.F) + self.A * N**-self.alpha


class HeldCutoff(Cutoff):
    """The number is a field."""

    cut: Scalar = scale("between the families", per=dict(family=1))

    def __call__(self, N, family):
        return jnp.where(family < self.cut, self.E, self.F) + self.A * N**-self.alpha


class OverDeclared(Over):
    """In units of a billion with the unit declared: true."""

    A: Scalar = coefficient("height", per=dict(N="alpha"))


class NumPy(TrueRate):
    """NumPy's exponential."""

    def __call__(self, N):
        return self.E + self.A * np.exp(-self.r * N)


class Branch(TrueRate):
    """An if on a parameter."""

    def __call__(self, N):
        return self.E + self.A * N if self.r > 1 else self.E


class BranchOnInput(TrueRate):
    """An if on an input."""

    def __call__(self, N):
        return self.E + self.A * N if N > 1 else self.E


class Indexed(TrueRate):
    """An index."""

    def __call__(self, N):
        return self.E + self.A * N[0]


class Number(TrueRate):
    """A Python number."""

    def __call__(self, N):
        return self.E + float(self.r * self.A)


class Undefined(TrueRate):
    """A name that is not there."""

    def __call__(self, N):
        return self.E + gone * N  # noqa: F821


class Text(TrueRate):
    """Not a number."""

    def __call__(self, N):
        return "text"


class Nothing(TrueRate):
    """No return."""

    def __call__(self, N):
        self.E + self.A * N


class Matrix(TrueRate):
    """Too many numbers."""

    def __call__(self, N):
        return self.E + jnp.outer(jnp.exp(-self.r * N), jnp.ones(3))


class UnknownPower(One):
    """A unit with a power that is no parameter."""

    A: Scalar = coefficient("height", per=dict(N="gamma"))


class UnknownInput(One):
    """A unit of an input that is none."""

    A: Scalar = coefficient("height", per=dict(Q="alpha"))


class UnitPower(One):
    """A power that carries a unit itself."""

    A: Scalar = coefficient("height", per=dict(N="E"))


class OverMean(One):
    """Divided by the mean of the table."""

    A: Scalar = coefficient("height")

    def __call__(self, N):
        return self.E + self.A * (N / jnp.mean(jnp.asarray(N))) ** -self.alpha


class OverMin(OverMean):
    """Divided by the smallest."""

    def __call__(self, N):
        return self.E + self.A * (N / jnp.min(jnp.asarray(N))) ** -self.alpha


class Counted(One):
    """Divided by the number of runs."""

    def __call__(self, N):
        return self.E + self.A * N**-self.alpha / jnp.sqrt(jnp.shape(N)[0])


class Placed(One):
    """By the place in the table."""

    def __call__(self, N):
        return self.E + self.A * N**-self.alpha * (1 + jnp.arange(jnp.shape(N)[0]) % 2)


class Random(One):
    """With noise of its own."""

    def __call__(self, N):
        noise = jax.random.normal(jax.random.PRNGKey(0), jnp.shape(N))
        return self.E + self.A * N**-self.alpha * (1 + 0.1 * noise)


class Ranked(One):
    """By order."""

    def __call__(self, N):
        return self.E + self.A * jnp.sort(jnp.asarray(N)) ** -self.alpha


class NoDerivative(TrueRate):
    """A function without derivative in its parameter."""

    k: Scalar = exponent("shape")

    def __call__(self, N):
        return self.E + self.A * jax.scipy.special.gammaincc(self.k, self.r * N)


class MathLog(TrueRate):
    """The logarithm of Python."""

    def __call__(self, N):
        return self.E + self.A * math.log(N)


class ShiftByNumber(Logarithm):
    """A shift that is no coefficient."""

    c: Scalar = offset("at N = 1", positive=False, shift=dict(N=1))


class TuplePower(One):
    """A power that is none."""

    A: Scalar = coefficient("height", per=dict(N=("alpha",)))


class Root(One):
    """A / sqrt(N): a power that is no whole number."""

    A: Scalar = coefficient("height", per=dict(N=0.5))

    def __call__(self, N):
        return self.E + self.A * N**-0.5 * (1 + self.alpha)


class Excess(Law):
    """A root of what exceeds a number, zero in some runs."""

    E: Scalar = offset("bound")
    F: Scalar = coefficient("height")
    one: Scalar = scale("unit", per=dict(family=1))

    def __call__(self, family):
        return self.E + self.F * jnp.maximum(family / self.one - 1, 0) ** 0.5


class Shifted(Law):
    """c + a (D + D0)^-b, without the unit of D in a and in D0."""

    c: Scalar = offset("floor")
    a: Scalar = coefficient("height")
    b: Scalar = exponent("slope")
    D0: Scalar = scale("where it bends")

    def __call__(self, D):
        return self.c + self.a * (D + self.D0) ** -self.b


class ShiftedByCoefficient(Shifted):
    """Where it bends is called linear."""

    a: Scalar = coefficient("height", per=dict(D="b"))
    D0: Scalar = coefficient("where it bends")


class ShiftedByNeither(Shifted):
    """And the height has no unit."""

    D0: Scalar = coefficient("where it bends")


class Reached(Shifted):
    """c + a N^-b / (1 + D / D0), of two inputs."""

    a: Scalar = coefficient("height", per=dict(N="b"))
    D0: Scalar = offset("where it is half")

    def __call__(self, N, D):
        return self.c + self.a * N**-self.b / (1 + D / self.D0)


class TwoHeights(Shifted):
    """All three units are missing."""

    f: Scalar = coefficient("another height")

    def __call__(self, D):
        return super().__call__(D) + self.f * D**-self.b


class NoneOfThree(TwoHeights):
    """Nor have those of N any, and those of family."""

    N0: Scalar = scale("where it bends")
    g: Scalar = coefficient("a third height")
    F0: Scalar = scale("where it bends")
    k: Scalar = coefficient("a fourth height")

    def __call__(self, N, D, family):
        of_N = self.g * (N + self.N0) ** -self.b + self.g * N**-self.b
        of_family = self.k * (family + self.F0) ** -self.b + self.k * family**-self.b
        return super().__call__(D) + of_N + of_family


class OfTheirSum(Shifted):
    """c + a log(1 + N / 7 + D + D0)^-b."""

    def __call__(self, N, D):
        return self.c + self.a * jnp.log1p(N / 7 + D + self.D0) ** -self.b


REFUSED = {
    NoneOfThree: [
        "unit of N does not come out; declare g = coefficient(..., per=dict(N='b')) and N0 = ",
        "unit of family does not come out; declare k = coefficient(..., per=dict(family='b')) and",
        "unit of D does not come out, and a, D0, f, N0, g, F0, k are declared without it",
    ],
    OfTheirSum: ["unit of N does not come out, nor that of D", "and a, D0 are", "N + x0"],
    Shifted: [
        "unit of D",
        "declare a = coefficient(..., per=dict(D='b')) and D0 = scale(..., per=dict(D=1))",
    ],
    ShiftedByCoefficient: ["not affine in D0", "declare D0 = scale(..., per=dict(D=1))"],
    ShiftedByNeither: ["not affine in D0", "per=dict(D='b')) and D0 = scale(..., per=dict(D=1))"],
    Reached: ["not affine in D0", "declare D0 = scale(..., per=dict(D=1))"],
    TwoHeights: ["and a, D0, f are declared without it", "D + x0", "scale(..., per=dict(D=1))"],
    NoPer: ["unit of N", "A = coefficient(..., per=dict(N='alpha'))", "per=dict(D='beta')"],
    WrongPer: ["unit of N", "A = coefficient(..., per=dict(N='alpha'))"],
    SignPer: ["unit of D", "B = coefficient(..., per=dict(D='beta'))"],
    OtherInput: ["unit of N", "unit of D", "leave D out of the per= of A"],
    Outer: ["not affine in A and B, declared linear", "linear=False"],
    OuterNotLinear: ["unit of the loss", "declare A, B with units='1/k'"],
    Skaling: ["unit of D", "G = coefficient(..., per=dict(D='gamma'))"],
    Squared: ["not affine in A"],
    Product: ["not affine in E and A together"],
    Moved: ["unit of N", "constant(NUMBER, per=dict(N=1))"],
    OnePlus: ["unit of the loss"],
    Over: ["unit of N", "A = coefficient(..., per=dict(N='alpha'))"],
    Rate: ["unit of N", "r = scale(..., per=dict(N=-1))"],
    Logarithm: ["unit of N", "c = offset(..., shift=dict(N='a'))"],
    WrongShift: ["unit of N", "c = offset(..., shift=dict(N='a'))"],
    Codes: ["compared with ==", "family == 1", "dict(INPUT='raw')"],
    Cutoff: ["unit of family"],
    NumPy: ["NumPy or math", "jax.numpy", "np.exp(-self.r * N)"],
    Branch: ["jnp.where"],
    BranchOnInput: ["jnp.where"],
    Indexed: ["cannot index"],
    Number: ["Python numbers"],
    Undefined: ["NameError", "gone"],
    Text: ["returns str"],
    Nothing: ["returns NoneType"],
    Matrix: ["shape (32, 3)"],
    OverMean: ["by which other runs there are", "elementwise"],
    OverMin: ["by which other runs there are", "elementwise"],
    Counted: ["by which other runs there are"],
    Placed: ["by which other runs there are"],
    Random: ["by which other runs there are"],
    Ranked: ["by which other runs there are"],
    NoDerivative: ["NotImplementedError"],
    MathLog: ["NumPy or math", "jax.numpy"],
    ShiftByNumber: ["ShiftByNumber.c", "1 is no power of N", "coefficient"],
    TuplePower: ["TuplePower.A", "('alpha',) is no power of N"],
    UnknownPower: ["UnknownPower.A", "'gamma'", "E, A, alpha"],
    UnknownInput: ["UnknownInput.A", "'Q'", "inputs are N"],
    UnitPower: ["UnitPower.A", "'E'", "exponent(...)"],
}


class OfRatio(Law):
    """E + F log(1 + k D / N): a function of an array by an input."""

    E: Scalar = offset("bound")
    F: Scalar = coefficient("height")
    k: Scalar = scale("where it bends", per=dict(N=1, D=-1))

    def __call__(self, N, D):
        return self.E + self.F * jnp.log1p(self.k * D / N)


class OfMean(OfRatio):
    """E + F / sqrt(2 N D) + k N / D: of an array times an input."""

    F: Scalar = coefficient("height", per=dict(N=0.5, D=0.5))
    k: Scalar = coefficient("of the ratio", per=dict(N=-1, D=1))

    def __call__(self, N, D):
        return self.E + self.F / jnp.sqrt(2 * N * D) + self.k * jnp.exp(jnp.log(2 * N / D)) / 2


TRUE = [Joint, One, Root, TrueRate, ShiftedLogarithm, OverDeclared, OfRatio, OfMean]


@pytest.mark.parametrize("law", REFUSED, ids=lambda law: law.__name__)
@pytest.mark.parametrize("residual", ["log", "absolute"])
def test_what_is_declared_wrongly_is_refused(law, residual):
    with pytest.raises(LawError) as refused:
        prepare(law(), RUNS, Huber(1e-3), residual)
    said = str(refused.value)
    assert "\n" not in said and law.__name__ in said
    for words in REFUSED[law]:
        assert words in said, said
    assert said == shortened(said)  # at the shell the cure is not cut


def test_the_fit_refuses_before_it_compiles(monkeypatch):
    monkeypatch.setattr("jaxscale.engine.dispatch.Search.solve", lambda *_: pytest.fail("solved"))
    with pytest.raises(LawError, match="row 1, at parameters drawn at random"):
        jaxscale.fit(NoPer(), RUNS)


@pytest.mark.parametrize("law", TRUE, ids=lambda law: law.__name__)
@pytest.mark.parametrize("residual", ["log", "absolute"])
def test_what_is_declared_rightly_is_not(law, residual):
    prepare(law(), RUNS, Huber(1e-3), residual)


@pytest.mark.parametrize("cut", [1.5, 2.0, 3.0])
def test_a_number_held_in_a_field_has_its_unit(cut):
    """On a run as well: the rounding of normalized inputs decides nothing."""
    prepare(HeldCutoff(cut=cut), RUNS, Huber(1e-3), "log")
    prepare(Excess(one=cut), RUNS, Huber(1e-3), "log")


@pytest.mark.parametrize("k", [0, 3, 4, 7, 9])
def test_a_threshold_on_a_run_is_fitted_as_the_law_says(k):
    values = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30]) * 1e8

    class Step(One):
        """Another bound from there on."""

        F: Scalar = offset("bound before")
        cut: Scalar = scale("threshold", per=dict(N=1))

        def __call__(self, N):
            low, high = N < self.cut, N >= self.cut
            return jnp.where(low, self.F, 0) + jnp.where(high, self.E, 0) + self.A * N**-self.alpha

    law = Step(E=2.0, F=2.5, A=300.0, alpha=0.35, cut=values[k])
    loss = predict(law, N=values) * np.exp(0.002 * np.random.default_rng(0).normal(size=12))
    fit = jaxscale.fit(Step(F=2.5, cut=values[k]), Runs(N=values, loss=loss), starts=16)
    assert fit.prediction == pytest.approx(predict(fit.law, N=values), rel=1e-9)


@pytest.mark.parametrize("value", ["1.7", True, float("nan"), float("inf"), [1.7, 1.8], 1j])
def test_a_field_is_held_at_a_number(value):
    with pytest.raises(ValueError, match="Joint: E is held at .*, which is no number"):
        prepare(Joint(E=value), RUNS, Huber(1e-3), "log")


def test_an_input_is_a_plain_argument():
    with pytest.raises(LawError, match="N is to be a plain argument"):

        class Named(One):
            def __call__(self, *, N):
                return self.E + self.A * N**-self.alpha

    with pytest.raises(TypeError, match="take powers by input"):
        coefficient("height", per="N")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_forms_of_nist_are_as_they_say(form):
    loss = predict(form.law(**form.values), **form.inputs)
    loss = loss + 1e-3 * np.std(loss) * np.random.default_rng(1).normal(size=loss.shape)
    prepare(form.law(), Runs(loss=loss, **form.inputs), Square(), "absolute")


@pytest.mark.parametrize("name", CATALOGUE)
def test_laws_of_the_catalogue_are_as_they_say(name, monkeypatch):
    monkeypatch.setattr(type(CATALOGUE), "has", lambda self, law: False)
    law = law_class(name)(**law_class(name).example.values)
    xs = inputs(law)
    free = law.replace(**dict.fromkeys(law.example.values))
    loss = predict(law, **xs)
    prepare(free, Runs(loss=loss, **xs), Huber(1e-3), residual_for(loss))


# --- the fitted law, by itself --------------------------------------------------------------------

TRUTH = Chinchilla(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)


def _checked(law, prediction, fitted=TRUTH):
    prepared = prepare(law, RUNS, Huber(1e-3), "log")
    with precision.scope(float):
        z = np.array([float(x) for x in prepared.objective.space.coordinates(fitted.values)])
    rows = np.arange(2, 2 + len(N))
    check_fit(
        prepared.objective, z, fitted, inputs=prepared.inputs, prediction=prediction, rows=rows
    )


def test_a_fitted_law_that_gives_what_was_fitted_passes():
    _checked(Chinchilla(), predict(TRUTH, N=N, D=D) * (1 + 1e-11))


@pytest.mark.parametrize("off", [1e-7, 0.5, np.nan])
def test_a_program_that_is_compiled_wrongly_is_found(off):
    prediction = predict(TRUTH, N=N, D=D)
    prediction[7] *= 1 + off
    with pytest.raises(LawError, match="in row 9 as it was compiled: .*compiler is at fault"):
        _checked(Chinchilla(), prediction)


def test_a_law_that_escapes_the_trial_is_found_after_the_fit(monkeypatch):
    monkeypatch.setattr("jaxscale.fitting.preparation.check_formula", lambda *_: None)
    values = TRUTH.values
    prediction = predict(Joint(**values), N=N, D=D)
    with pytest.raises(LawError, match=r"in row \d+ the formula .*per=dict\(N='alpha'\)"):
        _checked(NoPer(), prediction * (N / 1e8) ** 0.1, NoPer(**values))


# --- fields ---------------------------------------------------------------------------------------


def test_a_field_says_what_it_is():
    with pytest.raises(LawError, match="Bare.a does not say what it is"):

        class Bare(Law):
            a: float

    with pytest.raises(LawError, match="Default.a does not say what it is"):

        class Default(Law):
            a: Scalar = None

    with pytest.raises(LawError, match="Untyped.a has no type"):

        class Untyped(Law):
            a = coefficient("height")

    class Constant(One):
        HALF: ClassVar[float] = 0.5

        def __call__(self, N):
            return self.E + self.A * power(N, -self.alpha) * self.HALF

    prepare(Constant(), RUNS, Huber(1e-3), "log")


def test_an_error_of_ones_own_is_a_sentence_too():
    class Own(Exception):  # noqa: N818
        pass

    class Raising(One):
        """Raises an error of its own."""

        def __call__(self, N):
            raise Own("on purpose")

    class OnArrays(One):
        """Works while it is traced, and not on numbers."""

        def __call__(self, N):
            return self.E + self.A * (N.log * -self.alpha)

    for law, words in ((Raising(), "Own: on purpose"), (OnArrays(), "attribute of NumPy")):
        with pytest.raises(LawError, match=rf"\(line \d+: .*{words}"):
            prepare(law, RUNS, Huber(1e-3), "log")


@pytest.mark.parametrize("k", [5, 8, 10, 12])
def test_a_break_held_on_a_run_has_the_run_below_it(k):
    """Inputs are normalized, and their rounding put such a run on either side."""
    scale_ = np.geomspace(1e3, 1e9, 25)
    truth = dict(a1=-0.1 / scale_[k], b1=3.0, a2=5.0, b2=-0.1, c2=1.0, S0=scale_[k])
    loss = predict(jaxscale.Piecewise(of="S", **truth), S=scale_)
    loss = loss * np.exp(0.002 * np.random.default_rng(0).normal(size=25))
    held = jaxscale.Piecewise(of="S", S0=scale_[k])
    fit = jaxscale.fit(held, Runs(S=scale_, loss=loss), starts=64)
    assert fit.prediction[k] == pytest.approx(truth["b1"] - 0.1, rel=0.01)
