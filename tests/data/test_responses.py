"""What was measured, by the name of its column; and which column it is, where none is a loss."""

import pytest

from jaxscale import DataError, read_runs
from jaxscale.data.responses import kind_of, response_of

KINDS = {
    **dict.fromkeys(["loss", "val/loss", "final_val_loss", "valLoss", "损失", "验证损失"], "loss"),
    **dict.fromkeys(["val_ppl", "Perplexity", "困惑度", "验证困惑度", "ppl (wiki)"], "perplexity"),
    **dict.fromkeys(["acc", "accuracy", "acc1", "val_acc", "testacc", "准确率"], "accuracy"),
    **dict.fromkeys(["hellaswag/acc_norm", "acc (%)", "top-1", "exact match"], "accuracy"),
    **dict.fromkeys(["error_rate", "test error", "top1_err", "错误率"], "error rate"),
    **dict.fromkeys(["bpb", "val_bpb", "bits per byte"], "bits per byte"),
    **dict.fromkeys(["bpc", "val/bpc"], "bits per character"),
    **dict.fromkeys(["reward", "reward/mean", "奖励"], "reward"),
    **dict.fromkeys(["acc_stderr", "loss_std", "lr", "steps", "accel", "lossless", "y", "N"], None),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_name_says_what_was_measured(name):
    assert kind_of(name) == KINDS[name]
    assert response_of(name).kind == (KINDS[name] or "loss")


EXPRESSIONS = {
    "log(val_ppl)": "loss",
    "log(`val/ppl`)": "loss",
    "exp(val_loss)": "perplexity",
    "1-acc": "error rate",
    "100 - `acc (%)`": "error rate",
    "1 - error_rate": "accuracy",
    "1e2*`acc (%)`": "accuracy",
    "0.01*`acc (%)`": "accuracy",
    "loss_a + loss_b": "loss",
    "loss * 0.69": "loss",
    "0.5*(a + b)": "loss",
    "acc_a + acc_b": "acc_a + acc_b",
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_says_what_it_gives(text):
    assert response_of(text).kind == EXPRESSIONS[text]


TAKEN = {  # header -> the column that is taken
    "N,val_ppl": "val_ppl",
    "N,Perplexity,lr": "Perplexity",
    "N,train_ppl,val_ppl": "val_ppl",
    "N,train_loss": "train_loss",
    "N,final_val_loss": "final_val_loss",
    "N,acc,acc_stderr": "acc",
    "N,error": "error",
    "N,acc,error": "acc",
    "N,困惑度": "困惑度",
}


@pytest.mark.parametrize("header", TAKEN)
def test_the_only_column_that_measures_is_taken_and_said(header, tmp_path):
    path, columns = tmp_path / "runs.csv", header.count(",") + 1
    path.write_text(header + "\n" + ",".join("1" * columns) + "\n" + ",".join("2" * columns) + "\n")
    runs = read_runs(path)
    assert runs.names["loss"] == TAKEN[header]
    (said,) = [text for text in runs.warnings if "no column is called loss" in text]
    assert repr(TAKEN[header]) in said and "--column loss=COLUMN" in said
    with_loss = header.replace("N,", "N,loss,")
    path.write_text(with_loss + "\n" + ",".join("1" * (columns + 1)) + "\n")
    assert read_runs(path).names["loss"] == "loss" and read_runs(path).warnings == ()


@pytest.mark.parametrize("header", ["N,acc,ppl", "N,val_ppl,reward,lr", "N,arc/acc,mmlu/acc"])
def test_several_columns_that_measure_are_a_choice(header, tmp_path):
    path, columns = tmp_path / "runs.csv", header.count(",") + 1
    path.write_text(header + "\n" + ",".join("1" * columns) + "\n")
    first, second = header.split(",")[1:3]
    with pytest.raises(DataError, match=f"no column 'loss'; '{first}', '{second}' could be it"):
        read_runs(path)
    assert read_runs(path, map={"loss": second}).response.column == second


@pytest.mark.parametrize("header", ["N,depth", "N,acc_stderr", "N,model"])
def test_no_column_that_measures_is_refused(header, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(header + "\n1,2\n")
    with pytest.raises(DataError, match="no column 'loss'"):
        read_runs(path)


def test_text_measures_nothing(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("N,accuracy,val_ppl\n1,high,30\n2,low,20\n")
    assert read_runs(path).names["loss"] == "val_ppl"
