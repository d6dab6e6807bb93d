"""A fit's file, edited in any field: refused in one sentence, or the same answer as before."""

import copy
import json
import math
import os

import pytest
from hostile.harness import ESCAPE, Row, faults, in_time, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "12"))
SOME = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ALLOCATE = ("allocate", "fit.json", "--compute", "1e21", "--draws", "0", "--json")
GONE = object()
DEEP = json.loads("[" * 400 + "]" * 400)
DAMAGES = {
    "gone": GONE,
    "null": None,
    "an empty list": [],
    "an empty object": {},
    "a list of null": [None],
    "a text": "x",
    "escapes": ESCAPE,
    "half a pair": "\ud800",
    "NaN": math.nan,
    "infinity": math.inf,
    "-1": -1,
    "0": 0,
    "1e308": 1e308,
    "400 digits": 10**400,
    "true": True,
    "deep": DEEP,
    "twice": lambda value: 2 * value if isinstance(value, int | float | list | str) else GONE,
    "minus": lambda value: -value if isinstance(value, int | float) else {"a": value},
}


def paths(value, at=()):
    """Yield the place of every value of a document, the first and last of a list."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*at, key))
    elif isinstance(value, list) and value:
        for k in sorted({0, len(value) - 1}):
            yield from paths(value[k], (*at, k))


def damaged(document, at, damage):
    """The document with another value at a place."""
    document = copy.deepcopy(document)
    place = document
    for key in at[:-1]:
        place = place[key]
    value = damage(place[at[-1]]) if callable(damage) else damage
    if value is GONE:
        del place[at[-1]]
    else:
        place[at[-1]] = value
    return document


@pytest.fixture
def document(fitted):
    return json.loads(fitted.to_json())


def ended(capsys, folder, text, row):
    """Judge how an allocation by this text ends; returns its numbers, if there are any."""
    (folder / "fit.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with in_time():
        code = run(row.argv)
    out, err = capsys.readouterr()
    assert not faults(row, code, out, err, folder), (code, out[-500:], err[-500:])
    return json.loads(out)["allocations"] if code == 0 else None


def close(found, good):
    """Whether two answers differ by rounding: the last digits of a parameter cannot be checked."""
    return all(
        math.isclose(a[key], b[key], rel_tol=1e-5)
        for a, b in zip(found, good, strict=True)
        for key in ("N", "D", "loss")
    )


ROW = Row("a damaged fit", ALLOCATE, codes=(0, 1, 2), makes=("fit.json",))
PART = int(os.environ.get("HOSTILE_PART", "6"))
"""Of the places, one in so many."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_field_gives_no_other_number(capsys, tmp_path, monkeypatch, document, damage):
    monkeypatch.chdir(tmp_path)
    good = ended(capsys, tmp_path, json.dumps(document), ROW)
    every = list(paths(document))
    first = list(DAMAGES).index(damage) % PART
    for at in every[first::PART]:
        worse = json.dumps(damaged(document, at, DAMAGES[damage]))
        found = ended(capsys, tmp_path, worse, ROW)
        assert found is None or found == good, (at, damage)


TEXTS = {
    "1e400": lambda text: text.replace('"E": ', '"E": 1e400, "unused": ', 1),
    "a key twice": lambda text: text.replace('"E": ', '"E": 1.0, "E": ', 1),
    "4,400 digits": lambda text: text.replace('"E": ', '"E": ' + "9" * 4400 + ', "unused": ', 1),
    "100,000 deep": lambda text: "[" * 100_000,
    "objects 100,000 deep": lambda text: '{"params": ' * 100_000,
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "blanks": lambda text: " " * 9999,
    "a NUL": lambda text: text + "\0",
    "two documents": lambda text: text + text,
    "a comment": lambda text: "// x\n" + text,
    "quotes of Python": lambda text: text.replace('"', "'"),
    "a list of it": lambda text: f"[{text}]",
    "a pickle": lambda text: "cos\nsystem\n(S'touch canary'\ntR.",
    "UTF-16": lambda text: text.encode("utf-16"),
    "a mark": lambda text: "\ufeff" + text,
    "Latin-1": lambda text: text.encode() + b"\xe9",
    "a law that runs": lambda text: text.replace('"Chinchilla"', '"canary.py:Mine"', 1),
    "a law that is a module": lambda text: text.replace('"Chinchilla"', '"os"', 1),
    "a loss that runs": lambda text: text.replace('"huber"', '"canary:Mine"', 1),
}


@pytest.mark.parametrize("name", TEXTS)
def test_another_text_gives_no_other_number(capsys, tmp_path, monkeypatch, document, name):
    monkeypatch.chdir(tmp_path)
    good = ended(capsys, tmp_path, json.dumps(document), ROW)
    found = ended(capsys, tmp_path, TEXTS[name](json.dumps(document)), ROW)
    assert found == (good if name == "a mark" else None)


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([10**400, -1, 2**63, 5e-324, "converged", "Chinchilla", "huber", "log"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@SOME
@given(data=st.data())
def test_any_values_in_any_fields_give_no_other_number(capsys, tmp_path, monkeypatch, fitted, data):
    monkeypatch.chdir(tmp_path)
    document = json.loads(fitted.to_json())
    good = ended(capsys, tmp_path, json.dumps(document), ROW)
    for _ in range(data.draw(st.integers(1, 3))):
        every = list(paths(document))
        document = damaged(document, data.draw(st.sampled_from(every)), data.draw(VALUES))
    found = ended(capsys, tmp_path, json.dumps(document), ROW)
    assert found is None or found == good


@SOME
@given(where=st.integers(0, 10**9), what=st.binary(max_size=4), gone=st.integers(0, 40))
def test_any_bytes_anywhere_give_no_other_number(
    capsys, tmp_path, monkeypatch, fitted, where, what, gone
):
    monkeypatch.chdir(tmp_path)
    raw = fitted.to_json().encode()
    good = ended(capsys, tmp_path, raw, ROW)
    where %= len(raw)
    found = ended(capsys, tmp_path, raw[:where] + what + raw[where + gone :], ROW)
    assert found is None or close(found, good)
