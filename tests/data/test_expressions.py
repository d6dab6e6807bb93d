"""The language of --where, and random input to the readers: only DataError escapes."""

import contextlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jaxscale
from jaxscale import DataError
from jaxscale.data.expressions import keep_rows
from jaxscale.fitting.preparation import prepare

N = np.array([1e8, 2e8, 4e8, 8e8])
D = np.array([2e9, 4e9, 8e9, 9e10])
LOSS = np.array([3.5, np.nan, 2.5, 2.0])
NAME = np.array(["a", "b", "a", "c & d"])
OK = np.array([True, False, True, True])
COUNT = np.array([1, 2, 3, 4])
COLUMNS = {"N": N, "D": D, "loss": LOSS, "name": NAME, "ok": OK, "eval loss": LOSS, "k": COUNT,
           "_column0": COUNT, "obj": np.array(["x", 1, None, "it's & that"], object)}  # fmt: skip

ACCEPTED = {
    "loss < 3": LOSS < 3,
    "  loss <= 2.5  ": LOSS <= 2.5,
    "loss > 2.0": LOSS > 2,
    "3 >= loss": LOSS <= 3,
    "N == 2e8": N == 2e8,
    "N != 200_000_000": N != 2e8,
    "k == 2": COUNT == 2,
    "loss == loss": LOSS == LOSS,
    "name == 'a'": NAME == "a",
    'name != "a"': NAME != "a",
    "name == 'c & d'": NAME == "c & d",
    "name == 'c \\x26 d'": NAME == "c & d",
    "obj == 'it\\'s & that'": COUNT == 4,
    "name == '\\d' or k == 1or k == 2": COUNT < 3,
    "obj < 'b'": (COUNT == 2) | (COUNT == 3),
    "name < 'b'": NAME == "a",
    "obj == 'x'": COUNT == 1,
    "loss < 4 and name == 'a'": (LOSS < 4) & (NAME == "a"),
    "loss < 3 or N == 2e8": (LOSS < 3) | (N == 2e8),
    "not name == 'a'": NAME != "a",
    "loss < 4 & name == 'a'": (LOSS < 4) & (NAME == "a"),
    "loss < 4 && name == 'a'": (LOSS < 4) & (NAME == "a"),
    "loss < 3 | k == 2": (LOSS < 3) | (COUNT == 2),
    "loss < 3 || k == 2": (LOSS < 3) | (COUNT == 2),
    "!(name == 'a')": NAME != "a",
    "!ok or k != 3": ~OK | (COUNT != 3),
    "k == 1 or k == 2 and ok": (COUNT == 1) | (COUNT == 2) & OK,
    "(k == 1 or k == 2) and ok": COUNT == 1,
    "1 < k < 4": (COUNT > 1) & (COUNT < 4),
    "1 < k <= 3 != 3": np.zeros(4, bool),
    "D <= 20 * N": D <= 20 * N,
    "D / N > 20 + 2 ** 3": D / N > 28,
    "-loss < -2.2": LOSS > 2.2,
    "+k - 1 == 0": COUNT == 1,
    "k ** -1 < 0.5": COUNT > 2,
    "1 / (k - 1) > 0.9": COUNT <= 2,
    "k ** 1e9 > 2": COUNT > 1,
    "name in ['a', 'z']": NAME == "a",
    "name not in ('a', 'b')": NAME == "c & d",
    "k in [1, 3.0, 5]": (COUNT == 1) | (COUNT == 3),
    "k in []": np.zeros(4, bool),
    "k in [k]": np.ones(4, bool),
    "`eval loss` < 3": LOSS < 3,
    "`eval loss` < 3 and _column0 > 3": (LOSS < 3) & (COUNT > 3),
    "`N` < `D`": N < D,
    "ok": OK,
    "ok == True": OK,
    "ok and loss > 0": OK & (LOSS > 0),
    "True": np.ones(4, bool),
    "1 > 2": np.zeros(4, bool),
    "N < 1" + "0" * 400: np.ones(4, bool),
}

REFUSED = {
    "": "cannot read",
    "loss <": "cannot read",
    "loss = 3": "cannot read",
    "loss < 3; N > 1": "cannot read",
    "loss < 3\nN > 1": "cannot read",
    "import os": "cannot read",
    "`eval loss < 3": "cannot read",
    "name == 'a": "cannot read",
    "(" * 10_000 + "N < 1" + ")" * 10_000: "more than 10000 characters",
    "(" * 4_000 + "N < 1" + ")" * 4_000: "cannot read",
    "-" * 5_000 + "N < 1": "cannot read",
    "N < 1" + " + 1" * 2_000: "cannot read",
    "not " * 2_000 + "ok": "cannot read",
    "N < " + "1" * 5_000: "cannot read",
    "N < 1\0": "no plain text|cannot read",
    "N < '\ud800'": "no plain text",
    "__import__('os')": "a call is not allowed",
    "__import__('os').system('true') == 0": "a call is not allowed",
    "N.max() > 1": "a call is not allowed",
    "N.real > 1": "a dot after a name is not allowed",
    "().__class__ == 1": "a dot after a name",
    "N[0] > 1": "an index in brackets is not allowed",
    "lambda: 1": "Lambda is not allowed",
    "[x for x in N] == 1": "ListComp is not allowed",
    "{1: 2} == 1": "Dict is not allowed",
    "{1} == 1": "Set is not allowed",
    "[1, 2, 3, 4] < N": "List is not allowed",
    "(ok := N) > 1": ":= is not allowed",
    "N > 1 if ok else N < 1": "if ... else is not allowed",
    "f'{N}' == 'a'": "an f-string is not allowed",
    "N is 1": "is is not allowed",
    "N is not None": "no number, text or truth",
    "k % 2 == 0": "% is not allowed",
    "k // 2 == 0": "// is not allowed",
    "N ^ 2 > 1": "\\^ is not allowed",
    "~ok": "~ is not allowed",
    "N > 1j": "no number, text or truth",
    "name == b'a'": "no number, text or truth",
    "N > ...": "no number, text or truth",
    "await N": "cannot read|not allowed",
    "*N": "cannot read|not allowed",
    "lost < 3": "no column 'lost'; did you mean 'loss'",
    "__builtins__ == 1": "no column '__builtins__'",
    "`x y` < 3": "no column 'x y'",
    "name == a": "no column 'a'",
    "name < 3": "compares text .'a'. with a number",
    "3 == name": "compares text",
    "N == '3'": "compares text .'3'. with a number",
    "N in ['3']": "compares text",
    "name in ['a', 3]": "compares text",
    "'a' in name": "'in' needs a list",
    "N in 3": "'in' needs a list",
    "1 < k in [2]": "'in' stands alone",
    "name + 'a' == 'aa'": "arithmetic on text .'a'.",
    "-name == 'a'": "arithmetic on text",
    "ok * 2 == 2": "arithmetic on a truth value",
    "N": "is not a comparison",
    "N + 1": "is not a comparison",
    "'a'": "is not a comparison",
    "not N": "not needs comparisons",
    "N and ok": "and needs comparisons",
    "ok or 'a'": "or needs comparisons",
}


@pytest.mark.parametrize("text", ACCEPTED, ids=lambda text: text[:40])
def test_accepted(text):
    with np.errstate(all="raise"):
        mask = keep_rows(text, COLUMNS)
    assert mask.dtype == bool and mask.tolist() == np.asarray(ACCEPTED[text]).tolist()


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:40]))
def test_refused(text):
    with pytest.raises(DataError, match=REFUSED[text]) as error:
        keep_rows(text, COLUMNS)
    assert str(error.value).startswith("where: ")
    assert len(str(error.value)) <= 500 and "\n" not in str(error.value)


def test_letters_and_names_of_the_table(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,val loss,N,converged\n1,20,3,7,True\n2,20,2,8,False\n")
    for where, rows in (
        ("params < 2", [2]),
        ("loss < 2.5", [3]),
        ("`val loss` < 2.5", [3]),
        ("D <= 10 * params", [3]),
        ("converged == 'True'", [2]),
    ):
        assert jaxscale.read_runs(path, where=where).rows.tolist() == rows, where
    mapped = jaxscale.read_runs(path, where="N < 5", map={"N": "params"})
    assert mapped.rows.tolist() == [2, 3]  # N means what map says, not the column of that name


ATOMS = ["N", "loss", "name", "ok", "k", "`eval loss`", "'a'", "3", "1e400", "-1", "True", "None",
         "[1, 'a']", "(2,)", "x", "<", "==", "!=", ">=", "and", "or", "not", "in", "is", "!", "&",
         "|", "+", "-", "*", "/", "**", "%", "(", ")", "[", "]", ",", ".", "if", "else", "lambda",
         ":", "'", '"', "`", "\\", "\n", "0", "9" * 30]  # fmt: skip
WORDS = st.lists(st.sampled_from(ATOMS), max_size=12).map(" ".join)


@settings(max_examples=600, deadline=None)
@given(st.text(max_size=40) | WORDS)
def test_only_data_errors_escape(text):
    try:
        mask = keep_rows(text, COLUMNS)
    except DataError as error:
        assert len(str(error)) <= 500
    else:
        assert mask.dtype == bool and mask.shape == (4,)


CELLS = st.sampled_from(["N", "D", "loss", "C", "weight", "group", "rows", "", "1e8", "3.5", "-1",
                         "nan", "inf", "1e999", "1M", "x", '"', '"a"b', "a\nb", "1,5", "\x00", "é",
                         "True", " ", "9" * 400, "_", "--"])  # fmt: skip
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6)


@st.composite
def tables(draw):
    separator = draw(st.sampled_from([",", ";", "\t"]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    rows = [draw(st.sampled_from([["N", "D", "loss"], ["loss"], ["params", "C", "loss"]]))]
    text = end.join(separator.join(row) for row in rows + draw(ROWS))
    return text.encode(draw(st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-8-sig"])))


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "units": st.sampled_from(["plain", "auto"]),
        "bad": st.just("drop"),
        "drop_highest": st.integers(0, 3),
        "decimal": st.just(","),
        "where": st.sampled_from(["loss < 3", "N > 1 or D > 1"]),
    },
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    content=st.binary(max_size=200) | tables(),
    options=OPTIONS,
    ending=st.sampled_from([".csv", ".csv", ".jsonl", ".csv.gz"]),
)
def test_only_data_errors_escape_the_reader(content, options, ending, tmp_path):
    path = tmp_path / ("runs" + ending)
    path.write_bytes(content)
    try:
        runs = jaxscale.read_runs(path, **options)
    except DataError as error:
        assert len(str(error)) <= 500 + len(str(path)) and "\n" not in str(error)
        return
    assert len(runs) == len(runs.rows) > 0
    assert not set(runs.rows.tolist()) & {row for row, _ in runs.dropped}
    with contextlib.suppress(DataError):
        prepare(jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log")
