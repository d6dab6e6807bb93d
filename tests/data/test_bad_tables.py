"""Broken tables: every refusal names column and row, briefly."""

import gzip
import os

import numpy as np
import pandas as pd
import polars as pl
import pytest
from broken import BROKEN, loss, table

import jaxscale
from jaxscale.data.tables import read_table
from jaxscale.fitting.preparation import prepare

"""name -> (text of a CSV file, what the message says: column, row, and what to do)."""

UNREADABLE = {
    "empty.csv": (b"", "is empty"),
    "blank.csv": (b"\n \r\n", "is empty"),
    "delimiters.csv": (b",,\n,,\n", "no header"),
    "latin.csv": ("N,D,loss,n\u00f6te\n1,2,3,4\n".encode("latin-1"), "row 1: not UTF-8"),
    "utf16-no-mark.csv": ("N,D,loss\n1,2,3\n".encode("utf-16-le"), "row 1: a NUL"),
    "utf16-odd.csv": ("N,D,loss\n1,2,3\n".encode("utf-16") + b"\0", "not UTF-16"),
    "nul.csv": (b"N,D,loss\n1,2,3\n1,\0,3\n", "row 3: a NUL"),
    "cut.csv.gz": (gzip.compress(b"N,D,loss\n" * 99)[:-9], "cannot be read"),
    "damaged.csv.gz": (gzip.compress(b"")[:10] + b"\xff" * 99, "cannot be read"),
    "plain.csv.gz": (b"N,D,loss\n1,2,3\n", "cannot be read"),
    "plain.csv.xz": (b"N,D,loss\n1,2,3\n", "cannot be read"),
    "runs.pickle": (b"", "unpickling runs code"),
    "runs.xlsx": (b"", "unknown kind '.xlsx'"),
    "runs.parquet": (b"PAR1", "not a Parquet file"),
    "array.json": (b'[{"N": 1,]', "line 1: not JSON"),
    "pretty.json": (b'{\n "N": [1]\n}', "no column 'loss'"),
    "numbers.jsonl": (b"1\n2\n", "row 1: expected an object"),
    "middle.jsonl": (b'{"N": 1}\n{"N": \n{"N": 1}', "row 2: not JSON"),
    "ended.jsonl": (b'{"N": 1}\n{"N": \n', "row 2: not JSON"),
    "nothing.json": (b"[]", "no rows"),
    "deep.json": (b"[" * 100_000, "objects without end"),
    "deep.jsonl": (b'{"loss": ' * 850 + b"1" + b"}" * 850, "no column 'loss'"),
    "digits.jsonl": (b'{"loss": ' + b"1" * 5000 + b"}", "row 1: an integer"),
}


def message(path, **options):
    with pytest.raises(jaxscale.DataError) as error:
        runs = jaxscale.read_runs(path, **options)
        prepare(jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log")
    text = str(error.value)
    assert text.count("\n") < 3 and len(text) <= 500 and text.isprintable(), text
    return text


@pytest.mark.parametrize("name", BROKEN)
def test_refused_with_column_and_row(name, tmp_path):
    text, expected = BROKEN[name]
    path = tmp_path / "runs.csv"
    path.write_text(text, newline="")
    said = message(path)
    assert str(path) in said
    for part in expected:
        assert part in said, f"{part} is not in: {said}"


def test_the_table_they_are_made_from_is_good(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(table())
    runs = jaxscale.read_runs(path)
    prepared = prepare(jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log")
    assert prepared.warnings == ("only 8 runs for 5 free parameters: expect wide uncertainty",)
    assert runs.rows.tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert len(BROKEN) >= 24 and len({text for text, _ in BROKEN.values()}) == len(BROKEN)


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable(name, tmp_path):
    content, expected = UNREADABLE[name]
    path = tmp_path / name
    path.write_bytes(content)
    said = message(path)
    assert expected in said and name in said


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo.csv")
    assert "is not a regular file" in message(tmp_path / "fifo.csv")
    assert "is a directory" in message(tmp_path)
    assert "no such file" in message(tmp_path / "none.csv")
    assert "cannot be read" in message("N,D,loss\n" * 999)
    assert "no such file" in message("runs\0.csv")
    assert "nothing is downloaded" in message("https://example.com/runs.csv")
    assert "or a pattern such as 'runs/*.csv'" in message(tmp_path)


FRAME = {"N": [1e8, 2.5e8, 1e9], "D": [2e9, 5e9, 1.5e10], "loss": [3.5, 3.1, 2.8]}
NO_FRAMES = {
    "column twice": (lambda: pd.DataFrame([[1, 2, 3]], columns=["N", "N", "loss"]), "'N'"),
    "no rows": (lambda: pl.DataFrame({"N": [], "loss": []}), "no rows .columns 'N', 'loss'"),
    "booleans": (lambda: pl.DataFrame({**FRAME, "D": [True, False, True]}),
                 "row 1, column 'D': expected a number, got 'True'"),
    "complex": (lambda: pd.DataFrame({**FRAME, "D": [1j, 2, 3]}), "row 1, column 'D'"),
    "lists": (lambda: pl.DataFrame({**FRAME, "D": [[1], [2], [3]]}), "row 1, column 'D'"),
    "dates": (lambda: pd.DataFrame({**FRAME, "D": pd.date_range("2024-01-01", periods=3)}),
              "row 1, column 'D': expected a number, got '2024-01-01"),
    "text": (lambda: pd.DataFrame({**FRAME, "D": ["1", "x", "3"]}), "row 2, column 'D'.*'x'"),
    "lazy": (lambda: pl.LazyFrame(FRAME), "collect"),
    "series": (lambda: pd.Series([1, 2]), "got Series"),
    "dict": (lambda: FRAME, "got dict; for arrays use Runs"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_FRAMES)
def test_refused_frames(name):
    make, match = NO_FRAMES[name]
    with pytest.raises(jaxscale.DataError, match=match):
        jaxscale.Runs.from_dataframe(make()).column("D")


@pytest.mark.parametrize(
    "options", [{"bad": "dorp"}, {"units": "Auto"}, {"drop_highest": -1}, {"decimal": ";"}]
)
def test_options_are_checked(options, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(table())
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        jaxscale.read_runs(path, **options)


BAD_ARRAYS = {
    "length": (dict(N=[1, 2], loss=[1]), "'N' has 2 rows, the loss has 1"),
    "weight": (dict(N=[1], loss=[1], weight=[1, 2]), "'weight' has 2 rows"),
    "group": (dict(N=[1], loss=[1], group=["a", "b"]), "'group' has 2 rows"),
    "rows": (dict(N=[1], loss=[1], rows=[1, 2]), "2 row numbers for 1 runs"),
    "text": (dict(N=["a"], loss=[1]), "'N' is not numeric"),
    "huge": (dict(N=[10**400], loss=[1]), "'N' is not numeric"),
    "complex": (dict(N=np.array([1j]), loss=[1]), "'N' is not numeric"),
    "scalar": (dict(N=1.0, loss=[1]), "'N' must have one dimension"),
    "table": (dict(N=[1], loss=[[1]]), "'loss' must have one dimension"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays(name):
    arguments, match = BAD_ARRAYS[name]
    with pytest.raises(jaxscale.DataError, match=match):
        jaxscale.Runs(**arguments)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxscale.data.tables.MAX_BYTES", 1000)
    path = tmp_path / "runs.csv.gz"
    path.write_bytes(gzip.compress(b"N,D,loss\n" * 1000))
    assert "more than" in message(path)


def test_long_names_and_cells_are_cut(tmp_path):
    path = tmp_path / "runs.csv"
    long = "x" * 3000
    for text in (
        f"{long},D,acc\n1,2,3\n",
        f"N,D,loss\n1,2,{long}\n",
        f"{long},{long},loss\n1,2,3\n",
        f"{long},loss,D,N\n1,2,3\n",
        f"N,D,loss,{long}\n1,2,3\n",
    ):
        path.write_text(text)
        message(path)


def suspicions(path, text):
    path.write_text(text)
    runs = jaxscale.read_runs(path)
    found = prepare(jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log").warnings
    return [text for text in found if not text.startswith("only 8 runs")]


def with_all(n, d):
    return n, d, loss(n, d), 6 * n * d


WARNED = {
    "duplicate": (
        table((9, 0, "1.6e9"), (9, 2, table().split()[6].split(",")[2])),
        "row 9",
        "row 7",
    ),
    "millions": (table(values=lambda n, d: (n / 1e6, d, loss(n, d))), "'N'", "millions"),
    "billions": (table(values=lambda n, d: (n, d / 1e9, loss(n, d))), "'D'", "billions"),
    "C of one row": (table((5, 3, "1e25"), header="N,D,loss,C", values=with_all), "'C'", "row 5"),
    "C in PF-days": (
        table(header="N,D,loss,compute", values=lambda n, d: (n, d, loss(n, d), n * d / 1.4e19)),
        "'compute' (C)",
        "8 of 8 rows (rows 2, 3, 4, 5, 6 and more",
    ),
}


@pytest.mark.parametrize("name", WARNED)
def test_suspicious(name, tmp_path):
    text, *expected = WARNED[name]
    found = suspicions(tmp_path / "runs.csv", text)
    assert len(found) == 1
    for part in expected:
        assert part in found[0]


def test_a_contradiction_of_less_than_two_is_none(tmp_path):
    for factor, warned in ((0.51, False), (1.99, False), (0.49, True), (2.01, True)):

        def values(n, d, k=factor):
            return n, d, loss(n, d), k * 6 * n * d

        text = table(header="N,D,loss,C", values=values)
        found = suspicions(tmp_path / "runs.csv", text)
        assert any("contradicts" in said for said in found) == warned
    blank = table((4, 3, ""), header="N,D,loss,C", values=with_all)
    assert suspicions(tmp_path / "runs.csv", blank) == []


def test_other_numbers_of_a_law_are_checked_too(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(table((4, 0, "few"), header="steps_k,D,loss"))
    assert "row 4, column 'steps_k': expected a number, got 'few'" in message(
        path, map={"N": "steps_k"}
    )


def test_names_of_nested_keys_end(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_bytes(UNREADABLE["deep.jsonl"][0])
    assert [name.count(".") for name in read_table(path).columns] == [32]


def test_integers_beyond_floats(tmp_path):
    path = tmp_path / "runs.jsonl"
    row = '{"N": 1, "D": -1%s, "loss": 2}\n' % ("0" * 400)
    path.write_text(row)
    assert "row 1, column 'D': expected a finite number, got -inf" in message(path)


def test_no_runs_at_all():
    runs = jaxscale.Runs(N=[], D=[], loss=[])
    with pytest.raises(jaxscale.DataError, match="no rows"):
        prepare(jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log")


if __name__ == "__main__":  # print the messages, to be read
    import tempfile
    from pathlib import Path

    for name, (text, _) in BROKEN.items():
        path = Path(tempfile.mkdtemp()) / "runs.csv"
        path.write_text(text, newline="")
        print(f"{name:20s}", message(path).replace(str(path), "runs.csv"))
    for name, (content, _) in UNREADABLE.items():
        path = Path(tempfile.mkdtemp()) / name
        path.write_bytes(content)
        print(f"{name:20s}", message(path).replace(str(path.parent) + "/", ""))
    for name, (text, *_) in WARNED.items():
        print(f"{name:20s}", *suspicions(Path(tempfile.mkdtemp()) / "runs.csv", text))
