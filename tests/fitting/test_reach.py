"""Places within the range of every input, and far from every run all the same."""

import dataclasses
import json

import numpy as np
import pytest

import jaxscale
from jaxscale.cli.parser import main
from jaxscale.fitting.informed import best_size_within
from jaxscale.fitting.reach import lonely, note_together, ratio, together, whole_inputs

SIZES = np.geomspace(1e7, 1e10, 30)
DESIGNS = {
    "a ridge": (SIZES, 20 * SIZES),
    "a rectangle": (np.repeat(SIZES, 30), np.tile(20 * SIZES, 30)),
    "a corner": (np.append(SIZES, np.full(30, 1e7)), np.append(np.full(30, 2e8), 20 * SIZES)),
    "one run": (SIZES[:1], 20 * SIZES[:1]),
}


def designed(fitted, name):
    N, D = DESIGNS[name]
    runs = jaxscale.Runs(N=N, D=D, loss=fitted.law(N, D))
    return dataclasses.replace(fitted, runs=runs)


@pytest.mark.parametrize(
    "name, at, factor",
    [
        ("a ridge", (1e8, 2e9), 1.0),  # on it
        ("a ridge", (1e8, 2e9 * 25), 5.0),  # off it, at a right angle to it in logarithms
        ("a ridge", (1e8 * 25, 2e9), 5.0),
        ("a ridge", (1e10, 2e12), 10.0),  # beyond its end
        ("a rectangle", (1e10, 2e8), 1.0),  # at a corner
        ("a rectangle", (3e8, 3e10), 1.0),
        ("a rectangle", (4e10, 2e9), 4.0),
        ("a corner", (1e10, 2e11), 10**1.5),  # the hull is a triangle
        ("a corner", (1e8, 2e9), 1.0),
        ("one run", (1e8, 2e8), 10.0),
    ],
)
def test_the_distance_is_that_to_the_convex_hull(fitted, name, at, factor):
    found = together(designed(fitted, name), dict(zip("ND", at, strict=True)))
    assert found == pytest.approx(factor, rel=1e-6)


def test_no_step_from_the_nearest_point_to_a_run_comes_nearer():
    from jaxscale.fitting.reach import _least

    random = np.random.default_rng(0)
    for k in (2, 3, 4):
        for _ in range(50):
            scale = random.uniform(0.1, 5, k)
            points = random.normal(size=(random.integers(1, 60), k)) * scale + random.normal(size=k)
            least = _least(points)
            assert least @ least - (points @ least).min() < 1e-9


@pytest.mark.parametrize(
    "name, at, said",
    [
        ("a ridge", dict(N=1e8, D=2e9), False),
        ("a ridge", dict(N=1e8, D=5e10), True),
        ("a ridge", dict(N=1e8, C=6 * 1e8 * 5e10), True),  # D follows
        ("a ridge", dict(N=1e8, D=2e15), False),  # D itself is outside, which has its own note
        ("a rectangle", dict(N=1e10, D=2e8), False),
    ],
)
def test_a_note_says_it_only_where_each_input_is_within(fitted, name, at, said):
    notes = note_together(designed(fitted, name), at)
    assert len(notes) == said and (not said or "N 100 M, D 50 B: each is within" in notes[0])


@pytest.mark.parametrize(
    "name, column, own",
    [("SparseMoE", "S", 0.0), ("JointMoE", "E", 1.0), ("QuantizationAware", "G", 2.0)],
)
def test_an_input_that_has_no_logarithm_takes_no_part(fitted, name, column, own):
    N, D = DESIGNS["a ridge"]
    law = jaxscale.CATALOGUE[name](**jaxscale.CATALOGUE[name].example.values)
    runs = jaxscale.Runs(N=N, D=D, loss=fitted.law(N, D), **{column: np.full(len(N), own)})
    one = dataclasses.replace(fitted, law=law, runs=runs)
    at = {"N": 1e8, "D": 2e9 * 25, column: own}
    assert together(one, at) == pytest.approx(5.0, rel=1e-6)


def test_a_law_of_one_input_has_no_corner(fitted):
    law = jaxscale.PowerLaw(a=30.0, b=-0.35, c=1.0, of="D")
    one = dataclasses.replace(fitted, law=law)
    assert together(one, dict(D=1e10)) == 1 and note_together(one, dict(D=1e10)) == []
    assert whole_inputs(one, dict(D=1e10)) == dict(D=1e10)


def test_predict_says_it_and_no_more_that_the_place_is_within(capsys, fitted, tmp_path):
    fitted.save(tmp_path / "fit.json")
    argv = ["predict", str(tmp_path / "fit.json"), "--N", "1e9", "1e10", "--D", "2e10", "2e11"]
    factor = together(fitted, dict(N=1e10, D=2e11))
    assert factor > 3
    assert main(argv) == 0
    out, err = capsys.readouterr()
    first, second = out.splitlines()[1:]
    assert first.endswith("within") and second.endswith(f"together x {factor:.3g}")
    assert err.count("\n") == 1 and f"a factor {factor:.3g} outside; no run is near" in err
    assert main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["predictions"][1]["extrapolation"]["together"] == pytest.approx(factor)
    assert len(document["notes"]) == 1


@pytest.mark.parametrize(
    "name, at, factor",
    [
        ("a ridge", (1e8, 2e9), 1.0),
        ("a ridge", (1e8, 2e10), 10.0),
        ("a ridge", (1e8, 4e8), 5.0),
        ("a rectangle", (1e10, 2e8), 1.0),
        ("a corner", (1e8, 2e9), 1.0),
    ],
)
def test_tokens_per_parameter_are_held_against_those_of_the_runs(fitted, name, at, factor):
    fit, at = designed(fitted, name), dict(zip("ND", at, strict=True))
    assert ratio(fit, at) == pytest.approx(factor)
    notes = note_together(fit, at)
    assert ("D/N of " in "".join(notes)) == (3 < factor < 9), notes


def test_a_place_between_two_clusters_of_runs_is_near_no_run(fitted):
    N = np.concatenate([np.geomspace(1e7, 2e7, 9), np.geomspace(5e9, 1e10, 9)])
    runs = jaxscale.Runs(N=N, D=20 * N, loss=fitted.law(N, 20 * N))
    fit = dataclasses.replace(fitted, runs=runs)
    assert lonely(fit, dict(N=3e8, D=6e9)) == pytest.approx(15.0, rel=0.2)
    assert "the nearest run is a factor" in note_together(fit, dict(N=3e8, D=6e9))[0]
    assert lonely(fit, dict(N=1.2e7, D=2.4e8)) == 1
    assert lonely(designed(fitted, "a ridge"), dict(N=1e8, D=2e9)) == 1


def test_a_budget_beyond_every_run_is_not_within(capsys, fitted, tmp_path):
    fitted.save(tmp_path / "fit.json")
    N, D = (fitted.runs.columns[name] for name in "ND")
    at = N[N * D == (N * D).max()].max(), D[N * D == (N * D).max()].max()
    main(["predict", str(tmp_path / "fit.json"), "--N", f"{at[0]:.6g}", "--D", f"{at[1]:.6g}"])
    assert "C x " in capsys.readouterr().out


def test_a_budget_whose_best_size_is_open_is_marked(capsys, fitted, tmp_path, monkeypatch):
    fitted.save(tmp_path / "fit.json")
    argv = ["allocate", str(tmp_path / "fit.json"), "--compute", "1e22", "--draws", "0", "--json"]
    assert main(argv) == 0
    first = json.loads(capsys.readouterr().out)
    assert 1 < first["allocations"][0]["within_factor"] < 3
    monkeypatch.setattr("jaxscale.uncertainty.allocations.best_size_within", lambda fit, C: 5.0)
    assert main(argv) == 1
    (note,) = [x for x in json.loads(capsys.readouterr().out)["notes"] if "best N" in x]
    assert "may be off by a factor 5" in note


def test_the_best_size_is_known_worse_the_farther_the_budget(fitted):
    near, far, farther = (best_size_within(fitted, C) for C in (1e21, 1e23, 1e26))
    assert 1 < near < far < farther
