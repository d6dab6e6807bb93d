"""Many tables at once: each comes to its own fit, and what is wrong with one ends no other."""

import json

import numpy as np
import pytest

from jaxscale import (
    Absolute,
    DataError,
    JaxscaleError,
    Runs,
    Square,
    fit,
    fit_many,
    load,
    load_many,
)
from jaxscale.engine.leaders import leaders
from jaxscale.engine.loop import Solution, Status
from jaxscale.fitting.many import named

pytestmark = pytest.mark.usefixtures("optimized")

slow = pytest.mark.slow


def power_table(seed, n, unit=1.0, noise=0.01, weighted=False, scale=1.0):
    """A table of one scale: n runs in other units, with noise, perhaps weighted."""
    rng = np.random.default_rng(seed)
    C = 10 ** rng.uniform(18, 22, n)
    loss = scale * (1.7 + 9e3 / C**0.19) * np.exp(rng.normal(0, noise, n))
    found = {"C": C / unit, "loss": loss}
    return found | ({"weight": rng.uniform(0.1, 3, n)} if weighted else {})


def joint_table(seed, n=40, noise=0.01, ladder=False):
    """A table of N and D; on a ladder it leaves the best size open."""
    rng = np.random.default_rng(seed)
    N = 10 ** rng.uniform(7, 10, n)
    D = 20 * N * np.exp(rng.normal(0, 0.3, n)) if ladder else 10 ** rng.uniform(8.5, 11.5, n)
    loss = (1.7 + 400 / N**0.34 + 410 / D**0.28) * np.exp(rng.normal(0, noise, n))
    return {"N": N, "D": D, "loss": loss}


VERDICT = ("status", "starts", "at_bound", "degenerate", "idle", "weaknesses", "exact", "trusted")
"""What is said of an optimum; no last digit may change it."""


def differences(one, other, same):
    """What two results do not share.

    The lanes of one problem and those of many are different programs, which round differently: an
    optimum is the same to `same`, and a start that ends on the way there ends somewhere else.
    """
    found = []
    a, b = one.certificate, other.certificate
    found += [name for name in VERDICT if getattr(a, name) != getattr(b, name)]
    found += [] if abs(a.share_at_best - b.share_at_best) <= 0.1 else ["share_at_best"]
    pairs = {"value": (one.value, other.value), "prediction": (one.prediction, other.prediction)}
    if b.trusted and not b.exact:  # else parameters may be anything along a valley
        pairs |= {name: (x, other.law.values[name]) for name, x in one.law.values.items()}
        pairs |= {f"error {name}": (x, other.errors[name]) for name, x in one.errors.items()}
    for name, (x, y) in pairs.items():
        slack = 1e3 * same if name.startswith("error") else same
        found += [] if np.allclose(x, y, rtol=slack, atol=1e-15, equal_nan=True) else [(name, x, y)]
    alike = np.isclose(one.start_values, other.start_values, 1e3 * same, 1e-15, equal_nan=True)
    found += [] if alike.mean() >= 0.8 else [("start_values", alike.mean())]
    for name in ("warnings", "intervals", "unstated", "settings", "fixed", "constraints"):
        x, y = getattr(one, name), getattr(other, name)
        found += [] if x == y else [(name, x, y)]
    return [*found, *(["suspects"] if list(one.suspects) != list(other.suspects) else [])]


def check_each(law, tables, same=1e-6, **options):
    """Hold every table of one call against its own fit, refusals too."""
    many = fit_many(law, tables, **options)
    assert many.names == tuple(tables) and list(many) == [n for n in tables if n in many]
    for name, table in tables.items():
        try:
            own = fit(law, table, **options)
        except JaxscaleError as error:
            assert many.refused[name] == str(error)
            with pytest.raises(KeyError, match="refused"):
                many[name]
            continue
        assert differences(many[name], own, same) == [], name
    return many


MIXED = {
    "tokens": power_table(1, 12),
    "weighted": power_table(2, 30, weighted=True),
    "petaflop": power_table(3, 20, unit=1e15),
    "millinats": power_table(4, 20, scale=1e3),
    "noisy": power_table(5, 25, noise=0.3),
    "exact": power_table(6, 15, noise=0.0),
    "three": power_table(7, 3),
    "flat": {"C": np.array([1e18, 1e19, 1e20, 1e21]), "loss": np.full(4, 2.0)},
    "one size": {"C": np.full(8, 1e20), "loss": np.linspace(2, 3, 8)},
}


@pytest.fixture(scope="module")
def mixed():
    return check_each("PowerLaw:C", MIXED, starts=16)


def test_every_table_comes_to_its_own_fit_and_a_bad_one_ends_no_other(mixed):
    assert set(mixed.refused) == {"three", "flat", "one size"} and len(mixed) == 6
    assert not mixed.trusted and mixed.certificates["weighted"].trusted
    assert mixed.law.a.shape == (6,) and mixed.law.a[2] == mixed["petaflop"].law.a
    assert repr(mixed) == str(mixed) and "6 of 9 tables fitted" in repr(mixed)


def test_the_text_has_a_line_per_table_and_says_what_was_refused(mixed):
    lines = str(mixed).splitlines()
    assert [line.split("  ")[0] for line in lines[4:10]] == list(mixed)
    assert all(line.rstrip().endswith(("yes", "no")) for line in lines[4:10])
    assert "! three was refused: " in str(mixed) and "6 of 9 tables fitted" in lines[1]


def test_a_file_of_many_fits_is_read_back_whole_or_one_by_one(mixed, tmp_path):
    mixed.save(tmp_path / "many.json")
    again = load_many(tmp_path / "many.json")
    assert again.names == mixed.names and again.refused == mixed.refused
    assert str(again).splitlines()[4:] == str(mixed).splitlines()[4:]
    one = load(tmp_path / "many.json", table="petaflop")
    assert one.law.values == mixed["petaflop"].law.values
    assert one.certificate.reasons == mixed["petaflop"].certificate.reasons
    for table, said in ((None, "load_many"), ("three", "was refused: "), ("no", "is none of")):
        with pytest.raises(DataError, match=said):
            load(tmp_path / "many.json", table=table)
    one.save(tmp_path / "one.json")
    with pytest.raises(DataError, match="holds one fit"):
        load_many(tmp_path / "one.json")
    with pytest.raises(DataError, match="leave --table out"):
        load(tmp_path / "one.json", table="petaflop")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: d["fits"]["noisy"]["params"].pop("a"), "table 'noisy': a damaged fit result"),
        (lambda d: d["fits"].pop("noisy"), "names"),
        (lambda d: d["names"].append("noisy"), "each once"),
        (lambda d: d.update(schema_version=9), "schema_version"),
        (lambda d: d["refused"].update(three=3), "refused.three"),
        (lambda d: d.update(fits=[]), "fits"),
    ],
)
def test_a_damaged_file_of_many_fits_is_refused(mixed, tmp_path, damage, said):
    document = json.loads(mixed.to_json())
    damage(document)
    (tmp_path / "many.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=said):
        load_many(tmp_path / "many.json")


def test_one_table_and_two_and_a_sequence_and_a_group_are_tables_as_well(mixed):
    one, two = MIXED["tokens"], MIXED["petaflop"]
    alone = fit_many("PowerLaw:C", [one], starts=16)["0"]
    assert alone.law.values == mixed["tokens"].law.values
    seen = []
    many = fit_many("PowerLaw:C", [one, two], starts=16, progress=lambda *at: seen.append(at))
    assert list(many) == ["0", "1"] and many["1"].law.values == mixed["petaflop"].law.values
    assert many.trusted and seen == [(1, 2), (2, 2)]
    runs = Runs(
        C=np.concatenate([two["C"], one["C"]]),
        loss=np.concatenate([two["loss"], one["loss"]]),
        group=["b"] * len(two["C"]) + ["a"] * len(one["C"]),
    )
    grouped = fit_many("PowerLaw:C", runs, starts=16)
    assert list(grouped) == ["b", "a"]
    assert grouped["a"].law.values == mixed["tokens"].law.values
    assert grouped["a"].runs.rows.tolist() == list(range(21, 33))


def test_nothing_fitted_is_no_trusted_result():
    many = fit_many("PowerLaw:C", {"a": MIXED["three"], "b": MIXED["flat"]}, starts=16)
    assert not many and not many.trusted and set(many.refused) == {"a", "b"}
    with pytest.raises(ValueError, match="no table was fitted"):
        _ = many.law


@pytest.mark.parametrize(
    ("tables", "error", "said"),
    [
        ({}, ValueError, "no table"),
        ([], ValueError, "no table"),
        ({1: 0, "1": 0}, ValueError, "two tables are called '1'"),
        ("runs.csv", TypeError, "a mapping or a sequence"),
        (7, TypeError, "a mapping or a sequence"),
        (Runs(C=[1, 2], loss=[2, 1]), DataError, "--by COLUMN"),
        (
            Runs(C=[1, 2], loss=[2, 1], group=["a", ""]),
            DataError,
            "row 2, column 'group': an empty",
        ),
        (
            Runs(C=[1, 2], loss=[2, 1], group=["a", " "]),
            DataError,
            "row 2, column 'group': an empty",
        ),
        (Runs(C=[1, 2], loss=[2, 1], group=[np.nan, 1]), DataError, "row 1, column 'group'"),
    ],
)
def test_what_is_no_tables_is_refused(tables, error, said):
    with pytest.raises(error, match=said):
        named(tables)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"starts": np.zeros((3, 3))}, TypeError, "starts must be a number"),
        ({"starts": True}, TypeError, "starts must be a number"),
        ({"starts": -1}, ValueError, "between 0"),
        ({"precision": "float16"}, ValueError, "precision"),
        ({"loss": "huber"}, TypeError, "loss must be"),
        ({"bounds": {"x": (0, 1)}}, ValueError, "x"),
    ],
)
def test_an_option_that_is_wrong_ends_all_tables(options, error, said):
    with pytest.raises(error, match=said):
        fit_many("PowerLaw:C", MIXED, **options)


def test_leaders_of_each_problem_go_on_only_where_its_best_has_not_arrived():
    limit, done = int(Status.STEP_LIMIT), int(Status.CONVERGED)
    status = np.array([limit, done, limit, limit, done, limit, limit])
    value = np.array([2.0, 1.0, 3.0, 1.0, 2.0, np.inf, np.nan])
    solution = Solution(np.zeros((7, 1)), value, status, np.zeros(7, int))
    assert leaders(solution, np.array([0, 0, 0, 1, 1, 1, 2])).tolist() == [3, 5, 6]
    assert leaders(solution, np.zeros(7, int)).tolist() == []


SQUARES = {"loss": Square(), "residual": "absolute", "bounds": {"E": (1, 2)}}
CASES = {
    "Chinchilla": ("Chinchilla", joint_table, {}),
    "no starts": ("Chinchilla", joint_table, {"starts": 0}),
    "absolute loss": ("Chinchilla", joint_table, {"loss": Absolute()}),
    "squares, bounded": ("Chinchilla", joint_table, SQUARES),
    "tied": ("Chinchilla", joint_table, {"tie": {"beta": "alpha"}}),
    "float32": ("Chinchilla", joint_table, {"precision": "float32", "same": 1e-3}),
    "mixed": ("Chinchilla", joint_table, {"precision": "mixed"}),
    "few steps": ("Chinchilla", joint_table, {"max_steps": 12}),
    "a break": ("Piecewise:C", power_table, {}),
    "signed": ("LogLaw:C", power_table, {}),
    "no grid": ("Kaplan", joint_table, {}),
}


OFTEN = ("no starts", "mixed", "few steps", "a break", "signed")


@slow
@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=() if c in OFTEN else pytest.mark.nightly) for c in CASES]
)
def test_every_way_to_fit_comes_to_the_own_fits(case):
    law, table, options = CASES[case]
    sizes = [24, 31, 20, 29, 27, 40]
    tables = {str(n): table(n, n, noise=(0.01, 0.2)[n % 2]) for n in sizes}
    if table is joint_table:
        tables["ladder"] = joint_table(9, 30, ladder=True)
    options = {"starts": 32, **options}
    many = check_each(law, tables, **options)
    assert len(many) == len(tables)


@slow
def test_more_tables_than_a_batch_holds_and_a_second_search_come_to_the_own_fits():
    # So few steps that the best value is reached by some starts only.
    tables = {str(k): power_table(k, 20 + k % 10, noise=0.1) for k in range(70)}
    many = check_each("PowerLaw:C", tables, starts=16, max_steps=8)
    assert {len(each.searches) for each in many.certificates.values()} == {1, 2}
