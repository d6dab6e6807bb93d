"""`jaxscale fit --by COLUMN`, and commands on the file that it writes."""

import json

import numpy as np
import pytest

from jaxscale.cli.parser import main

FIT = ("fit", "runs.csv", "--law", "PowerLaw:C", "--starts", "16", "--quiet")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three metrics in one table, rows mixed; one of them has too few rows."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    rows = []
    for metric, floor, n in (("c4", 1.7, 20), ("wiki", 2.1, 26), ("tiny", 1.0, 2)):
        C = 10 ** rng.uniform(18, 22, n)
        loss = (floor + 9e3 / C**0.19) * np.exp(rng.normal(0, 0.005, n))
        rows += [f"{metric},{c!r},{y!r}" for c, y in zip(C.tolist(), loss.tolist(), strict=True)]
    text = "\n".join(["metric,flops,loss", *(rows[k] for k in rng.permutation(len(rows)))])
    (tmp_path / "runs.csv").write_text(text + "\n")
    return tmp_path


def run(capsys, *argv):
    code = main([str(each) for each in argv])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_table_per_label_is_fitted_and_its_file_answers_for_all_or_for_one(capsys, folder):
    code, out, err = run(capsys, *FIT, "--by", "metric", "--out", "many.json")
    assert code == 1 and "2 of 3 tables fitted" in out and "tiny was refused: " in out
    code, out, err = run(capsys, *FIT, "--by", "metric", "--json")
    document = json.loads(out)
    assert code == 1 and set(document["fits"]) == {"c4", "wiki"} and "tiny" in document["refused"]
    run(capsys, *FIT, "--where", "metric == 'wiki'", "--out", "wiki.json")
    own = json.loads((folder / "wiki.json").read_text())
    for name, value in own["params"].items():
        assert document["fits"]["wiki"]["params"][name] == pytest.approx(value, rel=1e-9)

    code, out, err = run(capsys, "predict", "many.json", "--C", "1e23")
    assert code == 1 and out.count("c4 ") == out.count("wiki ") == 1 and "tiny was refused" in err
    code, both, err = run(capsys, "predict", "many.json", "--C", "1e23", "--json")
    code, out, err = run(capsys, "predict", "many.json", "--C", "1e23", "--json", "--table", "wiki")
    one = json.loads(out)["predictions"]
    assert code == 0 and json.loads(both)["tables"]["wiki"]["predictions"] == one
    code, out, err = run(capsys, "predict", "many.json", "--C", "1e23", "--table", "tiny")
    assert code == 2 and "was refused" in err
    code, out, err = run(capsys, "predict", "many.json", "--C", "1e23", "1e24")
    lines = out.splitlines()
    assert lines[0].split()[:2] == ["table", "C"] and len(lines) == 5
    code, out, err = run(capsys, "allocate", "many.json", "--target-loss", 2.4, 2.5, "--draws", 0)
    lines = out.splitlines()  # the same for allocations
    assert lines[0].split() == ["table", "compute", "loss"] and len(lines) == 5
    code, out, err = run(capsys, "plot", "many.json", "--figure", "fit.svg", "--kind", "starts")
    assert code == 2 and "--table NAME" in err and not (folder / "fit.svg").exists()


def test_sound_tables_exit_with_0_and_none_with_2(capsys, folder):
    assert run(capsys, *FIT, "--by", "metric", "--where", "metric != 'tiny'")[0] == 0
    code, out, err = run(capsys, *FIT, "--by", "metric", "--where", "metric == 'tiny'")
    assert code == 2 and out == "" and "none of 1 tables could be fitted; tiny: " in err


def test_the_lowest_losses_are_those_of_each_table(capsys, folder):
    rows = ["12,1e7,1e9,3.1", "12,1e7,1e9,3.0", "24,1e7,1e9,2.8", "24,2e7,1e9,2.7"]
    (folder / "runs.csv").write_text("\n".join(["layers,N,D,loss", *rows]) + "\n")
    argv = ("fit", "runs.csv", "--by", "layers", "--best-of", "N,D")
    code, out, err = run(capsys, *argv)
    assert code == 2 and "; 12: runs.csv, row 3, " in err and "1 run for the 5 free" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--by", "family"], "family"),
        (["--by", "metric", "--column", "group=flops"], "differ"),
        (["--by", "metric", "--drop-highest", "2"], "over all tables"),
        (["--by", ""], "--by is empty"),
    ],
)
def test_a_column_that_does_not_tell_tables_apart_is_refused(capsys, folder, options, said):
    code, out, err = run(capsys, *FIT, *options)
    assert code == 2 and said in err and out == ""
