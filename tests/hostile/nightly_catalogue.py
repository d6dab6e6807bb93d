"""Every row of the catalogue to its end, compiled, each in a process of its own: time and memory.

The processes are copies of this one, which has imported everything and compiled nothing.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
from hostile import law_rows, log_rows, option_rows, sweep_rows, table_rows, word_rows
from hostile.harness import Row, faults, make_files, overhear, run
from hostile.table_rows import GOOD

import jaxscale

pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
CATALOGUE = [
    *table_rows.ALL, *word_rows.ROWS, *law_rows.ROWS, *sweep_rows.ROWS, *log_rows.ROWS,
    *option_rows.ROWS,
]  # fmt: skip
EVERY = int(os.environ.get("HOSTILE_EVERY", "1"))
"""Of the rows, one in so many."""
PATIENCE = float(os.environ.get("HOSTILE_SECONDS", "300"))
"""Compiling takes its time where others compile too."""
COMPILER = 600 << 20
"""Bytes that programs and their compiler may take beside the input."""


@pytest.fixture(scope="session")
def fit_json(tmp_path_factory):
    """The text of a fit's file, made elsewhere: nothing is compiled here."""
    folder = tmp_path_factory.mktemp("fit")
    (folder / "a.csv").write_text(GOOD)
    command = [sys.executable, "-m", "jaxscale", "fit", "a.csv", "--quiet", "--out", "fit.json"]
    subprocess.run(command, cwd=folder, check=False, capture_output=True)
    return (folder / "fit.json").read_text()


def child(row, folder):
    """Run a row in this copy of the process, and end it."""
    for descriptor, name in ((1, "out"), (2, "err")):
        file = os.open(folder.with_suffix(f".{name}"), os.O_WRONLY | os.O_CREAT)
        os.dup2(file, descriptor)
    sys.stdout = open(1, "w", closefd=False)
    sys.stderr = open(2, "w", closefd=False)
    code = 99
    try:
        os.chdir(folder)
        code = run(row.argv)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def copied(row, folder):
    """Return exit code, seconds and peak memory of a row in a copy of this process."""
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        child(row, folder)
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return (
                os.waitstatus_to_exitcode(status),
                time.monotonic() - begin,
                usage.ru_maxrss << 10,
            )
        if time.monotonic() - begin > PATIENCE:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            pytest.fail(f"hangs: {row.argv}")
        time.sleep(0.005)


@pytest.mark.parametrize("row", CATALOGUE[::EVERY], ids=lambda row: row.name)
def test_a_row_ends_as_it_should_to_its_end(tmp_path, fit_json, monkeypatch, row: Row):
    folder = tmp_path / "x"
    folder.mkdir()
    make_files(folder, row)
    if "fit.json" in row.argv:
        (folder / "fit.json").write_text(fit_json)
    if row in table_rows.ALL and row.check is not None:
        monkeypatch.setattr("jaxscale.cli.fit.fit", overhear(jaxscale.fit, []))
    base = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    code, seconds, peak = copied(row, folder)
    out, err = (
        folder.with_suffix(end).read_text(errors="surrogateescape") for end in (".out", ".err")
    )
    # What was taken is fitted here: then the answer is judged, not that it was taken.
    codes = (*row.codes, 0) if 1 in row.codes else row.codes
    said = tuple(text for text in row.said if "were taken" not in text)
    makes = (*row.makes, "fit.json")
    judged = Row(**{**vars(row), "codes": codes, "said": said, "makes": makes})
    wrong = faults(judged, code, out, err, folder)
    if peak - base > COMPILER + 3 * row.size:
        wrong.append(f"{(peak - base) >> 20} MiB for {row.size >> 20} MiB")
    assert not wrong, json.dumps([row.argv, code, seconds, out[-800:], err[-800:]], default=str)
