"""What a person owns is not lost: no input is overwritten, no file cut, no answer astray."""

import argparse
import dataclasses
import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from tqdm import tqdm

import jaxscale
from jaxscale import plotting
from jaxscale.cli import outputs
from jaxscale.cli.outputs import with_progress
from jaxscale.cli.parser import main
from jaxscale.files import durable

MINE = "from jaxscale.laws import Chinchilla as Mine\n"


@pytest.fixture
def folder(tmp_path, fitted):
    """A table, a law file, a fit (also under names that figures have), logs, a folder of events."""
    runs = fitted.runs
    rows = zip(runs.columns["N"], runs.columns["D"], runs.loss, strict=True)
    table = "N,D,loss\n" + "".join(f"{n!r},{d!r},{y!r}\n" for n, d, y in np.array([*rows]).tolist())
    log = "step,loss\n" + "".join(f"{k},{2 + 10 / k}\n" for k in range(1, 40))
    (tmp_path / "runs.csv").write_text(table)
    for name in ("mine.py", "a,b.py"):
        (tmp_path / name).write_text(MINE)
    for name in ("fit.json", "fit.png", "fit.pdf"):
        (tmp_path / name).write_text(fitted.to_json())
    for name in ("log.csv", "log.png", "log.svg"):
        (tmp_path / name).write_text(log)
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "events.out.tfevents.1.svg").write_text("events")
    (tmp_path / "below").mkdir()
    return tmp_path


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


LAW = ["--law", "mine.py:Mine"]
OVERWRITING = {
    "fit the table": ["fit", "runs.csv", "-o", "runs.csv"],
    "fit the law": ["fit", "runs.csv", *LAW, "-o", "mine.py"],
    "fit a law with a comma": ["fit", "runs.csv", "--law", "a,b.py:Mine", "-o", "a,b.py"],
    "compare the table": ["compare", "runs.csv", "-o", "runs.csv"],
    "compare a law": ["compare", "runs.csv", "--law", "Kaplan, mine.py:Mine", "-o", "mine.py"],
    "bootstrap the fit": ["bootstrap", "fit.json", "-o", "fit.json"],
    "bootstrap the law": ["bootstrap", "fit.json", *LAW, "-o", "mine.py"],
    "bootstrap figure": ["bootstrap", "fit.png", "--figure", "fit.png"],
    "bootstrap joint": ["bootstrap", "fit.pdf", "--joint", "fit.pdf"],
    "influence": ["influence", "fit.png", "--param", "alpha", "--figure", "fit.png"],
    "plot": ["plot", "fit.pdf", "--figure", "fit.pdf"],
    "plot the law": ["plot", "fit.json", *LAW, "--figure", "mine.py"],
    "forecast": ["forecast", "log.csv", "log.png", "--final-step", "99", "--figure", "log.png"],
    "forecast learn": [
        *("forecast", "log.csv", "--final-step", "99", "--learn", "log.svg"),
        *("--figure", "log.svg"),
    ],
    "forecast events": [
        *("forecast", "events", "--final-step", "99"),
        *("--figure", "events/events.out.tfevents.1.svg"),
    ],
    "sweep": ["sweep", "runs.csv", "--folder", "runs.csv"],
}


@pytest.mark.parametrize("argv", OVERWRITING.values(), ids=OVERWRITING)
def test_no_command_overwrites_what_it_reads(capsys, monkeypatch, folder, argv):
    monkeypatch.chdir(folder)
    before = contents(folder)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("jaxscale: error: ") and err.count("\n") == 1
    assert contents(folder) == before


@pytest.mark.parametrize(
    "other",
    {
        "absolute": lambda path: path,
        "dots": lambda path: Path("below", "..", path.name),
        "symlink": lambda path: os.symlink(path, "link") or "link",
        "relative symlink": lambda path: os.symlink(Path("..") / path.name, "below/l") or "below/l",
        "hard link": lambda path: os.link(path, "hard") or "hard",
        "folder": lambda path: os.symlink(path.parent, "there") or Path("there", path.name),
        "twice": lambda path: os.symlink(path, "a") or os.symlink("a", "b") or "b",
    }.items(),
    ids=lambda other: other[0],
)
@pytest.mark.parametrize("where", ["input", "output"])
def test_an_input_is_known_by_any_name(capsys, monkeypatch, folder, other, where):
    monkeypatch.chdir(folder)
    renamed = str(other[1](folder / "runs.csv"))
    before = contents(folder)
    pair = (renamed, "runs.csv") if where == "input" else ("runs.csv", renamed)
    assert main(["fit", pair[0], "-o", pair[1]]) == 2
    assert "which the command reads; give another file" in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.parametrize(
    "argv",
    [
        ["bootstrap", "fit.json", "--figure", "a.png", "--joint", "a.png"],
        ["bootstrap", "fit.json", "--figure", "a.png", "--joint", "./below/../a.png"],
        ["bootstrap", "fit.json", "--figure", "a.svg", "-o", "a.svg"],
        ["bootstrap", "fit.json", "--joint", "link.png", "-o", "new.json"],
        ["forecast", "log.csv", "run/log.csv", "--final-step", "99", "--figure", "a.png"],
        ["forecast", "wide.csv", "--final-step", "99", "--figure", "a.png"],
    ],
)
def test_two_outputs_are_two_files(capsys, monkeypatch, folder, argv):
    monkeypatch.chdir(folder)
    os.symlink("new.json", "link.png")
    Path("run").mkdir()
    Path("run", "log.csv").write_bytes(Path("log.csv").read_bytes())
    rows = "".join(f"{k},{run},{3 - k / 99}\n" for run in ("a b", "a_b") for k in range(1, 30))
    Path("wide.csv").write_text("step,run,loss\n" + rows)
    before = contents(folder)
    assert main(argv) == 2
    assert capsys.readouterr().err.count("\n") == 1 and contents(folder) == before


@pytest.mark.parametrize(
    "argv, message",
    [
        (["fit", "runs.csv", "--where", ""], "--where is empty"),
        (["fit", "runs.csv", "--where", " \t"], "--where is empty"),
        (["fit", "runs.csv", "-o", ""], "--out is empty"),
        (["fit", ""], "runs is empty"),
        (["fit", "runs.csv", "--column", ""], "--column is empty"),
        (["compare", "runs.csv", "--by", ""], "--by is empty"),
        (["compare", "runs.csv", "--law", ""], "--law is empty"),
        (["bootstrap", "fit.json", "--joint", ""], "--joint is empty"),
        (["bootstrap", "fit.json", "--group", ""], "--group is empty"),
        (["forecast", "log.csv", "--final-step", "99", "--run", ""], "--run is empty"),
        (["forecast", "log.csv", "--final-step", "99", "--learn", ""], "--learn is empty"),
        (["influence", "fit.json", "--param", ""], "--param is empty"),
        (["sweep", "spec.toml", "--folder", ""], "--folder is empty"),
        (["forecast", "", "--final-step", "99"], "metrics is empty"),
    ],
)
def test_an_empty_option_is_no_missing_one(capsys, monkeypatch, folder, argv, message):
    monkeypatch.chdir(folder)
    assert main(argv) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["fit.json", "fit.png"])
def test_the_demo_replaces_only_its_own_results(capsys, monkeypatch, folder, name):
    monkeypatch.chdir(folder)
    Path("new").mkdir()
    os.link("fit.json", Path("new", name))
    before = contents(folder)
    assert main(["demo", "--folder", "new"]) == 2
    assert "not of the demo; give another folder" in capsys.readouterr().err
    assert contents(folder) == before


# Files are whole ----------------------------------------------------------------------------------


def figure():
    drawn = Figure()
    drawn.add_subplot().plot(np.arange(9.0))
    return drawn


WRITERS = {
    "raw": lambda path, fit: durable.write_atomically(path, b"new" * 30_000),
    "fit.json": lambda path, fit: fit.save(path),
    "a.png": lambda path, fit: plotting.save(figure(), path),
    "a.svg": lambda path, fit: plotting.save(figure(), path),
    "a.pdf": lambda path, fit: plotting.save(figure(), path),
}


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file(tmp_path, fitted, name, old):
    path = tmp_path / name
    if old is not None:
        path.write_bytes(old)
    WRITERS[name](tmp_path / ("first-" + name), fitted)  # whatever it loads, it has loaded
    (tmp_path / ("first-" + name)).unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError) as stop:
            WRITERS[name](path, fitted)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert stop.value.filename == str(path) and stop.value.strerror
    assert contents(tmp_path) == ({} if old is None else {name: old})
    WRITERS[name](path, fitted)
    assert path.stat().st_size > 1000 and list(contents(tmp_path)) == [name]


@pytest.mark.parametrize("moment", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_no_temporary_file_is_left(tmp_path, monkeypatch, moment, error):
    (tmp_path / "a").write_bytes(b"old")

    def fails(*_):
        raise error

    monkeypatch.setattr(durable.os, moment, fails)
    with pytest.raises(type(error)):
        durable.write_atomically(tmp_path / "a", b"new")
    assert contents(tmp_path) == {"a": b"old"}


def test_links_permissions_and_long_names_stay(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to("target")
    durable.write_atomically(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    (tmp_path / "to be").symlink_to(tmp_path / "made")
    durable.write_atomically(tmp_path / "to be", b"new")
    assert (tmp_path / "made").read_bytes() == b"new" and (tmp_path / "to be").is_symlink()
    for name in ("n" * 255, "\u00e9" * 127, ".hidden", "a\nb", os.fsdecode(b"\xff")):
        durable.write_atomically(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new"


def test_devices_and_pipes_are_written_as_they_are(tmp_path):
    before = os.stat("/dev/null")
    outputs.check_outputs({"--out": "/dev/null", "--figure": "/dev/null"}, ["/dev/null"])
    durable.write_atomically(Path("/dev/null"), b"new")
    assert os.path.samestat(before, os.stat("/dev/null"))
    reader, writer = os.pipe()
    outputs.check_outputs({"--out": f"/dev/fd/{writer}"})
    durable.write_atomically(Path(f"/dev/fd/{writer}"), b"new")
    os.close(writer)
    assert os.read(reader, 10) == b"new"
    os.close(reader)


# Answers are delivered, or it is said -------------------------------------------------------------


class Broken(io.StringIO):
    """A stdout that nobody reads."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


class Compared:
    """Stands in for a comparison, which takes long."""

    trusted, notes = True, ("a note",)

    def to_dict(self):
        return {"law": "none", "data": {}}


@pytest.fixture
def quick(monkeypatch, fitted):
    """Commands without their computing."""
    monkeypatch.setattr("jaxscale.cli.fit.fit", lambda *args, **options: fitted)
    monkeypatch.setattr("jaxscale.cli.compare.compare", lambda *args, **options: Compared())


WRITING = {
    "fit": (["fit", "runs.csv", "-o", "new.json"], ["new.json"]),
    "fit --json": (["fit", "runs.csv", "-o", "new.json", "--json"], ["new.json"]),
    "compare": (["compare", "runs.csv", "-o", "new.json", "--json"], ["new.json"]),
    "plot": (["plot", "fit.json", "--kind", "starts", "--figure", "new.svg"], ["new.svg"]),
    "forecast": (
        ["forecast", "log.csv", "--final-step", "99", "--figure", "new.svg"],
        ["new.svg"],
    ),
    "demo": (["demo", "--folder", "new"], ["new/fit.json"]),
}


@pytest.mark.parametrize("stdout", [Broken(), None], ids=["broken", "closed"])
@pytest.mark.parametrize("argv, files", WRITING.values(), ids=WRITING)
def test_files_are_written_before_anything_is_printed(
    quick, capsys, monkeypatch, folder, argv, files, stdout
):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(argv) == 3
    assert all(Path(name).stat().st_size > 10 for name in files)
    assert "the answer could not be printed" in capsys.readouterr().err


@pytest.mark.parametrize("argv, files", WRITING.values(), ids=WRITING)
def test_an_answer_is_printed_though_its_file_cannot_be_written(
    quick, capsys, monkeypatch, folder, argv, files
):
    monkeypatch.chdir(folder)

    def full(path, raw):
        raise OSError(28, "No space left on device", str(path))

    for module in ("cli.outputs", "plotting.style", "fitting.result"):
        monkeypatch.setattr(sys.modules[f"jaxscale.{module}"], "write_atomically", full)
    assert main(argv) == 3
    out, err = capsys.readouterr()
    assert len(out) > 4
    for name in files:
        assert f"{name} could not be written: No space left on device" in err


def test_an_answer_is_printed_though_its_figure_cannot_be_drawn(quick, capsys, folder, monkeypatch):
    def fails():
        raise ValueError("no such figure")

    with pytest.raises(ValueError, match="no such figure"):
        options = argparse.Namespace(json=False)
        outputs.deliver(options, "the answer", dict, files=[fails])
    assert capsys.readouterr().out == "the answer\n"


CHILD = """
import sys, jaxscale
import jaxscale.cli.fit as command
from jaxscale import cli
command.fit = lambda *args, **options: jaxscale.load("fit.json")
sys.argv[0] = "jaxscale"
cli.entry()
"""


def shell(folder, line, **environment):
    """Run a line of the shell in which `jaxscale` is the command, its fits taken from a file."""
    (folder / "child.py").write_text(CHILD)
    environment = {**os.environ, "JAXSCALE_CACHE": "off", **environment}
    line = line.replace("jaxscale ", f"{sys.executable} child.py ")
    return subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True)


FIT = "jaxscale fit runs.csv --quiet -o new.json"


@pytest.mark.parametrize(
    "line, code",
    [
        (f"(sleep 1; {FIT}; echo $? >&2) | true", 3),
        (f"{FIT} >&-; echo $? >&2", 3),
        (f"{FIT} --json >/dev/full; echo $? >&2", 3),
        (f"{FIT} >/dev/null; echo $? >&2", 0),
        (f"{FIT} >/dev/null <&-; echo $? >&2", 0),
        ("(sleep 1; jaxscale laws; echo $? >&2) | true", 3),
        ("(sleep 1; jaxscale fit --help; echo $? >&2) | true", 3),
        ("jaxscale predict Chinchilla:hoffmann_2022 --N 1 --D 1 >&-; echo $? >&2", 3),
    ],
)
def test_an_answer_that_nobody_got_is_no_success(folder, line, code):
    done = shell(folder, line)
    *said, last = done.stderr.decode().splitlines()
    assert int(last) == code, done.stderr
    errors = [text for text in said if "jaxscale: error" in text]
    assert errors == (said[-1:] if code else []), done.stderr
    assert bool(said) == (code == 3) and all("could not be printed" in text for text in said[-1:])
    if "new.json" in line:
        assert jaxscale.load(folder / "new.json").law.E > 0


@pytest.mark.parametrize(
    "line, message",
    [
        ("jaxscale fit runs.csv --quiet -o new.json > new.json", "stdout goes there as well"),
        ("jaxscale fit runs.csv --quiet >> runs.csv", "stdout goes into runs.csv"),
        ("jaxscale allocate fit.json --compute 1e20 >> fit.json", "stdout goes into fit.json"),
    ],
)
def test_stdout_is_an_output_too(folder, line, message):
    before = contents(folder)
    done = shell(folder, line)
    assert done.returncode == 2 and message in done.stderr.decode()
    after = contents(folder)
    assert all(after[name] == raw for name, raw in before.items())


def test_stdout_may_be_named_as_the_output(folder):
    done = shell(folder, "jaxscale fit runs.csv --quiet -o /dev/stdout | cat")
    assert done.stderr == b"" and json.loads(done.stdout.splitlines()[0])["law"] == "Chinchilla"


def test_a_closed_stderr_leaves_stdout_to_the_answer(folder):
    done = shell(folder, "jaxscale fit runs.csv --json 2>&-")
    assert done.returncode == 0 and json.loads(done.stdout)["law"] == "Chinchilla"


@pytest.mark.parametrize(
    "encoding, shown",
    [("ascii", "R^2"), ("latin-1", "R²"), ("cp437", "R²"), ("koi8-r", "R²")],
)
def test_no_terminal_is_too_poor_for_an_answer(quick, monkeypatch, folder, encoding, shown):
    name = os.fsdecode(b"r\xc3\xa9sum\xe9 \xe2\x88\x9e \xff.csv")  # a part of it is no UTF-8
    (folder / name).write_bytes((folder / "runs.csv").read_bytes())
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(
        "jaxscale.cli.fit.fit",
        lambda law, runs, **options: dataclasses.replace(
            jaxscale.load(folder / "fit.json"), runs=runs
        ),
    )
    assert main(["fit", str(folder / name), "--quiet"]) == 0
    text = stdout.buffer.getvalue().decode(encoding)
    assert shown in text and r"\udcff" in text


def test_an_ascii_locale_gets_its_answer(folder):
    done = shell(folder, "jaxscale fit runs.csv --quiet", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 0 and b"R^2" in done.stdout and done.stderr == b""


def test_a_bar_that_nobody_watches_stops_nothing(monkeypatch, tmp_path):
    """A pipe from stderr that closes in the middle of a fit does not cost the fit."""
    reader, writer = os.pipe()
    stderr = os.fdopen(writer, "w", buffering=1)
    stderr.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", stderr)
    os.close(reader)
    options = argparse.Namespace(quiet=False)
    monkeypatch.setattr(outputs, "tqdm", lambda **look: tqdm(**{**look, "delay": 0}))

    def work(progress):
        for done in range(3):
            progress(done, 3)
        return "done"

    assert with_progress(options, work) == "done"
    stderr.close()


def test_a_disk_that_fills_during_a_sweep_is_no_bad_input(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    Path("s.toml").write_text("data.a.path = 'runs.csv'\nsweep.laws = ['Chinchilla']\n")

    def full(*_, **__):
        raise OSError(28, "No space left on device", "out/summary.csv")

    monkeypatch.setattr("jaxscale.cli.sweep.run_sweep", full)
    assert main(["sweep", "s.toml", "--folder", "out", "--quiet"]) == 3
    assert capsys.readouterr().err == "jaxscale: error: out/summary.csv: No space left on device\n"


def test_debug_shows_the_traceback_and_keeps_the_exit_code(capsys):
    assert main(["fit", "nowhere.csv", "--debug"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err and err.endswith("jaxscale: error: 'nowhere.csv': no such file\n")
