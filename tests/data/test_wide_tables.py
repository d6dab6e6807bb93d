"""Wide exports, pivot and long tables, and names that say N and D: read where it is asked for."""

import importlib

import numpy as np
import pytest

import jaxscale
from jaxscale.cli.parser import main
from jaxscale.data.hints import suggestion
from jaxscale.data.patterns import Pattern


def law(n, d):
    return round(1.8 + 480 * n**-0.35 + 2100 * d**-0.37, 5)


MATCHES = [
    ("{N}_{D}tok", "30M_2Btok", {"N": 3e7, "D": 2e9}),
    ("{N}_{D}tok", "30M_2.5e9tok", {"N": 3e7, "D": 2.5e9}),
    ("{N}-{D}", "1.5b-300B", {"N": 1.5e9, "D": 3e11}),
    ("{N}_{step}step - {metric}", "2B_800step - eval/loss",
     {"N": 2e9, "step": "800", "metric": "eval/loss"}),
    ("{run} - {metric}", "a - b - val/loss", {"run": "a - b", "metric": "val/loss"}),
    ("{}-{N}", "llama-tiny-350M", {"N": 3.5e8}),
    ("{}-{N}-{}", "pythia-70m-deduped", {"N": 7e7}),
    ("N={N},D={D}", "N=1e8,D=20 B", {"N": 1e8, "D": 2e10}),
    ("{D}tokens", "20tokens", {"D": 20}),
    ("{D}T", "20BT", {"D": 2e10}),
    ("{size}-{N}", "small-20", {"size": "small", "N": 20}),
    ("runs/{N}/{D}/summary.json", "runs/1M/1G/summary.json", {"N": 1e6, "D": 1e9}),
    ("{C}", "6e18", {"C": 6e18}),
    ("{N}-{D/20N}xC", "190M-1xC", {"N": 1.9e8, "D": 3.8e9}),
    ("{N}-{D/20N}xC", "1B-0.5xC", {"N": 1e9, "D": 1e10}),
    ("{}-{N}-{D/N}x", "llama-1.3B-20x", {"N": 1.3e9, "D": 2.6e10}),
    ("{D/N}x_{N}", "20x_1e8", {"N": 1e8, "D": 2e9}),
    ("N={N}_D={D}", "N=125M_D=2.5B", {"N": 1.25e8, "D": 2.5e9}),
    ("d{depth}", "d12", {"depth": "12"}),
    ("{N}M", "30M", None),  # the suffix belongs to the number, or N would be 30
    ("{D}BT", "20BT", None),
    ("{N}m", "30m", None),
    ("{N}_{D}", "30_20_40", None),  # 3020, or 2040?
    ("{N}", "30M-v2", None),
    ("{N}_{D}tok", "_2Btok", None),
    ("{N}_{D}", "1.2.3_4", None),
    ("{}-{N}", "-350M", None),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "name", "said"), MATCHES)
def test_a_pattern_says_what_a_name_says(pattern, name, said):
    assert Pattern.of(pattern, "--parse").match(name) == said


NO_PATTERNS = {
    "N_D": "fields in braces",
    "{}": "fields in braces",
    "{N}{D}": "nothing stands between {N} and {D}",
    "{run}{N}tok": "nothing stands between {run} and {N}",
    "{N}_{N}": "{N} stands twice",
    "{N}_{D}_{D/N}x": "{D} stands twice",
    "{}-{D/20N}xC": "tokens for each parameter need {N}",
    "{N_{D}": "fields in braces",
    "_".join(f"{{f{k}}}" for k in range(17)): "more than 16 fields",
}


@pytest.mark.parametrize("pattern", NO_PATTERNS)
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(ValueError) as error:
        Pattern.of(pattern, "--parse")
    assert NO_PATTERNS[pattern] in str(error.value)


def test_no_name_takes_long():
    pattern = Pattern.of("-".join(f"{{f{k}}}" for k in range(16)) + "!", "--parse")
    assert pattern.match("-" * 999) is None
    assert pattern.match("a" * 1001) is None


RUNS = [(3e7, 2e9), (3e7, 8e9), (1.2e8, 4e9), (5e8, 1.6e10)]
STEPS = [int(d / 1e6) for _, d in RUNS]


def chart(metric="eval/loss", bounds=True):
    """A chart that W&B exports: a column per run, each filled at its own step."""
    heads, lines = ["Step"], []
    for (n, _), step in zip(RUNS, STEPS, strict=True):
        name = f"{n / 1e6:g}M_{step}step - {metric}"
        heads += [name, *([name + "__MIN", name + "__MAX"] if bounds else [])]
    for k, (n, d) in enumerate(RUNS):
        cells = [""] * (len(heads) - 1)
        width = len(cells) // len(RUNS)
        cells[k * width : (k + 1) * width] = [str(law(n, d))] * width
        lines.append(",".join([str(STEPS[k]), *cells]))
    return "\n".join([",".join(f'"{head}"' for head in heads), *lines]) + "\n"


PIVOT = "width,1B,4B,16B\n" + "".join(
    f"{w},{','.join(str(law(1e5 * w, d)) for d in (1e9, 4e9, 16e9))}\n" for w in (256, 1024)
)
RATIOS = "params,5x,20x\n" + "".join(
    f"{n:.0f},{law(n, 5 * n)},{law(n, 20 * n)}\n" for n in (1e8, 1e9)
)
SIZES = f"tokens,100M,1B\n1e9,{law(1e8, 1e9)},{law(1e9, 1e9)}\n4e9,,{law(1e9, 4e9)}\n"
MELTED = {
    "a chart of W&B": (
        chart(),
        dict(melt="{N}_{step}step - eval/loss", map={"D": "1e6*step"}),
        RUNS,
    ),
    "a chart of W&B without bounds": (
        chart("val", bounds=False),
        dict(melt="{N}_{step}step - {metric}", map={"D": "1e6*step", "loss": "val"}),
        RUNS,
    ),
    "a pivot table by tokens": (
        PIVOT,
        dict(melt="{D}", map={"N": "1e5*width"}),
        [(1e5 * w, d) for w in (256, 1024) for d in (1e9, 4e9, 16e9)],
    ),
    "a pivot table by tokens per parameter": (
        RATIOS,
        dict(melt="{ratio}x", map={"D": "ratio*params"}),
        [(n, k * n) for n in (1e8, 1e9) for k in (5, 20)],
    ),
    "a pivot table by size, with a gap": (
        SIZES,
        dict(melt="{N}"),
        [(1e8, 1e9), (1e9, 1e9), (1e9, 4e9)],
    ),
    "two metrics in columns": (
        "a-1M loss,a-1M acc,b-2M loss,b-2M acc,D\n" + f"{law(1e6, 1e9)},1,{law(2e6, 1e9)},2,1e9\n",
        dict(melt="{}-{N} {metric}"),
        [(1e6, 1e9), (2e6, 1e9)],
    ),
}


@pytest.mark.parametrize("name", MELTED)
def test_columns_become_rows_on_request(name, tmp_path):
    text, options, expected = MELTED[name]
    path = tmp_path / "wide.csv"
    path.write_text(text)
    runs = jaxscale.read_runs(path, **options)
    found = list(zip(runs.columns["N"].tolist(), runs.columns["D"].tolist(), strict=True))
    assert np.allclose(found, expected, rtol=1e-12)
    assert runs.loss.tolist() == [law(n, d) for n, d in expected]
    assert len(set(runs.rows.tolist())) == len(expected)
    assert any(note.startswith("--melt: ") for note in runs.warnings)


NOT_MELTED = {
    "no column": (PIVOT, "{N}tok", "matches the name of no column"),
    "a name is there": (RATIOS, "{params}x", "makes a column 'params', and there is one already"),
    "the same twice": ("D,a-1M,b-1M\n1,2,3\n", "{}-{N}", "columns 'a-1M' and 'b-1M' say the same"),
    "empty": ("D,1M,2M\n1,,\n", "{N}", "the columns that match are empty"),
}


@pytest.mark.parametrize("name", NOT_MELTED)
def test_what_cannot_become_rows_is_said(name, tmp_path):
    text, pattern, said = NOT_MELTED[name]
    path = tmp_path / "wide.csv"
    path.write_text(text)
    with pytest.raises(jaxscale.DataError, match=said):
        jaxscale.read_runs(path, melt=pattern)


LONG = "run,metric,value\n30M_1B,loss,3.1\n30M_1B,acc,0.3\n60M_1B,loss,2.9\n"
HINTS = {
    "a chart of W&B": (chart(), "wide export of W&B, a column for each of 4 runs: --melt "
                       "'{N}_{step}step - eval/loss' .*, --column 'D=TOKENS.step'"),
    "a chart of other runs": (chart().replace("M_", "_"), "--melt '{run} - eval/loss'"),
    "a pivot table": (PIVOT, "Columns '1B' to '16B' are called by numbers.*--melt '{D}'"),
    "a pivot table of ratios": (
        "params,1x,5x,20x\n1,2,3,4\n", "called by numbers.*--melt '{ratio}x'"),
    "a long table": (LONG, "long table of metrics: keep one, --where \"metric == 'loss'\""),
    "another long table": (
        LONG.replace("metric", "key"), "long table of metrics: keep one, --where \"key == 'los"),
}  # fmt: skip


@pytest.mark.parametrize("name", HINTS)
def test_a_table_of_another_shape_is_told_how_to_be_read(name, tmp_path):
    text, said = HINTS[name]
    path = tmp_path / "wide.csv"
    path.write_text(text)
    with pytest.raises(jaxscale.DataError, match=said):
        jaxscale.read_runs(path)


SUGGESTED = {
    "30M_2Btok": "{N}_{D}tok",
    "gpt-30M_2000step": "{}-{N}_{step}step",
    "30M_1000000000": "{N}_{D}",
    "lr1e-3_30M": "lr{}_{N}",
    "tiny-350M": "{}-{N}",
    "N30M-D2B-s1": "N{N}-D{D}-s{}",
    "190M-1xC": "{N}-{D/20N}xC",
    "llama-1.3B-20x-s1": "{}-{N}-{D/N}x-s{}",
    "30M-2xLarge": "{N}-{}xLarge",
    "2x-30M": "{}x-{N}",
    "d12": "",
    "run7": "",
    "baseline": "",
    r"\x1b[31m30M": "",
}


@pytest.mark.parametrize("name", SUGGESTED)
def test_a_pattern_is_suggested_that_matches(name):
    pattern = suggestion(["nothing", name])
    assert pattern == SUGGESTED[name]
    assert not pattern or Pattern.of(pattern, "--parse").match(name)


NAMES = "run,loss\n30M_1Btok,3.1\n60M_1Btok,2.9\nbaseline,3\n"
PARSED = {
    "names of runs": (NAMES.replace("baseline,3\n", ""), "{N}_{D}tok", {}),
    "another column": ("kind,tag,loss\na,30M_1B,3.1\nb,60M_1B,2.9\n", "tag={N}_{D}", {}),
    "two columns": ("model,data,loss\nx-30M,1B,3.1\nx-60M,1B,2.9\n", ["{}-{N}", "data={D}"], {}),
    "names that do not match go": (NAMES, "{N}_{D}tok", {"where": "run != 'baseline'"}),
    "or are dropped": (NAMES, "{N}_{D}tok", {"bad": "drop"}),
}


@pytest.mark.parametrize("name", PARSED)
def test_names_say_sizes_on_request(name, tmp_path):
    text, parse, options = PARSED[name]
    path = tmp_path / "runs.csv"
    path.write_text(text)
    runs = jaxscale.read_runs(path, parse=parse, **options)
    assert runs.columns["N"].tolist() == [3e7, 6e7] and runs.columns["D"].tolist() == [1e9] * 2
    missed = [note for note in runs.warnings if note.startswith("--parse")]
    assert ("baseline" in text) == ("does not match 1 name of 3" in "".join(missed))


def test_names_say_nothing_unasked(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(NAMES)
    runs = jaxscale.read_runs(path)
    assert list(runs.columns) == []
    with pytest.raises(jaxscale.DataError, match="take it from the names: --parse '{N}_{D}tok'"):
        runs.column("N")


AUTO = {
    "190M-1xC 370M-2xC": ([1.9e8, 3.7e8], [3.8e9, 1.48e10], "190M-1xC' says N 190 M, D 3.8 B; 2"),
    "x-30M-20x x-60M-20x": ([3e7, 6e7], [6e8, 1.2e9], "'x-30M-20x' says N 30 M, D 600 M; 2 names"),
    "30M_1B 60M_1B odd": ([3e7, 6e7], [1e9, 1e9], "says N 30 M, D 1 B; 2 names of 3 read so"),
}


@pytest.mark.parametrize("names", AUTO)
def test_the_pattern_that_names_suggest_is_taken_on_request_and_shown(names, tmp_path):
    N, D, said = AUTO[names]
    path = tmp_path / "runs.csv"
    path.write_text("run,loss\n" + "".join(f"{name},3\n" for name in names.split()))
    runs = jaxscale.read_runs(path, parse="auto", bad="drop")
    assert runs.columns["N"] == pytest.approx(N) and runs.columns["D"] == pytest.approx(D)
    assert said in runs.warnings[-1] + runs.warnings[0]
    again = jaxscale.read_runs(path, parse="run=auto", bad="drop")
    assert again.columns["D"] == pytest.approx(D)


def test_sizes_follow_from_a_depth_that_a_name_says(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("run,loss\nd12,3\nd20,2.9\n")
    runs = jaxscale.read_runs(path, parse="d{depth}", map={"N": "12*depth*(64*depth)**2"})
    assert runs.columns["N"].tolist() == [12 * 64**2 * 12**3, 12 * 64**2 * 20**3]


NOT_PARSED = {
    "nothing to suggest": ("run,loss\nd12,1\n", "auto", "no size is recognized in the names of"),
    "nothing to suggest for a column": ("tag,loss\nd12,1\n", "tag=auto", "such as 'd12'; write"),
    "no names for auto": ("N,loss\n1,2\n", "auto", "no column of names is recognized"),
    "no name matches": (NAMES, "x{N}", "matches no name in column 'run' .row 2, '30M_1Btok'"),
    "no names": ("N,loss\n1,2\n", "{D}tok", "no column of names is recognized"),
    "a column is there": ("run,N,loss\n1M,1,2\n", "{N}", "makes a column 'N', and there is one"),
    "no such column": (NAMES, "size={N}", "matches no name in column 'run'"),
}


@pytest.mark.parametrize("name", NOT_PARSED)
def test_names_that_say_nothing_are_refused(name, tmp_path):
    text, parse, said = NOT_PARSED[name]
    path = tmp_path / "runs.csv"
    path.write_text(text)
    with pytest.raises(jaxscale.DataError, match=said):
        jaxscale.read_runs(path, parse=parse)


COMMANDS = {
    "melt": (["a.csv", "--melt", "{N}_{step}step - eval/loss", "--column", "D=1e6*step"], 4),
    "parse": (["b.csv", "--parse", "{N}_{D}tok", "--bad", "drop"], 2),
    "best of": (["b.csv", "--parse", "{N}_{D}tok", "--bad", "drop", "--best-of", "D"], 1),
    "files": (["c1.csv", "c2.csv", "--where", "file != 'c3.csv'"], 4),
    "a pattern": (["c?.csv"], 4),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line_has_all_of_it(name, tmp_path, monkeypatch, capsys):
    arguments, count = COMMANDS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text(chart())
    (tmp_path / "b.csv").write_text(NAMES)
    for k in (1, 2):
        (tmp_path / f"c{k}.csv").write_text(f"N,D,loss\n1e8,{k}e9,3.1\n2e8,{k}e9,2.9\n")
    given = []

    def fit(law, runs, **options):
        given.append(runs)
        raise jaxscale.FitError("stop here")

    monkeypatch.setattr(importlib.import_module("jaxscale.cli.fit"), "fit", fit)
    assert main(["fit", *arguments, "--quiet"]) == 1
    assert "stop here" in capsys.readouterr().err
    assert len(given[0]) == count
