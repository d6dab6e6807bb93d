"""Starts of laws whose exponent may have either sign end at the optimum."""

import numpy as np
import pytest

from jaxscale import LogLaw, Piecewise, PowerLaw, PurePowerLaw, Runs, fit

S = np.geomspace(1e18, 1e21, 12)
X = S / 1e19
NOISE = 0.003 * np.random.default_rng(4).normal(size=12)

CURVES = {
    "falling loss": 1.7 + 0.8 * X**-0.16,
    "steep loss": 1.7 + 0.8 * X**-0.6,
    "rising score": 0.9 - 0.2 * X**-0.4,
    "concave": 4 - 0.3 * X**0.3,
    "rising power": 1 + 0.2 * X**0.5,
}


@pytest.mark.parametrize("noise", [0.0, 1.0], ids=["exact", "noisy"])
@pytest.mark.parametrize("curve", CURVES)
def test_starts_of_a_power_law_end_at_its_optimum(curve, noise):
    runs = Runs(C=S, loss=CURVES[curve] * np.exp(noise * NOISE))
    found = fit(PowerLaw(of="C"), runs, starts=128).certificate
    assert found.trusted and found.share_at_best >= 0.95
    assert found.statuses.get("step_limit", 0) <= 4  # before: half of them


@pytest.mark.slow
@pytest.mark.parametrize("law", [PurePowerLaw(of="C"), LogLaw(of="C")], ids=["pure", "log"])
@pytest.mark.parametrize("curve", CURVES)
def test_starts_of_its_relatives_do_as_well(curve, law):
    runs = Runs(C=S, loss=CURVES[curve] * np.exp(NOISE))
    assert fit(law, runs, starts=128).certificate.share_at_best >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_starts_of_a_piecewise_law_converge(seed):
    x = np.geomspace(1, 1000, 30)
    loss = np.where(x <= 20, 5 - 0.05 * x, 1.5 + 9 * x**-0.5)
    runs = Runs(S=x, loss=loss * np.exp(0.002 * np.random.default_rng(seed).normal(size=30)))
    found = fit(Piecewise(), runs, starts=128).certificate
    assert found.share_at_best >= 0.95 and found.statuses.get("step_limit", 0) <= 6
