"""What the choice of runs lets nobody know is said at the door, and kept in the certificate."""

import dataclasses
import json

import numpy as np
import pytest
from cases import TRUTH, data_folder, needs_data

import jaxscale
from jaxscale import (
    Chinchilla,
    DataError,
    Huber,
    Kaplan,
    Law,
    PowerLaw,
    PurePowerLaw,
    Runs,
    Scalar,
    coefficient,
    exponent,
    offset,
    power,
)
from jaxscale.cli.parser import main
from jaxscale.datasets.synthetic import isoflop_design, simulate
from jaxscale.fitting.preparation import prepare

SIZES = np.geomspace(1e7, 3e9, 12)


def wobble(share: float) -> np.ndarray:
    return 1 + share * np.random.default_rng(5).uniform(-1, 1, len(SIZES))


def design(N, D):
    return simulate(TRUTH, np.asarray(N, float), np.asarray(D, float), noise=0.003, seed=1)


def half_in(name: str, unit: float, runs: Runs) -> Runs:
    column = runs.columns[name].copy()
    column[::2] /= unit
    return runs.replace(**{name: column})


RECTANGLE = design(np.repeat(SIZES[::3], 4), np.tile(np.geomspace(1e9, 1e11, 4), 4))
ISOFLOP = design(*isoflop_design(np.logspace(18, 20, 4), sizes=6))


class Tied(Law):
    """E + A N^-alpha + B D^-alpha."""

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("of N", per=dict(N="alpha"))
    B: Scalar = coefficient("of D", per=dict(D="alpha"))
    alpha: Scalar = exponent("of both")

    def __call__(self, N, D):
        return self.E + self.A * power(N, -self.alpha) + self.B * power(D, -self.alpha)


class OfCompute(Law):
    """E + A (N D)^-alpha: both inputs as one."""

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("of both", per=dict(N="alpha", D="alpha"))
    alpha: Scalar = exponent("of both")

    def __call__(self, N, D):
        return self.E + self.A * power(N * D, -self.alpha)


WEAK = {
    "D = 20 N": (design(SIZES, 20 * SIZES), "D/N is 20 in all 12 runs"),
    "D = 20 N +- 2 %": (design(SIZES, 20 * SIZES * wobble(0.02)), "D/N is 20 (± 2 %)"),
    "D = 20 N +- 5 %": (design(SIZES, 20 * SIZES * wobble(0.05)), "D/N is 20 (± 5 %)"),
    "D = 20 N +- 10 %": (design(SIZES, 20 * SIZES * wobble(0.1)), "D/N is 20 (± 10 %)"),
    "one budget": (design(SIZES, 1e20 / 6 / SIZES), "share one compute budget, C = 6 N D of 1e+20"),
    "one budget +- 5 %": (design(SIZES, 1e20 / 6 / SIZES * wobble(0.05)), "one compute budget"),
    "one knob": (design(SIZES, 7e3 * SIZES**0.7), "D follows N in all 12 runs (D ~ N^0.7)"),
    "tokens hardly vary": (design(SIZES, 1e10 * wobble(0.1)), "D is 1e+10 (± 10 %)"),
    "sizes hardly vary": (design(1e8 * wobble(0.1), 20 * SIZES), "N is 1e+08 (± 10 %)"),
    "two sizes": (
        design(np.repeat([1e8, 1e9], 6), np.tile(np.geomspace(1e9, 1e11, 6), 2)),
        "N takes only 2 values (1e+08 and 1e+09), a tenth apart: A, E and alpha need at least 3",
    ),
    "two lengths": (
        design(np.tile(np.geomspace(1e7, 1e9, 6), 2), np.repeat([1e10, 1e11], 6)),
        "D takes only 2 values (1e+10 and 1e+11), a tenth apart: B, E and beta need at least 3",
    ),
    "two sizes and a twin": (
        design(np.repeat([1.24e8, 1.25e8, 1e9], 6), np.tile(np.geomspace(1e9, 1e11, 6), 3)),
        "N takes only 2 values (1.24e+08 and 1e+09)",
    ),
    "two lengths, give or take": (
        design(np.tile(np.geomspace(1e7, 1e9, 6), 2), np.repeat([1e10, 1e11], 6) * wobble(0.01)),
        "D takes only 2 values",
    ),
    "a ladder and two runs that hardly weigh": (
        design(np.append(SIZES, [1e8, 1e9]), np.append(20 * SIZES, [4e10, 2e11])).replace(
            weight=np.append(np.ones(12), [1e-6, 1e-6])
        ),
        "D/N is 20 to 400",
    ),
    "half in millions": (half_in("N", 1e6, ISOFLOP), "N falls into two groups"),
    "half of D in billions": (half_in("D", 1e9, RECTANGLE), "D falls into two groups"),
    "half of D in ten thousands": (half_in("D", 1e8, ISOFLOP), "D falls into two groups"),
    "five settings, many seeds": (
        design(np.tile([1e8, 1e8, 1e9, 1e9, 3e9], 4), np.tile([1e9, 1e10, 1e10, 1e11, 3e9], 4)),
        "5 distinct settings of N and D for 5 free parameters",
    ),
}
SOUND = {
    "rectangle": RECTANGLE,
    "isoFLOP": ISOFLOP,
    "sizes in small steps": design(
        np.repeat(1e9 * 1.05 ** np.arange(12), 3), np.tile([1e9, 1e10, 1e11], 12)
    ),
    "two budgets": design(*isoflop_design(np.array([1e18, 1e20]), sizes=6)),
    "D = 20 N and 60 N": design(np.repeat(SIZES, 2), np.repeat(SIZES, 2) * np.tile([20, 60], 12)),
    "a ladder and one run off it": design(
        np.append(SIZES, [1e8, 1e9]), np.append(20 * SIZES, [4e10, 2e11])
    ),
}


def weaknesses(law, runs):
    return prepare(law, runs, Huber(1e-3), "log").weaknesses


@pytest.mark.parametrize("name", WEAK)
def test_a_weak_design_is_named(name):
    runs, words = WEAK[name]
    said = weaknesses(Chinchilla(), runs)
    assert len(said) == 1 and words in said[0] and "\n" not in said[0], said


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("law", [Chinchilla(), Kaplan(), Tied(), OfCompute()])
def test_a_sound_design_raises_no_doubt(name, law):
    assert weaknesses(law, SOUND[name]) == ()


@pytest.mark.parametrize("name", ["D = 20 N", "one budget", "one knob"])
@pytest.mark.parametrize("law", [Kaplan(), Tied(), Chinchilla(E=1.8)])
def test_every_law_with_a_term_of_each_input_is_meant(name, law):
    assert WEAK[name][1] in weaknesses(law, WEAK[name][0])[0]


def test_a_law_of_one_input_does_not_mind_the_line():
    runs = WEAK["D = 20 N"][0]
    for law in (PowerLaw(of="C"), PurePowerLaw(of="N"), OfCompute(), Chinchilla(B=0.0, beta=0.3)):
        assert weaknesses(law, runs) == ()


def test_a_run_without_weight_does_not_count():
    runs = SOUND["a ladder and one run off it"]
    weight = np.append(np.ones(12), [0.0, 0.0])
    assert "D/N is 20 in all 12 runs" in weaknesses(Chinchilla(), runs.replace(weight=weight))[0]


@needs_data
def test_no_public_table_is_doubted(monkeypatch):
    monkeypatch.setenv("JAXSCALE_DATA", str(data_folder()))
    seen = 0
    for name in jaxscale.datasets.names():
        runs = jaxscale.datasets.load(name)
        if len(set("NDC") & set(runs.columns)) >= 2:
            assert weaknesses(Chinchilla(), runs) == (), name
            seen += 1
    assert seen > 10


@pytest.mark.parametrize("repeated", [2, 10])
@pytest.mark.parametrize("settings", [3, 5])
def test_repeats_do_not_count_as_runs(settings, repeated):
    """n > P is no comfort where rows repeat one another, to the last digit."""
    some = RECTANGLE.select(np.isin(np.arange(16), [0, 5, 10, 15, 3][:settings]), "-")
    rows = np.tile(np.arange(settings), repeated)
    runs = Runs(N=some.columns["N"][rows], D=some.columns["D"][rows], loss=some.loss[rows])
    with pytest.raises(DataError, match=f"{settings} of them distinct for the 5 free parameters"):
        prepare(Chinchilla(), runs, Huber(1e-3), "log")


def test_seeds_of_four_settings_do_not_make_five_parameters():
    N, D = np.tile([1e8, 1e8, 1e9, 1e9], 5), np.tile([1e9, 1e10, 1e9, 1e10], 5)
    with pytest.raises(DataError, match="20 runs at 4 settings for the 5 free parameters"):
        prepare(Chinchilla(), design(N, D), Huber(1e-3), "log")


# --- what is not certified is not passed on -------------------------------------------------------


@pytest.fixture(scope="module")
def doubtful(fitted, tmp_path_factory):
    """A fit whose design is weak, as a file."""
    path = tmp_path_factory.mktemp("doubtful") / "fit.json"
    certificate = dataclasses.replace(fitted.certificate, weaknesses=("D/N is 20 everywhere.",))
    dataclasses.replace(fitted, certificate=certificate).save(path)
    return str(path)


def run(capsys, *arguments):
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


BUDGET, PLACE = ("--compute", "1e21"), ("--N", "1e9", "--D", "2e10")


@pytest.mark.parametrize(
    "command",
    [
        ("allocate", *BUDGET),
        ("allocate", "--target-loss", "2.5"),
        ("influence", *BUDGET),
        ("influence", "--target-loss", "2.5"),
    ],
    ids=" ".join,
)
def test_no_allocation_from_a_fit_that_is_not_certified(command, doubtful, capsys):
    code, out, err = run(capsys, command[0], doubtful, *command[1:])
    assert code == 1 and out == ""
    note, refusal = err.splitlines()
    assert note == "jaxscale: note: this fit is not certified: D/N is 20 everywhere."
    assert refusal.startswith("jaxscale: error: no allocation") and "--force" in refusal


@pytest.mark.parametrize(
    "command",
    [("allocate", *BUDGET), ("influence", *BUDGET), ("predict", *PLACE)],
    ids=" ".join,
)
def test_json_says_it_as_well(command, doubtful, capsys):
    code, out, _ = run(capsys, command[0], doubtful, *command[1:], "--json")
    document = json.loads(out)
    assert code == 1 and not document["trusted"]
    assert document["reasons"] == ["D/N is 20 everywhere."]
    assert not document.get("allocations")


def test_force_shows_what_it_would_be(doubtful, capsys):
    code, out, err = run(capsys, "allocate", doubtful, *BUDGET, "--force")
    assert code == 1 and "1e+21" in out and "not certified" in err and "no allocation" not in err


def test_a_prediction_says_it_first_and_exits_with_1(doubtful, capsys):
    code, out, err = run(capsys, "predict", doubtful, *PLACE)
    assert code == 1 and "1 B" in out and "not certified: D/N" in err


def test_intervals_come_without_the_budget(doubtful, capsys):
    arguments = ("--compute", "1e21", "--draws", "64", "--json", "--quiet")
    code, out, err = run(capsys, "bootstrap", doubtful, *arguments)
    document = json.loads(out)
    assert code == 1 and "no allocation" in err
    assert document["budgets"] == [] and document["intervals"] and not document["trusted"]


def test_a_figure_is_drawn_with_exit_code_1(doubtful, capsys, tmp_path):
    path = tmp_path / "fit.png"
    code, _, err = run(capsys, "plot", doubtful, "--kind", "law", "--figure", str(path))
    assert code == 1 and path.stat().st_size > 1000 and "not certified" in err


def test_a_certified_fit_and_a_preset_allocate(fitted, tmp_path, capsys):
    fitted.save(tmp_path / "fit.json")
    for source in (str(tmp_path / "fit.json"), "Chinchilla:hoffmann_2022"):
        code, out, _ = run(capsys, "allocate", source, *BUDGET)
        assert code == 0 and "1e+21" in out
