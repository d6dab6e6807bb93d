"""Whether the starts have found the lowest optimum: what is promised, and what is not."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

from jaxscale import Law, Runs, Scalar, Square, coefficient, fit, offset, predict, scale
from jaxscale.engine.loop import Solution, Status
from jaxscale.fitting import fit as fitting
from jaxscale.fitting.certificate import Basin, Certificate
from jaxscale.fitting.certify import Local, certify
from jaxscale.laws.parameters import Parameter
from jaxscale.objective.space import Space

SOUND = Certificate(
    status="converged", starts=1024, share_at_best=1.0, searches=(1024,), singles=0, rivals=1024,
    basins=(Basin(1.0, 1024, "converged"),), statuses={"converged": 1024}, grad_norm=0.0, gain=0.0,
    excess=0.0, condition=10.0, at_bound=(), degenerate=(), idle=(), weaknesses=(), exact=False,
    inside_delta=50, median_steps=20.0,
)  # fmt: skip


def after(*hits, of=1024, singles=0):
    """A certificate of searches of `of` starts each, `hits` of which reached the best value."""
    starts = of * len(hits)
    return dataclasses.replace(
        SOUND, starts=starts, rivals=starts, searches=hits, share_at_best=sum(hits) / starts,
        singles=singles, statuses={"converged": starts},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("hits", "of", "singles"),
    [
        ((1024,), 1024, 0),
        ((11,), 1024, 0),
        ((2,), 64, 0),
        ((0,), 15, 0),
        ((1,), 1, 0),
        ((4, 9), 1024, 0),  # Gauss3 of NIST
        ((5, 1), 1024, 5),
        ((3, 3), 1024, 1),
        ((1, 5), 64, 0),
        ((912,), 1024, 112),  # some starts stop beside an optimum that nearly all find
        ((39,), 1024, 5),
    ],
)
def test_the_best_value_is_settled_by(hits, of, singles):
    assert after(*hits, of=of, singles=singles).reasons == ()


@pytest.mark.parametrize(
    ("hits", "of", "singles", "said"),
    [
        ((10,), 1024, 0, "Only 0.98 % of the starts"),
        ((1,), 1024, 0, "Only 0.098 %"),
        ((0,), 1024, 0, "Only 0 %"),
        ((1,), 64, 0, "Only 1.6 %"),
        ((0, 9), 1024, 0, "Only 0.44 %"),  # the second search found a lower one
        ((9, 0), 1024, 0, "Only 0.44 %"),  # the second did not find it again
        ((2, 3), 1024, 0, "Only 0.24 %"),
        ((1, 1), 64, 0, "Only 1.6 %"),
        ((39,), 1024, 60, "60 starts ended each in an optimum of its own, 39 at the best"),
        ((39, 25), 1024, 110, "110 starts ended each"),
        ((5, 1), 1024, 105, "105 starts ended each"),
    ],
)
def test_the_best_value_is_doubted_after(hits, of, singles, said):
    found = after(*hits, of=of, singles=singles)
    assert len(found.reasons) == 1 and found.reasons[0].startswith(said)
    assert "raise --starts" in found.reasons[0]


def test_a_second_search_is_made_where_it_could_settle_the_only_doubt():
    assert after(4).unsettled and after(39, singles=60).unsettled and after(1, of=64).unsettled
    assert not SOUND.unsettled and not after(4, 1).unsettled and not after(1, of=1).unsettled
    bound = dataclasses.replace(after(4), at_bound=("E",))
    assert not bound.unsettled and not dataclasses.replace(SOUND, at_bound=("E",)).unsettled


@pytest.mark.parametrize(("starts", "share"), [(1, 0.95), (64, 0.0457), (1024, 0.00292)])
def test_a_search_promises_no_more_than_it_can_have_seen(starts, share):
    """Of an optimum that this share of starts reaches, one search in twenty sees nothing."""
    unseen = after(starts, of=starts).unseen
    assert unseen == pytest.approx(share, rel=0.01)
    assert (1 - unseen) ** starts == pytest.approx(0.05)


ONE = Parameter("one", "scale", True, linear=False, start=(0.0, 1.0), bounds=(-9.0, 9.0))
LINE = Space(fixed={}, log_scale={}, loss_scale=1.0, parameters=(("x", ONE),))


def certified(values, searches=1, status=None):
    """The certificate of starts that ended at `values`, about an optimum of the lowest."""
    values = np.array(values, float)
    status = np.zeros(len(values), int) if status is None else np.array(status)
    at = Local(values.min(), 0.0, np.zeros(1), np.eye(1), np.eye(1), np.zeros(9),
               np.ones(9, bool), np.ones(1))  # fmt: skip
    solution = Solution(np.zeros((len(values), 1)), values, status, np.full(len(values), 9))
    return certify(LINE, solution, np.zeros(1), 0, at, searches=searches)


LIMIT = int(Status.STEP_LIMIT)


@pytest.mark.parametrize(
    ("values", "singles"),
    [
        ([1.0] * 20, 0),
        ([1.0] * 2 + [1.5] * 9 + [2.0] * 9, 0),
        ([1.0] * 2 + [1.5, 1.6, 1.7, *[2.0] * 15], 3),
        ([1.0] * 2 + [3.9, 4.1, 5.0, *[9.0] * 15], 1),  # what lies far above is no competitor
        ([1.0] * 2 + [1.5, 1.5 * (1 + 5e-7), 1.5 * (1 + 2e-5)], 1),
        ([1.0, 1.0 + 5e-7, np.inf, np.inf], 0),
    ],
)
def test_singles_are_optima_found_once_and_not_far_above(values, singles):
    assert certified(values).singles == singles


def test_starts_that_have_not_arrived_are_no_optima():
    values = [1.0] * 10 + [1.1, 1.2, 1.3, 1.4]
    assert certified(values).singles == 4
    assert certified(values, status=[0] * 10 + [LIMIT] * 4).singles == 0


def test_each_search_is_counted_by_itself():
    found = certified([1.0, 2.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0], searches=2)
    assert found.searches == (1, 2) and found.share_at_best == 3 / 8


class Wave(Law):
    """b1 + c cos(w x) + s sin(w x): an optimum per beat."""

    input_kinds: ClassVar = dict(x="signed")
    b1: Scalar = offset("mean", positive=False)
    c: Scalar = coefficient("cosine", positive=False)
    s: Scalar = coefficient("sine", positive=False)
    w: Scalar = scale("frequency", per=dict(x=-1), start=(0.0, 7.0))

    def __call__(self, x):
        return self.b1 + self.c * jnp.cos(self.w * x) + self.s * jnp.sin(self.w * x)


def beats(w, noise, seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-1, 1, 60))
    truth = Wave(b1=3.0, c=1.0, s=0.5, w=w)
    return truth, Runs(x=x, loss=predict(truth, x=x) + noise * rng.normal(size=60))


def searched(runs, **options):
    return fit(Wave(), runs, loss=Square(), residual="absolute", **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("w", "noise"), [(1900.0, 0.1), (1900.0, 0.5), (1900.0, 1.0), (1200.0, 0.1), (20.0, 0.1)]
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_is_certified_of_a_law_with_hundreds_of_optima_is_the_lowest(w, noise, seed):
    """The frequency is found by about one start in 1,024 where it is high, by most where low."""
    truth, runs = beats(w, noise, seed)
    start = Wave(**{name: np.array([value]) for name, value in truth.values.items()})
    lowest = searched(runs, starts=start).value
    found = searched(runs)
    if found.certificate.trusted:
        assert found.value <= lowest * (1 + 1e-6)
    assert found.certificate.trusted or w > 100


@pytest.mark.slow
def test_a_second_search_keeps_what_it_promises(monkeypatch):
    """Of fresh starts, the same each time; none where the first search left no doubt."""
    _, runs = beats(1900.0, 0.5, 0)
    found, again = searched(runs, starts=64), searched(runs, starts=64)
    assert len(found.certificate.searches) == 2 and found.certificate.starts == 128
    assert len(found.start_values) == 128 and found.certificate == again.certificate
    np.testing.assert_array_equal(found.start_values, again.start_values)
    first, second = np.split(found.start_values, 2)
    assert not np.array_equal(first, second)
    monkeypatch.setattr(fitting, "_fresh_starts", None)  # would fail if it were called
    assert searched(beats(20.0, 0.1, 0)[1], starts=64).certificate.trusted
    with pytest.raises(TypeError):
        searched(runs, starts=64)
