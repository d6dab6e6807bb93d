"""Published numbers and certified optima of real tables (skipped where there is no copy)."""

import itertools
import json

import numpy as np
import pytest
from cases import data_folder, needs_data

import jaxscale
from jaxscale.decisions.allocation import allocate

FOLDER = data_folder()
GOLD = json.loads((FOLDER / "gold.json").read_text()) if FOLDER else {}
HUBER = GOLD.get("huber_log_chinchilla", {})


def runs_of(entry):
    return jaxscale.read_runs(
        FOLDER / entry["file"], map=entry.get("columns"), where=entry["filter"]
    )


QUICK = dict.fromkeys(("chinchilla_epoch_240", "isoflop_llama_3__exp_loss_qc", "none"), [])
LARGE = ("steplaw_dense_all", "misfitting_curves_all", "misfitting_final_all")
MARKS = QUICK | dict.fromkeys(LARGE, [pytest.mark.slow, pytest.mark.nightly])


@needs_data
@pytest.mark.parametrize(
    "key",
    [pytest.param(key, marks=MARKS.get(key, [pytest.mark.slow])) for key in HUBER or ["none"]],
)
def test_best_known_huber_optimum(key):
    entry = HUBER[key]
    runs = runs_of(entry)
    assert len(runs) == entry["n_rows"]
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs, loss=jaxscale.Huber(entry["delta"]))
    tolerance = 1e-6 if entry["degenerate"] else 1e-9
    assert fit.value == pytest.approx(entry["objective"], rel=tolerance)
    assert fit.certificate.share_at_best >= 0.99
    if entry["degenerate"]:
        assert fit.certificate.at_bound == ("E",) and not fit.certificate.trusted
    else:
        # The value fixes a parameter to the root of its own tolerance, times the condition.
        for name in ("E", "A", "B", "alpha", "beta"):
            assert getattr(fit.law, name) == pytest.approx(entry["params"][name], rel=1e-3)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("key", ["240", "245"])
def test_least_absolute_deviations(key):
    entry = GOLD["lad_log_chinchilla"][key]
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs_of(entry), loss=jaxscale.Absolute())
    assert fit.value == pytest.approx(entry["sum_abs_log_resid"], rel=1e-9)
    assert fit.law.alpha == pytest.approx(entry["params"]["alpha"], rel=1e-6)
    assert fit.law.B == pytest.approx(entry["params"]["B"], rel=1e-5)


def classic_grid():
    grid = itertools.product(
        np.arange(-1, 1.5, 0.5),
        np.arange(0, 30, 5),
        np.arange(0, 30, 5),
        np.arange(0, 2.5, 0.5),
        np.arange(0, 2.5, 0.5),
    )
    e, a, b, alpha, beta = np.array(list(grid)).T
    return jaxscale.Chinchilla(E=np.exp(e), A=np.exp(a), B=np.exp(b), alpha=alpha, beta=beta)


@needs_data
def test_the_classic_grid_of_starts_reaches_the_optimum():
    entry = HUBER["chinchilla_epoch_240"]
    fit = jaxscale.fit(jaxscale.Chinchilla(), runs_of(entry), starts=classic_grid())
    assert fit.certificate.starts == 4500
    assert np.mean(fit.start_values <= entry["objective"] * (1 + 1e-6)) >= 0.95


@needs_data
def test_unit_equivariance_on_the_real_table_with_its_outliers():
    entry = HUBER["chinchilla_epoch_245"]
    runs = runs_of(entry)
    base = jaxscale.fit(jaxscale.Chinchilla(), runs, starts=64)
    N, D = runs.columns["N"] * 1e6, runs.columns["D"] * 1e-9
    other = jaxscale.fit(jaxscale.Chinchilla(), jaxscale.Runs(N=N, D=D, loss=runs.loss), starts=64)
    assert abs(other.value / base.value - 1) < 1e-10
    assert other.law.A == pytest.approx(base.law.A * 1e6**base.law.alpha, rel=1e-6)
    assert other.law.B == pytest.approx(base.law.B * 1e-9**base.law.beta, rel=1e-6)


@pytest.mark.parametrize(
    "law, want",
    [
        # Hoffmann et al. 2022, unrounded values, at Gopher's budget.
        (jaxscale.Chinchilla.preset("hoffmann_2022"), (40.36e9, 2.3785e12, 58.93, 1.91841)),
        # Besiroglu et al. 2024, the values printed in the paper.
        (
            jaxscale.Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658),
            (72.249e9, 1.32874e12, 18.391, 1.97444),
        ),
    ],
    ids=["hoffmann", "besiroglu"],
)
def test_published_allocations_at_5_76e23_flops(law, want):
    best = allocate(law, compute=5.76e23)
    got = (best.N, best.D, best.tokens_per_parameter, best.loss)
    np.testing.assert_allclose(np.divide(got, want), 1.0, atol=2e-4)
    assert best.loss == pytest.approx(want[3], abs=6e-6)


ISOFLOP_MINIMA = np.array(
    [(1e18, 3.522), (3e18, 3.339), (1e19, 3.154), (3e19, 3.000), (1e20, 2.848), (3e20, 2.725)]
)


@pytest.mark.parametrize(
    "law, options, params, forecasts",
    [
        # Pinned asymptote: a line in log-log axes of L - 1.6. Square loss on the reducible part.
        (jaxscale.Henighan(of="C", L_inf=1.6), None, (95.253, 0.094119), (2.6055, 2.2518)),
        (jaxscale.Henighan(of="C"), dict(residual="absolute"), (69.9, 0.0847), (2.5992, 2.2241)),
    ],
    ids=["pinned", "free"],
)
def test_marins_isoflop_minima(law, options, params, forecasts):
    C, loss = ISOFLOP_MINIMA.T
    if options is None:
        line = jaxscale.PurePowerLaw(of="C")
        fit = jaxscale.fit(
            line, jaxscale.Runs(C=C, loss=loss - 1.6), loss=jaxscale.Square(), starts=64
        )
        fitted = law.replace(A=fit.law.a, alpha=-fit.law.b)
    else:
        fit = jaxscale.fit(
            law, jaxscale.Runs(C=C, loss=loss), loss=jaxscale.Square(), starts=64, **options
        )
        fitted = fit.law
        assert fitted.L_inf == pytest.approx(1.438, abs=1e-3)
    np.testing.assert_allclose([fitted.A, fitted.alpha], params, rtol=2e-3)
    got = jaxscale.predict(fitted, C=np.array([1e21, 1e23]))
    np.testing.assert_allclose(got, forecasts, atol=1e-4)
