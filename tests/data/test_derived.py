"""Columns that are worked out: what an expression gives, which name wins, what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import jaxscale
from jaxscale import DataError, Runs, read_runs
from jaxscale.data.expressions import as_name, names_in, worked_out

HEAD = "params (M),tokens,val_ppl,acc,a,b,val/loss,1-x,config.lr\n"
ROWS = "20,1e9,60,0.5,1,2,3,7,1e-3\n40,2e9,40,0.75,3,4,2,8,3e-4\n"
P, T, PPL, ACC = np.array([20.0, 40]), np.array([1e9, 2e9]), np.array([60.0, 40]), [0.5, 0.75]

GIVEN = {  # letter, expression -> values
    ("loss", "log(val_ppl)"): np.log(PPL),
    ("loss", "log( val_ppl )"): np.log(PPL),
    ("loss", "1-acc"): [0.5, 0.25],
    ("loss", "1 - acc"): [0.5, 0.25],
    ("loss", "100 * (1 - acc)"): [50, 25],
    ("loss", "val/loss"): [3, 2],  # a plain name of a column, not a quotient
    ("loss", "1-x"): [7, 8],  # likewise
    ("loss", "`val/loss` / log(2)"): np.array([3, 2]) / np.log(2),
    ("loss", "log2(val_ppl)"): np.log2(PPL),
    ("loss", "log10(val_ppl) + abs(-acc)"): np.log10(PPL) + ACC,
    ("loss", "sqrt(exp(acc))"): np.sqrt(np.exp(ACC)),
    ("N", "1e6*`params (M)`"): 1e6 * P,
    ("N", "a + b"): [3, 7],
    ("N", "a+b*2**2"): [9, 19],
    ("N", "12 * a * b ** 2"): [48, 576],
    ("D", "tokens / 2"): T / 2,
    ("C", "6 * N * D"): 6 * P * T,  # letters that the header gives
    ("C", "7.2e6 * `params (M)` * tokens"): 7.2e6 * P * T,
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(HEAD + ROWS)
    return path


@pytest.mark.parametrize(("letter", "text"), GIVEN)
def test_a_letter_is_worked_out(letter, text, path):
    runs = read_runs(path, map={"loss": "val_ppl", letter: text})
    found = runs.loss if letter == "loss" else runs.columns[letter]
    np.testing.assert_allclose(found, GIVEN[letter, text], rtol=1e-15)
    assert runs.names[letter] == text
    frame = pd.read_csv(path)
    again = Runs.from_dataframe(frame, map={"loss": "val_ppl", letter: text})
    assert again.digest() == runs.digest()


REFUSED = {
    "foo(val_ppl)": "a call is not allowed",
    "__import__('os')": "no column",
    "log(val_ppl, 2)": "a call is not allowed",
    "log(val_pl)": "no column 'val_pl'; did you mean 'val_ppl'",
    "val_pl": "no column 'val_pl'; the table has 'val_ppl'",
    "params (M)*1e6": "backticks, all in single quotes: '`params .M.`\\*1e6'",
    "config.lr * 2": "single quotes: '`config.lr` \\* 2'",
    "log(val/loss)": "single quotes: 'log.`val/loss`.'",
    "log(val_ppl": "no column|cannot read",
    "acc > 0.5": "gives no numbers",
    "'acc'": "no column",
    "3": "no column",
    "acc.real": "no column|not allowed",
    "acc % 2": "% is not allowed",
    "acc ^ 2": "\\^ is not allowed",
    "acc if acc else acc": "not allowed",
    "not acc": "not needs comparisons",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_expression_of_columns_is_refused(text, path):
    with pytest.raises(DataError, match=REFUSED[text]) as error:
        read_runs(path, map={"loss": text})
    said = str(error.value)
    assert "--column loss" in said and len(said) <= 500 + len(str(path)) and "\n" not in said


def test_cells_that_are_no_numbers_are_said_by_their_own_column(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("N,val_ppl\n1,60\n2,-\n3,OOM\n4,40\n")
    with pytest.raises(DataError, match=r"row 3, column 'val_ppl': .* got '-'; also row 4 'OOM'"):
        read_runs(path, map={"loss": "log(val_ppl)"})
    runs = read_runs(path, map={"loss": "log(val_ppl)"}, bad="drop")
    assert runs.rows.tolist() == [2, 5] and runs.dropped[0] == (3, "loss is no number: '-'")
    low = read_runs(path, where="loss < 4", map={"loss": "log(val_ppl)"})  # NaN is not below
    assert low.rows.tolist() == [5]


@pytest.mark.parametrize("units", ["plain", "auto"])
def test_an_expression_reads_cells_and_not_the_unit_of_the_header(units, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("params (M),loss\n20,3\n40,2\n")
    runs = read_runs(path, units=units, map={"N": "1e6*`params (M)`"})
    assert runs.columns["N"].tolist() == [2e7, 4e7]


SCALES = {"N": ({"N": 1e6}, 2e7), "loss": ({"loss": 0.5}, None), "both": ({"N": 2, "loss": 2}, 40)}


@pytest.mark.parametrize("name", SCALES)
def test_a_column_is_multiplied(name, path):
    scale, first = SCALES[name]
    runs = read_runs(path, map={"N": "params (M)", "loss": "val_ppl"}, scale=scale)
    assert runs.columns["N"][0] == (first or 20)
    assert runs.loss[0] == 60 * scale.get("loss", 1)
    derived = read_runs(path, map={"N": "a+b", "loss": "val_ppl"}, scale={"N": 10.0})
    assert derived.columns["N"].tolist() == [30, 70] and derived.names["N"] == "10*(a+b)"


def test_a_factor_for_nothing_is_refused(path):
    with pytest.raises(DataError, match="--scale C=2: no column is read as C; there are 'loss'"):
        read_runs(path, map={"loss": "val_ppl"}, scale={"C": 2.0})
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="scale of N must be positive"):
            read_runs(path, scale={"N": wrong})


@pytest.mark.parametrize("text", ["a+b", "log(a)", "`x y` * a", "a"])
def test_names_of_an_expression(text):
    assert names_in(text) == {"a+b": ["a", "b"], "`x y` * a": ["x y", "a"]}.get(text, ["a"])


def test_no_names_of_what_is_none():
    assert names_in("a b") is None and names_in("(") is None and names_in("\0") is None
    assert as_name("a") == "a" and as_name("a b") == "`a b`" and as_name("if") == "`if`"
    assert worked_out("2", {"a": np.zeros(3)}, "x").tolist() == [2, 2, 2]


def test_labels_are_no_expression_and_weights_may_be(path):
    with pytest.raises(DataError, match=r"--column group=a\+b: no column 'a\+b'; the table"):
        read_runs(path, map={"loss": "val_ppl", "group": "a+b"})
    runs = read_runs(path, map={"loss": "val_ppl", "weight": "1 / acc**2", "lr": "log(a)"})
    assert runs.weight.tolist() == [4, 1 / 0.75**2] and runs.columns["lr"][0] == 0


def test_weights_are_a_weight_and_errors_are_not(path):
    runs = read_runs(path, map={"loss": "val_ppl", "weights": "a"})
    assert runs.weight.tolist() == [1, 3]
    for name in ("sem", "se", "stderr", "error"):
        with pytest.raises(DataError, match="standard errors: --error COLUMN"):
            read_runs(path, map={"loss": "val_ppl", name: "a"})


CLEAN = [
    ("N,D,loss\n1e8,2e9,3.5\n2.5e8,5e9,3.1\n1e9,1.5e10,2.8\n", {}),
    ("params,tokens,val loss,lr\n1e8,2e9,3.5,1e-3\n2.5e8,5e9,3.1,2e-3\n1e9,1.5e10,2.8,1\n", {}),
    ("n,flops,loss,weight\n1e8,1.2e18,3.5,1\n2.5e8,7.5e18,3.1,1\n1e9,9e19,2.8,2\n", {}),
]


@pytest.mark.parametrize(("text", "options"), CLEAN)
def test_a_clean_table_is_read_the_same_in_any_way(text, options, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(text)
    runs = read_runs(path, **options)
    assert runs.warnings == runs.dropped == () and runs.unread == {}
    for more in (dict(units="auto"), dict(bad="drop"), dict(units="auto", bad="drop")):
        assert read_runs(path, **more).digest() == runs.digest()
    assert Runs.of(pd.read_csv(path)).digest() == runs.digest()
    assert runs.response.kind == "loss" and isinstance(runs, jaxscale.Runs)


@pytest.mark.parametrize("text", ["kind == 'moe'", "1*(kind == 'dense')", "loss + (kind != 'moe')"])
def test_a_category_is_no_number_and_what_to_do_is_said(text, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("N,D,loss,kind\n1,2,3,moe\n2,3,2,dense\n")
    with pytest.raises(DataError, match="column of 0 and 1 to the table, or .* with --by"):
        read_runs(path, map={"moe": text})
    with pytest.raises(DataError, match="give a category as a column of 0 and 1"):
        read_runs(path).column("kind")


def test_a_table_in_memory_is_sent_to_its_own_door():
    table = {"Verlust": [3.0, 2.0], "N": [1.0, 2.0]}
    for given in (table, pd.DataFrame(table), pl.DataFrame(table)):
        with pytest.raises(TypeError, match="Runs.from_dataframe.frame, map="):
            read_runs(given)
    for frame in (pd.DataFrame(table), pl.DataFrame(table)):
        with pytest.raises(DataError, match="with Runs.from_dataframe.frame, map=.'loss'"):
            Runs.of(frame)
