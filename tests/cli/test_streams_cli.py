"""Standard input and pipes in place of files."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jaxscale.cli.parser import main

AT = ["--N", "1B", "--D", "20B"]


@pytest.fixture
def saved(fitted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitted.save("fit.json")
    return Path("fit.json").read_bytes()


def answer(capsys, *argv):
    code = main(list(argv))
    return code, *capsys.readouterr()


def piped(content):
    """A pipe that holds the content, and who fills it; its name is as a shell's <(...) gives it."""
    reader, writer = os.pipe()

    def fill():
        with os.fdopen(writer, "wb") as stream:
            stream.write(content)

    filler = threading.Thread(target=fill)
    filler.start()
    return reader, filler


def test_a_fit_comes_through_standard_input_or_a_pipe(capsys, monkeypatch, saved):
    expected = answer(capsys, "predict", "fit.json", *AT)
    for content in (saved, saved + b"\n"):  # what was read before is not answered again
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert answer(capsys, "predict", "-", *AT) == expected
        assert answer(capsys, "predict", "-", *AT) == expected  # a command may look twice
    reader, filler = piped(saved)
    assert answer(capsys, "predict", f"/dev/fd/{reader}", *AT) == expected
    filler.join()
    os.close(reader)


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "no JSON"),
        (b"N,D,loss\n", "no JSON"),
        (b"{}", "not a fit result"),
        (b"\xff", "not UTF-8 text"),
    ],
)
def test_what_is_no_fit_is_told_as_of_a_file(capsys, monkeypatch, content, said):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    code, out, err = answer(capsys, "predict", "-", *AT)
    assert (code, out) == (2, "") and said in err and err.startswith("jaxscale: error: -: ")


def test_standard_input_that_is_closed_is_a_sentence(saved):
    command = [sys.executable, "-m", "jaxscale", "predict", "-", *AT]
    closed = f"exec {' '.join(command)} <&-"
    done = subprocess.run(["sh", "-c", closed], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_a_specification_comes_through_standard_input(capsys, monkeypatch, tmp_path):
    """Its files are then named from where one is."""
    monkeypatch.chdir(tmp_path)
    Path("runs.csv").write_text("N,loss\n" + "".join(f"{n}e9,{3 - n / 9}\n" for n in range(1, 9)))
    spec = b"data.a.path = 'runs.csv'\nsweep = {laws = ['PowerLaw:N']}\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(spec)))
    code, out, _ = answer(capsys, "sweep", "-", "--folder", "out", "--dry-run")
    assert code == 0 and "1 cell" in out


def test_a_named_pipe_is_not_waited_for(capsys, saved):
    os.mkfifo("pipe")
    code, _, err = answer(capsys, "predict", "pipe", *AT)
    assert code == 2 and "a pipe is read as standard input: - < pipe" in err
