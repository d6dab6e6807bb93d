"""The certificate looks at everything it knows."""

import dataclasses
import re

import numpy as np
import pytest
from cases import TRUTH

import jaxscale
from jaxscale import (
    Chinchilla,
    FitError,
    Law,
    Runs,
    Scalar,
    Square,
    coefficient,
    exponent,
    offset,
    power,
)
from jaxscale.datasets.synthetic import isoflop_design, simulate
from jaxscale.engine.loop import Status
from jaxscale.fitting.account import notes
from jaxscale.fitting.certify import certify
from jaxscale.fitting.constraints import Constraints
from jaxscale.fitting.limits import limits_given, said_of_bounds
from jaxscale.fitting.preparation import prepare

N, D = isoflop_design(np.logspace(18, 21, 4), sizes=6)


@pytest.fixture(scope="module")
def pieces(fitted):
    """What `certify` is given for a sound fit."""
    from jaxscale._numerics import programs
    from jaxscale._numerics.precision import cast, scope
    from jaxscale.engine.loop import Solution
    from jaxscale.fitting.certify import local

    objective = prepare(Chinchilla(), fitted.runs, jaxscale.Huber(1e-3), "log").objective
    with scope(float):
        z = np.array([float(x) for x in objective.space.coordinates(fitted.law.values)])
    at, _ = programs.run(local, cast(objective, np.float64), z, dtype=np.float64)
    starts = len(fitted.start_values)
    solution = Solution(
        np.tile(z, (starts, 1)), fitted.start_values, fitted.start_status, np.full(starts, 20)
    )
    return objective.space, solution, z, 0, at


def judged(pieces, **changes):
    space, solution, z, status, at = pieces
    return certify(space, solution, z, status, at._replace(**changes))


def test_a_sound_fit_has_nothing_against_it(pieces):
    assert judged(pieces).reasons == ()


@pytest.mark.parametrize("factor", [1.0001, 2.0, 17.0])
def test_a_value_above_that_of_the_starts_is_said(pieces, factor):
    found = judged(pieces, value=pieces[-1].value * factor)
    assert found.excess == pytest.approx(factor - 1, rel=1e-3)
    assert "above the best that a start reached" in found.reasons[0]


def test_a_gradient_is_said(pieces):
    at = pieces[-1]
    found = judged(pieces, grad=at.grad + 0.01 * at.value)
    assert found.grad_norm > 1e-3 and "gradient does not vanish" in found.reasons[0]


def test_a_gradient_that_rounding_makes_is_not(pieces):
    at = pieces[-1]
    assert judged(pieces, grad=at.grad + 1e-9 * at.value).reasons == ()


def test_a_parameter_without_influence_is_said(pieces):
    shares = np.array(pieces[-1].shares)
    shares[3] = 0.0
    found = judged(pieces, shares=shares)
    assert found.idle == ("alpha",) and "No prediction depends on alpha" in found.reasons[0]


def test_starts_that_only_the_grid_beats_are_no_share(pieces):
    """A value below that of all starts was found by the grid: no start reached it."""
    found = judged(pieces, value=pieces[-1].value * 0.5)
    assert found.share_at_best == 0 and "of the starts reached" in found.reasons[0]


class Ignored(Law):
    """E + A N^-alpha, and a field that is not used."""

    E: Scalar = offset("bound")
    A: Scalar = coefficient("height", per=dict(N="alpha"))
    alpha: Scalar = exponent("rate")
    z: Scalar = exponent("nothing")

    def __call__(self, N):
        return self.E + self.A * power(N, -self.alpha)


def test_a_field_that_the_formula_ignores_is_not_certified():
    law = Ignored(E=1.8, A=480.0, alpha=0.35, z=1.0)
    loss = jaxscale.predict(law, N=N) * np.exp(0.01 * np.random.default_rng(1).normal(size=len(N)))
    found = jaxscale.fit(Ignored(), Runs(N=N, loss=loss), starts=64).certificate
    assert found.idle == ("z",) and not found.trusted


@pytest.mark.parametrize("loss", [None, Square()], ids=["huber", "square"])
@pytest.mark.parametrize(
    "truth",
    [TRUTH, Chinchilla(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)],
    ids=["planted", "hoffmann"],
)
def test_exact_data_are_certified(truth, loss):
    fit = jaxscale.fit(Chinchilla(), simulate(truth, N, D, noise=0.0, seed=0), loss=loss, starts=64)
    assert fit.certificate.exact and fit.certificate.reasons == ()
    for name in truth.parameters:
        assert getattr(fit.law, name) == pytest.approx(getattr(truth, name), rel=1e-9)
    assert "residuals are rounding" in str(fit) and "! " not in str(fit)


@pytest.mark.parametrize("digits", [12, 10, 8, 6, 4])
@pytest.mark.parametrize("n", [6, 7, 10, 24])
def test_exact_data_that_are_rounded_are_certified_and_nobody_is_suspect(n, digits):
    """One compiled shape for all of them."""
    few = np.random.default_rng(n).permutation(24)[:n]
    loss = [float(f"{x:.{digits}g}") for x in jaxscale.predict(TRUTH, N=N[few], D=D[few])]
    fit = jaxscale.fit(Chinchilla(), Runs(N=N[few], D=D[few], loss=loss), starts=64)
    assert fit.certificate.reasons == () and len(fit.suspects) == 0
    assert "e+" not in str(fit).split("optimum")[1].split("condition")[0]


OTHERS = {
    "power": jaxscale.PowerLaw(a=2000.0, b=-0.16, c=1.7, of="C"),
    "score": jaxscale.PowerLaw(a=-1e5, b=-0.3, c=0.9, of="C"),
    "pure": jaxscale.PurePowerLaw(a=20.0, b=-0.05, of="C"),
    "log": jaxscale.LogLaw(a=-0.1, b=8.0, of="C"),
    "henighan": jaxscale.Henighan(L_inf=1.5, A=500.0, alpha=0.14, of="C"),
    "kaplan": jaxscale.Kaplan.preset("kaplan_2020"),
}


@pytest.mark.slow
@pytest.mark.parametrize("loss", [None, Square()], ids=["huber", "square"])
@pytest.mark.parametrize("name", OTHERS)
def test_exact_data_of_every_kind_of_law_are_certified(name, loss):
    law, rng = OTHERS[name], np.random.default_rng(1)
    free = law.replace(**dict.fromkeys(law.parameters))
    for n in (len(law.parameters) + 1, len(law.parameters) + 3, 30):
        C = np.geomspace(1e18, 1e21, n)
        size = np.sqrt(C / 6 / 10 ** rng.uniform(0.5, 2.1, n))
        columns = {"N": size, "D": C / 6 / size} if "N" in law.inputs else {"C": C}
        exact = np.asarray(jaxscale.predict(law, **columns))
        # Five runs of four parameters, rounded to four digits, determine no best N.
        for digits in (17, 12, 8, 6, 4) if name != "kaplan" or n > 5 else (17, 12, 8):
            y = [float(f"{x:.{digits}g}") for x in exact]
            fit = jaxscale.fit(free, Runs(loss=y, **columns), starts=32, loss=loss)
            assert fit.certificate.reasons == () and len(fit.suspects) == 0, (n, digits)


@pytest.mark.parametrize("inside, certified", [(0, True), (1, True), (4, True), (5, False)])
def test_a_loss_that_takes_sides_only_is_no_fault_of_the_runs(pieces, inside, certified):
    """With fewer runs than parameters in its quadratic zone, the Hessian of any table is flat."""
    at = pieces[-1]
    within = np.arange(len(at.inside)) < inside
    found = judged(pieces, hessian=0 * at.hessian, inside=within)
    assert (found.reasons == ()) == certified and np.isfinite(found.condition) == certified


def test_runs_that_do_not_determine_a_parameter_are_at_fault_in_any_case(pieces):
    at = pieces[-1]
    none = np.zeros(len(at.inside), bool)
    twice = np.ones((5, 5)) * at.gauss_newton[0, 0]
    found = judged(pieces, hessian=0 * at.hessian, gauss_newton=twice, inside=none)
    assert "singular" in " ".join(found.reasons)


@pytest.mark.parametrize("steep", [0.0, 0.01])
def test_the_step_limit_is_met_by_one_piece_of_advice(pieces, steep):
    space, solution, z, _, at = pieces
    at = at._replace(grad=at.grad + steep * at.value)
    said = " ".join(certify(space, solution, z, Status.STEP_LIMIT, at).reasons)
    assert said.count("raise max_steps") == 1 and "newton" not in said


@pytest.mark.parametrize(
    "optimizer, status, said",
    [("adam", "step_limit", 1), ("newton", "step_limit", 0), ("adam", "converged", 0)],
)
def test_newton_is_advised_to_those_who_do_not_use_it(fitted, optimizer, status, said):
    certificate = dataclasses.replace(fitted.certificate, status=status)
    fit = dataclasses.replace(fitted, certificate=certificate, settings={"optimizer": optimizer})
    assert " ".join(notes(fit)).count("newton") == said


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_a_break_that_only_the_grid_tried_is_no_doubt(seed):
    rng = np.random.default_rng(9)
    S = np.sort(1e7 * np.exp(rng.uniform(0, 7, 60)))
    loss = np.where(S <= 2e9, 3 - 2e-10 * S, 1 + 500 * S**-0.3)
    runs = Runs(N=S, loss=loss * np.exp(0.003 * rng.normal(size=60)))
    fit = jaxscale.fit(jaxscale.Piecewise(of="N"), runs, starts=64, seed=seed)
    assert fit.certificate.reasons == () and fit.certificate.rivals < 16


def test_a_kink_has_no_gradient_to_vanish(pieces):
    space, solution, z, status, at = pieces
    steep = at._replace(grad=at.grad + 0.1 * at.value)
    assert certify(space, solution, z, status, steep, sharpened=True).reasons == ()


LOSS = simulate(TRUTH, N, D, noise=0.01, seed=3).loss


@pytest.mark.parametrize("unit", [1e-310, 3e-309, 1e307])
def test_losses_that_a_parameter_cannot_follow_are_refused(unit):
    with pytest.raises(FitError, match="float64 cannot hold it"):
        jaxscale.fit(Chinchilla(), Runs(N=N, D=D, loss=LOSS / LOSS.max() * unit), starts=64)


@pytest.mark.parametrize("unit", [1e-200, 1e-160])
def test_an_objective_that_underflows_is_refused(unit):
    runs = Runs(N=N, D=D, loss=LOSS * unit)
    with pytest.raises(FitError, match="the objective underflows: .*log residuals"):
        jaxscale.fit(Chinchilla(), runs, loss=Square(), residual="absolute", starts=64)


@pytest.mark.parametrize("unit", [1e160, 1e300, 1e306])
def test_an_objective_that_overflows_is_refused(unit):
    runs = Runs(N=N, D=D, loss=LOSS * unit)
    with pytest.raises(FitError, match="the objective overflows: .*log residuals"):
        jaxscale.fit(Chinchilla(), runs, loss=Square(), residual="absolute", starts=64)


@pytest.mark.parametrize("unit", [1e-100, 1e-30, 1e30, 1e300])
def test_other_units_change_nothing(unit):
    plain = jaxscale.fit(Chinchilla(), Runs(N=N, D=D, loss=LOSS), starts=64)
    fit = jaxscale.fit(Chinchilla(), Runs(N=N, D=D, loss=LOSS * unit), starts=64)
    assert fit.certificate.reasons == ()
    assert fit.law.alpha == pytest.approx(plain.law.alpha, rel=1e-6)
    assert fit.statistics["r2"] == pytest.approx(plain.statistics["r2"], rel=1e-6)
    assert fit.statistics["rmse"] == pytest.approx(plain.statistics["rmse"] * unit, rel=1e-6)


@pytest.mark.parametrize("weight", [1e-300, 1e-200, 1e300])
def test_the_size_of_equal_weights_changes_nothing(weight):
    plain = jaxscale.fit(Chinchilla(), Runs(N=N, D=D, loss=LOSS), starts=64)
    runs = Runs(N=N, D=D, loss=LOSS, weight=np.full(len(N), weight))
    fit = jaxscale.fit(Chinchilla(), runs, starts=64)
    assert fit.certificate.reasons == () and not fit.certificate.exact
    assert fit.law.alpha == pytest.approx(plain.law.alpha, rel=1e-5)


@pytest.mark.parametrize(
    ("at_bound", "bounds", "said"),
    [
        (("a",), {"a": (0.1, 0.5)}, ["a ended at the bound you gave, 0.5: the runs want it"]),
        (("b",), {"b": (-np.inf, 2.0)}, ["b ended at the bound you gave, 2:"]),
        (("c", "a"), {"a": (0.5, 9.0)}, ["c ended at a bound: the data do not", "a .* gave, 0.5:"]),
        (("a", "c"), {"b": (0.5, 9.0)}, ["a, c ended at a bound: the data do not"]),
        ((), {"a": (0.1, 0.5)}, []),
    ],
)
def test_a_bound_of_a_persons_own_is_not_taken_for_one_of_the_law(at_bound, bounds, said):
    asked = {name: pair for name, pair in bounds.items() if name == "a"}
    function = jaxscale.law_of(lambda N, a, b, c: c + a * N**-b, bounds=asked)
    law, rest = function(a=0.5, b=2.0, c=1.0), Constraints(tuple(bounds.items() - asked.items()))
    found = said_of_bounds(at_bound, limits_given(law, rest, at_bound))
    assert len(found) == len(said)
    assert all(re.match(start, each) for start, each in zip(said, found, strict=True))
