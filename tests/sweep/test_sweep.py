"""Sweeps: whatever stops one, it ends with the same bytes; and programs compiled ahead of time."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import jaxscale
from jaxscale._numerics import programs
from jaxscale.cli.parser import main
from jaxscale.files import durable
from jaxscale.objective.losses import loss_named
from jaxscale.sweep import cells, work
from jaxscale.sweep.run import plan_sweep, run_sweep
from jaxscale.sweep.spec import read_spec
from jaxscale.sweep.summary import summary_row
from jaxscale.uncertainty.bootstrap import case_draws
from jaxscale.uncertainty.resampling import case_weights

SPEC = """
[data.a]
path = "runs.csv"
[data.b]
path = "other.csv"
where = "C < 5e20"
[sweep]
laws = ["PurePowerLaw:C"]
losses = ["huber", "square"]
deltas = [0.001, 0.01]
seeds = [0, 1]
starts = 16
bootstrap = 20
chunk = 8
"""


def table(scale=1.0, n=24):
    C = np.logspace(18, 21, n)
    loss = scale * (60 * C**-0.07) * np.exp(0.01 * np.sin(7.0 * np.arange(n)))
    rows = [f"{c!r},{y!r}" for c, y in zip(C.tolist(), loss.tolist(), strict=True)]
    return "\n".join(["C,loss", *rows]) + "\n"


def refit(result, *, weights, guards):
    """Stand in for the batched solver: a value per row that depends on all of its weights."""
    total = weights @ result.runs.loss
    values = {name: total * (k + 1) for k, name in enumerate(result.law.parameters)}
    return SimpleNamespace(
        law=result.law.replace(**values), value=total, status=np.zeros(len(total), int)
    )


def write(folder, text=SPEC):
    folder.mkdir(exist_ok=True)
    (folder / "runs.csv").write_text(table())
    (folder / "other.csv").write_text(table(1.1))
    (folder / "spec.toml").write_text(text)
    return read_spec(folder / "spec.toml")


def results(directory):
    """The bytes of every result file; nothing else may be there but the log and the lock."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in ("lock", "log.jsonl")
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sweep that nothing stopped: (specification, directory)."""
    folder = tmp_path_factory.mktemp("sweep")
    spec = write(folder)
    result = run_sweep(spec, folder / "out", refit=refit)
    assert (result.reused, result.computed, result.failures) == (0, 12 * 4, {})
    return spec, folder / "out"


@pytest.fixture
def quick(whole, monkeypatch):
    """Replace the solver by a memory of what it found: its cells are told apart by their key."""
    spec, directory = whole
    jobs = cells.make_jobs(spec, directory)
    known = {}
    for job in jobs:
        loss = loss_named(job.cell.loss, job.cell.delta)
        known[job.runs.digest(), repr(loss), job.cell.seed] = job.load_fit()

    def remembered(law, runs, *, loss, seed, **options):
        return known[runs.digest(), repr(loss), seed]

    monkeypatch.setattr(work, "fit", remembered)
    return spec


def test_a_finished_sweep_is_reused_whole(whole):
    spec, directory = whole
    before, told = results(directory), []
    result = run_sweep(spec, directory, refit=refit, progress=lambda *facts: told.append(facts))
    assert (result.reused, result.computed) == (48, 0) and told == [(48, 48, 48, 0.0)]
    assert results(directory) == before
    assert {Path(name).name for name in before} == {
        "fit.json",
        "boot-00000.npz",
        "boot-00001.npz",
        "boot-00002.npz",
        "summary.csv",
        "summary.json",
    }
    log = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    assert sum(entry["event"] in ("fit", "chunk") for entry in log) == 48


def test_the_files_are_what_they_say(whole):
    spec, directory = whole
    cell = directory / "cells" / "a-PurePowerLaw.C-huber0.01-log-seed1"
    fit = jaxscale.load(cell / "fit.json")
    direct = jaxscale.fit(
        jaxscale.PurePowerLaw(of="C"),
        jaxscale.read_runs(spec.path.parent / "runs.csv"),
        loss=jaxscale.Huber(0.01),
        starts=16,
        seed=1,
    )
    assert (
        fit.law.values == direct.law.values
        and fit.value == direct.value
        and fit.runs.source == "runs.csv"
    )
    assert set(fit.seconds.values()) == {0.0} and "s (" in str(fit)
    chunks = [np.load(cell / f"boot-{k:05d}.npz") for k in range(3)]
    assert [len(chunk["value"]) for chunk in chunks] == [8, 8, 4]
    draws = np.concatenate([chunk["param_b"] for chunk in chunks])
    np.testing.assert_array_equal(draws, 2 * (case_weights(fit.runs, 1, 0, 20) @ fit.runs.loss))
    rows = {
        row["cell"]: row for row in json.loads((directory / "summary.json").read_text())["cells"]
    }
    row = rows[cell.name]
    assert row["standard_error"]["b"] == np.std(draws, ddof=1)
    assert row["params"]["b"] == direct.law.b and row["trusted"] is True and row["replicates"] == 20
    text = (directory / "summary.csv").read_text().splitlines()
    assert len(text) == 13 and text[0].endswith(
        "param_a,param_b,se_a,se_b,low_a,low_b,high_a,high_b"
    )


@pytest.mark.parametrize(
    "name", [f"{data}-PurePowerLaw.C-{loss}-log-seed{seed}" for data, loss, seed in (
        ("a", "huber0.001", 0), ("a", "huber0.01", 1), ("b", "square", 0), ("b", "huber0.01", 0)
    )]
)  # fmt: skip
def test_the_summary_has_the_intervals_of_the_bootstrap(whole, monkeypatch, name):
    """The same draws, one 90 %: few runs widen it, Student's t does, and so do few draws."""
    directory = whole[1]
    fit = jaxscale.load(directory / "cells" / name / "fit.json")
    rows = json.loads((directory / "summary.json").read_text())["cells"]
    row = next(row for row in rows if row["cell"] == name)

    def solved(result, *, weights, guards, **options):
        found = refit(result, weights=weights, guards=guards)
        return SimpleNamespace(**vars(found), guarded=np.zeros(len(weights)), seconds={})

    monkeypatch.setattr("jaxscale.uncertainty.bootstrap.refit", solved)
    draws = jaxscale.bootstrap(fit, method="case", draws=20, seed=row["seed"])
    want = {each.name: each for each in draws.intervals(fit.free, level=0.9)}
    assert row["interval"] == {name: [each.low, each.high] for name, each in want.items()}
    assert row["standard_error"] == {name: each.error for name, each in want.items()}
    assert draws.freedom == len(fit.runs) - 2 and draws.widening > 1
    line = next(
        line
        for line in csv.DictReader(io.StringIO((directory / "summary.csv").read_text()))
        if line["cell"] == name
    )
    assert [float(line[f"{end}_b"]) for end in ("low", "high")] == row["interval"]["b"]


@pytest.mark.parametrize(
    "value, b, used, known",
    [
        ([1.0, np.nan, 1.0, 1.0], [1.0, 9.0, 2.0, 3.0], 3, True),
        ([1.0, np.inf, np.nan, 1.0], [1.0, 9.0, 9.0, 3.0], 2, True),
        ([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, np.inf], 4, False),
        ([1.0, np.nan, np.nan, np.nan], [1.0, 2.0, 3.0, 4.0], 1, None),
    ],
)
def test_replicates_without_an_optimum_are_counted_and_left_out(whole, value, b, used, known):
    spec, directory = whole
    job = cells.make_jobs(spec, directory)[0]
    chunk = {"value": np.array(value), "param_a": np.arange(1.0, 5.0), "param_b": np.array(b)}
    given = {"replicates": [chunk], "error": ""}
    row = summary_row(job.cell, 24, job.read_fit(), job.load_fit(), **given)
    assert (row["replicates"], row["replicates_used"]) == (4, used)
    json.dumps(row, allow_nan=False)
    if known is None:
        assert row["interval"] == row["standard_error"] == {}
        return
    kept = np.isfinite(value)
    law = job.load_fit().law.replace(a=chunk["param_a"][kept], b=chunk["param_b"][kept])
    want = case_draws(job.load_fit(), law).interval("b")
    assert row["interval"]["b"] == [want.low, want.high if known else None]
    assert (row["standard_error"]["b"] == want.error) if known else True


@pytest.mark.parametrize(
    "name, content",
    [
        ("summary.csv", "run,loss\n1,2.0\n"),
        ("summary.json", '{"mine": 1}\n'),
        ("lock", "[[package]]\n"),
        ("log.jsonl", '{"step": 1}\n'),
    ],
)
def test_a_sweep_overwrites_no_file_that_is_not_its_own(whole, tmp_path, capsys, name, content):
    (tmp_path / name).write_text(content)
    spec = write(tmp_path / "s")
    assert main(["sweep", str(spec.path), "--folder", str(tmp_path), "--quiet"]) == 2
    err = capsys.readouterr().err
    assert f"{name} is not a sweep's; give the sweep a folder of its own" in err
    assert (tmp_path / name).read_text() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "s"])


@pytest.mark.parametrize("name", ["summary.csv", "summary.json", "log.jsonl", "lock"])
@pytest.mark.parametrize("what", ["spec", "table", "law"])
def test_a_sweep_overwrites_nothing_that_it_reads(tmp_path, capsys, what, name):
    written = tmp_path / "out" / name
    written.parent.mkdir()
    source = {"spec": tmp_path / "s.toml", "table": tmp_path / "r.csv", "law": tmp_path / "l.py"}
    source["table"].write_text(table())
    source["law"].write_text("from jaxscale.laws import PurePowerLaw as Mine\n")
    law = f"{source['law']}:Mine:C"
    source["spec"].write_text(f"data.a.path = 'r.csv'\nsweep = {{laws = ['{law}']}}\n")
    os.link(source[what], written)
    before = written.read_bytes()
    assert main(["sweep", str(source["spec"]), "--folder", str(tmp_path / "out"), "--quiet"]) == 2
    assert written.read_bytes() == before and len(list(written.parent.iterdir())) == 1
    assert capsys.readouterr().err.startswith("jaxscale: error: ")


@pytest.mark.parametrize("join", [os.link, os.symlink])
def test_a_sweep_does_not_overwrite_an_earlier_summary_that_it_reads(tmp_path, capsys, join):
    rows = "".join(f"x,y,z,{10.0**k},{3 - 0.1 * k}\n" for k in range(8))
    earlier = tmp_path / "earlier.csv"
    earlier.write_text("cell,data,law,C,loss\n" + rows)
    (tmp_path / "out").mkdir()
    join(earlier, tmp_path / "out" / "summary.csv")
    text = "data.a.path = 'earlier.csv'\nsweep = {laws = ['PurePowerLaw:C']}\n"
    (tmp_path / "s.toml").write_text(text)
    assert (
        main(["sweep", str(tmp_path / "s.toml"), "--folder", str(tmp_path / "out"), "--quiet"]) == 2
    )
    assert f"the sweep would overwrite {earlier}, which it reads" in capsys.readouterr().err
    assert earlier.read_text() == "cell,data,law,C,loss\n" + rows


def test_only_temporary_files_of_the_library_are_removed(whole, quick, tmp_path):
    mine = [tmp_path / "out" / name for name in (".notes.tmp", ".a.1.tmp", "b.1.2.tmp")]
    killed = tmp_path / "out" / "cells" / ".fit.json.123.456.tmp"
    killed.parent.mkdir(parents=True)
    for path in (*mine, killed):
        path.write_text("mine")
    run_sweep(quick, tmp_path / "out", refit=refit)
    assert all(path.read_text() == "mine" for path in mine) and not killed.exists()


def test_draws_do_not_depend_on_the_chunks(noisy):
    weighted = jaxscale.Runs(**noisy.columns, loss=noisy.loss, weight=np.linspace(0.5, 2, 60))
    at_once = case_weights(weighted, 5, 0, 10)
    parts = [case_weights(weighted, 5, first, 2) for first in range(0, 10, 2)]
    np.testing.assert_array_equal(at_once, np.concatenate(parts))
    assert ((at_once / weighted.weight).sum(axis=1) == pytest.approx(60)) and (at_once != 0).any()


class Killed(BaseException):
    """Like a kill: nothing in the library catches it."""


@pytest.mark.parametrize("moment", ["before", "after", "torn"])
def test_death_at_any_write_leaves_a_directory_that_goes_on(whole, quick, tmp_path, moment):
    """Die at every k-th step to the disk in turn, always in the same directory."""
    real = {"fsync": os.fsync, "replace": os.replace}
    left = 0

    def step(name, *args):
        nonlocal left
        left -= 1
        if left == 0 and moment == "before":
            raise Killed
        if left == 0 and moment == "torn" and name == "fsync":
            os.truncate(args[0], 10) if not os.path.isdir(f"/proc/self/fd/{args[0]}") else None
            raise Killed
        real[name](*args)
        if left == 0:
            raise Killed

    deaths = 0
    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.setattr(durable.os, name, lambda *args, name=name: step(name, *args))
        for k in range(1, 400):
            left = 1 + k % 7
            try:
                run_sweep(quick, tmp_path / "out", refit=refit)
                break
            except Killed:
                deaths += 1
    assert deaths > 20 and results(tmp_path / "out") == results(whole[1])


CHILD = """
import sys, time
sys.path.insert(0, sys.argv[1])
import test_sweep
from jaxscale.sweep.run import run_sweep
from jaxscale.sweep.spec import read_spec

def slow(result, **options):
    time.sleep(0.02)
    return test_sweep.refit(result, **options)

result = run_sweep(read_spec(sys.argv[2]), sys.argv[3], refit=slow)
print(result.reused, result.computed)
"""


@pytest.mark.slow
@pytest.mark.parametrize("deaths", [2, pytest.param(6, marks=pytest.mark.nightly)])
def test_kill_9_at_random_moments(deaths, whole, tmp_path):
    spec, directory = whole
    environment = dict(
        os.environ,
        JAX_COMPILATION_CACHE_DIR=str(tmp_path / "cache"),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
    )
    out = tmp_path / "out"
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(spec.path), str(out)]
    rng = random.Random(0)
    for _ in range(deaths):
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        count = len(list(out.rglob("boot-*")))
        end = time.monotonic() + 60
        while len(list(out.rglob("boot-*"))) == count and child.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 0.08))
        assert child.poll() is None, "ended before it could be killed"
        child.send_signal(signal.SIGKILL)
        child.communicate()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    reused, computed = map(int, done.stdout.split())
    assert reused >= deaths and reused + computed == 48
    assert results(out) == results(directory)


@pytest.mark.parametrize("name", ["fit.json", "boot-00000.npz", "boot-00002.npz"])
@pytest.mark.parametrize(
    "harm",
    {
        "empty": lambda raw: b"",
        "half": lambda raw: raw[: len(raw) // 2],
        "short": lambda raw: raw[:-1],
        "longer": lambda raw: raw + b" ",
        "flipped": lambda raw: raw[:200] + bytes([raw[200] ^ 1]) + raw[201:],
        "seal": lambda raw: raw[:-10] + bytes([raw[-10] ^ 1]) + raw[-9:],
        "zeros": lambda raw: bytes(len(raw)),
        "text": lambda raw: b"\xff{not json",
    }.items(),
    ids=lambda harm: harm[0],
)
def test_damage_is_found_and_computed_anew(whole, quick, harm, name):
    directory = whole[1]
    before = results(directory)
    path = directory / "cells" / "b-PurePowerLaw.C-square-log-seed0" / name
    path.write_bytes(harm[1](path.read_bytes()))
    planned = {cell.cell: cell for cell in plan_sweep(quick, directory)}[path.parent.name]
    assert planned.fit == (name != "fit.json") and planned.reused == (2 if planned.fit else 0)
    result = run_sweep(quick, directory, refit=refit)
    assert (result.reused, result.computed) == (47, 1) and results(directory) == before


@pytest.mark.parametrize(
    "change, computed",
    [
        (lambda text: text.replace("seeds = [0, 1]", "seeds = [1, 2]"), 6 * 4),
        (lambda text: text.replace("bootstrap = 20", "bootstrap = 24"), 12),
        (lambda text: text.replace("bootstrap = 20", "bootstrap = 16"), 0),
        (lambda text: text.replace("chunk = 8", "chunk = 10"), 12 * 2),
        (lambda text: text.replace("[data.b]", "[data.B]"), 6 * 4),
        (lambda text: text.replace("starts = 16", "starts = 17"), 48),
        (lambda text: text.replace("[data.b]", "[data.b]\nbad = 'drop'"), 0),
        (lambda text: text + "[fix.PurePowerLaw]\nb = -0.07\n", 48),
        (lambda text: text.replace('"square"]', '"square", "absolute"]'), 4 * 4),
        (lambda text: text.replace("C < 5e20", "C < 4e20"), 6 * 4),
    ],
)
def test_a_changed_specification_computes_what_it_concerns(whole, tmp_path, change, computed):
    spec = write(tmp_path / "new", change(SPEC))
    planned = plan_sweep(spec, whole[1])
    assert sum(1 + cell.chunks - cell.fit - cell.reused for cell in planned) == computed


def test_changed_data_compute_the_cells_concerned(whole, tmp_path):
    spec = write(tmp_path / "new")
    (tmp_path / "new" / "other.csv").write_text(table(1.2))
    planned = plan_sweep(spec, whole[1])
    assert {cell.cell[0] for cell in planned if not cell.fit} == {"b"}
    assert all(cell.reused == 3 for cell in planned if cell.fit)


def test_one_process_at_a_time(whole, quick):
    directory = whole[1]
    with durable.locked(directory / "lock"):
        with pytest.raises(jaxscale.JaxscaleError, match=f"is in use by process {os.getpid()} on"):
            run_sweep(quick, directory, refit=refit)
    assert run_sweep(quick, directory, refit=refit).computed == 0


def test_a_failing_cell_is_recorded_and_tried_again(tmp_path, capsys):
    text = """
    data.a.path = "runs.csv"
    sweep = {laws = ["KaplanD", "PurePowerLaw:C"], starts = 16}
    """
    spec = write(tmp_path / "s", text)
    command = ["sweep", str(spec.path), "--folder", str(tmp_path / "out"), "--quiet", "--json"]
    for computed in (1, 0):
        assert main(command) == 1
        out, err = capsys.readouterr()
        document = json.loads(out)
        assert (document["failed"], document["computed"]) == (1, computed)
        assert (
            "failed: a-KaplanD-huber0.001-log-seed0: runs.csv, rows 2 to 25: no column 'D'" in err
        )
        assert "tried again" in err
    failed, good = json.loads((tmp_path / "out" / "summary.json").read_text())["cells"]
    assert failed["error"] and failed["value"] is None and not good["error"] and good["trusted"]


def test_the_command(whole, tmp_path, capsys):
    text = SPEC.replace("bootstrap = 20\n", "")
    spec = write(tmp_path / "s", text)
    command = ["sweep", str(spec.path), "--folder", str(whole[1])]
    assert main([*command, "--dry-run"]) == 0
    out, _ = capsys.readouterr()
    assert "b-PurePowerLaw.C-square-log-seed1 reused" in " ".join(out.split())
    assert "12 cells; fits: 12 would be reused, 0 computed" in out
    before = results(whole[1])
    try:
        assert main(command) == 0
    finally:  # the summary of this sweep has no bootstrap
        (whole[1] / "summary.csv").write_bytes(before["summary.csv"])
        (whole[1] / "summary.json").write_bytes(before["summary.json"])
    out, err = capsys.readouterr()
    assert "12 fitted, 0 failed, 0 not certified" in out and "12 reused, 0 computed" in out
    assert "huber 0.01" in out and "12 of 12 fits and chunks are there already" in err
    assert main([*command[:3], str(spec.path)]) == 2
    assert "is a file; a sweep writes into a directory" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(tmp_path):
    spec = write(tmp_path, SPEC.replace("bootstrap = 20", "bootstrap = 0").replace("1]", "1, 2]"))
    command = [
        sys.executable,
        "-m",
        "jaxscale",
        "sweep",
        str(spec.path),
        "--folder",
        str(tmp_path / "o"),
    ]
    environment = dict(os.environ, JAXSCALE_CACHE="off")
    child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not list((tmp_path / "o").rglob("fit.json")) and time.monotonic() < end:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130 and "Traceback" not in err
    assert f"Go on with: jaxscale sweep {spec.path} --folder {tmp_path / 'o'}" in err
    assert any(cell.fit for cell in plan_sweep(spec, tmp_path / "o"))


WRONG = [
    ("", "there is no data"),
    ("x = ", "no TOML"),
    ("data = 3", "data must be a table"),
    ("[data.a]\npath = 'runs.csv'", "there is no [sweep]"),
    ("[data.'a/b']\npath = 'runs.csv'\n[sweep]\nlaws = ['Kaplan']", "part of file names"),
    ("[data.a]\n[sweep]\nlaws = ['Kaplan']", "path in [data.a]: is missing"),
    ("[data.a]\npath = 'no.csv'\n[sweep]\nlaws = ['Kaplan']", "path in [data.a]: there is no file"),
    ("[data.a]\npath = 'runs.csv'\nwehre = '1'\n[sweep]", "unknown key 'wehre' in [data.a]"),
    ("[data.a]\npath = 'runs.csv'\ndrop_highest = true\n[sweep]", "expected a whole number >= 0"),
    ("[data.a]\npath = 'runs.csv'\nmap = 'N'\n[sweep]", "map in [data.a]: expected a table"),
    ("SWEEP", "laws in [sweep]: is missing"),
    ("SWEEP laws = []", "laws in [sweep]: is empty"),
    ("SWEEP laws = 'Kaplan'", "expected a list of names"),
    ("SWEEP laws = ['Kapln']", "laws in [sweep]: 'Kapln': no law 'Kapln'; did you mean Kaplan?"),
    ("SWEEP laws = ['PowerLaw']", "say which column, e.g. PowerLaw:C"),
    ("SWEEP laws = ['Kaplan:C']", "'C' after the colon does not apply"),
    ("SWEEP laws = ['my.py:Mine']", "no such file"),
    ("SWEEP laws = ['Kaplan', 'kaplan']", "two cells would be called a-Kaplan-huber0.001"),
    (
        "LAWS losses = ['huber', 'cubic']",
        "of huber, square, absolute, asymmetric, quantile, student, got 'cubic' in it",
    ),
    (
        "LAWS losses = ['square']\ndeltas = [0.1]",
        "deltas in [sweep]: goes with losses of a width (huber, asymmetric, student)",
    ),
    ("LAWS deltas = [0.1, -1]", "expected a list of positive numbers, got -1 in it"),
    ("LAWS deltas = [[1]]", "got [1] in it"),
    ("LAWS seeds = [0, 0]", "seeds in [sweep]: has 0 twice"),
    ("LAWS seeds = [true]", "of whole numbers >= 0, got True"),
    ("LAWS residuals = ['logg']", "residuals in [sweep]"),
    ("LAWS starts = 0", "starts in [sweep]: expected a whole number >= 1 and <= 5,000,000, got 0"),
    ("LAWS precision = 'float16'", "one of float64, float32, mixed, got 'float16'"),
    ("LAWS bootstrap = -1", "bootstrap in [sweep]"),
    ("LAWS chunk = 1.5", "chunk in [sweep]"),
    ("LAWS boostrap = 1", "unknown key 'boostrap' in [sweep]; allowed: bootstrap, chunk"),
    ("LAWS\n[other]\n", "unknown key 'other' at the top; allowed: data, fix, sweep"),
    ("LAWS\n[fix.Kaplan]\nA = 1", "Kaplan in [fix]: no such law"),
    ("LAWS\n[fix.KaplanD]\nE = 1", "unknown key 'E' in [fix.KaplanD]; allowed: B, alpha_D"),
    ("LAWS\n[fix.KaplanD]\nB = '1'", "B in [fix.KaplanD]: expected a number, got '1'"),
    ("LAWS\n[fix.KaplanD]\nB = 1\nalpha_D = 0.1", "fixes every parameter"),
]


@pytest.mark.parametrize("text, message", WRONG, ids=[message[:40] for _, message in WRONG])
def test_errors_of_a_specification_name_the_key(tmp_path, capsys, text, message):
    text = text.replace("LAWS", "SWEEP laws = ['KaplanD']\n")
    text = text.replace("SWEEP", "[data.a]\npath = 'runs.csv'\n[sweep]\n")
    (tmp_path / "runs.csv").write_text(table())
    (tmp_path / "spec.toml").write_text(text)
    with pytest.raises(ValueError) as caught:
        read_spec(tmp_path / "spec.toml")
    assert message in str(caught.value) and str(caught.value).startswith(str(tmp_path))
    assert main(["sweep", str(tmp_path / "spec.toml"), "--folder", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_missing_specification_and_a_bad_table(tmp_path, capsys):
    assert main(["sweep", "no.toml", "--folder", str(tmp_path / "out")]) == 2
    assert "'no.toml': no such file" in capsys.readouterr().err
    spec = write(tmp_path / "s", SPEC.replace("bootstrap = 20", ""))
    (tmp_path / "s" / "other.csv").write_text("C,loss\n1e18,three\n")
    assert main(["sweep", str(spec.path), "--folder", str(tmp_path / "out")]) == 2
    assert "[data.b]: " in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_the_code_is_part_of_the_key(whole, monkeypatch):
    monkeypatch.setattr(cells, "code", lambda: "another")
    assert not any(cell.fit for cell in plan_sweep(*whole))


def test_a_users_law_is_part_of_the_key(tmp_path):
    law = "import jaxscale\nclass Mine(jaxscale.KaplanC):\n    '''L(C) = K C^-alpha_C.'''\n"
    (tmp_path / "mylaws.py").write_text(law)
    (tmp_path / "runs.csv").write_text(table())
    text = "data.a.path = 'runs.csv'\nsweep = {laws = ['mylaws.py:Mine'], starts = 16}\n"
    (tmp_path / "spec.toml").write_text(text)
    result = run_sweep(read_spec(tmp_path / "spec.toml"), tmp_path / "out")
    assert result.failures == {} and result.rows[0]["law"] == "Mine"
    assert run_sweep(read_spec(tmp_path / "spec.toml"), tmp_path / "out").reused == 1
    (tmp_path / "mylaws.py").write_text(law + "# changed\n")
    assert not plan_sweep(read_spec(tmp_path / "spec.toml"), tmp_path / "out")[0].fit


def test_the_real_bootstrap_goes_through(tmp_path):
    text = SPEC.replace("[0, 1]", "[0]").replace('"huber", ', "").replace("deltas", "#")
    spec = write(tmp_path / "s", text)
    run_sweep(spec, tmp_path / "whole")
    again = tmp_path / "again"
    run_sweep(spec, again)
    for path in again.rglob("boot-00001.npz"):
        path.unlink()
    (again / "cells" / "a-PurePowerLaw.C-square-log-seed0" / "fit.json").write_bytes(b"")
    result = run_sweep(spec, again)
    assert result.computed == 3 and results(again) == results(tmp_path / "whole")
    assert all(row["standard_error"]["b"] > 0 for row in result.rows)


# Programs of one fit: best cells of the grid, search, final evaluation; a law with coefficients of
# either sign completes its starts; a law with nothing linear has no grid.
PROGRAMS = {"Chinchilla": 4, "PowerLaw:C": 5, "Kaplan": 3}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_after_a_warmup_a_fit_compiles_nothing(name, noisy):
    from jaxscale.laws.names import named_law

    law = named_law(name).law()
    programs._PROGRAMS.clear()
    done = jaxscale.warmup(law, 50, starts=60)
    assert done.programs == PROGRAMS[name] and done.rows == (49, 56) and done.seconds > 0
    before = programs.compiled
    fit = jaxscale.fit(law, noisy.select(np.arange(60) < 53, "fewer"), starts=60, seed=3)
    assert programs.compiled == before and fit.certificate.starts == 60
    assert jaxscale.warmup(law, 56, starts=60).programs == 0


@pytest.mark.slow
def test_warmup_covers_refinements_and_mixed_precision(noisy):
    law = jaxscale.KaplanD()
    for options in (
        {"loss": jaxscale.Absolute(), "residual": "relative"},
        {"precision": "mixed", "starts": 0},
    ):
        jaxscale.warmup(law, 60, **options)
        before = programs.compiled
        jaxscale.fit(law, noisy, **options)
        assert programs.compiled == before, options


def test_warmup_needs_few_starts_for_the_same_programs():
    from jaxscale.engine.dispatch import chunk_size
    from jaxscale.fitting.warmup import KEPT, _fewest

    for starts in (0, 1, 15, 16, 17, 48, 49, 200, 256, 1024, 1030, 1041, 5000, 10**6):
        few = _fewest(starts)
        assert few <= min(starts, 2048)
        assert (few >= 2048) == (starts >= 2048)  # beyond, a search goes over a thin table first
        for kept in range(KEPT + 1):
            assert chunk_size(few + kept) == chunk_size(starts + kept)
    assert _fewest(1024) == 273


def test_warmup_says_what_is_wrong():
    with pytest.raises(ValueError, match="n must be between 1 and"):
        jaxscale.warmup(jaxscale.KaplanD(), 0)
    with pytest.raises(jaxscale.DataError, match="it takes at least 3"):
        jaxscale.warmup(jaxscale.KaplanD(), 2)


def test_the_warmup_command(capsys):
    assert main(["warmup", "--law", "KaplanC", "--n", "60", "--starts", "16"]) == 0
    out, _ = capsys.readouterr()
    assert "programs for KaplanC on 57 to 64 runs, 16 starts, in" in out
    assert main(["warmup", "--law", "PowerLaw", "--n", "60"]) == 2
    assert "say which column" in capsys.readouterr().err


def test_a_cell_knows_the_code_of_every_wing(tmp_path, monkeypatch):
    """A key that saw only its own folder would reuse the cells of another program."""
    for name in ("sweep/cells.py", "laws/power.py", "__init__.py"):
        path = tmp_path / "jaxscale" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name!r}\n")
    monkeypatch.setattr(cells, "__file__", str(tmp_path / "jaxscale" / "sweep" / "cells.py"))
    seen = set()
    for name in ("sweep/cells.py", "laws/power.py", "__init__.py"):
        (tmp_path / "jaxscale" / name).write_text("another\n")
        cells.code.cache_clear()
        seen.add(cells.code())
    cells.code.cache_clear()
    assert len(seen) == 3
