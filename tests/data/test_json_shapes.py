"""JSON in the shapes that people keep runs in: read, or refused by what it is."""

import json

import pytest

import jaxscale
from jaxscale.data.tables import read_table

SIZES = [(2e7, 1e9), (8e7, 4e9), (3e8, 2e10)]
RUNS = [
    {"N": n, "D": d, "loss": round(1.8 + 480 * n**-0.35 + 2100 * d**-0.37, 4)} for n, d in SIZES
]
LISTS = {name: [run[name] for run in RUNS] for name in RUNS[0]}
ROWS = [list(run.values()) for run in RUNS]
LOG = [{"step": 10, "loss": 9.0}, {"step": 20, "loss": 7.5}]
NAMED = {f"run{k}": run for k, run in enumerate(RUNS)}

READ = {
    "an array of objects": RUNS,
    "an object of lists": LISTS,
    "lists beside a constant": {"optimizer": "adam", **LISTS, "seed": 3},
    "one list each in an array": [LISTS],
    "columns by index, pandas' default": {
        name: {str(k): x for k, x in enumerate(column)} for name, column in LISTS.items()
    },
    "columns by the names of runs": {
        name: {f"r{k}": x for k, x in enumerate(column)} for name, column in LISTS.items()
    },
    "rows by index": {str(k): run for k, run in enumerate(RUNS)},
    "runs by name": NAMED,
    "runs by name that lack some keys": {
        **NAMED,
        "run1": {**RUNS[1], "lr": 1e-3, "config": {"layers": 6}},
    },
    "runs by name with their logs": {
        name: {**run, "logs": LOG} for name, run in NAMED.items()
    },
    "runs by name, within a field": {"results": {"all": NAMED}},
    "points": {"points": RUNS},
    "points beside other fields": {"title": "ladder", "best": 2, "points": RUNS, "axes": ["N"]},
    "pandas' split orient": {"columns": list(LISTS), "index": [0, 1, 2], "data": ROWS},
    "pandas' table orient": {"schema": {"fields": [], "pandas_version": "1"}, "data": RUNS},
    "rows below their names": [list(LISTS), *ROWS],
    "arrays of runs by name": {"small": RUNS[:1], "large": RUNS[1:]},
    "points of every size": [
        {"N": run["N"], "points": [{"D": run["D"], "loss": run["loss"]}]} for run in RUNS
    ],
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("shape", READ)
def test_a_shape_is_read_as_the_same_runs(shape, indent, tmp_path):
    path = tmp_path / "runs.json"
    path.write_text(json.dumps(READ[shape], indent=indent))
    runs = jaxscale.read_runs(path)
    assert runs.columns["N"].tolist() == LISTS["N"]
    assert runs.columns["D"].tolist() == LISTS["D"]
    assert runs.loss.tolist() == LISTS["loss"]
    assert runs.rows.tolist() == [1, 2, 3]


def test_the_names_of_runs_become_a_column(tmp_path):
    path = tmp_path / "runs.json"
    for shape in ("columns by the names of runs", "runs by name", "arrays of runs by name"):
        path.write_text(json.dumps(READ[shape]))
        assert len(read_table(path).columns["run"]) == 3
    assert read_table(path).columns["run"] == ["small", "large", "large"]


ONE_RUN = {
    "flat": (RUNS[0], "N"),
    "with lists": ({**RUNS[0], "betas": [0.9, 0.95], "milestones": [10, 20]}, "N"),
    "with its log": ({**RUNS[0], "log": LOG}, "N"),
    "in parts": ({"config": {"N": 1e8, "D": 2e9}, "summary": {"loss": 3}}, "config.N"),
    "in parts that are alike": (
        {"train": {"loss": 3, "ppl": 20}, "val": {"loss": 3.1, "ppl": 22}},
        "val.loss",
    ),
}


@pytest.mark.parametrize("name", ONE_RUN)
def test_one_run_is_not_taken_for_several(name, tmp_path):
    value, column = ONE_RUN[name]
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(value))
    table = read_table(path)
    assert table.lines == [1] and column in table.columns


LOGS = {
    "trainer state": {"global_step": 20, "best_metric": None, "log_history": LOG, "state": {}},
    "logs by run": {"a": LOG, "b": LOG},
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log_is_read_as_curves(name, tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps(LOGS[name]))
    from jaxscale.data.loss_curves import read_metrics

    for curve in read_metrics(path).values():
        assert curve.step.tolist() == [10, 20] and curve.loss.tolist() == [9.0, 7.5]


REFUSED = {
    "a text": ("ladder", "a JSON document of the text 'ladder'"),
    "a number": (3, "a JSON document of 3"),
    "null": (None, "a JSON document of null"),
    "rows without names": (ROWS, "a JSON array of arrays without names"),
    "rows of other lengths": ([["N", "loss"], [1, 2], [3]], "row 2: 1 cells for 2 columns"),
    "lists of other lengths": (
        {**LISTS, "loss": [3, 2]},
        "a JSON object of lists of unequal length ('N' 3, 'D' 3, 'loss' 2)",
    ),
    "arrays of parts": (
        {"train": RUNS, "val": RUNS},
        "a JSON object of several arrays of objects ('train', 'val')",
    ),
    "arrays of other things": (
        {"runs": RUNS, "machines": [{"gpu": 1, "name": "x"}]},
        "a JSON object of several arrays of objects ('runs', 'machines')",
    ),
    "logs without an end": (
        {name: {"N": run["N"], "D": run["D"], "logs": LOG} for name, run in NAMED.items()},
        "column 'logs' holds a list of objects in every row",
    ),
    "a fit": (
        {"schema_version": 1, "formula": "L", "certificate": {}, "params": {"E": 1}},
        "a fit that jaxscale wrote",
    ),
    "nothing": ({}, "no rows"),
    "nothing in lists": ({"N": [], "loss": []}, "no rows"),
    "something else among the runs": ([RUNS[0], 7], "row 2: expected an object"),
}


@pytest.mark.parametrize("shape", REFUSED)
def test_another_shape_is_refused_by_what_it_is(shape, tmp_path):
    value, said = REFUSED[shape]
    path = tmp_path / "runs.json"
    path.write_text(json.dumps(value))
    with pytest.raises(jaxscale.DataError) as error:
        jaxscale.read_runs(path)
    assert said in str(error.value) and "not JSON" not in str(error.value)


KEYS_TWICE = {
    "lines.jsonl": ('{"N": 1, "loss": 2}\n{"N": 1, "loss": 2, "loss": 3}\n', "row 2: key 'loss'"),
    "runs.json": ('{"a": {"N": 1, "loss": 2},\n"a": {"N": 2, "loss": 3}}', "key 'a'"),
    "lists.json": ('{"N": [1, 2], "loss": [3, 2], "N": [1, 3]}', "key 'N'"),
}


@pytest.mark.parametrize("name", KEYS_TWICE)
def test_a_key_that_stands_twice_is_said_in_every_shape(name, tmp_path):
    text, said = KEYS_TWICE[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(jaxscale.DataError, match=f"{said} stands twice"):
        jaxscale.read_runs(tmp_path / name)
