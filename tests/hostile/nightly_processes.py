"""Environments, outputs, signals and caches: each in a process of its own, as a shell starts it."""

import json
import math
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest
from hostile.harness import CONTROLS

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIZES = [10 ** (7 + k / 8) for k in range(24)]
ROWS = [f"{N!r},{60 * N**-0.2 + 1.2 + 0.01 * math.sin(7 * k)!r}" for k, N in enumerate(SIZES)]
GOOD = "\n".join(["N,loss", *ROWS]) + "\n"
PREDICT = ["predict", "Chinchilla:hoffmann_2022", "--N", "1e9", "--D", "2e10"]
FIT = ["fit", "a.csv", "--quiet", "--law", "PurePowerLaw:N", "--starts", "16"]
SPEC = """
[data.a]
path = "a.csv"
[sweep]
laws = ["PurePowerLaw:N"]
starts = 16
bootstrap = 60
chunk = 2
"""


def environment(**more):
    """The environment, with changes; None takes a variable out."""
    found = {**os.environ, "PYTHONPATH": ROOT, **more}
    return {key: value for key, value in found.items() if value is not None}


def jaxscale(argv, folder, prefix=(), **more):
    """Run a command from a folder; returns what `subprocess.run` does."""
    options = {k: more.pop(k) for k in ("stdout", "stdin", "preexec_fn") if k in more}
    options.setdefault("stdout", subprocess.PIPE)
    command = [*prefix, sys.executable, "-m", "jaxscale", *argv]
    return subprocess.run(
        command, cwd=folder, env=environment(**more), stderr=subprocess.PIPE, timeout=300, **options
    )


def clean(done):
    """Whether what was said is fit for a terminal, and no traceback."""
    text = ((done.stdout or b"") + done.stderr).decode(errors="surrogateescape")
    return "Traceback" not in text and not CONTROLS.search(text)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_text(GOOD)
    (tmp_path / "s.toml").write_text(SPEC)
    return tmp_path


@pytest.fixture(scope="session")
def answer(tmp_path_factory):
    """What the fit and the prediction say where nothing is hostile."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "a.csv").write_text(GOOD)
    return {
        "fit": jaxscale([*FIT, "--json"], folder).stdout,
        "predict": jaxscale([*PREDICT, "--json"], folder).stdout,
    }


def same(found, wanted):
    """Whether two JSON answers are one but for the time they took."""
    one, other = json.loads(found), json.loads(wanted)
    for each in (one, other):
        each.pop("seconds", None)
    return one == other


ENVIRONMENTS = {
    "no HOME": dict(HOME=None, XDG_CACHE_HOME=None),
    "an empty HOME": dict(HOME="", XDG_CACHE_HOME=None),
    "a HOME that is not there": dict(HOME="/nonexistent/x", XDG_CACHE_HOME=None),
    "a HOME that is a file": dict(HOME="/etc/passwd", XDG_CACHE_HOME=None),
    "a HOME that is a device": dict(HOME="/dev/null", XDG_CACHE_HOME=None),
    "a HOME of 5,000 letters": dict(HOME="/" + "x" * 5000, XDG_CACHE_HOME=None),
    "a cache that is a file": dict(JAXSCALE_CACHE="/etc/passwd"),
    "a cache that is not there": dict(JAXSCALE_CACHE="/proc/nothing"),
    "a cache that anyone writes to": dict(JAXSCALE_CACHE="/tmp"),
    "the C locale": dict(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
    "ASCII": dict(PYTHONIOENCODING="ascii"),
    "a German locale": dict(LC_ALL="de_DE.UTF-8", LANG="de_DE.UTF-8"),
    "no variables of the terminal": dict(TERM=None, COLUMNS="0", LINES="-1"),
    "columns of words": dict(COLUMNS="x", TERM="x"),
    "no asserts and no docstrings": dict(PYTHONOPTIMIZE="2"),
    "float64 everywhere": dict(JAX_ENABLE_X64="1"),
    "hash seed 0": dict(PYTHONHASHSEED="0"),
    "hash seed 12345": dict(PYTHONHASHSEED="12345"),
    "one thread": dict(
        XLA_FLAGS=os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false",
        OMP_NUM_THREADS="1",
    ),
    "no cache at all": dict(JAX_COMPILATION_CACHE_DIR=None, JAXSCALE_CACHE="off"),
    "TF in the way": dict(TF_CPP_MIN_LOG_LEVEL="x"),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_changes_no_number(folder, answer, name):
    own = dict(ENVIRONMENTS[name])
    if "HOME" in own or own.get("JAXSCALE_CACHE", "off") != "off":
        own.setdefault("JAX_COMPILATION_CACHE_DIR", None)
        own.setdefault("JAXSCALE_CACHE", None)
    done = jaxscale([*FIT, "--json"], folder, **own)
    assert clean(done) and same(done.stdout, answer["fit"]), done.stderr[-800:]
    assert not os.path.exists("/nonexistent")
    if own.get("JAX_COMPILATION_CACHE_DIR", "") is None:
        return
    text = jaxscale(FIT, folder, **own)
    assert clean(text) and text.stdout and b"Scalar" not in text.stdout


def test_one_core_changes_no_number(folder, answer):
    if shutil.which("taskset") is None:
        pytest.skip("no taskset")
    done = jaxscale([*FIT, "--json"], folder, prefix=("taskset", "-c", "0"))
    assert same(done.stdout, answer["fit"])


def test_the_order_of_rows_changes_nothing_that_can_be_seen(folder):
    """Of squares: the best absolute residuals may be those of many laws, and then it is said."""
    head, *rows = GOOD.splitlines()
    found = []
    for order in (rows, rows[::-1]):
        (folder / "a.csv").write_text("\n".join([head, *order]) + "\n")
        done = jaxscale([*FIT, "--loss", "square", "--json"], folder)
        found.append(json.loads(done.stdout)["params"])
    assert found[1] == pytest.approx(found[0], rel=1e-9)


@pytest.mark.parametrize("platform", ["cuda", "tpu", "nothing", "", " ", "cpu,", "\x1b[31m"])
def test_a_platform_that_is_not_there_is_a_sentence(folder, answer, platform):
    done = jaxscale([*PREDICT, "--json"], folder, JAX_PLATFORMS=platform, CUDA_VISIBLE_DEVICES="")
    assert clean(done) and done.returncode in (0, 2), done.stderr[-800:]
    if done.returncode == 0:
        assert same(done.stdout, answer["predict"])


CACHES = {
    "garbage": lambda path: path.write_bytes(os.urandom(path.stat().st_size)),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a bit flipped": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "read-only": lambda path: path.chmod(0o400),
    "unreadable": lambda path: path.chmod(0),
    "folders": lambda path: (path.unlink(), path.mkdir()),
    "gone": lambda path: path.unlink(),
}


def flipped(raw):
    """Bytes with one bit in the middle changed."""
    k = len(raw) // 2
    return raw[:k] + bytes([raw[k] ^ 16]) + raw[k + 1 :]


@pytest.mark.parametrize("name", CACHES)
def test_a_damaged_cache_changes_no_number(folder, answer, name):
    cache = folder / "cache"
    own = dict(JAXSCALE_CACHE=str(cache), JAX_COMPILATION_CACHE_DIR=None)
    assert same(jaxscale([*FIT, "--json"], folder, **own).stdout, answer["fit"])
    for path in [path for path in cache.rglob("*") if path.is_file()]:
        CACHES[name](path)
    done = jaxscale([*FIT, "--json"], folder, **own)
    assert same(done.stdout, answer["fit"]) and b"Traceback" not in done.stderr


def test_a_folder_that_is_gone_stops_no_prediction(folder, answer):
    gone = folder / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m jaxscale " + " ".join(PREDICT)
    done = subprocess.run(
        ["sh", "-c", f"{script} --json"], env=environment(), capture_output=True, timeout=300
    )
    assert clean(done) and same(done.stdout, answer["predict"])


OUTS = {
    "a folder": (".", 2, "is a directory"),
    "in no folder": ("none/fit.json", 2, "no folder"),
    "in a file": ("a.csv/fit.json", 2, "no folder"),
    "the input": ("a.csv", 2, "would overwrite"),
    "the input by another way": ("./../{folder}/a.csv", 2, "would overwrite"),
    "a full device": ("/dev/full", 3, "could not be written"),
    "no device": ("/dev/nothing/x", 2, "no folder"),
    "a name of 300 letters": ("x" * 300, 2, ""),
    "a NUL device": ("/dev/null", 0, ""),
    "the system": ("/proc/self/x", 2, ""),
    "nothing": ("", 2, "empty"),
}


@pytest.mark.parametrize("name", OUTS)
def test_an_output_that_cannot_be_is_a_sentence_and_costs_nothing(folder, name):
    where, code, message = OUTS[name]
    before = sorted(os.listdir(folder))
    done = jaxscale([*FIT, "--out", where.format(folder=folder.name)], folder)
    assert clean(done) and done.returncode in (code, code or 1), (done.returncode, done.stderr)
    assert message in done.stderr.decode()
    assert (folder / "a.csv").read_text() == GOOD and sorted(os.listdir(folder)) == before


def small(limit):
    """What lets a process write files of so many bytes only."""

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return limited


@pytest.mark.parametrize("limit", [0, 1, 100, 4000])
@pytest.mark.parametrize("option", ["--out", "--figure"])
def test_a_full_disk_leaves_what_was_there(folder, limit, option):
    jaxscale([*FIT, "--out", "fit.json"], folder)
    name = "old.json" if option == "--out" else "old.png"
    (folder / name).write_bytes(b"mine")
    argv = ["predict", "fit.json", "--N", "1e9", "--out", name]
    if option == "--figure":
        argv = ["plot", "fit.json", "--kind", "starts", "--figure", name]
    done = jaxscale(argv, folder, preexec_fn=small(limit))
    assert clean(done) and done.returncode in (0, 1, 3), done.stderr
    old = (folder / name).read_bytes()
    assert old == b"mine" if done.returncode == 3 else len(old) > 4
    assert not [path for path in os.listdir(folder) if path.endswith(".tmp")]


@pytest.mark.parametrize("how", ["closed", "/dev/full", "nobody reads"])
def test_an_answer_that_is_lost_is_no_success(folder, how):
    if how == "closed":
        done = jaxscale(PREDICT, folder, stdout=None, preexec_fn=lambda: os.close(1))
    elif how == "/dev/full":
        with open("/dev/full", "w") as full:
            done = jaxscale(PREDICT, folder, stdout=full)
    else:
        read, write = os.pipe()
        os.close(read)
        done = jaxscale(PREDICT, folder, stdout=write)
        os.close(write)
    assert done.returncode == 3 and clean(done), (done.returncode, done.stderr)


def files_of(folder):
    """The bytes of the results of a sweep."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("lock", "log.jsonl") and path.suffix != ".tmp"
    }


def sweeping(folder):
    """Start a sweep; returns its process."""
    command = [sys.executable, "-m", "jaxscale", "sweep", "s.toml", "--folder", "out", "--quiet"]
    return subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9, signal.SIGHUP: -1}


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_a_sweep_that_is_stopped_goes_on_to_the_same_bytes(folder, number):
    whole = folder / "whole"
    done = jaxscale(["sweep", "s.toml", "--folder", "whole", "--quiet"], folder)
    assert done.returncode in (0, 1), done.stderr
    for _ in range(3):
        process = sweeping(folder)
        until = time.monotonic() + 120
        before = len(list((folder / "out").rglob("boot-*"))) if (folder / "out").exists() else 0
        while time.monotonic() < until and process.poll() is None:
            if len(list((folder / "out").rglob("boot-*"))) > before + 1:
                process.send_signal(number)
                break
            time.sleep(0.01)
        out, err = process.communicate(timeout=60)
        assert process.returncode in (STOPS[number], -int(number), 0, 1), (process.returncode, err)
        assert b"Traceback" not in err
    assert jaxscale(["sweep", "s.toml", "--folder", "out", "--quiet"], folder).returncode in (0, 1)
    assert files_of(folder / "out") == files_of(whole)


def test_two_writers_of_one_file_leave_one_of_them_whole(folder):
    command = [sys.executable, "-m", "jaxscale", *FIT, "--out", "fit.json", "--seed"]
    for _ in range(3):
        both = [
            subprocess.Popen([*command, seed], cwd=folder, env=environment(), stdout=-3, stderr=-3)
            for seed in "01"
        ]
        assert all(process.wait(timeout=300) in (0, 1) for process in both)
        assert json.loads((folder / "fit.json").read_text())["settings"]["seed"] in (0, 1)
    assert sorted(os.listdir(folder)) == ["a.csv", "fit.json", "s.toml"]


def test_two_sweeps_of_one_folder_are_one(folder):
    first = sweeping(folder)
    while not (folder / "out" / "lock").exists() and first.poll() is None:
        time.sleep(0.01)
    second = sweeping(folder)
    err = second.communicate(timeout=300)[1]
    first.communicate(timeout=300)
    assert first.returncode in (0, 1)
    assert second.returncode == 2 and b"is in use by process" in err


def test_a_folder_that_may_not_be_written_is_said_before_the_work(folder):
    if os.getuid() == 0:
        pytest.skip("root may write anywhere")
    closed = folder / "closed"
    closed.mkdir()
    closed.chmod(stat.S_IRUSR | stat.S_IXUSR)
    done = jaxscale([*FIT, "--out", "closed/fit.json"], folder)
    assert done.returncode == 2 and b"may not be written" in done.stderr
