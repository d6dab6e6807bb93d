"""The main job: what holds for any table, and what a person sees of it."""

import json

import jax
import numpy as np
import optax
import pytest

import jaxscale
from jaxscale._numerics import programs
from jaxscale.datasets.synthetic import simulated_runs
from jaxscale.varpro.starts import random_starts

ADAM = optax.adam(3e-2)
LBFGS = optax.lbfgs()
RNG = np.random.default_rng(11)


def refit(runs, law=None, **options):
    return jaxscale.fit(law or jaxscale.Chinchilla(), runs, **{"starts": 64, **options})


def params(fit):
    return np.array(list(fit.law.values.values()), float)


def changed(runs, **columns):
    return jaxscale.Runs(
        loss=columns.pop("loss", runs.loss),
        weight=columns.pop("weight", None),
        **{**runs.columns, **columns},
    )


def test_certificate_of_a_good_fit(fitted, noisy):
    c = fitted.certificate
    assert c.status == "converged" and c.trusted and c.reasons == ()
    assert c.starts == 1024 and c.share_at_best >= 0.99
    assert sum(c.statuses.values()) == 1024 and sum(b.count for b in c.basins) <= 1024
    assert c.basins[0].value == pytest.approx(fitted.value, rel=1e-9)
    assert c.grad_norm < 1e-4 and 1 < c.condition < 1e6
    r = np.log(fitted.prediction / noisy.loss)
    assert c.inside_delta == np.sum(np.abs(r) <= 1e-3)
    huber = np.where(np.abs(r) <= 1e-3, r**2 / 2, 1e-3 * (np.abs(r) - 0.5e-3))
    assert fitted.value == pytest.approx(huber.sum(), rel=1e-9)
    assert {3, 17, 30, 44} <= set(fitted.suspects)
    assert fitted.statistics["rmse_log"] == pytest.approx(np.sqrt(np.mean(r**2)), rel=1e-9)
    total = np.sum((np.log(noisy.loss) - np.log(noisy.loss).mean()) ** 2)
    assert fitted.statistics["r2_log"] == pytest.approx(1 - np.sum(r**2) / total, rel=1e-9)


@pytest.mark.parametrize("units", [dict(N=1e6, D=1e-9), dict(N=1e-9, D=1e12)])
def test_a_change_of_units_changes_nothing_but_the_units(noisy, fitted, units):
    other = refit(changed(noisy, **{k: noisy.columns[k] * u for k, u in units.items()}))
    assert other.value == pytest.approx(fitted.value, rel=1e-10)
    law, base = other.law, fitted.law
    np.testing.assert_allclose(
        [law.E, law.alpha, law.beta], [base.E, base.alpha, base.beta], rtol=1e-7
    )
    assert law.A == pytest.approx(base.A * units["N"] ** base.alpha, rel=1e-5)
    assert law.B == pytest.approx(base.B * units["D"] ** base.beta, rel=1e-5)


def test_another_unit_of_the_loss_scales_the_linear_parameters(noisy, fitted):
    other = refit(changed(noisy, loss=noisy.loss / np.log(2)))
    assert other.value == pytest.approx(fitted.value, rel=1e-10)
    np.testing.assert_allclose(params(other)[:3] * np.log(2), params(fitted)[:3], rtol=1e-5)


def test_order_of_rows_does_not_matter(noisy, fitted):
    order = RNG.permutation(len(noisy))
    shuffled = jaxscale.Runs(
        loss=noisy.loss[order], **{k: v[order] for k, v in noisy.columns.items()}
    )
    other = refit(shuffled)
    assert other.value == pytest.approx(fitted.value, rel=1e-12)
    np.testing.assert_allclose(params(other), params(fitted), rtol=1e-6)


def test_weights_are_repeated_rows_and_zero_removes(noisy):
    times = RNG.integers(0, 3, len(noisy))
    weighted = refit(changed(noisy, weight=times.astype(float)))
    repeated = refit(
        jaxscale.Runs(
            loss=np.repeat(noisy.loss, times),
            **{k: np.repeat(v, times) for k, v in noisy.columns.items()},
        )
    )
    assert weighted.value == pytest.approx(repeated.value, rel=1e-10)
    np.testing.assert_allclose(params(weighted), params(repeated), rtol=1e-6)


def test_swapping_the_roles_of_n_and_d_swaps_the_terms(noisy, fitted):
    other = refit(changed(noisy, N=noisy.columns["D"], D=noisy.columns["N"]))
    np.testing.assert_allclose(params(other)[[0, 2, 1, 4, 3]], params(fitted), rtol=1e-5)


def test_fixing_a_parameter_at_its_optimum_leaves_the_others(noisy, fitted):
    other = refit(noisy, jaxscale.Chinchilla(E=fitted.law.E))
    assert other.law.E == fitted.law.E and other.value == pytest.approx(fitted.value, rel=1e-10)
    np.testing.assert_allclose(params(other), params(fitted), rtol=1e-6)


def test_a_large_delta_is_least_squares(noisy):
    scipy_optimize = pytest.importorskip("scipy.optimize")
    fit = refit(noisy, loss=jaxscale.Huber(1e3))
    square = refit(noisy, loss=jaxscale.Square())
    assert fit.value == pytest.approx(square.value, rel=1e-12)
    N, D, y = noisy.columns["N"], noisy.columns["D"], np.log(noisy.loss)

    def residual(x):
        e, a, b, alpha, beta = x
        return np.logaddexp(np.logaddexp(a - alpha * np.log(N), b - beta * np.log(D)), e) - y

    start = [0.5, 6.0, 7.0, 0.34, 0.35]
    peer = scipy_optimize.least_squares(
        residual, start, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=2000
    )
    assert square.value == pytest.approx(peer.cost, rel=1e-9)
    assert square.value <= peer.cost * (1 + 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("residual", ["relative", "absolute"])
@pytest.mark.parametrize(
    "loss",
    [jaxscale.Huber(1e-2), jaxscale.Square(), jaxscale.Absolute()],
    ids=["huber", "square", "absolute"],
)
def test_other_losses_and_residuals_find_a_minimum(noisy, loss, residual):
    fit = refit(noisy, loss=loss, residual=residual)
    assert fit.certificate.share_at_best > 0.9
    y = noisy.loss

    def value(scale):
        law = fit.law.replace(E=fit.law.E * scale[0], alpha=fit.law.alpha * scale[1])
        p = jaxscale.predict(law, **noisy.columns)
        r = p / y - 1 if residual == "relative" else p - y
        if isinstance(loss, jaxscale.Absolute):
            return np.abs(r).sum()
        d = getattr(loss, "delta", 1e9)
        return np.where(np.abs(r) <= d, r**2 / 2, d * (np.abs(r) - d / 2)).sum()

    assert value((1, 1)) == pytest.approx(fit.value, rel=1e-9)
    for scale in ((1 + 1e-3, 1), (1 - 1e-3, 1), (1, 1 + 1e-3), (1, 1 - 1e-3)):
        assert value(scale) > fit.value


@pytest.mark.parametrize("precision, tolerance", [("float32", 1e-3), ("mixed", 1e-12)])
def test_precisions_agree(noisy, fitted, precision, tolerance):
    fit = refit(noisy, precision=precision)
    assert fit.value == pytest.approx(fitted.value, rel=tolerance)
    assert fit.settings["precision"] == precision
    assert all(isinstance(v, float) for v in fit.law.values.values())


@pytest.mark.parametrize(
    "backend, dtype, moved",
    [("tpu", np.float64, True), ("tpu", np.float32, False), ("cuda", np.float64, False)],
)
def test_float64_goes_to_the_host_only_beside_a_tpu(monkeypatch, backend, dtype, moved):
    cpu = jax.local_devices(backend="cpu")[0]
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    with programs._place(dtype):
        assert (jax.config.jax_default_device == cpu) is moved


@pytest.mark.parametrize(
    "optimizer, tolerance", [(ADAM, 0.05), (LBFGS, 0.01)], ids=["adam", "lbfgs"]
)
def test_optax_optimizers_come_near(noisy, fitted, optimizer, tolerance):
    fit = refit(noisy, optimizer=optimizer, max_steps=1500, starts=16)
    assert fitted.value * (1 - 1e-9) <= fit.value < fitted.value * (1 + tolerance)


def test_given_starts_are_the_starts(noisy, fitted):
    E = np.array([1.5, 1.9, 1.0])
    sample = jaxscale.Chinchilla(
        E=E,
        A=np.full(3, 300.0),
        B=np.full(3, 900.0),
        alpha=np.full(3, 0.3),
        beta=np.array([0.3, 0.4, 0.5]),
    )
    fit = refit(noisy, starts=sample)
    assert fit.certificate.starts == 3 and len(fit.start_values) == 3
    assert fit.value == pytest.approx(fitted.value, rel=1e-9)
    with pytest.raises(ValueError, match=r"array \[S, 5\]"):
        refit(noisy, starts=np.zeros((3, 4)))
    with pytest.raises(ValueError, match="beta has no value"):
        refit(noisy, starts=sample.replace(beta=None))


def test_the_grid_alone_finds_the_optimum(noisy, fitted):
    fit = refit(noisy, starts=0)
    assert fit.value == pytest.approx(fitted.value, rel=1e-9)


def test_more_starts_never_hurt_and_extend_the_fewer(noisy):
    from jaxscale.fitting.preparation import prepare

    objective = prepare(jaxscale.Chinchilla(), noisy, jaxscale.Huber(1e-3), "log").objective
    few, many = (random_starts(objective, k, seed=3) for k in (10, 100))
    np.testing.assert_array_equal(few, many[:10])
    assert not np.array_equal(few, random_starts(objective, 10, seed=4))


def test_start_0_of_seed_0_is_what_it_always_was(noisy):
    """A golden value: results of a seed are reproducible across versions and precisions."""
    from jaxscale.fitting.preparation import prepare

    objective = prepare(jaxscale.PurePowerLaw(of="N"), noisy, jaxscale.Square(), "log").objective
    np.testing.assert_allclose(
        random_starts(objective, 1, 0),
        [[-4 + 5 * 0.6369616873214543, -1.5 + 3 * 0.2697867137638703]],
    )


def test_new_values_do_not_compile_and_flags_stay(noisy):
    before = dict(jax.config.values)
    refit(noisy)
    count = programs.compiled
    for factor in (1.01, 1.02):
        refit(changed(noisy, loss=noisy.loss * factor), seed=int(100 * factor))
    refit(changed(noisy, weight=np.linspace(0.5, 1, 60)), loss=jaxscale.Huber(2e-3), starts=60)
    refit(noisy.select(np.arange(60) < 59, "test"))
    assert programs.compiled == count
    refit(noisy, jaxscale.Chinchilla(E=1.7))
    count = programs.compiled
    refit(noisy, jaxscale.Chinchilla(E=1.6))
    assert programs.compiled == count
    assert dict(jax.config.values) == before


def test_results_are_deterministic(noisy):
    a, b = refit(noisy), refit(noisy)
    np.testing.assert_array_equal(a.start_values, b.start_values)
    assert params(a).tobytes() == params(b).tobytes()


def test_progress_is_told_between_chunks(noisy):
    told = []
    refit(noisy, starts=9000, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (528, 9016) and told[-1] == (9016, 9016)
    assert told == sorted(told) and len(told) == 18


def test_json_round_trip_keeps_every_digit(fitted, tmp_path):
    fitted.save(tmp_path / "fit.json")
    again = jaxscale.load(tmp_path / "fit.json")
    assert params(again).tobytes() == params(fitted).tobytes()
    assert again.value == fitted.value and again.certificate == fitted.certificate
    np.testing.assert_array_equal(again.start_values, fitted.start_values)
    assert again.runs.digest() == fitted.runs.digest()
    assert again.to_json() == fitted.to_json()
    document = json.loads(fitted.to_json())
    assert {"law", "params", "objective", "certificate", "data", "seconds", "versions"} <= set(
        document
    )


def test_json_keeps_the_flops_model_the_names_and_the_groups(tmp_path, noisy):
    runs = jaxscale.Runs(
        N=noisy.columns["N"],
        D=noisy.columns["D"],
        loss=noisy.loss,
        group=np.array(["a", "b"] * 30),
        names={"loss": "val/loss"},
    )
    fit = refit(runs, jaxscale.ChinchillaNDC(flops=jaxscale.SixND(8.0)))
    fit.save(tmp_path / "fit.json")
    again = jaxscale.load(tmp_path / "fit.json")
    assert again.law.flops == jaxscale.SixND(8.0)
    assert again.predict(N=1e9, C=1e20) == fit.predict(N=1e9, C=1e20)
    assert again.runs.names == runs.names and again.runs.group.tolist() == runs.group.tolist()
    own = refit(runs, jaxscale.ChinchillaNDC(flops=lambda N, D: 7 * N * D))
    own.save(tmp_path / "own.json")
    with pytest.raises(jaxscale.DataError, match="flops=FUNCTION"):
        jaxscale.load(tmp_path / "own.json")
    assert jaxscale.load(tmp_path / "own.json", flops=own.law.flops).law.flops is own.law.flops


@pytest.mark.slow
@pytest.mark.parametrize(
    "law, S, y",
    [
        (jaxscale.PowerLaw(of="N"), np.logspace(7, 10, 30), lambda S: 60 * S**-0.2 + 1.5),
        (jaxscale.PowerLaw(of="N"), np.logspace(7, 10, 30), lambda S: 0.95 - 12 * S**-0.2),
        (jaxscale.LogLaw(of="N"), np.logspace(7, 10, 30), lambda S: 9 - 0.3 * np.log(S)),
    ],
    ids=["loss", "score", "log"],
)
def test_laws_of_either_sign_find_their_optimum_from_most_starts(law, S, y):
    noise = np.exp(np.random.default_rng(2).normal(0, 0.005, len(S)))
    fit = jaxscale.fit(law, jaxscale.Runs(N=S, loss=y(S) * noise), starts=256)
    # A power law drawn with the other sign of its rate has a basin of its own.
    assert fit.certificate.share_at_best > 0.4 and fit.certificate.trusted
    np.testing.assert_allclose(fit.prediction, y(S), rtol=0.01)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "no JSON"),
        ("[]", "not a fit result"),
        ('{"params": {}, "data": {}, "law": "X"}', "give its class or its function"),
        ('{"params": {"Q": 1}, "data": {}, "law": "Chinchilla", "settings": {}}', "damaged"),
    ],
)
def test_load_refuses_with_a_sentence(tmp_path, text, message):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(jaxscale.DataError, match=message):
        jaxscale.load(tmp_path / "x.json")


def test_a_score_that_rises_is_a_power_law_with_a_negative_height():
    S = np.logspace(7, 10, 30)
    score = 0.9 - 12 * S**-0.2 + RNG.normal(0, 0.002, 30)
    fit = jaxscale.fit(
        jaxscale.PowerLaw(of="N"),
        jaxscale.Runs(N=S, loss=score),
        loss=jaxscale.Square(),
        residual="absolute",
        starts=256,
    )
    assert fit.law.a < 0 and fit.law.b < 0 and fit.law.c == pytest.approx(0.9, abs=0.02)
    assert fit.statistics["r2"] > 0.99


@pytest.mark.slow
def test_piecewise_reports_the_gap_that_holds_the_break():
    S = np.logspace(6, 10, 25)
    loss = np.where(S <= 3e7, 6 - 2e-8 * S, 60 * np.maximum(S, 1) ** -0.15 + 0.5)
    loss = loss * np.exp(RNG.normal(0, 0.003, 25))
    fit = jaxscale.fit(jaxscale.Piecewise(of="N"), jaxscale.Runs(N=S, loss=loss), starts=256)
    low, high = fit.intervals["S0"]
    assert low <= 3e7 <= high and low in S and high in S and low < fit.law.S0 < high
    assert "between" in str(fit)


def test_a_users_own_law_works_like_the_built_in_ones(noisy):
    class TwoTerms(jaxscale.Law):
        """L(N, D) = A N^-alpha + B D^-beta, written with the plain power operator."""

        A: jaxscale.Scalar = jaxscale.coefficient("a", per=dict(N="alpha"))
        B: jaxscale.Scalar = jaxscale.coefficient("b", per=dict(D="beta"))
        alpha: jaxscale.Scalar = jaxscale.exponent("x")
        beta: jaxscale.Scalar = jaxscale.exponent("y")

        def __call__(self, N, D):
            return self.A * N**-self.alpha + self.B * D**-self.beta

    fit = jaxscale.fit(TwoTerms(), noisy, starts=64)
    builtin = jaxscale.fit(jaxscale.Chinchilla(E=1e-9), noisy, starts=64)
    assert fit.value == pytest.approx(builtin.value, rel=1e-6)
    assert fit.predict(N=1e9, D=1e10) == pytest.approx(builtin.predict(N=1e9, D=1e10), rel=1e-4)


def test_an_undetermined_fit_is_not_trusted():
    N = np.logspace(7, 10, 40)
    runs = jaxscale.Runs(N=N, D=20 * N, loss=2 + 400 * N**-0.34)
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs, starts=64)
    assert not fit.certificate.trusted and fit.certificate.reasons


def test_when_every_start_fails_the_error_says_how():
    class Broken(jaxscale.Law):
        """L(N) = log(-k N)."""

        k: jaxscale.Scalar = jaxscale.exponent("k")

        def __call__(self, N):
            import jax.numpy as jnp

            return jnp.log(-self.k * N)

    runs = jaxscale.Runs(N=np.logspace(7, 9, 10), loss=np.linspace(2, 3, 10))
    with pytest.raises(jaxscale.FitError, match="nonfinite_start 64"):
        jaxscale.fit(Broken(), runs, starts=64)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(residual="cubic"), "residual must be one of"),
        (dict(precision="half"), "precision"),
        (dict(starts=-1), "starts must be"),
        (dict(law=jaxscale.Kaplan(), starts=0), "starts=0 needs"),
        (dict(law=jaxscale.Chinchilla(E=1.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)), "nothing to fit"),
    ],
)
def test_bad_options_get_a_sentence(noisy, options, message):
    with pytest.raises(ValueError, match=message):
        refit(noisy, options.pop("law", None), **options)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((jaxscale.Chinchilla(), "runs.csv"), "read_runs"),
        ((jaxscale.Chinchilla, None), r"for arrays use Runs\(N="),
    ],
)
def test_what_is_no_runs_is_told_how_to_become_some(arguments, message):
    with pytest.raises((TypeError, jaxscale.DataError), match=message):
        jaxscale.fit(*arguments)


def test_what_is_no_law_or_no_loss_is_refused(noisy):
    with pytest.raises(TypeError, match="Huber"):
        jaxscale.fit(jaxscale.Chinchilla(), noisy, loss="huber")
    with pytest.raises(TypeError, match=r"Chinchilla\(\)"):
        jaxscale.fit(3, noisy)


@pytest.mark.slow
def test_an_absolute_loss_is_certified_where_its_smooth_form_is(noisy):
    fit = refit(noisy, loss=jaxscale.Absolute())
    assert fit.certificate.trusted and 1 < fit.certificate.condition < 1e6


def test_fit_inside_jit_points_to_the_pure_storey(noisy):
    with pytest.raises(TypeError, match=r"jaxscale\.solver"):
        jax.jit(lambda e: refit(noisy, jaxscale.Chinchilla(E=e)).value)(1.5)


def test_extrapolation_is_a_factor_beyond_the_runs(fitted, noisy):
    far = fitted.extrapolation(N=10 * noisy.columns["N"].max(), D=noisy.columns["D"].min() / 4)
    assert far["N"] == pytest.approx(10) and far["D"] == pytest.approx(4)
    assert fitted.extrapolation(N=np.median(noisy.columns["N"]))["N"] == 1


@pytest.mark.parametrize("N, D, hint", [(1e6, 1e6, True), (1.0, 1e9, True), (1.0, 1.0, False)])
def test_a_table_in_millions_is_pointed_out(N, D, hint):
    """Models of some thousand parameters are real; hundreds of "parameters" are millions."""
    runs = simulated_runs()
    small = {"N": runs.column("N") * 1e-4 / N, "D": runs.column("D") * 1e-4 / D}
    fit = jaxscale.fit(jaxscale.Chinchilla(), jaxscale.Runs(**small, loss=runs.loss), starts=16)
    found = [w for w in fit.warnings if "in millions or billions?" in w]
    assert bool(found) == hint, fit.warnings
