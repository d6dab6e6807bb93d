"""Skaling contains Chinchilla, and shares its best N and D; Translog is any quadratic."""

import numpy as np
import pytest
from cases import data_folder, needs_data

import jaxscale
from jaxscale import Chinchilla, Skaling, Square, Translog

INNER = dict(A=4100.0, B=13000.0, alpha=0.45, beta=0.44)
N, D = np.geomspace(1e7, 1e10, 40), np.geomspace(1e9, 1e12, 40)[::-1]


def test_skaling_of_exponent_one_is_chinchilla():
    one = jaxscale.predict(Skaling(E=0.9, k=1.0, **INNER), N=N, D=D)
    np.testing.assert_allclose(one, jaxscale.predict(Chinchilla(E=0.9, **INNER), N=N, D=D))


@pytest.mark.parametrize("k", [0.2, 0.6, 1.0, 1.7])
@pytest.mark.parametrize("flops", [None, lambda N, D: 6 * N * D])
def test_the_outer_exponent_cancels_in_the_best_n_and_d(k, flops):
    """In closed form, and where the line of constant compute is searched."""
    inner = jaxscale.allocate(Chinchilla(E=0.9, **INNER), compute=1e23)
    found = jaxscale.allocate(Skaling(E=0.9, k=k, **INNER), compute=1e23, flops=flops)
    np.testing.assert_allclose([found.N, found.D], [inner.N, inner.D], rtol=1e-9)
    np.testing.assert_allclose(found.loss - 0.9, (inner.loss - 0.9) ** k, rtol=1e-9)


def test_translog_gives_the_same_losses_from_any_point_of_reference():
    at = Translog(c=1.1, a=-0.05, b=-0.06, p=0.013, q=-0.005, r=0.011)
    n, d = np.log(2.0), np.log(0.1)
    moved = at.replace(
        c=at.c + at.a * n + at.b * d + at.p * n**2 / 2 + at.q * n * d + at.r * d**2 / 2,
        a=at.a + at.p * n + at.q * d,
        b=at.b + at.q * n + at.r * d,
        N0=2e9,
        D0=1e9,
    )
    np.testing.assert_allclose(*(jaxscale.predict(law, N=N, D=D) for law in (at, moved)))


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "value", "additive", "params"),
    [
        (
            "llama3_isoflop",
            0.000806035,
            0.00157767,
            dict(k=0.5786, E=0.5643, alpha=0.4449, beta=0.4440),
        ),
        ("epoch_chinchilla", 0.004728145, 0.005730943, dict(k=0.7369)),
    ],
)
def test_least_squares_of_the_log_on_public_tables(table, value, additive, params, monkeypatch):
    monkeypatch.setenv("JAXSCALE_DATA", str(data_folder()))
    runs = jaxscale.datasets.load(table)
    small = jaxscale.fit(Chinchilla(), runs, loss=Square(), starts=256)
    large = jaxscale.fit(Skaling(), runs, loss=Square(), starts=256)
    assert small.value == pytest.approx(additive, rel=2e-6)
    assert large.value == pytest.approx(value, rel=1e-6)
    for name, known in params.items():
        assert getattr(large.law, name) == pytest.approx(known, abs=6e-5)
    assert large.certificate.trusted and large.certificate.share_at_best > 0.9
