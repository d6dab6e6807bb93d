"""The command `compare` as a person and a script meet it."""

import json

import numpy as np
import pytest

from jaxscale.cli.parser import main

pytestmark = pytest.mark.slow

FAST = ["--starts", "32", "--draws", "0", "--folds", "4", "--deltas", "1e-3"]


def write(path, columns):
    rows = zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory, noisy):
    N, D = noisy.columns["N"], noisy.columns["D"]
    columns = {"params": N, "tokens": D, "loss": noisy.loss, "family": np.tile(["x", "y"], 30)}
    return write(tmp_path_factory.mktemp("compare") / "runs.csv", columns)


def run(capsys, *argv):
    code = main(["compare", *map(str, argv)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_person_reads_one_sentence_and_tables(capsys, table):
    code, out, err = run(capsys, table, *FAST, "--quiet")
    assert code == 0 and err == ""
    assert out.startswith("Chinchilla predicts the larger runs best, ")
    for word in ("Kaplan", "PowerLaw:C", "6 levels of C", "factor", "folds", "AICc", "weight"):
        assert word in out


def test_a_script_reads_one_json_object(capsys, table, tmp_path):
    saved = tmp_path / "comparison.json"
    laws = ["--law", "Kaplan, Chinchilla", "--by", "N", "--leave-out", "family", "-o", saved]
    code, out, err = run(capsys, table, *FAST, *laws, "--json")
    document = json.loads(out)
    whole = json.loads(saved.read_text())
    assert code == 0 and whole.keys() == document.keys() and whole["laws"] == document["laws"]
    assert {law["label"] for law in document["laws"]} == {"Kaplan", "Chinchilla"}
    assert document["best"] == document["laws"][0]["label"] == "Chinchilla"
    assert document["rollout"]["by"] == "N" and len(whole["folds"]["windows"]) == 4
    assert [w["label"] for w in whole["groups"]["windows"]] == ["x", "y"]
    assert document["laws"][0]["information"]["parameters"] == 6
    assert "note: " in err and "5 standard errors" in err


def test_options_reach_the_table_and_the_fit(capsys, table):
    code, out, _ = run(
        capsys, table, *FAST[:-2], "--drop-highest", "1", "--where", "loss < 100",
        "--law", "Chinchilla", "--loss", "square", "--levels", "3", "--json",
    )  # fmt: skip
    document = json.loads(out)
    assert code == 0 and document["data"]["n"] == 59 and document["data"]["dropped"] == 1
    assert document["objective"] == {"loss": "square", "delta": None, "residual": "log"}
    assert document["laws"][0]["sensitivity"] is None and document["settings"]["levels"] == 3


def test_laws_are_compared_with_own_parameters_of_families_too(capsys, table):
    laws = ["--law", "Chinchilla,PowerLaw:C", "--families", "family", "--own", "a,E"]
    code, out, _ = run(capsys, table, *FAST, *laws, "--quiet", "--json")
    labels = {law["label"]: law["free"] for law in json.loads(out)["laws"]}
    own = {"Chinchilla, own E", "PowerLaw:C, own a"}
    assert code == 0 and set(labels) == {"Chinchilla", "PowerLaw:C", *own}
    assert labels["PowerLaw:C, own a"] == ["a_x", "a_y", "b", "c"]


def test_a_law_that_is_not_certified_ends_with_1_and_its_reason(capsys, tmp_path):
    N = np.logspace(6, 10, 24)
    noise = np.random.default_rng(0).normal(size=24) * 0.01
    path = write(tmp_path / "pure.csv", {"N": N, "loss": 20 * N**-0.12 * np.exp(noise)})
    laws = "KaplanN,Henighan:N,Kaplan"
    code, out, _ = run(capsys, path, *FAST, "--law", laws, "--by", "N", "--quiet")
    assert code == 1 and "Kaplan (!)" in out and "failed" in out
    assert "no column 'D' of numbers" in out


@pytest.mark.parametrize(
    "columns, want",
    [
        (("N", "D"), ["Chinchilla", "Kaplan", "PowerLaw:C"]),
        (("C",), ["PowerLaw:C", "PowerLaw:C", "LogLaw:C"]),
        (("S",), ["PowerLaw:S", "PurePowerLaw:S", "LogLaw:S"]),
    ],
)
def test_default_laws_follow_the_columns(noisy, columns, want):
    import argparse

    from jaxscale.cli.compare import _laws

    runs = noisy.replace(C=noisy.column("C"), S=noisy.columns["N"])
    kept = {name: runs.columns[name] for name in columns}
    options = argparse.Namespace(law=[], fix=[])
    laws, _ = _laws(options, type(noisy)(loss=noisy.loss, **kept))
    assert list(laws)[::2] == want[::2]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--law", "Chinchila"], "did you mean Chinchilla?"),
        (["--law", "PowerLaw"], "say which column, e.g. PowerLaw:N (N, D)"),
        (["--law", "Kaplan,Kaplan"], "Kaplan is given twice"),
        (["--law", ","], "--law names no law"),
        (["--by", "width"], "no column 'width'"),
        (["--leave-out", "width"], "width"),
        (["--deltas", "1e-3,wide"], "'wide' is no number"),
        (["--deltas", "0"], "deltas must be positive"),
        (["--loss", "square", "--delta", "1"], "--delta goes with a loss that has a width"),
        (["--loss", "square", "--deltas", "1"], "--deltas goes with a loss that has a width"),
        (["--delta", "0"], "--delta must be positive"),
        (["--draws", "3"], "at least 19"),
        (["--column", "N"], "expected NAME=COLUMN"),
        (["--column", "group=params", "--leave-out", "family"], "differ"),
        (["--column", "group=params", "--families", "family", "--own", "E"], "differ"),
        (["--families", "family"], "--families COLUMN goes with --own NAMES"),
        (["--own", "E"], "--families COLUMN goes with --own NAMES"),
        (["--families", "family", "--own", ","], "--own names no parameter"),
        (["--families", "family", "--own", "Q"], "--own Q: no law that is compared has such"),
        (["--families", "family", "--own", "E", "--leave-out", "family"], "fits all of them"),
        (["--families", "width", "--own", "E"], "width"),
        (["-o", "/nowhere/x.json"], "there is no folder"),
    ],
)
def test_bad_options_are_one_sentence_and_exit_2(capsys, table, options, message):
    code, out, err = run(capsys, table, *FAST, "--quiet", *options)
    assert code == 2 and out == ""
    assert message in err and err.startswith("jaxscale: error: ") and err.count("\n") == 1
