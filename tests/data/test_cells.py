"""Cells as people write them: what each is worth, what is refused, what is left out and listed."""

import numpy as np
import pytest

import jaxscale
from jaxscale import DataError, read_runs
from jaxscale.data.cells import left_out, number
from jaxscale.fitting.preparation import prepare

READ = {
    **{"110,678,115": 110_678_115, "20,000": 2e4, "1,234.5": 1234.5, "-1,000": -1e3},
    **{"20 000 000": 2e7, "20\u202f000": 2e4, "20'000'000": 2e7},
    **{"**3.364**": 3.364, "*3.364*": 3.364, "__3.364__": 3.364, "`3.364`": 3.364},
    **{"***3.364***": 3.364, "** 1.2B **": 1.2e9, "**20,000**": 2e4},
    **{"~2.10": 2.1, "≈2.10": 2.1, "~ 1.3M": 1.3e6, "**~2.10**": 2.1},
    **{"2.91 ± 0.02": 2.91, "2.91±0.02": 2.91, "2.91 +/- .02": 2.91, "2.91 +- 0.02": 2.91},
    **{"1.2B ± 0.1B": 1.2e9, "11% ± 1%": 0.11},
    **{"1.2亿": 1.2e8, "350百万": 3.5e8, "3万": 3e4, "2千万": 2e7, "1.5 十亿": 1.5e9},
    **{"1.2x10^21": 1.2e21, "1.44 × 10^17": 1.44e17, "10^21": 1e21, "3*10**2": 300.0},
    **{"−0.5": -0.5, "300M": 3e8, "1_000": 1e3, "": np.nan, "N/A": np.nan},
}  # fmt: skip
REFUSED = [
    *("-", "—", "–", "--", "?", "#N/A", "#DIV/0!", "diverged", "OOM", "(partial)", "3.4 (partial)"),
    *("**", "****", "**x**", "~", "±", "2.91 ±", "± 0.02", "2.91 ± x", "<4.2", "3.36†", "1.2B/s"),
    *("1,2,3", "1,23", "12,34,567", "1,000,00", "0,001", "1 23", "亿"),
    *("1.2元", "1.2e", "10^", "x10^3"),
]  # fmt: skip


@pytest.mark.parametrize("cell", READ)
def test_a_cell_is_read_on_request(cell):
    np.testing.assert_allclose(number(cell, "auto", counts=True), READ[cell], rtol=1e-15)
    if cell and cell != "N/A":
        with pytest.raises(ValueError):
            number(cell, "plain")


@pytest.mark.parametrize("cell", REFUSED)
@pytest.mark.parametrize("units", ["plain", "auto"])
def test_what_is_no_number_is_refused(cell, units):
    with pytest.raises(ValueError):
        number(cell, units, counts=True)


@pytest.mark.parametrize("cell", ["3,605", "12,345", "-3,605"])
def test_a_comma_that_may_be_decimal_is_no_thousand_but_where_things_are_counted(cell):
    assert abs(number(cell, "auto", counts=True)) > 1000
    with pytest.raises(ValueError):
        number(cell, "auto")
    assert number("1,234,567", "auto") == 1234567  # twice is no decimal comma


TABLE = "params,tokens,loss\n2e7,1e9,4.1\n4e7,2e9,{}\n8e7,4e9,3.3\n1e8,8e9,{}\n3e8,9e9,2.9\n"


def written(tmp_path, text):
    path = tmp_path / "runs.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("cell", ["-", "—", "?", "#N/A", "OOM", "diverged", "(partial)", "n.a."])
def test_a_row_whose_loss_is_no_number_is_left_out_and_listed(cell, tmp_path):
    path = written(tmp_path, TABLE.format(cell, "x"))
    runs = read_runs(path, bad="drop")
    assert runs.rows.tolist() == [2, 4, 6]
    assert runs.dropped == ((3, f"loss is no number: '{cell}'"), (5, "loss is no number: 'x'"))
    assert left_out(runs.dropped) == [f"left out 2 rows (3 '{cell}', 5 'x'): loss is no number"]
    with pytest.raises(DataError, match=r"row 3, .*also row 5 'x'; bad='drop' .--bad drop") as said:
        read_runs(path)
    assert repr(cell) in str(said.value)


def test_rows_that_are_left_out_stand_by_their_reason():
    dropped = [(k, "loss is no number: '-'") for k in range(9)] + [(40, "N is missing")]
    said = left_out(dropped, most=3)
    assert said[0] == "left out 9 rows (0 '-', 1 '-', 2 '-', ...): loss is no number"
    assert said[1] == "left out 1 row (40): N is missing"


MESSAGES = {  # cells of N and loss -> what the refusal says, and what it does not
    "all readable": ("20,000", "**3.6**", ["--units auto) reads them", "row 3", "row 5"], "drop"),
    "one readable": ("2e4", "~3.6", ["(--units auto) reads 1 of these", "(--bad drop)"], None),
    "none readable": ("2e4", "?", ["bad='drop' (--bad drop) leaves the rows out"], "--units"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_one_error_names_all_bad_cells_and_the_cure(name, tmp_path):
    _, cell, expected, absent = MESSAGES[name]
    other = {"all readable": "2.91 ± 0.02", "one readable": "-", "none readable": "OOM"}[name]
    with pytest.raises(DataError) as error:
        read_runs(written(tmp_path, TABLE.format(cell, other)))
    for part in expected:
        assert part in str(error.value)
    assert absent is None or absent not in str(error.value)


def test_columns_with_the_same_fault_are_named_together(tmp_path):
    text = 'params,tokens,loss\n"20,000","1,000",3\n"40,000","2,000",2\n'
    runs = read_runs(written(tmp_path, text))
    with pytest.raises(DataError, match=r"Likewise: 'tokens' .2 cells"):
        runs.column("N")
    assert read_runs(tmp_path / "runs.csv", units="auto").columns["N"].tolist() == [2e4, 4e4]


def test_rows_that_could_be_read_are_said_to_be(tmp_path):
    path = written(tmp_path, TABLE.format("**3.6**", "-"))
    runs = read_runs(path, bad="drop")
    assert len(runs.dropped) == 2 and "1 row left out is read with units='auto'" in runs.warnings[0]
    assert len(read_runs(path, bad="drop", units="auto")) == 4
    path = written(
        tmp_path, TABLE.replace("4.1", "**4.1**").replace("3.3", "~3.3").format("-", "?")
    )
    path.write_text(path.read_text(encoding="utf-8").replace("2.9", "~2.9"), encoding="utf-8")
    with pytest.raises(DataError, match="no rows are left of 5 .3 rows left out are read with"):
        read_runs(path, bad="drop")


LABELS = {  # columns that a law does not use, and cannot stop it
    "size of text beside numbers": ("size,n_params,tokens,loss", "xs,1e7,1e9,3", "N", 1e7),
    "model_size in M beside numbers": ("model_size,params,tokens,loss", "135M,1e7,1e9,3", "N", 1e7),
    "scale of text": ("scale,params,tokens,loss", "tiny,1e7,1e9,3", "N", 1e7),
    "steps in k": ("steps,params,tokens,loss", "6k,1e7,1e9,3", "N", 1e7),
    "size of text, law of D": ("size,width,tokens,loss", "xs,512,1e9,3", "D", 1e9),
    "flops with gaps": ("flops,params,tokens,loss", "—,1e7,1e9,3", "N", 1e7),
}


@pytest.mark.parametrize("name", LABELS)
def test_a_column_that_the_law_does_not_use_cannot_stop_it(name, tmp_path):
    header, row, letter, value = LABELS[name]
    second = row.replace("—", "1e18").replace(",3", ",2")
    runs = read_runs(written(tmp_path, f"{header}\n{row}\n{second}\n"))
    assert runs.column(letter)[0] == value
    noted = [text for text in runs.warnings if "is not read as" in text]
    assert len(noted) == (name == "flops with gaps")


def test_a_label_is_refused_where_it_is_asked_for(tmp_path):
    path = written(tmp_path, "scale,params,loss\nxs,1e7,3\ns,1e8,2\n")
    runs = read_runs(path)
    with pytest.raises(DataError, match="row 2, column 'scale': expected a number, got 'xs'"):
        runs.column("S")
    assert runs.select(np.array([True, False]), "x").unread == runs.unread != {}
    with pytest.raises(DataError, match="row 2, column 'scale'"):
        read_runs(path, map={"N": "scale"})  # asked for by name


@pytest.mark.parametrize("name", ["N", "D", "C"])
def test_a_table_of_one_size_names_the_law_of_one(name, tmp_path):
    runs = read_runs(written(tmp_path, f"{name},loss\n1,3\n2,2.5\n"))
    with pytest.raises(DataError, match=f"Only {name} is here.*--law PowerLaw:{name}"):
        prepare(jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log")


def test_dropping_bad_rows_does_not_hide_a_decimal_comma(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("N;D;loss\n1;2;3,9\n2;3;3,1\n3;4;3\n")
    said = read_runs(path, bad="drop").warnings
    assert "2 rows left out have a decimal comma, as it looks: decimal=',' (--decimal ,)" in said[0]
    path.write_text("N;D;loss\n1;2;3,1\n2;3;2,9\n3;4;oom\n")
    with pytest.raises(DataError, match="no rows are left of 3 .2 rows left out have a decimal"):
        read_runs(path, bad="drop")
    assert len(read_runs(path, bad="drop", decimal=",")) == 2


def test_points_between_thousands_go_under_a_decimal_comma_where_they_can_be_nothing_else(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("N;D;loss\n2.041,24;1.000.000;3,9\n204,12;12.345.678,5;3,125\n7;8;-1.234,5e1\n")
    runs = read_runs(path, decimal=",", bad="drop")
    assert runs.column("N").tolist() == [2041.24, 204.12]
    assert runs.column("D").tolist() == [1e6, 12345678.5] and runs.loss.tolist() == [3.9, 3.125]
    for cell in ("1.234", "12.345", "-1.234"):
        path.write_text(f"N;D;loss\n2.041,24;{cell};3,9\n")
        with pytest.raises(DataError, match="'-?[0-9.]+' has a point although decimal=','"):
            read_runs(path, decimal=",")
