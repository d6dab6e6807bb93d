"""`report` and `verify` at the shell: files, exit codes, what a file keeps of its table."""

import argparse
import dataclasses
import json
from pathlib import Path

import pytest

import jaxscale
from jaxscale.cli.further import further
from jaxscale.cli.parser import main
from jaxscale.cli.recorded import DEFAULTS, reading, recorded
from jaxscale.errors import DataError

REPORT = ["report", "fit.json", "-o", "report.html", "--draws", "64", "--quick", "--quiet"]


@pytest.fixture
def folder(tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    fitted.save("fit.json")
    doubted = dataclasses.replace(fitted.certificate, at_bound=("E",))
    dataclasses.replace(fitted, certificate=doubted).save("doubted.json")
    columns = (fitted.runs.columns["N"], fitted.runs.columns["D"], fitted.runs.loss)
    rows = [",".join(map(repr, row)) for row in zip(*(c.tolist() for c in columns), strict=True)]
    Path("runs.csv").write_text("\n".join(["N,D,loss", *rows]) + "\n")
    Path("fewer.csv").write_text("\n".join(["N,D,loss", *rows[:-1]]) + "\n")
    return tmp_path


def run(capsys, *argv):
    code = main(list(argv))
    out, err = capsys.readouterr()
    return code, out, err


def test_the_page_is_written_and_its_answer_printed(capsys, folder):
    Path("about.toml").write_text("authors = 'A. Person'\ntraining_data = 'web <b>'\n")
    code, out, err = run(capsys, *REPORT, "--title", "A <title>", "--about", "about.toml",
                         "--compute", "1e22", "1e23")  # fmt: skip
    lines = out.splitlines()
    assert code == 0 and len(lines) == 3 and lines[2] == "report.html"
    assert lines[0].startswith("A budget of 10²² FLOPs, ") and "10²³" in lines[1]
    text = Path("report.html").read_text()
    assert text.startswith("<!doctype html>") and "A &lt;title&gt;" in text
    assert "web &lt;b&gt;" in text and "A. Person" in text
    assert "is a factor 100 outside the range of the runs" in err


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda hidden, vocab, a, b: a * hidden**-b * vocab, ("hidden", "vocab")),
        (lambda experts, a, b: a * experts**-b, ("experts",)),
    ],
)
def test_without_a_size_the_laws_that_could_be_compared_are_said(capsys, fitted, function, names):
    law = jaxscale.law_of(function, inputs=names)
    columns = dict.fromkeys(names, fitted.runs.columns["N"])
    runs = jaxscale.Runs(**columns, loss=fitted.runs.loss)
    one = dataclasses.replace(fitted, law=law(a=1.0, b=0.5), runs=runs)
    assert further(argparse.Namespace(quick=False, quiet=True), one) == []
    err = capsys.readouterr().err
    assert "takes laws of N, D, C or S" in err and f"--law PowerLaw:{names[0]},FILE.py:LAW" in err


def test_best_sizes_that_the_runs_leave_open_end_with_exit_code_1(capsys, folder, monkeypatch):
    monkeypatch.setattr("jaxscale.uncertainty.allocations.best_size_within", lambda fit, C: 5.0)
    code, out, err = run(capsys, *REPORT, "--compute", "1e22")
    assert code == 1 and out.startswith("A budget of 10²² FLOPs")
    assert "best N for 1e+22 FLOPs: it may be off by a factor 5" in err


def test_a_fit_that_is_not_certified_has_a_page_and_exit_code_1(capsys, folder):
    code, out, _ = run(capsys, "report", "doubted.json", *REPORT[2:])
    assert code == 1 and out == "report.html\n"
    assert "answers nothing" in Path("report.html").read_text()


@pytest.mark.parametrize("more, said", [
    (["--draws", "1"], "--draws must be at least 2"),
    (["--compute", "-1"], "compute must be positive"),
    (["--about", "none.toml"], "none.toml"),
    (["--level", "2"], "level"),
    (["-o", "fit.json"], "would overwrite fit.json"),
    (["-o", "report.json"], "ends in .html"),
])  # fmt: skip
def test_what_a_report_cannot_do_is_a_sentence(capsys, folder, more, said):
    code, out, err = run(capsys, *REPORT, *more)
    assert code == 2 and not out and said in err and err.count("\n") == 1


def test_a_report_of_many_fits_asks_for_one(capsys, folder):
    one = json.loads(Path("fit.json").read_text())
    many = {"schema_version": 1, "names": ["a", "b"], "fits": {"a": one, "b": one}, "refused": {},
            "seconds": one["seconds"]}  # fmt: skip
    Path("many.json").write_text(json.dumps(many))
    code, out, err = run(capsys, "report", "many.json", *REPORT[2:])
    assert code == 2 and not out and "a report is of one fit" in err and "--table NAME" in err
    code, out, _ = run(capsys, "report", "many.json", *REPORT[2:], "--table", "b")
    assert code == 0 and Path("report.html").exists()


def test_verify_ends_with_0_where_the_file_holds_and_with_1_where_not(capsys, folder):
    code, out, _ = run(capsys, "verify", "fit.json", "runs.csv", "--quiet")
    assert code == 0 and out.startswith("fit.json holds: the same 60 runs")
    code, out, err = run(capsys, "verify", "fit.json", "fewer.csv", "--quiet", "--json")
    document = json.loads(out)
    assert code == 1 and not document["holds"]
    assert "the table gives 59 runs, the fit has 60; missing: row 60" in document["sentence"]


def options(**given):
    return argparse.Namespace(**{**DEFAULTS, **given})


@pytest.mark.parametrize("given", [
    {}, {"where": "loss < 3"}, {"column": ["N=params"], "bad": "drop", "drop_highest": 2},
    {"scale": [("N", 1e6)], "units": "auto", "error": "sem"}, {"by": "family"},
])  # fmt: skip
def test_what_is_kept_of_a_reading_is_read_again(given):
    kept = json.loads(json.dumps(reading(options(**given))))
    read, by = recorded(options(), kept)
    assert {name: getattr(read, name) for name in DEFAULTS} == {**DEFAULTS, **{
        k: v for k, v in given.items() if k != "by"}}  # fmt: skip
    assert by == given.get("by") and (kept == {}) == (given == {})
    now, _ = recorded(options(where="D > 1"), kept)
    assert now.where == "D > 1"


@pytest.mark.parametrize("kept", [
    3, {"eval": "x"}, {"where": 3}, {"column": "N=x"}, {"scale": [["N", "x"]]}, {"by": 3},
    {"column": [["N"]]}, {"drop_highest": True},
])  # fmt: skip
def test_a_reading_that_was_edited_is_refused(kept):
    with pytest.raises(DataError, match="settings.table"):
        recorded(options(), {"table": kept})


@pytest.mark.slow
def test_a_fit_of_a_selection_verifies_by_its_file_alone(capsys, folder):
    code, *_ = run(capsys, "fit", "runs.csv", "--where", "D > 3e9", "--out", "some.json",
                   "--starts", "64", "--quiet")  # fmt: skip
    assert code == 0
    assert json.loads(Path("some.json").read_text())["settings"]["table"] == {"where": "D > 3e9"}
    code, out, _ = run(capsys, "verify", "some.json", "runs.csv", "--quiet")
    assert code == 0 and "holds" in out
    code, out, _ = run(capsys, "verify", "some.json", "runs.csv", "--where", "D > 4e9", "--quiet")
    assert code == 1 and "missing: row" in out
