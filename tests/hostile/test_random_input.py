"""Random tables, expressions, mappings and specifications: one sentence or an answer."""

import json
import os

import pytest
from hostile.harness import Row, faults, in_time, nothing_compiled, run
from hostile.sweep_rows import SPEC
from hostile.table_rows import CELLS, GOOD
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SOME = settings(
    max_examples=int(os.environ.get("HOSTILE_EXAMPLES", "25")),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


FILES = ("a.csv", "b.csv.gz", "b.csv.xz", "b.jsonl", "b.json", "b.parquet", "b", "s.toml")


@pytest.fixture
def end(capsys, tmp_path, monkeypatch):
    """What writes a file, runs a command and judges how it ends."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jaxscale._numerics.programs.program", nothing_compiled)
    (tmp_path / "a.csv").write_text(GOOD)

    def ended(argv, name="a.csv", content=GOOD, codes=(1, 2)):
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        (tmp_path / name).write_bytes(raw)
        row = Row("random", argv, codes=codes, makes=(*FILES, "out"), weird=True)
        with in_time():
            code = run(argv)
        out, err = capsys.readouterr()
        assert not faults(row, code, out, err, tmp_path), (argv, code, out[-500:], err[-500:])

    return ended


CELL = st.one_of(
    st.floats(allow_nan=True).map(repr),
    st.integers().map(str),
    st.text(max_size=6),
    st.sampled_from(["", "-", '"', '""', "nan", "1,5", "1e400", "3\0", "\ufeff", "=1", "1_0", "N"]),
)
LINES = st.lists(st.lists(CELL, max_size=5).map(",".join), max_size=9)
HEADS = st.sampled_from(["N,D,loss", "params,tokens,loss", "N;D;loss", "N,D,loss,weight", ""])


@SOME
@given(head=HEADS, lines=LINES, mark=st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_random_table_ends_in_a_sentence(end, head, lines, mark):
    end(("fit", "a.csv", "--quiet"), "a.csv", mark.join([head, *lines]))
    end(("fit", "a.csv", "--quiet", "--units", "auto", "--bad", "drop"))


@SOME
@given(
    raw=st.binary(max_size=60), where=st.integers(0, len(GOOD)), name=st.sampled_from(FILES[:-1])
)
def test_random_bytes_end_in_a_sentence(end, raw, where, name):
    end(("fit", name, "--quiet"), name, GOOD[:where].encode() + raw + GOOD[where:].encode())


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["N", "D", "loss", "params", "C", "", "weight", "step", "lr", "x.y"])


@SOME
@given(st.lists(st.dictionaries(NAMES, VALUE, max_size=4) | VALUE, max_size=5))
def test_random_json_ends_in_a_sentence(end, records):
    good = [dict(zip(("N", "D", "loss"), row, strict=True)) for row in CELLS.tolist()]
    end(("fit", "b.json", "--quiet"), "b.json", json.dumps([*good, *records]))
    lines = "\n".join(json.dumps(record) for record in [*good, *records])
    end(("fit", "b.jsonl", "--quiet"), "b.jsonl", lines)
    end(("forecast", "b.jsonl", "--final-step", "99"), "b.jsonl", lines, (0, 1, 2))


WORDS = st.sampled_from(
    [
        *"N D loss x `N` ` 'a' ( ) [ ] , . : ; < > <= == = != + - * ** / // % and or not".split(),
        *"& | ! ~ 1 0 -1 1e9 1e400 nan inf True None lambda if else for () [] {} @ :=''".split(),
        *('"', "\\", "\n", "#", "b''", "is"),
    ]
)


@SOME
@given(words=st.lists(WORDS, max_size=9), glue=st.sampled_from(["", " "]))
def test_a_random_expression_ends_in_a_sentence(end, words, glue):
    text = glue.join(words)
    end(("fit", "a.csv", "--quiet", f"--where={text}"))
    end(("fit", "a.csv", "--quiet", f"--column=N={text}"))
    end(("fit", "a.csv", "--quiet", f"--law={text}"))


OPTIONS = (
    "--fix --bound --tie --error --delta --starts --seed --loss --drop-highest --max-steps"
).split()
TOML = st.sampled_from(
    ["laws", "losses", "deltas", "seeds", "starts", "bootstrap", "chunk", "precision", "[sweep]",
     "[data.b]", "[fix.Chinchilla]", "path", "map", "where", "=", "\n", "[", "]", "{", "}", ",",
     "1", "-1", "1e400", "nan", "'x'", '"Chinchilla"', '"a.csv"', "true", "2024-01-01", "#", '"']
)  # fmt: skip


@SOME
@given(words=st.lists(TOML, max_size=12))
def test_a_random_specification_ends_in_a_sentence(end, words):
    text = SPEC + " ".join(words)
    argv = ("sweep", "s.toml", "--folder", "out", "--dry-run", "--quiet")
    end(argv, "s.toml", text, (0, 1, 2))


@SOME
@given(option=st.sampled_from(OPTIONS), text=CELL)
def test_a_random_option_ends_in_a_sentence(end, option, text):
    end(("fit", "a.csv", "--quiet", f"{option}={text}"))
    end(("fit", "a.csv", "--quiet", f"{option}=E={text}"))
