"""Whatever a command is given, it ends in a right answer or in one sentence."""

import os

import pytest
from hostile import law_rows, log_rows, option_rows, sweep_rows, table_rows, word_rows
from hostile.harness import Row, faults, in_time, make_files, nothing_compiled, overhear, run

import jaxscale

ROWS = [*table_rows.ALL, *word_rows.ROWS, *law_rows.ROWS, *sweep_rows.ROWS, *log_rows.ROWS]
ALL = "HOSTILE_EXAMPLES" in os.environ  # the nightly checks
QUICK = [row for row in ROWS if not row.slow]
NUMBERS = [row for row in option_rows.ROWS if ALL or not row.slow]


@pytest.fixture
def taken(tmp_path, monkeypatch):
    """An empty folder to be in, and the runs that a fit is given; nothing is compiled."""
    monkeypatch.chdir(tmp_path)
    runs = []
    monkeypatch.setattr("jaxscale.cli.fit.fit", overhear(jaxscale.fit, runs))
    monkeypatch.setattr("jaxscale._numerics.programs.program", nothing_compiled)
    return runs


@pytest.mark.parametrize("row", QUICK, ids=lambda row: row.name)
def test_a_row_of_the_catalogue_ends_as_it_should(capsys, tmp_path, taken, row: Row):
    make_files(tmp_path, row)
    with in_time():
        code = run(row.argv)
    out, err = capsys.readouterr()
    assert not faults(row, code, out, err, tmp_path), (code, out[-2000:], err[-2000:])
    if row.check is not None:
        assert row.check(taken[0])


@pytest.mark.parametrize("option", sorted({f"{row.argv[0]} {row.option}" for row in NUMBERS}))
def test_a_number_of_an_option_is_taken_or_refused(capsys, tmp_path, taken, fitted, option):
    fitted.save(tmp_path / "fit.json")
    rows = [row for row in NUMBERS if option == f"{row.argv[0]} {row.option}"]
    assert len(rows) >= 10
    for row in rows:
        make_files(tmp_path, row)
        with in_time():
            code = run(row.argv)
        out, err = capsys.readouterr()
        assert not faults(row, code, out, err, tmp_path), (row.name, code, out[-900:], err[-900:])
