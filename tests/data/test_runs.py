"""Runs: what is accepted, what is worked out, what is dropped and written down."""

import gzip
import json
import lzma
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

import jaxscale
from jaxscale import DataError, Runs, SixND, read_runs
from jaxscale.fitting.preparation import prepare

N, D, LOSS = [1e8, 2.5e8, 1e9], [2e9, 5e9, 1.5e10], [3.5, 3.1, 2.8]
PLAIN = "N,D,loss\n1e8,2e9,3.5\n250000000,5e9,3.1\n1e9,1.5e10,2.8\n"
SEMICOLONS = "N;D;loss\n1e8;2e9;3,5\n2,5e8;5e9;3,1\n1e9;1,5e10;2,8\n"


def as_jsonl(loss="loss", **extra):
    rows = [{"N": n, "D": d, loss: x, **extra} for n, d, x in zip(N, D, LOSS, strict=True)]
    return "\n".join(json.dumps(row) for row in rows) + "\n"


NESTED = as_jsonl().replace('"loss": ', '"eval": {"loss": ').replace("}\n", "}}\n")
PEOPLE = "parameter_count,throughput/total_tokens,eval loss"
BESIROGLU = "Model Size,Training FLOP,loss\n1e8,1.2e18,3.5\n2.5e8,7.5e18,3.1\n1e9,9e19,2.8\n"
QUOTED = '"' + PLAIN.replace(",", '","').replace("\n", '"\n"')[:-1]
INDEX = "".join(f"{k},{s}" for k, s in enumerate(PLAIN.splitlines(True))).replace("0,N", ",N")
NOTES = 'N,D,loss,note\n1e8,2e9,3.5,"x\ny"\n2.5e8,5e9,3.1,\n1e9,1.5e10,2.8,"a, b"\n'
UNITS = "N,D,loss\n100M,2B,350%\n2.5e8, 5.0 g,3.1\n1_000_000k,0.015T,2.8\n"
TWO_OF_EACH = "N,D,params,tokens,train loss,val_loss\n" + "".join(
    f"1,2,{n},{d},9,{x}\n" for n, d, x in zip(N, D, LOSS, strict=True)
)
SEPARATORS = as_jsonl(note="x-y").replace("x-y", "x\u2028\x85y")
TEXTS = {  # ending of the file, text, options, rows
    "plain": (".csv", PLAIN, {}, [2, 3, 4]),
    "no ending": ("", PLAIN, {}, [2, 3, 4]),
    "tabs": (".tsv", PLAIN.replace(",", "\t"), {}, [2, 3, 4]),
    "tabs in csv": (".csv", PLAIN.replace(",", "\t"), {}, [2, 3, 4]),
    "semicolons": (".csv", PLAIN.replace(",", ";"), {}, [2, 3, 4]),
    "decimal comma": (".csv", SEMICOLONS, {"decimal": ","}, [2, 3, 4]),
    "CRLF": (".csv", PLAIN.replace("\n", "\r\n"), {}, [2, 3, 4]),
    "CR": (".csv", PLAIN.replace("\n", "\r"), {}, [2, 3, 4]),
    "no last newline": (".csv", PLAIN.strip(), {}, [2, 3, 4]),
    "quoted": (".csv", QUOTED, {}, [2, 3, 4]),
    "quoted newline": (".csv", NOTES, {}, [2, 4, 5]),
    "spaces": (".csv", PLAIN.replace(",", " , "), {}, [2, 3, 4]),
    "space before a quote": (".csv", PLAIN.replace("5e9", ' "5e9"'), {}, [2, 3, 4]),
    "trailing delimiter": (".csv", PLAIN.replace("\n", ",\n"), {}, [2, 3, 4]),
    "trailing in rows": (".csv", PLAIN.replace("5\n", "5,,\n"), {}, [2, 3, 4]),
    "trailing in header": (".csv", PLAIN.replace("loss", "loss,"), {}, [2, 3, 4]),
    "blank lines": (".csv", "\n\n" + PLAIN.replace("\n", "\n,,\n"), {}, [5, 7, 9]),
    "blank semicolons": (".csv", "\n;;\n" + PLAIN.replace(",", ";"), {}, [4, 5, 6]),
    "index": (".csv", INDEX, {}, [2, 3, 4]),
    "Besiroglu": (".csv", BESIROGLU, {}, [2, 3, 4]),
    "OLMo": (".csv", PLAIN.replace("N,D,loss", PEOPLE), {}, [2, 3, 4]),
    "mapped": (".csv", PLAIN.replace("D,loss", "x,y"), {"map": {"D": "x", "loss": "y"}}, [2, 3, 4]),
    "two of each": (".csv", TWO_OF_EACH, {"map": {"N": "params", "D": "tokens"}}, [2, 3, 4]),
    "N before size": (".csv", INDEX.replace(",N", "size,N"), {}, [2, 3, 4]),
    "n before size": (".csv", INDEX.replace(",N", "size,n"), {}, [2, 3, 4]),
    "units": (".csv", UNITS, {"units": "auto"}, [2, 3, 4]),
    "JSON Lines": (".jsonl", as_jsonl(), {}, [1, 2, 3]),
    "blank JSON Lines": (".ndjson", as_jsonl().replace("\n", "\r\n\r\n"), {}, [1, 3, 5]),
    "separators in JSON": (".jsonl", SEPARATORS, {}, [1, 2, 3]),
    "nested keys": (".jsonl", NESTED, {"map": {"loss": "eval.loss"}}, [1, 2, 3]),
    "JSON array": (".json", "[" + ",".join(as_jsonl().splitlines()) + "]", {}, [1, 2, 3]),
    "JSON Lines in .json": (".json", as_jsonl(), {}, [1, 2, 3]),
    "numbers as text": (".json", as_jsonl().replace("3.5", '"3.5"'), {}, [1, 2, 3]),
}  # fmt: skip


def check(runs, rows=(1, 2, 3)):
    np.testing.assert_allclose(runs.column("N"), N, rtol=1e-12)
    np.testing.assert_allclose(runs.column("D"), D, rtol=1e-12)
    np.testing.assert_allclose(runs.loss, LOSS, rtol=1e-12)
    assert runs.rows.tolist() == list(rows)
    assert runs.dropped == ()


@pytest.mark.parametrize("packed", ["", ".gz", ".xz"])
@pytest.mark.parametrize("name", TEXTS)
def test_text(name, packed, tmp_path):
    ending, text, options, rows = TEXTS[name]
    path = tmp_path / f"runs{ending or '.csv' * bool(packed)}{packed}"
    pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[packed]
    path.write_bytes(pack(text.encode()))
    check(read_runs(path, **options), rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_bytes(PLAIN.replace("\n", ",7\n").replace("loss,7", "loss,größe").encode(encoding))
    runs = read_runs(str(path))
    check(runs, [2, 3, 4])
    assert runs.columns["größe"].tolist() == [7, 7, 7] and runs.names["N"] == "N"


def test_a_last_line_cut_off_is_noted(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text(as_jsonl() + '{"N": 1e9, "lo')
    runs = read_runs(path)
    check(runs)
    assert runs.warnings == (f"{path}, row 4: cut off (a writer at work?); left out",)


class ArrowOnly:
    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class InterchangeOnly:
    def __init__(self, table):
        self._table = table

    def __dataframe__(self, **options):
        return self._table.__dataframe__(**options)


DATA = {"params": [100_000_000, 250_000_000, 1_000_000_000], "D": D, "loss": LOSS}
FRAMES = {
    "pandas": lambda: pd.DataFrame(DATA),
    "pandas, any index": lambda: pd.DataFrame(DATA, index=[7, 7, 9]),
    "pandas Int64": lambda: pd.DataFrame(DATA).convert_dtypes(),
    "pandas object": lambda: pd.DataFrame(DATA, dtype=object),
    "pandas text": lambda: pd.DataFrame(DATA).astype(str),
    "pandas with integer names": lambda: pd.DataFrame({**DATA, 0: [1, 2, 3], 1: [4, 5, 6]}),
    "polars": lambda: pl.DataFrame(DATA),
    "polars unsigned": lambda: pl.DataFrame(DATA).cast({"params": pl.UInt64, "loss": pl.Float64}),
    "pyarrow": lambda: pa.table(DATA),
    "arrow stream": lambda: ArrowOnly(pl.DataFrame(DATA)),
    "interchange": lambda: InterchangeOnly(pa.table(DATA)),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames(name, tmp_path):
    check(Runs.from_dataframe(FRAMES[name]()))


def test_parquet(tmp_path, monkeypatch):
    path = tmp_path / "runs.parquet"
    pyarrow.parquet.write_table(pa.table({**DATA, "name": ["a", None, "b"]}), path)
    check(read_runs(path))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'jaxscale\[parquet\]'"):
        read_runs(path)


NULLABLE = {
    "pandas": lambda: pd.DataFrame({**DATA, "D": pd.array([1, None, 3], dtype="Int64")}),
    "pandas object": lambda: pd.DataFrame({**DATA, "D": [1, pd.NA, 3]}),
    "polars": lambda: pl.DataFrame({**DATA, "D": [1, None, 3]}),
    "pyarrow": lambda: pa.table({**DATA, "D": pa.array([1, None, 3])}),
}


@pytest.mark.parametrize("name", NULLABLE)
def test_missing_integers_are_missing(name):
    assert np.isnan(Runs.from_dataframe(NULLABLE[name]()).columns["D"]).tolist() == [0, 1, 0]
    runs = Runs.from_dataframe(NULLABLE[name](), bad="drop")
    assert runs.dropped == ((2, "D is missing or not finite"),)


SUFFIXES = {
    **{"300M": 3e8, "1.2B": 1.2e9, "32.0K": 32e3, "1.0m": 1e6, "2 T": 2e12, "7G": 7e9, "+3M": 3e6},
    **{"11%": 0.11, "1_000": 1e3, "1.5e3k": 1.5e6, "1e9": 1e9, "12": 12},
}
NO_NUMBERS = (
    ["1.2X", "M", "1.2MB", "1 2M", "1,2M", "1__0M", "0x10", "--1", "1e", "3e8 params", "[1]", "²"]
)  # fmt: skip


@pytest.mark.parametrize("cell", SUFFIXES)
def test_units(cell, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(f"N,loss\n{cell},3\n")
    assert read_runs(path, units="auto").columns["N"][0] == pytest.approx(SUFFIXES[cell])
    if cell in ("1e9", "12"):
        assert read_runs(path).columns["N"][0] == SUFFIXES[cell]
        return
    with pytest.raises(DataError, match="row 2, column 'N': .*--units auto"):
        read_runs(path).column("N")


@pytest.mark.parametrize("cell", NO_NUMBERS)
@pytest.mark.parametrize("units", ["plain", "auto"])
def test_no_numbers(cell, units, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(f'N,loss\n1,3\n"{cell}",3\n', encoding="utf-8")
    with pytest.raises(DataError, match="row 3, column 'N': expected a number"):
        read_runs(path, units=units).column("N")


def twice(n, d):
    return 12.0 * n * d + 1e9 * n


@pytest.mark.parametrize("flops", [None, SixND(), SixND(k=3.0), twice])
def test_the_third_of_n_d_c(flops):
    model = flops or SixND()
    C = model(np.array(N), np.array(D))
    np.testing.assert_allclose(Runs(N=N, D=D, loss=LOSS).column("C", flops), C, rtol=1e-14)
    np.testing.assert_allclose(Runs(N=N, C=C, loss=LOSS).column("D", flops), D, rtol=1e-12)
    np.testing.assert_allclose(Runs(D=D, C=C, loss=LOSS).column("N", flops), N, rtol=1e-12)
    given = Runs(N=N, D=D, C=[1, 2, 3], loss=LOSS)
    assert given.column("C", flops).tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="'D'.*--column D=COLUMN"):
        Runs(N=N, loss=LOSS).column("D", flops)


@pytest.mark.parametrize(
    ("column", "letter", "cure"),
    [
        ("eval_tokens", "D", "(--column D=eval_tokens)"),
        ("GB of data", "D", "(--column 'D=GB of data')"),
        ("params_without_those_of_embeddings", "N", "N=params_without_those_of_embeddings)"),
        ("width", "D", "(--column D=COLUMN)"),
    ],
)
def test_a_column_that_may_be_meant_is_proposed_by_its_whole_name(column, letter, cure):
    kept = {"D": {"N": N}, "N": {"D": D}}[letter]
    frame = pd.DataFrame({**kept, "seed": [1, 2, 3], column: N, "loss": LOSS})
    with pytest.raises(DataError) as refused:
        Runs.from_dataframe(frame).column(letter)
    said = str(refused.value)
    assert cure in said and ("COLUMN" in cure or f"numbers: '{column}', " in said)
    assert ("law of one scale" in said) == ("COLUMN" in cure)


def test_all_columns_that_are_missing_are_named_at_once():
    frame = pd.DataFrame({"my params": N, "seen/tok": D, "lr": [1, 2, 3], "loss": LOSS})
    both = r"\(--column 'N=my params'\)\. Likewise map={'D': 'seen/tok'} \(--column D=seen/tok\)$"
    for law, cure in (("Chinchilla", both), ("KaplanN", r"\(--column 'N=my params'\)$")):
        with pytest.raises(DataError, match=cure):
            jaxscale.fit(law, Runs.from_dataframe(frame))


@pytest.mark.parametrize(
    ("headers", "letters"),
    [
        (("config.n_params", "tokens_seen"), "ND"),
        (("config/model_size (M)", "summary.tokens"), "ND"),
        (("hparams.params", "consumed_tokens"), "ND"),
        (("args.flops", "trainingTokensSeen"), "CD"),
    ],
)
def test_settings_as_loggers_call_them(headers, letters):
    runs = Runs.from_dataframe(pd.DataFrame({headers[0]: N, headers[1]: D, "loss": LOSS}))
    assert {*runs.columns} == {*letters}


def test_a_setting_of_a_short_name_may_be_anything():
    settings = {"config.n": [4, 8, 16], "config.d": [256, 512, 768], "config.scale": [1, 2, 3]}
    frame = pd.DataFrame({**settings, "args.c": [1, 2, 3], "params": N, "tokens": D, "loss": LOSS})
    assert Runs.from_dataframe(frame).columns.keys() == {"N", "D", *settings, "args.c"}


def test_tokens_go_before_tokens_seen():
    frame = pd.DataFrame({"params": N, "tokens_seen": [1, 1, 1], "tokens": D, "loss": LOSS})
    assert Runs.from_dataframe(frame).columns["D"].tolist() == D


def test_a_dict_of_arrays_takes_the_options_of_a_file():
    table = {"params (M)": [100, 250, 1000], "tokens_B": [2, 5, 15], "ppl": np.exp(LOSS)}
    runs = Runs.of(table, units="auto", map={"loss": "log(ppl)"})
    assert runs.columns["N"].tolist() == N and runs.columns["D"].tolist() == D
    np.testing.assert_allclose(runs.loss, LOSS)
    scaled = Runs.of({"N": [100, 250, 1000], "D": D, "loss": LOSS}, scale={"N": 1e6})
    assert scaled.columns["N"].tolist() == N
    assert Runs.of(runs) is runs
    for wrong in (lambda: Runs.of(runs, units="auto"), lambda: Runs.of(table, unit="auto")):
        with pytest.raises((DataError, TypeError)):
            wrong()


def test_products_beyond_integers():
    runs = Runs(N=np.array([10**12, 3 * 10**12]), D=np.array([10**14, 2**62]), loss=[2, 1.9])
    np.testing.assert_allclose(runs.column("C"), [6e26, 6 * 3e12 * 2.0**62], rtol=1e-14)
    frame = pl.DataFrame({"N": [10**12], "D": [10**14], "loss": [2.0]})
    assert Runs.from_dataframe(frame).column("C")[0] == pytest.approx(6e26)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(Runs(N=[0.0], C=[1e20], loss=[2]).column("D")[0])


NOTED = "N,D,loss,name\n1,1,5,a\n2,1,4,b\n3,1,,a\n4,1,9,a\n5,1,inf,a\n6,1,3,a\n7,1,9,a\n"
DROPPED = {
    "where": ({"where": "name == 'a' and N < 3"}, "3 4 5 6 7 8"),
    "bad": ({"bad": "drop"}, "4 6"),
    "where, bad": ({"where": "name == 'a'", "bad": "drop"}, "3 4 6"),
    "bad, highest": ({"bad": "drop", "drop_highest": 1}, "4 6 5"),
    "bad, highest two": ({"bad": "drop", "drop_highest": 2}, "4 6 5 8"),
    "infinite is highest": ({"drop_highest": 1}, "6"),
    "NaN is not": ({"drop_highest": 6}, "2 3 5 6 7 8"),
    "NaN is never": ({"drop_highest": 100}, "2 3 5 6 7 8"),
}


@pytest.mark.parametrize("name", DROPPED)
def test_dropped_is_written_down(name, tmp_path):
    options, dropped = DROPPED[name]
    path = tmp_path / "runs.csv"
    path.write_text(NOTED)
    runs = read_runs(path, **options)
    assert [row for row, _ in runs.dropped] == [int(row) for row in dropped.split()]
    assert sorted([*(row for row, _ in runs.dropped), *runs.rows]) == list(range(2, 9))
    assert runs.columns["N"].tolist() == [row - 1 for row in runs.rows]
    known = {f"not where {options.get('where')}", "loss is missing or not finite"}
    known.add(f"among the {options.get('drop_highest')} highest losses")
    assert {reason for _, reason in runs.dropped} <= known


def test_text_in_rows_that_go_is_no_matter(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("N,D,loss,status,lr\n1,2,3,ok,1\n1,2,oom,failed,-\n2,3,2,ok,3\n")
    runs = read_runs(path, where="status == 'ok'")
    assert runs.rows.tolist() == [2, 4] and runs.columns["lr"].tolist() == [1, 3]
    assert runs.dropped == ((3, "not where status == 'ok'"),)
    with pytest.raises(DataError, match="no rows are left of 3 .not where N > 9"):
        read_runs(path, where="N > 9")


def test_columns_that_are_named_like_keywords(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("N,D,loss,rows,names,self,warnings,flag\n1,2,3,4,5,6,7,True\n")
    runs = read_runs(path)
    assert sorted(runs.columns) == ["D", "N"] and len(runs.warnings) == 4
    assert "'rows' is not carried along" in runs.warnings[0]


def test_map_and_recognition(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("D,N,val loss,tokens,weights,group\n1,2,3,4,5,a\n1,2,3,4,5,\n")
    runs = read_runs(path, map={"group": "D", "D": "tokens"})
    assert runs.columns["D"].tolist() == [4, 4] and runs.group.tolist() == ["1", "1"]
    assert runs.weight.tolist() == [5, 5] and runs.names["loss"] == "val loss"
    assert read_runs(path).group.tolist() == ["a", ""]
    with pytest.raises(DataError, match="no column 'loss'"):
        read_runs(path, map={"group": "val loss"})  # which is then no loss
    with pytest.raises(DataError, match="row 1 .*no column 'vall loss'.* has 'val loss', "):
        read_runs(path, map={"loss": "vall loss"})


def test_decimal_comma_leaves_text_and_refuses_points(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("N;loss;group\n1e8;3,5;a,b\n2e8;3,25;1,5 x\n")
    runs = read_runs(path, decimal=",")
    assert runs.loss.tolist() == [3.5, 3.25] and runs.group.tolist() == ["a,b", "1,5 x"]
    path.write_text("N;loss\n1e8;3,5\n1.000;3,2\n")
    with pytest.raises(DataError, match="row 3, column 'N': '1.000' has a point"):
        read_runs(path, decimal=",")


def test_select_keeps_everything_in_step():
    labels = dict(source="s", dropped=[(2, "old")], warnings=["w"], names={"N": "params"})
    columns = dict(N=N, D=D, loss=LOSS, weight=[1, 2, 3], group=["a", "b", "c"])
    runs = Runs(**columns, **labels, rows=[5, 6, 9])
    part = runs.select(np.array([True, False, True]), "held out")
    assert part.columns["N"].tolist() == [1e8, 1e9] and part.loss.tolist() == [3.5, 2.8]
    assert part.weight.tolist() == [1, 3] and part.group.tolist() == ["a", "c"]
    assert part.rows.tolist() == [5, 9] and part.dropped == ((2, "old"), (6, "held out"))
    assert (part.source, part.warnings, part.names) == ("s", ("w",), {"N": "params"})
    assert part.where(1) == "s, row 9" and len(runs) == 3
    for mask in ([True, False], [0, 2], [1, 0, 1]):
        with pytest.raises(DataError, match="a mask of 3 booleans"):
            runs.select(np.array(mask), "x")


def test_digest():
    runs = Runs(N=N, D=D, loss=LOSS)
    same = [
        Runs(D=D, loss=LOSS, N=N),
        Runs(N=N, D=D, loss=LOSS, rows=[4, 5, 6], source="x"),
        Runs(N=np.array(N, int), D=D, loss=LOSS, names={"N": "params"}, warnings=["w"]),
    ]
    assert {other.digest() for other in same} == {runs.digest()}
    others = [
        *(Runs(N=D, D=N, loss=LOSS), Runs(N=N, C=D, loss=LOSS), Runs(N=N, loss=LOSS)),
        *(Runs(N=N, D=D, loss=LOSS, weight=[1, 1, 1]), Runs(N=N, D=D, loss=LOSS[::-1])),
        *(Runs(loss=[1, 2]), Runs(loss=[1], weight=[2])),
    ]
    assert len({other.digest() for other in [runs, *others]}) == len(others) + 1


def test_the_arrays_of_the_caller_are_copied():
    loss = np.array(LOSS)
    runs = Runs(N=N, D=D, loss=loss)
    before = runs.digest()
    loss[0] = 0
    assert runs.digest() == before


def test_notes_of_the_table_reach_the_fit(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(as_jsonl(k=k).replace("0.0,", f"{k}.0,") for k in range(3)) + "{")
    prepared = prepare(jaxscale.Chinchilla(), read_runs(path), jaxscale.Huber(1e-3), "log")
    assert "row 10: cut off" in prepared.warnings[0]


def test_replace_keeps_the_rest_and_checks_the_new():
    runs = jaxscale.Runs(
        N=[1e6, 2e6], loss=[3.0, 2.5], rows=[4, 7], source="a.csv", names={"N": "n"}
    )
    other = runs.replace(weight=[1.0, 2.0], source="b.csv")
    assert other.source == "b.csv" and list(other.weight) == [1, 2] and other.names == {"N": "n"}
    assert list(other.rows) == [4, 7] and list(other.columns["N"]) == [1e6, 2e6]
    assert list(runs.replace(N=[3e6, 4e6]).columns["N"]) == [3e6, 4e6]
    with pytest.raises(jaxscale.DataError, match="'weight' has 3 rows"):
        runs.replace(weight=[1.0, 2.0, 3.0])
    assert runs.column_called("n") == "N" and runs.column_called("N") == "N"
    assert runs.column_called("other") == "other"


@pytest.mark.parametrize(
    ("text", "options", "row"),
    [
        (PLAIN, {}, "6 N D  1.20e+18  9.00e+19"),
        ("params (M),tokens (B),loss\n100,2,3.5\n250,5,3.1\n", {}, None),  # no FLOPs: not in full
        ("params (M),tokens (B),loss\n100,2,3.5\n250,5,3.1\n", {"units": "auto"}, "1.20e+18"),
        ("N,D,C,loss\n1e8,2e9,1e18,3.5\n2e8,4e9,5e18,3.1\n", {}, None),
        ("N,loss\n1e8,3.5\n2e8,3.1\n", {}, None),
    ],
)
def test_compute_that_is_no_column_is_shown(text, options, row, tmp_path):
    (tmp_path / "runs.csv").write_text(text)
    shown = " ".join(str(read_runs(tmp_path / "runs.csv", **options)).split(" "))
    assert ("6 N D" in shown) == (row is not None)
    assert row is None or " ".join(row.split()) in " ".join(shown.split())


@pytest.mark.parametrize("cells", [("100M", "250M"), ("about 3", "7"), ("1 B", "2 B")])
def test_a_size_that_was_not_read_is_said_where_the_runs_are_shown(cells, tmp_path):
    rows = "".join(f"{n},{d},{x}\n" for n, d, x in zip(cells, (2e9, 5e9), (3.5, 3.1), strict=True))
    (tmp_path / "runs.csv").write_text("N,D,loss\n" + rows)
    assert f"row 2, column 'N': expected a number, got '{cells[0]}'" in " ".join(
        str(read_runs(tmp_path / "runs.csv")).split()
    )


def test_losses_are_no_column():
    with pytest.raises(DataError, match=r"they are in runs\.loss"):
        Runs(N=N, D=D, loss=LOSS).column("loss")
