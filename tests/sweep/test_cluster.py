"""Sweeps on threads, processes and a cluster: the bytes of one process, whatever dies."""

import contextlib
import json
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import jaxscale
from jaxscale.cli.parser import main
from jaxscale.executors import WorkerError
from jaxscale.sweep import cells, run, work
from jaxscale.sweep.run import run_sweep
from jaxscale.sweep.spec import read_spec

SPEC = """
[data.a]
path = "runs.csv"
[data.b]
path = "other.csv"
[sweep]
laws = ["PurePowerLaw:C", "laws.py:Mine"]
losses = ["huber", "square"]
seeds = [0, 1]
starts = 16
bootstrap = 20
chunk = 8
"""
CELLS, PIECES = 16, 64
LAW = "import jaxscale\nclass Mine(jaxscale.KaplanC):\n    '''L(C) = K C^-alpha_C.'''\n"
WAIT = 300
"""Seconds after which a process that should have ended or answered is given up."""


def write(folder, text=SPEC):
    folder.mkdir(exist_ok=True)
    C = np.logspace(18, 21, 24)
    for name, scale in (("runs.csv", 1.0), ("other.csv", 1.1)):
        loss = scale * (60 * C**-0.07) * np.exp(0.01 * np.sin(7.0 * np.arange(24)))
        rows = [f"{c!r},{y!r}" for c, y in zip(C.tolist(), loss.tolist(), strict=True)]
        (folder / name).write_text("\n".join(["C,loss", *rows]) + "\n")
    (folder / "laws.py").write_text(LAW)
    (folder / "spec.toml").write_text(text)
    return read_spec(folder / "spec.toml")


def files(directory):
    """The bytes of every result file."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in ("lock", "log.jsonl")
    }


def events(directory):
    return [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]


def killing(directory, *moments):
    """Progress that kills the worker of the latest result, each time so many are there."""
    left = list(moments)

    def progress(done, total, reused, rate):
        if left and done >= left[0]:
            left.pop(0)
            os.kill(events(directory)[-1]["process"], signal.SIGKILL)

    return progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sweep in one process: (specification, the bytes of its files)."""
    folder = tmp_path_factory.mktemp("whole")
    spec = write(folder)
    result = run_sweep(spec, folder / "out")
    assert (result.computed, result.failures, result.workers) == (PIECES, {}, 1)
    return spec, files(folder / "out")


def orders(spec, directory):
    return {job.cell.id: work.order(job, None, None) for job in cells.make_jobs(spec, directory)}


@pytest.mark.parametrize("law", ["PurePowerLaw.C", "Mine"])
def test_an_order_travels_with_all_that_decides_its_bytes(tmp_path, law):
    order = orders(write(tmp_path), tmp_path / "out")[f"b-{law}-huber0.001-log-seed1"]
    again = pickle.loads(pickle.dumps(order))
    named = again.named
    assert again.runs.digest() == order.runs.digest() and again.key == order.key
    assert (named.text, named.of, named.source) == (
        order.named.text,
        order.named.of,
        order.named.source,
    )
    assert named.cls.__name__ == order.named.cls.__name__ and again.made == order.made
    assert pickle.loads(pickle.dumps(order)).named is named  # one class for all cells


@pytest.mark.parametrize(
    "change, message",
    [
        ({"jax": "0.1.2"}, r"has jax \d.*, the process that began the sweep 0.1.2; start both in"),
        ({"backend": "tpu"}, "has backend cpu, the process that began the sweep tpu"),
        ({}, "has jaxscale of other source code"),
    ],
)
def test_a_worker_of_another_version_refuses(tmp_path, monkeypatch, change, message):
    order = next(iter(orders(write(tmp_path), tmp_path / "out").values()))
    order.made["versions"].update(change)
    order.made["code"] = "another"
    with pytest.raises(WorkerError, match=message):
        work.work(order)


@pytest.mark.parametrize(
    "harm, message",
    [
        (lambda path: path.write_text(LAW + "# changed\n"), "laws.py:Mine is not as the sweep"),
        (lambda path: path.unlink(), "laws.py'?: no such file"),
        (lambda path: path.write_text("1 / 0\n"), "cannot load .*ZeroDivisionError"),
    ],
)
def test_a_worker_without_the_same_file_of_laws_refuses(tmp_path, harm, message):
    order = orders(write(tmp_path), tmp_path / "out")["a-Mine-square-log-seed0"]
    harm(tmp_path / "laws.py")
    with pytest.raises(WorkerError, match=message):
        work.work(pickle.loads(pickle.dumps(order)))


class Told:
    """Replaces what an order is filled by: notes the kinds in the order of their beginnings."""

    def __init__(self):
        self.begun, self.ended = [], []

    def __call__(self, order):
        which = (order.cell.law.text, order.cell.loss)
        if which in self.begun:
            assert which in self.ended, "a second of its kind before the first is back"
        self.begun.append(which)
        time.sleep(0.01)
        if order.cell.data.name == "b":
            raise jaxscale.FitError("no start led anywhere")
        self.ended.append(which)
        raise jaxscale.DataError("too few runs")


def test_one_of_each_kind_goes_first_and_errors_stay_what_they_are(tmp_path, monkeypatch):
    spec, told = write(tmp_path), Told()
    monkeypatch.setattr(run, "work", told)
    result = run_sweep(spec, tmp_path / "out", executor=ThreadPoolExecutor(4))
    assert len(set(told.begun[:4])) == 4 and len(told.begun) == CELLS
    assert set(result.failures.values()) == {"no start led anywhere", "too few runs"}
    assert [row["cell"] for row in result.rows] == [cell.id for cell in spec.cells]


@pytest.mark.parametrize("broken", [WorkerError("other versions"), TypeError("a mistake of ours")])
def test_what_is_no_fault_of_a_cell_ends_the_sweep(tmp_path, monkeypatch, broken):
    def fail(order):
        raise broken

    monkeypatch.setattr(run, "work", fail)
    with pytest.raises(type(broken), match=str(broken)):
        run_sweep(write(tmp_path), tmp_path / "out", executor=ThreadPoolExecutor(2))


def test_the_options_of_the_command_are_checked(tmp_path, monkeypatch, capsys):
    spec = write(tmp_path)
    command = ["sweep", str(spec.path), "--folder", str(tmp_path / "out"), "--quiet"]
    for words, said in (
        (["--workers", "0"], "expected a whole number >= 1, got '0'"),
        (["--workers", "2", "--scheduler", "x"], "not allowed with argument"),
    ):
        assert main([*command, *words]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main([*command, "--scheduler", "tcp://localhost:1"]) == 2
    assert "pip install 'jaxscale[cluster]'" in capsys.readouterr().err


def test_a_sweep_on_threads_has_the_same_bytes(whole, tmp_path):
    spec, before = whole
    result = run_sweep(spec, tmp_path / "out", executor=ThreadPoolExecutor(3))
    assert result.computed == PIECES and files(tmp_path / "out") == before


@pytest.mark.slow
def test_processes_of_its_own_that_are_killed_change_nothing(whole, tmp_path):
    spec, before = whole
    out = tmp_path / "out"
    result = run_sweep(spec, out, workers=2, progress=killing(out, 5, 20))
    assert result.computed == PIECES and files(out) == before
    assert result.workers > 2 and multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_pool_of_somebody_else_that_breaks_says_so_and_the_sweep_goes_on(whole, tmp_path):
    spec, before = whole
    out, context = tmp_path / "out", multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        with pytest.raises(WorkerError, match="a worker process died"):
            run_sweep(spec, out, executor=pool, progress=killing(out, 20))
    done = len(list(out.glob("cells/*/*")))
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        result = run_sweep(spec, out, executor=pool)
    assert result.reused == done >= 20 and result.reused + result.computed == PIECES
    assert files(out) == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of distributed, which is not ours
def test_a_local_cluster_whose_workers_are_killed_twice_changes_nothing(whole, tmp_path):
    distributed = pytest.importorskip("distributed")
    spec, before = whole
    out = tmp_path / "out"
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
    ) as cluster:
        with distributed.Client(cluster, set_as_default=False) as client:
            pool = client.get_executor(pure=False)
            result = run_sweep(spec, out, executor=pool, progress=killing(out, 5, 20))
    assert result.computed == PIECES and result.failures == {} and files(out) == before
    assert result.workers > 2


def started(command, **options):
    return subprocess.Popen([sys.executable, "-m", *command], start_new_session=True, **options)


@contextlib.contextmanager
def shell_cluster(folder, workers=2):
    """A scheduler and workers as a shell starts them; yields the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    scheduler += ["--idle-timeout", "10 minutes"]  # where this process is killed
    worker = [address, "--nthreads", "1", "--nworkers", str(workers), "--no-dashboard"]
    worker += ["--death-timeout", "60", "--local-directory", str(folder / "dask")]
    with open(folder / "dask.log", "wb") as log:
        to = {"stdout": log, "stderr": log}
        every = [
            started(["dask", "scheduler", *scheduler], **to),
            started(["dask", "worker", *worker], **to),
        ]
        try:
            yield address
        finally:
            for process in every:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(WAIT)


@pytest.mark.slow
def test_the_command_computes_on_a_cluster_of_the_shell_and_ctrl_c_ends_it(whole, tmp_path):
    pytest.importorskip("distributed")
    spec, before = whole
    out = tmp_path / "out"
    with shell_cluster(tmp_path) as address:
        command = ["jaxscale", "sweep", str(spec.path), "--folder", str(out)]
        command += ["--scheduler", address]
        first = started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + WAIT
        while not list(out.rglob("fit.json")) and time.monotonic() < end:
            assert first.poll() is None, first.communicate()
            time.sleep(0.01)
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=WAIT)
        assert first.returncode == 130 and "Traceback" not in err, err
        assert f"Go on with: jaxscale sweep {spec.path} --folder {out} --scheduler {address}" in err
        again = started(
            [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        answer, err = again.communicate(timeout=WAIT)
        document = json.loads(answer)
        assert again.returncode == 0 and document["reused"] >= 1, err
        assert document["workers"] == 2 and "2 workers at tcp://" in err
    assert files(out) == before


@pytest.mark.slow
def test_ctrl_c_ends_processes_of_its_own(whole, tmp_path):
    spec = whole[0]
    out = tmp_path / "out"
    command = ["jaxscale", "sweep", str(spec.path), "--folder", str(out), "--workers", "2"]
    child = started(command, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + WAIT
    while not list(out.rglob("fit.json")) and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal sends it, to all
    _, err = child.communicate(timeout=WAIT)  # ends when the workers have closed it, too
    assert child.returncode == 130 and "Traceback" not in err
    assert err.count("Go on with") == 1 and f"--folder {out} --workers 2" in err


@pytest.mark.parametrize(
    "file, said",
    [
        (None, "--scheduler tcp://127.0.0.1:1: no dask scheduler answers there"),
        ('{"address": "tcp://127.0.0.1:1"}', "no dask scheduler answers there"),
        ('{"id": "Scheduler-1"}', "no file of dask scheduler --scheduler-file"),
        ("[sweep]", "no file of dask scheduler --scheduler-file"),
    ],
)
def test_where_no_scheduler_answers(tmp_path, capsys, monkeypatch, file, said):
    pytest.importorskip("distributed")
    monkeypatch.setattr("jaxscale.cli.cluster.WAIT", 1)
    spec, address = write(tmp_path), "tcp://127.0.0.1:1"
    if file is not None:
        address = str(tmp_path / "scheduler.json")
        Path(address).write_text(file)
    command = ["sweep", str(spec.path), "--folder", str(tmp_path / "out"), "--quiet"]
    assert main([*command, "--scheduler", address]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()
