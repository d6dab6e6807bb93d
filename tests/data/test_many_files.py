"""Several files, patterns and pipes as one table; tables of Markdown; what is too large."""

import csv
import gzip
import io
import json
import os
import sys
import threading
import time

import pytest

import jaxscale
from jaxscale.data.csv_text import MAX_CELL
from jaxscale.data.tables import read_table, read_tables

HEAD = "name,N,D,loss\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("runs")
    for name, text in {
        "runs/a.csv": HEAD + "tiny,1e8,2e9,3.1\nsmall,2e8,2e9,2.9\n",
        "runs/b.csv": "name,N,D,loss,lr\nlarge,4e8,9e9,2.7,0.001\n",
        "runs/c.json": json.dumps({"N": 8e8, "D": 9e9, "loss": 2.6}),
    }.items():
        with open(name, "w") as file:
            file.write(text)
    return tmp_path


ONE_TABLE = {
    "files": ["runs/a.csv", "runs/b.csv", "runs/c.json"],
    "a pattern": "runs/*",
    "patterns": ["runs/*.csv", "runs/*.json"],
    "a pattern over folders": "**/?.*",
}


@pytest.mark.parametrize("name", ONE_TABLE)
def test_files_are_one_table(name, folder):
    runs = jaxscale.read_runs(ONE_TABLE[name])
    assert runs.loss.tolist() == [3.1, 2.9, 2.7, 2.6] and runs.rows.tolist() == [1, 2, 3, 4]
    assert runs.where(1).endswith(", row 2 (runs/a.csv row 3, small)")
    assert runs.where(3).endswith(", row 4 (runs/c.json)")
    assert runs.columns["lr"][2] == 1e-3 and len(runs.columns["lr"]) == 4
    one = jaxscale.read_runs(ONE_TABLE[name], where="file == 'runs/b.csv'")
    assert one.loss.tolist() == [2.7]


FAULTS = {
    "a cell": ({"runs/d.csv": HEAD + "x,1e8,2e9,3.1\ny,1e8,2e9,bad\n"}, "runs/*", "d.csv row 3"),
    "a header": ({"runs/d.csv": "N,N,loss\n1,2,3\n"}, "runs/*", "runs/d.csv, row 1 (header)"),
    "a line": ({"runs/d.jsonl": '{"N": 1}\n{"N"\n{}'}, "runs/*", "runs/d.jsonl, row 2"),
    "nothing matches": ({}, "runs/*.tsv", "no file matches"),
    "twice": ({}, ["runs/a.csv", "runs/*.csv"], "'runs/a.csv' is given twice"),
    "none": ({}, [], "no file is given"),
    "one is missing": ({}, ["runs/a.csv", "runs/e.csv"], "runs/e.csv"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_messages_name_the_file(name, folder):
    files, given, said = FAULTS[name]
    for path, text in files.items():
        (folder / path).write_text(text)
    with pytest.raises(jaxscale.DataError) as error:
        jaxscale.read_runs(given)
    assert said in str(error.value)


def test_a_column_that_a_file_lacks_is_missing_there(folder):
    table = read_tables("runs/*")
    assert table.columns["lr"] == [None, None, "0.001", None]
    assert table.columns["file"] == ["runs/a.csv", "runs/a.csv", "runs/b.csv", "runs/c.json"]
    assert "'lr'" in table.hint


def test_a_file_whose_name_is_a_pattern_is_that_file(folder):
    (folder / "runs/a[1].csv").write_text(HEAD + "x,1,2,3\n")
    assert jaxscale.read_runs("runs/a[1].csv").loss.tolist() == [3]


CSV = b"N,D,loss\n1e8,2e9,3.1\n"
STREAMS = {
    "CSV": CSV,
    "CSV with a mark": b"\xef\xbb\xbf" + CSV,
    "UTF-16": CSV.decode().encode("utf-16"),
    "gzip": gzip.compress(CSV),
    "JSON": b'\n [{"N": 1e8, "D": 2e9, "loss": 3.1}]',
    "JSON Lines": b'{"N": 1e8, "D": 2e9, "loss": 3.1}\n',
    "JSON in gzip": gzip.compress(b'{"runs": [{"N": 1e8, "D": 2e9, "loss": 3.1}]}'),
    "Markdown": b"| N | D | loss |\n|---|---|:-:|\n| 1e8 | 2e9 | 3.1 |\n",
}


@pytest.mark.parametrize("name", STREAMS)
def test_standard_input_is_read_by_what_it_holds(name, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STREAMS[name])))
    runs = jaxscale.read_runs("-")
    assert runs.loss.tolist() == [3.1] and runs.source == "standard input"


def test_what_a_shell_opens_is_read():
    reading, writing = os.pipe()
    os.write(writing, CSV)
    os.close(writing)
    try:
        assert jaxscale.read_runs(f"/dev/fd/{reading}").loss.tolist() == [3.1]
    finally:
        os.close(reading)


def test_a_stream_that_never_ends_is_refused(monkeypatch):
    class Endless:
        def read(self, size):
            return b"x" * size

    monkeypatch.setattr("jaxscale.data.tables.MAX_BYTES", 1 << 26)
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": Endless()})())
    with pytest.raises(jaxscale.DataError, match="standard input: more than 64 MiB"):
        jaxscale.read_runs("-")


MARKDOWN = {
    "plain": ("| N | D | loss |\n|---|---|---|\n| 1 | 2 | 3 |\n", [3]),
    "between texts": (
        "# Runs\n\na | b\n\nN | D | loss\n--|--|--\n1 | 2 | 3\n4 | 5 | 2\n\nEnd\n",
        [7, 8],
    ),
    "a bar in a cell": ("| N | D | loss | note |\n|-|-|-|-|\n| 1 | 2 | 3 | a\\|b |\n", [3]),
    "a cell short": ("| N | D | loss | note |\n|-|-|-|-|\n| 1 | 2 | 3 |\n", [3]),
}  # fmt: skip


@pytest.mark.parametrize("name", MARKDOWN)
def test_a_table_of_markdown_is_read_with_its_lines(name, tmp_path):
    text, rows = MARKDOWN[name]
    path = tmp_path / "notes.md"
    path.write_text(text)
    runs = jaxscale.read_runs(path)
    assert runs.rows.tolist() == rows and runs.columns["D"][0] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Runs\n\nN, D, loss\n", "no pipe table"),
        ("|N|loss|\n|-|-|\n|1|2|\n\n|N|loss|\n|-|-|\n|1|2|\n", "2 pipe tables .* rows 1, 5"),
        ("|N|loss|\n|-|-|\n|1|2|3|\n", "row 3: 3 cells for 2 columns"),
        ("|N|loss|\n|-|-|\n", "no rows below it"),
    ],
)
def test_another_markdown_is_refused(text, said, tmp_path):
    path = tmp_path / "notes.md"
    path.write_text(text)
    with pytest.raises(jaxscale.DataError, match=said):
        jaxscale.read_runs(path)


def test_long_cells_are_read_and_the_limit_of_the_process_stays(tmp_path):
    path = tmp_path / "runs.csv"
    before = csv.field_size_limit()
    for length in (131_072, 131_073, 1_000_000):
        path.write_text(f'N,D,loss,note\n1,2,3,{"x" * length}\n1,2,4,"{"y" * length}"\n')
        assert len(read_table(path).columns["note"][1]) == length
    path.write_text(f"N,D,loss,note\n1,2,3,{'x' * (MAX_CELL + 1)}\n")
    with pytest.raises(jaxscale.DataError, match="row 2: a cell of more than 16,777,216 char"):
        read_table(path)
    assert csv.field_size_limit() == before


LARGE = {
    "rows.csv": (b"N,D,loss\n" + b"1,2,3\n" * 300, "301 lines, and 200 are the most"),
    "rows.csv.gz": (gzip.compress(b"N,loss\n" + b"1,3\n" * 300), "301 lines, and 200 are"),
    "rows.jsonl": (b'{"N": 1}\n' * 300, "300 lines, and 200 are the most"),
    "cells.csv": (b"a,b,c,d,e,f\n" + b"1,2,3,4,5,6\n" * 190, "1,146 cells in 6 columns"),
    "cells.json": (json.dumps([{str(k): 1} for k in range(35)]).encode(), "1,225 cells"),
    "line.jsonl": (b'{"N": 1}\n{"N": "' + b"x" * 3000 + b'"}\n', "row 2: a line of 3,010 char"),
    "brackets.json": (b"[" + b"[]," * 400 + b"[]]", "JSON of 402 objects and arrays"),
    "commas.json": (b'{"N": [' + b"1," * 1200 + b"1]}", "JSON of 1,200 commas"),
    "value.json": (b'[{"N": "' + b"x" * 20_000 + b'"}]', "JSON of 20,011 characters in one value"),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_is_refused_by_what_is(name, tmp_path, monkeypatch):
    for module in ("csv_text", "json_shapes"):
        monkeypatch.setattr(f"jaxscale.data.{module}.MAX_ROWS", 200)
        monkeypatch.setattr(f"jaxscale.data.{module}.MAX_CELLS", 1000)
    monkeypatch.setattr("jaxscale.data.json_shapes.MAX_LINE", 3000)
    monkeypatch.setattr("jaxscale.data.json_shapes.MAX_CHARACTERS", 20_000)
    content, said = LARGE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(jaxscale.DataError, match=said):
        read_table(tmp_path / name)


def test_many_columns_take_no_square_of_their_number(tmp_path):
    names = ["N", "D", "loss", *(f"metric_{k}" for k in range(20_000))]
    path = tmp_path / "wide.csv"
    path.write_text(",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n")
    begin = time.process_time()
    assert len(read_table(path).columns) == 20_003
    assert time.process_time() - begin < 2  # comparing all pairs takes 4


def test_tables_are_read_at_once_by_several_threads(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(f"N,D,loss,note\n1,2,3,{'x' * 200_000}\n")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(len(read_table(path).lines))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 4
