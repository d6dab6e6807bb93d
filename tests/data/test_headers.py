"""Headers as people write them: the letter, the unit, and that no unit is applied unasked."""

import numpy as np
import pytest

import jaxscale
from jaxscale import DataError, read_runs
from jaxscale.data.headers import header, made_from, made_of
from jaxscale.fitting.preparation import prepare

HEADERS = {
    "params (M)": ("params", 1e6),
    "tokens (B)": ("tokens", 1e9),
    "FLOPs (1E21)": ("FLOPs", 1e21),
    "FLOPs (P)": ("FLOPs", 1e15),
    "FLOPs (10^18)": ("FLOPs", 1e18),
    "FLOPs (x10²¹)": ("FLOPs", 1e21),
    "C [EFLOPs]": ("C", 1e18),
    "compute (PF-days)": ("compute", 8.64e19),
    "tokens_B": ("tokens", 1e9),
    "params_m": ("params", 1e6),
    "n_params_in_millions": ("n_params", 1e6),
    "params (millions)": ("params", 1e6),
    "tokens, billions": ("tokens", 1e9),
    "n_params (Mio.)": ("n_params", 1e6),
    "tokens (Mrd)": ("tokens", 1e9),
    "params_mn": ("params", 1e6),
    "tokens [bn tokens]": ("tokens", 1e9),
    "acc (%)": ("acc", 1e-2),
    "D (tokens)": ("D", 1.0),
    "loss (nats/token)": ("loss", 1.0),
    "参数量(百万)": ("参数量", 1e6),
    "参数量（百万）": ("参数量", 1e6),
    "数据量(亿)": ("数据量", 1e8),
    "数据量 (万)": ("数据量", 1e4),
    "计算量(1e18)": ("计算量", 1e18),
    **{name: (name, 1.0) for name in ("N (non-emb)", "loss", "N_d", "a_k", "b", "lr", "k", "M")},
    **{name: (name, 1.0) for name in ("val/loss", "train_flops", "loss (val)", "x (m/s)")},
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_a_name_and_a_unit(name):
    assert header(name) == HEADERS[name]


@pytest.mark.parametrize(("name", "factor"), [("params (M)", 1e6), ("tokens", 1e9), ("a`b", 0.01)])
def test_what_was_multiplied_tells_what_it_was(name, factor):
    assert made_from(made_of(name, factor)) == (factor, name)
    assert header(made_of("params (M)", 1e6)).factor == 1  # which is thereby said


COLUMNS = {  # header, cell -> letter, value under auto
    "参数量(百万)": ("10", "N", 1e7),
    "参数量": ("1.2亿", "N", 1.2e8),
    "参数规模(亿)": ("3", "N", 3e8),
    "params (M)": ("20", "N", 2e7),
    "n_params": ("20M", "N", 2e7),
    "Parameters [B]": ("1.3", "N", 1.3e9),
    "model size (M)": ("135M", "N", 1.35e8),  # the cell's own unit goes before the header's
    "tokens (B)": ("2.5", "D", 2.5e9),
    "数据量(亿)": ("20", "D", 2e9),
    "训练数据量": ("20万", "D", 2e5),
    "FLOPs (1E21)": ("0.5", "C", 5e20),
    "FLOPs (P)": ("3", "C", 3e15),
    "计算量": ("1e18", "C", 1e18),
    "steps (k)": ("6", "S", 6e3),
    "损失": ("3.1", "loss", 3.1),
    "验证损失": ("3.1", "loss", 3.1),
    "val loss": ("3.1", "loss", 3.1),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_header_is_read_with_its_unit_on_request(name, tmp_path):
    cell, letter, value = COLUMNS[name]
    path = tmp_path / "runs.csv"
    other = "N" if letter == "loss" else "loss"
    path.write_text(f"{name},{other}\n{cell},2\n", encoding="utf-8")
    runs = read_runs(path, units="auto")
    found = runs.loss if letter == "loss" else runs.columns[letter]
    np.testing.assert_allclose(found, [value], rtol=1e-15)
    assert read_runs(path, units="auto", map={letter: name}).digest() == runs.digest()


LAW = (1.8, 480.0, 2100.0, 0.35, 0.37)
ROWS = [(n, d) for n in (20.0, 80.0, 300.0) for d in (1.0, 8.0, 40.0)]


def millions(tmp_path, head="params (M),tokens (B),loss", n_unit=1e6, d_unit=1e9):
    E, A, B, alpha, beta = LAW
    path = tmp_path / "millions.csv"
    lines = [
        f"{n},{d},{E + A * (n * n_unit) ** -alpha + B * (d * d_unit) ** -beta:.6f}" for n, d in ROWS
    ]
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def prepared(runs, law=None):
    return prepare(law or jaxscale.Chinchilla(), runs, jaxscale.Huber(1e-3), "log")


WAYS = {
    "units": dict(units="auto"),
    "scale": dict(scale={"N": 1e6, "D": 1e9}),
    "expressions": dict(map={"N": "1e6*`params (M)`", "D": "`tokens (B)` * 1e9"}),
    "one of each": dict(scale={"N": 1e6}, map={"D": "1e9*`tokens (B)`"}),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_unit_can_be_said_in_several_ways(name, tmp_path):
    runs = read_runs(millions(tmp_path), **WAYS[name])
    np.testing.assert_allclose(runs.columns["N"], [n * 1e6 for n, _ in ROWS], rtol=1e-15)
    np.testing.assert_allclose(runs.columns["D"], [d * 1e9 for _, d in ROWS], rtol=1e-15)
    assert not [text for text in prepared(runs).warnings if "million" in text or "unit" in text]


IN_FULL = ["params_b,tokens,loss", "params_m,tokens_b,loss"]


@pytest.mark.parametrize("head", IN_FULL)
def test_a_letter_that_cannot_be_a_unit_is_none(head, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(f"{head}\n" + "".join(f"{k}e8,{k * k}e9,{3 / k}\n" for k in range(1, 9)))
    assert prepared(read_runs(path)).warnings[0].startswith("only 8 runs")


@pytest.mark.parametrize("name", ["loss_b", "val_loss_m", "loss (k)"])
def test_a_loss_comes_in_no_billions(name, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(f"N,{name}\n1,3\n2,2\n")
    assert read_runs(path, units="auto").loss.tolist() == [3, 2]
    path.write_text("N,acc (%)\n1,30\n2,55%\n")
    assert read_runs(path, units="auto").loss.tolist() == [0.3, 0.55]


def test_a_column_is_known_by_its_header_though_its_unit_was_applied(tmp_path):
    runs = read_runs(millions(tmp_path), units="auto")
    for name in ("N", "params (M)", "1e6*`params (M)`"):
        assert runs.column_called(name) == "N"


@pytest.mark.parametrize(
    "head",
    ["params (M),tokens (B),loss", "参数量(百万),数据量(十亿),损失", "N_params (M),D (B),loss"],
)
def test_no_law_of_n_and_d_is_fitted_in_units_that_nobody_applied(head, tmp_path):
    path = millions(tmp_path, head)
    mapping = {"N": "N_params (M)"} if "N_params" in head else {}
    runs = read_runs(path, map=mapping)
    assert runs.columns["N"][0] == 20  # nothing was rescaled
    with pytest.raises(DataError, match=r"1e6.*1e9.*--units auto.* --scale N=1e6 --scale D=1e9"):
        prepared(runs)
    taken = read_runs(path, map=mapping, scale={"N": 1, "D": 1})
    assert prepared(taken).runs.columns["N"][0] == 20


def test_a_law_of_one_scale_is_told_of_the_unit_and_fitted(tmp_path):
    runs = read_runs(millions(tmp_path))
    found = prepared(runs, jaxscale.PowerLaw(of="N")).warnings
    assert sum("counts in 1e6" in text and "--scale N=1e6" in text for text in found) == 1
    assert not any("millions or billions" in text for text in found)


def test_a_table_in_millions_that_does_not_say_so_is_told_the_cure(tmp_path):
    runs = read_runs(millions(tmp_path, "params,tokens,loss"))
    found = [text for text in prepared(runs).warnings if "millions or billions" in text]
    assert len(found) == 2 and "--scale N=1e6" in found[0] and "--scale D=1e9" in found[1]


def test_a_column_without_a_unit_goes_before_one_with(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("params (M),n_params,tokens,loss\n20,2e7,1e9,3\n40,4e7,1e9,2\n")
    runs = read_runs(path)
    assert runs.names["N"] == "n_params" and runs.columns["params (M)"].tolist() == [20, 40]
