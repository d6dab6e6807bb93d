"""A metric is told from a loss by its name and its values, and forecast by its own law."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxscale.data.loss_curves import Curve
from jaxscale.errors import DataError
from jaxscale.forecast.links import LINKS, find_link, linked, metric_below, told
from jaxscale.forecast.local_level import Mixture

STEP = np.arange(1, 61)
NOISE = np.random.default_rng(0).normal(size=60)
RISING = 0.7 - 0.4 * STEP**-0.4 + 0.003 * NOISE
FALLING = 2 + 3 * STEP**-0.4 + 0.01 * NOISE


def curve(values, column="loss"):
    return Curve(STEP[: len(values)], np.asarray(values, float), None, "a", "log.csv", (), column)


@pytest.mark.parametrize(
    "column, values, link, word",
    [
        ("loss", FALLING, "loss", ""),
        ("val_loss", RISING, "loss", ""),  # a loss that rises is no share: it is doubted
        ("cross_entropy", RISING, "loss", ""),
        ("bpb", FALLING / 3, "loss", ""),
        ("0.6b", FALLING, "loss", ""),
        ("val_accuracy", RISING, "share", "is a share: 1 - x"),
        ("valAcc", 0.1 + 0 * RISING, "share", "is a share: 1 - x"),
        ("eval/pass@1", RISING, "share", "is a share"),
        ("reward_mean", RISING, "share", "is a share"),
        ("0.6b", RISING, "share", "is a share, as it rises"),
        ("top1", 100 * RISING, "percent", "is a share: 100 - x"),
        ("accuracy", 100 * RISING, "percent", "is a share: 100 - x"),
        ("return", 1e3 * RISING, "loss", "rises and has no ceiling"),
        ("reward", 40 * RISING, "loss", "rises and has no ceiling"),
        ("0.6b", 40 * RISING, "loss", "rises and has no ceiling"),
        ("return", RISING - 3, "loss", "rises and has no ceiling"),
        ("val_ppl", np.exp(FALLING), "perplexity", "its logarithm is forecast"),
        ("perplexity", np.exp(FALLING), "perplexity", "its logarithm is forecast"),
        ("ppl", 0.5 * RISING, "loss", ""),  # below 1: whatever it is, it is none
        ("error", 1 - RISING, "error", ""),
        ("top5_error", 1 - RISING, "error", ""),
        ("wer", 1 - RISING, "error", ""),
        ("error", 100 * (1 - RISING), "loss", ""),
    ],
)
def test_a_metric_is_told_by_name_and_values(column, values, link, word):
    found, why = find_link(column, curve(values, column))
    assert found.name == link and word in why and bool(word) == bool(why)


def test_a_loss_that_only_shakes_does_not_rise():
    for seed in range(40):
        shaken = 0.5 + 0.02 * np.random.default_rng(seed).normal(size=60)
        assert find_link("x", curve(shaken, "x"))[0].name == "loss"


@pytest.mark.parametrize("name", LINKS)
def test_a_link_goes_there_and_back(name):
    link = LINKS[name]
    x = np.array([2.0, 30.0]) if name in ("loss", "percent", "perplexity") else np.array([0.2, 0.9])
    np.testing.assert_allclose(link.metric(link.loss(x)), x)
    assert (link.loss(x)[1] < link.loss(x)[0]) == link.rises
    assert np.isfinite(link.metric(np.array([-0.5, 250.0]))).all()


@pytest.mark.parametrize(
    "name, values, message",
    [
        (
            "share",
            [0.5, 1.5],
            r"has 1.5 at step 2, and a metric of --metric share lies between 0 a",
        ),
        ("percent", [0.5, 101], "lies between 0 and 100; choose another"),
        ("perplexity", [9, 0.5], "lies between 1 and inf"),
        ("error", [-0.1, 0.5], "has -0.1 at step 1"),
        ("share", [0.5, 1.0], "stands at 1, the best that --metric share can be"),
        ("perplexity", [3.0, 1.0], "nothing is left to forecast"),
    ],
)
def test_values_that_are_no_such_metric_are_refused(name, values, message):
    with pytest.raises(DataError, match=message):
        linked(curve(values), LINKS[name])


def test_values_that_are_not_finite_stay():
    got = linked(curve([0.5, np.nan, np.inf, 0.75]), LINKS["share"]).loss
    np.testing.assert_array_equal(got, [0.5, np.nan, np.inf, 0.25])


class End:
    loss, lower, upper = (np.array(x) for x in (0.3, -0.1, 0.6))
    mixture = Mixture(jnp.ones(1), jnp.array([0.3]), jnp.array([0.1]))

    def probability_below(self, loss):
        return self.mixture.below(loss)


@pytest.mark.parametrize(
    "name, want",
    [
        ("loss", (0.3, -0.1, 0.6)),
        ("error", (0.3, 0.0, 0.6)),
        ("share", (0.7, 0.4, 1.0)),
        ("percent", (99.7, 99.4, 100.0)),
        ("perplexity", tuple(np.exp([0.3, 0.0, 0.6]))),
    ],
)
def test_an_interval_is_that_of_the_metric(name, want):
    np.testing.assert_allclose(told(LINKS[name], End()), want)


@pytest.mark.parametrize(
    "name, values, want",
    [
        ("loss", [0.3, 9], [0.5, 1]),
        ("share", [0.7, 0.6, 0.0, 1.1], [0.5, 0.1587, 0, 1]),
        ("perplexity", [np.exp(0.3), 0.9], [0.5, 0]),
        ("percent", [99.7, -1], [0.5, 0]),
    ],
)
def test_chances_are_those_of_the_metric(monkeypatch, name, values, want):
    monkeypatch.setattr(
        "jaxscale.forecast.links.probability_below",
        lambda end, x: np.asarray(end.probability_below(x)),
    )
    np.testing.assert_allclose(metric_below(LINKS[name], End(), values), want, atol=1e-3)
