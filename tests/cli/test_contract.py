"""What holds of every command: JSON, exit codes, bad input, help, examples, files, vocabulary."""

import argparse
import dataclasses
import json
import math
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import jaxscale
from jaxscale.cli.commands import COMMANDS, command_named
from jaxscale.cli.parser import main, parser
from jaxscale.cli.renamed import RENAMED

slow = pytest.mark.slow
NAMES = list(COMMANDS)
EXAMPLES = [line for name in COMMANDS for line in command_named(name).EXAMPLES]
NO_SHTAB = pytest.mark.skipif(find_spec("shtab") is None, reason="shtab is not installed")
RUN = [pytest.param(x, marks=NO_SHTAB if " completion " in x else ()) for x in EXAMPLES]
SUBPARSERS = next(
    action.choices for action in parser()._actions if isinstance(action, argparse._SubParsersAction)
)
SPEC = "data.a.path = 'runs.csv'\nsweep = {laws = ['PurePowerLaw:C'], starts = 16}\n"
FEW = ["--starts", "32", "--draws", "0", "--folds", "4", "--deltas", "1e-3"]


@pytest.fixture(scope="module")
def of_shares():
    """A fit of a law of mixtures."""
    shares = np.random.default_rng(0).dirichlet([1.0, 1.0], 20)
    law = jaxscale.MixingLaw["web", "code"](c=1.2, b_web=1.9, b_code=2.8)
    loss = jaxscale.predict(law, web=shares[:, 0], code=shares[:, 1])
    runs = jaxscale.Runs(web=shares[:, 0], code=shares[:, 1], loss=loss)
    return jaxscale.fit(jaxscale.MixingLaw["web", "code"](c=1.2), runs, starts=16)


@pytest.fixture
def folder(request, tmp_path, monkeypatch, fitted):
    """A table, a fit, a fit that is not certified, a log, a sweep; `fit` takes the fit there is."""
    monkeypatch.chdir(tmp_path)
    runs = fitted.runs
    columns = (runs.columns["N"], runs.columns["D"], runs.loss)
    rows = [
        f"{n!r},{d!r},{6 * n * d!r},{y!r},{'xyz'[k % 3]}"
        for k, (n, d, y) in enumerate(zip(*(c.tolist() for c in columns), strict=True))
    ]
    Path("runs.csv").write_text("\n".join(["params,tokens,flops,loss,family", *rows]) + "\n")
    clean = zip(*(c.tolist() for c in columns[:2]), fitted.prediction.tolist(), strict=True)
    rows = [f"{n!r},{d!r},{y!r}" for n, d, y in clean]
    Path("isoflop.csv").write_text("\n".join(["params,tokens,loss", *rows]) + "\n")
    fitted.save("fit.json")
    doubted = dataclasses.replace(fitted.certificate, at_bound=("E",))
    dataclasses.replace(fitted, certificate=doubted).save("doubted.json")
    steps = range(100, 6000, 100)
    lines = [json.dumps({"step": s, "loss": 3 + 9 / s, "val_loss": 2 + 9 / s}) for s in steps]
    Path("metrics.jsonl").write_text("\n".join(lines) + "\n")
    Path("spec.toml").write_text(SPEC)
    if "mixture" in request.node.name:
        for name in ("fit.json", "web.json", "code.json"):
            request.getfixturevalue("of_shares").save(name)
    monkeypatch.setattr("jaxscale.cli.fit.fit", lambda law, runs, **options: fitted)
    return tmp_path


def run(capsys, argv):
    try:
        code = main(argv)
    except SystemExit as stop:  # of argparse
        code = stop.code
    out, err = capsys.readouterr()
    return code, out, err


GOOD = {
    "fit": ["fit", "runs.csv", "--quiet"],
    "bootstrap": [
        *("bootstrap", "fit.json", "--draws", "64", "--quiet", "--compute", "1e20"),
        *("--target-loss", "2.5", "--N", "1e9", "--D", "2e10"),
    ],
    "influence": ["influence", "fit.json", "--compute", "1e20"],
    "compare": ["compare", "runs.csv", "--quiet", *FEW, "--law", "Chinchilla,KaplanD"],
    "sweep": ["sweep", "spec.toml", "--folder", "out", "--quiet"],
    "warmup": ["warmup", "--n", "20", "--starts", "0", "--law", "KaplanD"],
    "predict": ["predict", "fit.json", "--N", "1e9", "7e10", "--D", "2e10"],
    "allocate": ["allocate", "fit.json", "--compute", "1e20", "1e24", "--draws", "64"],
    "plot": ["plot", "fit.json", "--figure", "fit.svg", "--kind", "starts"],
    "report": ["report", "fit.json", "-o", "report.html", "--draws", "64", "--quick", "--quiet"],
    "verify": ["verify", "fit.json", "runs.csv", "--quiet"],
    "forecast": ["forecast", "metrics.jsonl", "--final-step", "9000", "--below", "2.5"],
    "isoflop": [
        *("isoflop", "isoflop.csv", "--compute", "1e21", "1e22"),
        *("--quiet", "--starts", "32", "--draws", "64"),
    ],
    "laws": ["laws"],
    "datasets": ["datasets"],
    "demo": ["demo"],
}
"""A command line of each that is quick; of a command that is not here, its first example."""

for each in COMMANDS:
    GOOD.setdefault(each, shlex.split(command_named(each).EXAMPLES[0])[1:])
QUICK = ("fit", "predict", "allocate", "plot", "forecast", "laws", "datasets")
WITH_OUT = (
    *("fit", "bootstrap", "influence", "compare", "predict", "allocate", "forecast", "design"),
)


def options_of(name):
    """The options of a command that are not refused, by their names."""
    actions = SUBPARSERS[name]._actions
    return {
        option: action
        for action in actions
        if action.help != argparse.SUPPRESS
        for option in action.option_strings
    }


JSON_OUT = [name for name in NAMES if "--out" in options_of(name) and name != "report"]
"""That of `report` is the page."""


def of(names):
    """Commands as parameters; those that compile much come with the slow tests."""
    also = {"completion": [NO_SHTAB]}
    return [
        pytest.param(name, marks=also.get(name, []) + ([] if name in QUICK else [slow]))
        for name in names
    ]


def sizes(value):
    """The length of every list within a JSON value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [len(value)] if isinstance(value, list) else []
    return own + [n for each in inner for n in sizes(each)]


@pytest.mark.parametrize("name", of(NAMES))
def test_json_is_one_object_and_short(capsys, folder, name):
    code, out, err = run(capsys, [*GOOD[name], "--json"])
    assert code == 0 and out.count("\n") == 1
    document = json.loads(out)
    assert document["schema_version"] == 1 and document["versions"]["jaxscale"]
    said = [line for line in err.splitlines() if line.startswith("jaxscale: note: ")]
    assert said == [f"jaxscale: note: {note}" for note in document["notes"]]
    long = len(jaxscale.CATALOGUE) if name == "laws" else 0
    assert max(sizes(document)) < 60 + long  # runs; the starts are 1024


@pytest.mark.parametrize("option", ["--debug", "--json", "--starts=3"])
def test_an_option_before_the_command_is_a_sentence(capsys, folder, option):
    code, _, err = run(capsys, [option, "fit", "runs.csv"])
    assert code == 2 and err.startswith(
        f"jaxscale: error: jaxscale fit has no {option}; options go"
    )


@pytest.mark.parametrize("count", ["0", "-3", "1"])
def test_too_few_bootstrap_tables_are_refused_before_the_fit(capsys, folder, count):
    code, out, err = run(capsys, ["fit", "no-such-file.csv", "--bootstrap", count])
    assert code == 2 and not out and f"--bootstrap must be at least 2, got {count}" in err


NUMBER = re.compile(r"(?<![\w.])[+-]?(\d[\d,]*)(\.\d+)?(e[+-]?\d+)?( [KMBT]\b)?( %)?")
UNITS = {" K": 1e3, " M": 1e6, " B": 1e9, " T": 1e12}


def numbers_in(text):
    """Every number of a text, and half a unit of its last digit."""
    for whole, point, power, unit, percent in NUMBER.findall(text):
        size = UNITS.get(unit, 1.0) * (0.01 if percent else 1.0) * float(f"1{power}")
        digits = whole.replace(",", "")
        # Zeros at the end of a whole number may stand for digits that were rounded away.
        zeros = len(digits) - len(digits.rstrip("0"))
        last = 10.0 ** (zeros if not point else 1 - len(point))
        yield float(digits + point) * size, 0.5000001 * last * size


def numbers_of(value):
    """Every number of a JSON value, those within its texts too."""
    if isinstance(value, str):
        yield from (number for number, _ in numbers_in(value))
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from (*numbers_of(str(key)), *numbers_of(each))
    elif value is not None:
        yield abs(float(value))


NUMBERED = (
    *("fit", "bootstrap", "influence", "compare", "isoflop", "predict", "allocate", "forecast"),
    "design",
)


@pytest.mark.parametrize("name", of(NUMBERED))
def test_json_has_every_number_of_the_text(capsys, folder, name):
    _, text, _ = run(capsys, GOOD[name])
    _, out, _ = run(capsys, [*GOOD[name], "--json"])
    document = json.loads(out)
    known = [*numbers_of(document), len(document.get("runs", ()))]
    if name == "influence":  # changes of a logarithm are shown in per cent
        known += [abs(math.expm1(each["without"])) for each in document["runs"]]
    if name == "compare":  # errors in points of per cent, criteria as differences from the best
        known += [100 * x for x in known]
        for each in ("aicc", "bic"):
            values = [law["information"][each] for law in document["laws"]]
            known += [value - min(values) for value in values]
    known = np.array(known)
    found = list(numbers_in(text))
    assert len(found) > 5
    for number, half in found:
        assert (np.abs(known - number) <= half + 1e-12 * number).any(), f"{number} of\n{text}"


@pytest.mark.parametrize("name", of(name for name in JSON_OUT))
def test_out_writes_all_of_the_answer_and_prints_it(capsys, folder, name):
    code, out, _ = run(capsys, [*GOOD[name], "--out", "answer.json"])
    assert code == 0 and out and not out.startswith("{")
    _, short, _ = run(capsys, [*GOOD[name], "--json", "--out", "again.json"])
    for file in ("answer.json", "again.json"):
        whole = json.loads(Path(file).read_text())
        assert whole["schema_version"] == 1 and whole["versions"]["jaxscale"]
        assert whole["notes"] == json.loads(short)["notes"]
        assert whole.keys() >= json.loads(short).keys()


def test_every_command_with_a_computed_answer_has_out():
    assert all("--out" in options_of(name) for name in WITH_OUT)
    takes = {name for name in NAMES if "--folder" in options_of(name)}
    assert takes == {"sweep", "demo"}  # their answers are many files


@pytest.mark.parametrize(
    "name", of(["bootstrap", "influence", "predict", "allocate", "plot", "report"])
)
@pytest.mark.parametrize("how", [[], ["--json"]], ids=["text", "json"])
def test_an_answer_by_a_fit_that_is_not_certified_ends_with_1(capsys, folder, name, how):
    argv = ["doubted.json" if word == "fit.json" else word for word in GOOD[name]]
    code, out, err = run(capsys, [*argv, *how])
    reason = "this fit is not certified: E ended at a bound"
    assert code == 1 and err.count(reason) == 1
    if how:
        document = json.loads(out)
        assert not document["trusted"] and "E ended at a bound" in document["reasons"][0]
        assert [note for note in document["notes"] if reason in note]


BAD = {
    "fit": [["fit", "none.csv"], ["fit", "runs.csv", "--fix", "Z=1"]],
    "bootstrap": [["bootstrap", "none.json"], ["bootstrap", "runs.csv"]],
    "influence": [["influence", "none.json", "--param", "E"], ["influence", "fit.json"]],
    "compare": [["compare", "none.csv"], ["compare", "runs.csv", "--fix", "Z=1"]],
    "sweep": [["sweep", "none.toml", "--folder", "x"], ["sweep", "runs.csv", "--folder", "x"]],
    "warmup": [["warmup", "--n", "0"], ["warmup", "--n", "9", "--loss", "square", "--delta", "1"]],
    "predict": [["predict", "none.json", "--N", "1"], ["predict", "fit.json", "--N", "-1"]],
    "allocate": [["allocate", "none.json", "--compute", "1"], ["allocate", "fit.json"]],
    "design": [["design", "none.json", "--budget", "1"], ["design", "fit.json", "--budget", "9"]],
    "plot": [["plot", "none.json", "--figure", "x.png"], ["plot", "fit.json", "--figure", "x.y"]],
    "report": [["report", "none.json", "-o", "x.html"], ["report", "fit.json", "-o", "x.pdf"]],
    "verify": [["verify", "none.json", "runs.csv"], ["verify", "fit.json", "none.csv"]],
    "forecast": [["forecast", "none.csv", "--final-step", "9"], ["forecast", "metrics.jsonl"]],
    "laws": [["laws", "None"], ["laws", "none.py:None"]],
    "datasets": [["datasets", "none"], ["datasets", ""]],
    "isoflop": [["isoflop", "none.csv"], ["isoflop", "isoflop.csv", "--compute", "-1", "--quiet"]],
    "demo": [["demo", "--folder", "runs.csv"], ["demo", "--folder", ""]],
    "completion": [["completion", "csh"], ["completion"]],
    "man": [["man", "fits"], ["man", "fit", "allocate"]],
    "doctor": [["doctor", "now"], ["doctor", "--quick"]],
}
USAGE = [
    ["none"],
    ["allocat", "fit.json"],
    *([name, "--none"] for name in NAMES),
    ["fit", "runs.csv", "--loss", "x"],
]


@pytest.mark.parametrize("how", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("argv", [*(argv for name in BAD for argv in BAD[name]), *USAGE], ids=str)
def test_bad_input_is_one_sentence_and_exit_code_2(capsys, folder, argv, how):
    code, out, err = run(capsys, [*argv, *how])
    assert code == 2 and err.startswith("jaxscale: error: ") and err.count("\n") == 1
    if not how:
        assert out == ""
        return
    document = json.loads(out)
    said = document.pop("error")
    assert document == {"schema_version": 1} and said.keys() == {"message", "kind", "exit_code"}
    assert err == f"jaxscale: error: {said['message']}\n" and said["exit_code"] == 2
    assert said["kind"] == "usage" or argv not in USAGE


@pytest.mark.parametrize("name", NAMES)
def test_help_has_defaults_and_two_examples(capsys, name):
    code, out, err = run(capsys, [name, "--help"])
    assert (code, err) == (0, "")
    examples = command_named(name).EXAMPLES
    assert len(examples) == 2 and f"examples:\n  {examples[0]}\n  {examples[1]}\n" in out
    words = " ".join(out.split())
    for option, action in options_of(name).items():
        assert action.help, option
        if isinstance(action.default, str | int | float) and action.nargs != 0:
            assert f"default {action.default}" in words, option


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_are_understood(line):
    program, name, *words = shlex.split(line)
    options = parser().parse_args([name, *words])
    assert program == "jaxscale" and options.command == name


@slow
@pytest.mark.parametrize("line", RUN)
def test_examples_run(capsys, folder, monkeypatch, line):
    monkeypatch.setattr("jaxscale.cli.fit.fit", jaxscale.fit)
    code, out, _ = run(capsys, shlex.split(line)[1:])
    assert code == 0 and out
    words = shlex.split(line)
    for option in {"--out", "--figure", "--folder", "--plan"} & set(words):
        if "--dry-run" not in words:
            assert Path(words[words.index(option) + 1]).exists()


OLD = [(name, old, new) for name, names in RENAMED.items() for old, new in names.items()]


@pytest.mark.parametrize("name, old, new", OLD)
def test_an_option_of_old_is_refused_with_its_new_name(capsys, folder, name, old, new):
    required = GOOD[name][:3] if name == "warmup" else GOOD[name][:2]
    code, out, err = run(capsys, [*required, old, "x"])
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert f"jaxscale {name} has no {old}: give {new} in its place" in err
    assert new.split()[0] in options_of(name)


def test_an_option_has_one_meaning():
    """Options of one name take one kind of value; only these say more about it."""
    told = {
        # a kind of figure, a kind of interval
        "--kind": {"plot", "bootstrap", "allocate", "isoflop"},
        "--law": {"compare", "rank"},  # several laws
    }
    seen = {}
    for name in NAMES:
        for option, action in options_of(name).items():
            if name not in told.get(option, ()):
                meaning = (action.metavar, list(action.choices or ()), action.type)
                assert seen.setdefault(option, meaning) == meaning, (name, option)
    for option, metavar in (("--figure", "FILE"), ("--out", "FILE"), ("--folder", "DIR")):
        assert seen[option][0] == metavar
