"""Fits over families: what they share, what each is asked, what is refused."""

import numpy as np
import pytest

import jaxscale
from jaxscale import Chinchilla, DataError, Grouped, Square
from jaxscale._numerics.precision import cast, scope
from jaxscale._numerics.programs import run
from jaxscale.errors import FitError
from jaxscale.fitting.families import families_of, with_families
from jaxscale.fitting.preparation import prepare
from jaxscale.laws import predict
from jaxscale.objective import arrow, wide
from jaxscale.objective.losses import Huber

OWN = ("E", "A", "B")
TRUTH = {"c4": (1.7, 400.0, 1500.0), "r p": (1.8, 460.0, 1400.0), "x": (1.65, 380.0, 1800.0)}


def table(noise=0.002, families=TRUTH, seed=0):
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 3e9, 5), np.geomspace(2e8, 6e10, 5)))
    rng, rows = np.random.default_rng(seed), []
    for label, (E, A, B) in families.items():
        loss = (E + A * N**-0.34 + B * D**-0.33) * np.exp(noise * rng.normal(size=N.size))
        rows += [(n, d, y, label) for n, d, y in zip(N, D, loss, strict=True)]
    N, D, loss, labels = zip(*rows, strict=True)
    return {"N": np.array(N), "D": np.array(D), "loss": np.array(loss), "corpus": np.array(labels)}


def grouped(own=OWN, **options):
    return Grouped(Chinchilla, by="corpus", own=own, **options)


def relabelled(found, **changes):
    labels = found["corpus"].astype(object)
    for row, label in changes.items():
        labels[int(row[1:])] = label
    return {**found, "corpus": labels}


@pytest.mark.parametrize(
    ("asked", "runs", "said"),
    [
        (grouped(), relabelled(table(), _4=" "), "row 5, column 'corpus': an empty cell"),
        (grouped(), relabelled(table(), _7=None), "row 8, column 'corpus': an empty cell"),
        (grouped(), relabelled(table(), _7=np.nan), "row 8, column 'corpus': an empty cell"),
        (grouped(), table(families={"c4": TRUTH["c4"]}), "no families to tell apart"),
        (Grouped(Chinchilla, "corp", OWN), table(), "no column 'corp' says"),
        (grouped(("E",)), relabelled(table(), _3="tiny"), "'tiny' has 1 run at 1 setting for E"),
        (grouped(("E", "A")), relabelled(table(), _3="t", _4="t"), "'t' has 2 runs at 2 settings"),
    ],
)
def test_runs_that_are_no_families_are_refused(asked, runs, said):
    with pytest.raises(DataError, match=said):
        jaxscale.fit(asked, runs)


def test_families_stand_in_the_order_of_their_first_rows_whatever_they_are_called():
    law, runs = with_families(grouped(), relabelled(table(), _0="zz", _1="zz", _2="zz", _3="zz"))
    assert law.labels == ("zz", "c4", "r p", "x")
    assert runs.column("family")[:6].tolist() == [0, 0, 0, 0, 1, 1]


def test_a_pooled_law_is_fitted_by_fit_alone():
    law, runs = with_families(grouped(pool=True), table())
    with pytest.raises(ValueError, match="which fit"):
        prepare(law, runs, Huber(1e-3), "log")


@pytest.mark.slow
@pytest.mark.parametrize("own", [("E",), OWN, (*OWN, "alpha", "beta")])
def test_the_arrow_is_the_dense_objective(own):
    law, runs = with_families(grouped(own), table())
    objective = cast(prepare(law, runs, Huber(1e-3), "log").objective, np.float64)
    z = np.random.default_rng(0).normal(size=len(law.free)) * 0.2
    z[: -len(law.free) + 2] = 0.3
    found = run(arrow.model, objective, z, dtype=np.float64)[0]
    dense = run(wide.model, objective, z, dtype=np.float64)[0]
    bends = run(wide.bends, objective, z, dtype=np.float64)[0]
    expected = (*dense[:3], dense[3] + bends)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * np.abs(other).max())
    matrix, rhs = np.asarray(found[2]) + 1e-3 * np.eye(len(z)), np.arange(len(z)) + 1.0
    layout = arrow.layout(objective)
    with scope(np.float64):
        x, ok = arrow.solve(layout, matrix, rhs)
        np.testing.assert_allclose(x, np.linalg.solve(matrix, rhs), rtol=1e-8)
        assert ok
        for k in (0, len(z) - 1):
            assert not arrow.solve(
                layout, matrix - 2 * matrix[k, k] * np.diag(np.eye(len(z))[k]), rhs
            )[1]


@pytest.fixture(scope="module")
def found():
    return jaxscale.fit(grouped(), table(), starts=32)


@pytest.mark.slow
def test_a_fit_over_families_finds_what_was_planted_and_each_family_s_law(found):
    assert found.certificate.trusted
    assert found.law.alpha == pytest.approx(0.34, abs=4 * found.errors["alpha"])
    for label, (E, _, B) in TRUTH.items():
        family = found.family(label)
        assert family.law == found.law[label] or family.law.E == found.law[label].E
        assert family.law.E == pytest.approx(E, abs=4 * family.errors["E"])
        assert family.law.B == pytest.approx(B, abs=4 * family.errors["B"])
        assert len(family.runs) == 25 and family.runs.columns.keys() == {"N", "D"}
    parts = families_of(found)
    assert sum(part.value for part in parts.values()) == pytest.approx(found.value)


@pytest.mark.slow
def test_a_family_is_drawn_from_the_whole_fit_and_nothing_refits_it_alone(found):
    family = found.family("x")
    whole, one = (jaxscale.bootstrap(f, draws=20, method="case") for f in (found, family))
    np.testing.assert_array_equal(whole.law.E_x, one.law.E)
    best = jaxscale.allocate(family, compute=1e21, draws=one)
    assert best.N == pytest.approx(jaxscale.allocate(found.law["x"], compute=1e21).N)
    for law, of in ((whole, {"family": "x"}), (one, {})):
        assert law.predict(N=1e9, D=1e10, **of).center == pytest.approx(
            float(family.predict(N=1e9, D=1e10))
        )
    for ask in (jaxscale.jackknife, jaxscale.solver, lambda f: f.save("never.json")):
        with pytest.raises(ValueError, match="was not fitted by itself"):
            ask(family)
    with pytest.raises(ValueError, match="say which corpus"):
        jaxscale.allocate(found, compute=1e21)
    with pytest.raises(ValueError, match="missing family"):
        found.predict(N=1e9, D=1e10)
    apart = np.where(found.runs.column("family") == 0, 0, np.arange(len(found.runs)))
    with pytest.raises(FitError, match="would leave c4 out"):
        jaxscale.bootstrap(found, draws=20, method="cluster", group=apart)


@pytest.mark.slow
def test_a_saved_fit_over_families_is_the_fit_and_its_file_is_believed_no_further(found, tmp_path):
    path = tmp_path / "fit.json"
    found.save(path)
    again = jaxscale.load(path)
    assert again.law.values == found.law.values and type(again.law) is type(found.law)
    assert jaxscale.load(path, table="r p").law.E == found.law["r p"].E
    assert jaxscale.verify(again, table()).holds
    text = path.read_text()
    for old, new, said in (
        ('"own": ["E", "A", "B"]', '"own": ["E", "A"]', "unknown"),
        ('"labels": ["c4", "r p", "x"]', '"labels": ["c4", "r p"]', "damaged"),
        ('"labels": ["c4", "r p", "x"]', '"labels": "c4"', "expected a list"),
        ('"families": {"law": "Chinchilla"', '"families": {"law": "Kaplan"', "no such parameter"),
        ('"families": {"law": "Chinchilla"', '"families": {"law": 3', "expected a text"),
    ):
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(DataError, match=said):
            jaxscale.load(path)


@pytest.mark.slow
def test_with_all_parameters_own_it_is_the_separate_fits():
    runs, own = table(noise=0.005), (*OWN, "alpha", "beta")
    whole = jaxscale.fit(grouped(own), runs, starts=64)
    for label in TRUTH:
        here = runs["corpus"] == label
        alone = jaxscale.fit(Chinchilla, {k: runs[k][here] for k in ("N", "D", "loss")}, starts=64)
        for name, value in alone.law.values.items():
            assert getattr(whole.law[label], name) == pytest.approx(value, rel=1e-6)


@pytest.mark.slow
@pytest.mark.nightly
def test_pooled_families_lie_between_their_own_fits_and_one_and_say_how_wide_the_prior_is():
    runs = table(noise=0.02)
    options = dict(loss=Square(), starts=32)
    alone = jaxscale.fit(grouped(("E",)), runs, **options)
    pooled = jaxscale.fit(grouped(("E",), pool=True), runs, **options)
    tight = jaxscale.fit(grouped(("E",), pool=1e-3), runs, **options)

    def spread(fit):
        return np.ptp([fit.law[label].E for label in TRUTH])

    assert spread(tight) < 0.05 * spread(alone) < spread(pooled) < spread(alone)
    assert "widths of the own parameters" in pooled.warnings[-1]
    one = relabelled(runs, _3="tiny")
    assert jaxscale.fit(grouped(("E",), pool=True), one, **options).certificate.trusted


@pytest.mark.slow
def test_a_pooled_family_whose_runs_are_all_left_out_leans_on_the_others():
    given = table()
    left = given["corpus"][0]
    weight = np.where(given["corpus"] == left, 0.0, 1.0)
    fit = jaxscale.fit(grouped(("E",), pool=True), {**given, "weight": weight}, starts=16)
    others = [fit.law[label].E for label in fit.law.labels if label != left]
    assert min(others) <= fit.law[left].E <= max(others)


def test_laws_over_families_are_compared_as_a_fit_of_each_window_would_be():
    given = table(noise=0.01)
    own = grouped(own=("E", "A"))
    held = jaxscale.cross_validate([own, "Chinchilla"], given, folds=2, by="C", starts=64)
    assert held.laws == ("Chinchilla, own E A", "Chinchilla")
    for window in range(2):
        train, test = held.split.train[window], held.split.test[window]
        part = {name: column[train] for name, column in given.items()}
        alone = jaxscale.fit(own, part, starts=64)
        for label in TRUTH:
            mine = test & (given["corpus"] == label)
            at = {name: given[name][mine] for name in ("N", "D")}
            want = np.log(jaxscale.predict(alone.law[label], **at) / given["loss"][mine])
            np.testing.assert_allclose(held.error[0, window, mine], want, atol=2e-5)
    assert held.score()[0] < held.score()[1]


@pytest.mark.slow
def test_a_comparison_says_what_families_may_share():
    laws = [grouped(own=("E",)), grouped()]
    found = jaxscale.compare(
        laws, table(noise=0.01), levels=5, folds=0, deltas=(), draws=19, starts=64
    )
    assert found.best.label == "Chinchilla, own E A B" and found.trusted
    tests = {(test.small, test.large): test.p for test in found.tests}
    assert tests["Chinchilla, own E", "Chinchilla, own E A B"] == 0.05
    assert "Chinchilla, own E A B predicts the larger runs best" in str(found)


@pytest.mark.parametrize(
    ("laws", "said"),
    [
        ([grouped(), Grouped(Chinchilla, by="group", own=("E",))], "families by 'corpus', 'group'"),
        ([grouped(pool=True)], "pooled families are not compared"),
        ([grouped(), grouped()], "Chinchilla, own E A B is given twice"),
    ],
)
def test_families_that_cannot_be_compared_are_refused(laws, said):
    with pytest.raises(ValueError, match=said):
        jaxscale.compare(laws, table())


def test_a_sample_of_laws_over_families_predicts_as_one_by_one():
    law, _ = with_families(grouped(own=("A",)), table())
    A = {name: np.array([[1.0], [2.0]]) * (k + 1) for k, name in enumerate(law.free[1:4])}
    sample = law.replace(E=1.0, B=1.0, alpha=0.3, beta=np.array([[0.3], [0.4]]), **A)
    at = dict(N=np.array([2.0, 3.0, 4.0, 5.0]), D=9.0, family=np.array([2.0, 0.0, 1.0, 1.0]))
    one = [
        law.replace(**{k: np.ravel(v)[-1 if i else 0] for k, v in sample.values.items()})
        for i in (0, 1)
    ]
    want = [predict(each, **at) for each in one]
    np.testing.assert_allclose(predict(sample, **at), want, rtol=1e-12)


def test_families_have_no_specifications(found):
    for fit in (found, found.family("c4")):
        with pytest.raises(ValueError, match="fit the runs of one family alone"):
            jaxscale.specify(fit, compute=1e22)
