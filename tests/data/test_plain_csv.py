"""The quick ways of reading: whole files and whole columns come out as cell by cell."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jaxscale import DataError
from jaxscale.data import cells, columns, csv_text, frames, plain_csv
from jaxscale.data.csv_text import parse_csv
from jaxscale.data.table import Table

AWKWARD = [
    "N,D,loss\n1,2,3\n4,5,6\n",
    "N,D,loss\n1,2,3\n4,5,6",
    "N,D,loss\n1,2,3\n\n\n",
    "\n\nN,D\n1,2\n",
    "N,D\n\n1,2\n",
    "N,D\n1,2\n \n3,4\n",
    "N,D\n1,2\n,\n3,4\n",
    "N,D\n1,\n,\n",
    "N,D\n1,\n,4\n",
    " N , D\n 1,2 \n\t3 ,\u00a04\n",
    "N\tD\n1\t2\n3\t 4\n",
    "N;D\n1,5;2\n3;4\n",
    "N,D,\n1,2,\n3,4,\n",
    "N,D,,\n1,2,,\n3,4\n",
    "N,D\n1,2,,\n3,4\n",
    "N,D\n1,2,3\n3,4\n",
    "N,D\n1\n3,4\n",
    "N,D\r\n1,2\r\n3,4\r\n",
    "N,D\r1,2\r3,4\r",
    "N,D\n1,2\r\n3,4\n",
    'N,D\n"1",2\n3,4\n',
    'N,D\n"1,5",2\n',
    'N,D\n1,"2\n',
    'N,D\n1,5" disk\n',
    "N\n1\n2\n",
    "N\n1\n  \n2\n",
    "N,N\n1,2\n",
    ",\n1,2\n",
    "N,D\n",
    "N,D",
    ",,\nN,D,E\n1,2,3\n",
    "N,D\n1,a\u2028b\n2,c\x0bd\n3,\x1ce\n",
    "名,D\n1_000,300M\n1e400,nan\n",
    "N,D\n" + "1,2\n" * 50,
]


def read(text, decimal="."):
    try:
        table = parse_csv(text, "t.csv", decimal)
    except DataError as error:
        return str(error)
    return dict(table.columns), list(table.lines), table.header, table.notes


def both(text, decimal="."):
    """What is read with and without the quick way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_csv, "CHUNK", 8)
        quick = read(text, decimal)
        patch.setattr(csv_text, "plain_columns", lambda *given: None)
        return quick, read(text, decimal)


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("text", AWKWARD)
def test_plain_text_is_read_as_the_parser_reads_it(text, decimal):
    quick, slow = both(text, decimal)
    assert quick == slow


@given(st.text(alphabet='1a.,; \t\n\r"', max_size=60))
@example("a,1\n,\n")
def test_any_text_is_read_as_the_parser_reads_it(text):
    quick, slow = both("a,b\n" + text)
    assert quick == slow


def test_text_without_quotes_and_gaps_takes_the_quick_way():
    assert plain_csv.plain_columns("a, b\n1,2\n3,\n", ",", 100) == [["a", "1", "3"], ["b", "2", ""]]
    for text in ('a,b\n"1",2\n', "a,b\n1\n", "a,b\n\n1,2\n", "a,b\n1,2\n,\n", "a,b\r1,2\r"):
        assert plain_csv.plain_columns(text, ",", 100) is None
    assert plain_csv.plain_columns("a,b\n1,2345\n", ",", 5) is None  # a line too long


COLUMNS = [
    ["1", "2.5", "-3e8"],
    ["1", "", " 2 "],
    ["", "", ""],
    ["1_000", "2"],
    ["1,024", "2"],
    ["nan", "NaN", "-nan", "NA", "null"],
    ["inf", "-Infinity", "1e400"],
    ["\u0663", "1.", ".5", "+7"],
    ["300M", "11%"],
    ["0x10", "1"],
    ["1", "text", "2"],
    [1, 2.5, 3],
    [1, 10**400],
    [1, None, 2],
    [True, 1.0],
    [0, "", 1],
    [np.float64(1.5), 2],
    np.array([1.0, np.nan, np.inf]),
    np.array([1, 2, 3]),
]


@pytest.mark.parametrize("units", ["plain", "auto"])
@pytest.mark.parametrize("given", COLUMNS, ids=str)
@pytest.mark.parametrize("factor", [1.0, 1e6])
def test_whole_columns_are_read_as_their_cells_are(given, units, factor, monkeypatch):
    table = Table({"x": given}, range(2, len(given) + 2), "t.csv")
    for keep in (np.ones(len(given), bool), np.arange(len(given)) != 1):
        quick = columns.cells_of(table, "x", keep, units, factor=factor)
        with monkeypatch.context() as patch:
            patch.setattr(columns, "all_numbers", lambda *given: None)
            slow = columns.cells_of(table, "x", keep, units, factor=factor)
        np.testing.assert_array_equal(quick[0], slow[0])
        assert quick[1] == slow[1]


def test_a_column_of_text_is_left_at_its_first_cell(monkeypatch):
    seen = []
    plain = cells.read_cell
    monkeypatch.setattr(columns, "read_cell", lambda *a: (seen.append(a), plain(*a))[1])
    table = Table({"x": ["1", "a", "b", "c"], "y": ["1", "", "3", "4"]}, range(2, 6), "t.csv")
    found, notes = columns.others(table, {}, np.ones(4, bool), "plain")
    assert list(found) == ["y"] and not notes and len(seen) == 2


FRAMES = [
    pd.DataFrame({"N": [1, 2**53 + 1], "loss": [3.5, np.nan]}),
    pd.DataFrame({"N": pd.array([1, None], "Int64"), "loss": pd.array([1.5, None], "Float64")}),
    pd.DataFrame({"N": np.array([1, 2], np.uint64), "loss": np.array([0.1, 0.2], np.float32)}),
    pl.DataFrame({"N": [1, None], "loss": [0.1, 2.0], "name": ["a", None]}),
    pa.table({"N": [1, 2], "loss": [0.1, None], "ok": [True, False]}),
]


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_columns_of_dataframes_are_read_as_their_cells_are(frame, monkeypatch):
    quick = frames.table_from_dataframe(frame).columns
    monkeypatch.setattr(frames, "_numbers", lambda series: None)
    slow = frames.table_from_dataframe(frame).columns
    assert list(quick) == list(slow)
    for name, column in quick.items():
        assert type(column) is type(slow[name])
        np.testing.assert_array_equal(column, slow[name])
