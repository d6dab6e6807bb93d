"""The compute that a mixture of experts saves, against its paper's numbers."""

import numpy as np
import pytest

from jaxscale.decisions.moe import efficiency_leverage


@pytest.mark.parametrize(
    ("active", "granularity", "compute", "leverage"),
    [(0.031, 12, 1e22, 6.874536), (0.078, 2, 1e20, 2.367990)],
)
def test_the_leverage_is_that_of_its_paper(active, granularity, compute, leverage):
    assert efficiency_leverage(active, granularity, compute) == pytest.approx(leverage, rel=1e-6)


def test_fewer_active_experts_and_more_compute_save_more():
    assert np.all(np.diff(efficiency_leverage([0.5, 0.1, 0.03], 8, 1e21)) > 0)
    assert np.all(np.diff(efficiency_leverage(0.05, 8, [1e19, 1e21, 1e23])) > 0)


@pytest.mark.parametrize("bad", [(0.0, 2, 1e20), (1.5, 2, 1e20), (0.1, 0, 1e20), (0.1, 2, -1)])
def test_what_is_no_share_is_refused(bad):
    with pytest.raises(ValueError, match=r"share|positive"):
        efficiency_leverage(*bad)
