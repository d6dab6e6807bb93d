"""Law files, specifications, tables and numbers as handed over: whatever they do, one sentence."""

import os
import subprocess
import sys

import pytest

import jaxscale
from jaxscale.cli.parser import main
from jaxscale.files.reading import read_bytes
from jaxscale.laws.names import find_law, named_law, running
from jaxscale.sweep.spec import read_spec

LAW = '''
from jaxscale import Law, Scalar, coefficient, exponent, offset, power


class Mine(Law):
    """L(N) = E + A N^-alpha."""

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    alpha: Scalar = exponent("model-size exponent")

    def __call__(self, N):
        return self.E + self.A * power(N, -self.alpha)
'''
TABLE = "N,D,loss\n1e8,2e9,3.5\n2e8,3e9,3.2\n4e8,9e9,3.0\n"


def sentence(text):
    """A message fit to be shown: one line, not long, nothing that a terminal would obey."""
    assert len(text.splitlines()) == 1 and len(text) < 600 and text.isprintable()
    return text


RAISES = {
    "raise RuntimeError('boom')": "line 1: RuntimeError: boom",
    "\n\nraise KeyError('k')": "line 3: KeyError: 'k'",
    "def f(): return f()\nf()": "line 1: RecursionError",
    "raise SystemExit(0)": "line 1: SystemExit: 0",
    "import sys; sys.exit('bye')": "line 1: SystemExit: bye",
    "quit()": "line 1: SystemExit",
    "raise Exception('plain')": "line 1: Exception: plain",
    "class Own(Exception): pass\nraise Own('of mine')": "line 2: Own: of mine",
    "class Bad(Exception):\n    def __str__(self): 1 / 0\nraise Bad": "line 3: Bad",
    "raise ValueError('two\\nlines \\x1b[31m')": "line 1: ValueError: two lines \\x1b[31m",
    "import nowhere_at_all": "line 1: ModuleNotFoundError: No module named",
    "x = {}['a']['b']": "line 1: KeyError: 'a'",
    "1 / 0": "line 1: ZeroDivisionError: division by zero",
    "assert False": "line 1: AssertionError",
    "next(iter([]))": "line 1: StopIteration",
    "raise MemoryError": "line 1: MemoryError",
    "open('/no/such/file')": "line 1: FileNotFoundError",
    "undefined": "line 1: NameError: name 'undefined'",
    "class Mine(": "line 1: SyntaxError: '(' was never closed",
    "x = " + "(" * 1000: "line 1: SyntaxError",
    "x = '\0'": "SyntaxError",
    "import jax; jax.numpy.zeros(3) @ jax.numpy.zeros(4)": "line 1: TypeError",
    "def __getattr__(name): raise LookupError(name)\nMine = 1; del Mine": "line 1: LookupError",
}


@pytest.mark.parametrize("code", RAISES)
def test_whatever_a_law_file_does_is_a_sentence(tmp_path, code):
    path = tmp_path / "mine.py"
    path.write_text(code if "del Mine" in code else code + "\n" + LAW)
    with pytest.raises(ValueError) as caught:
        find_law(f"{path}:Mine")
    said = sentence(str(caught.value))
    assert said.startswith(f"cannot load {path}: ") and RAISES[code] in said


def test_an_interrupt_of_a_law_file_passes(tmp_path):
    (tmp_path / "mine.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        find_law(f"{tmp_path / 'mine.py'}:Mine")


def test_what_jaxscale_says_of_a_law_stays():
    with pytest.raises(jaxscale.DataError, match="^no column$"), running("Mine"):
        raise jaxscale.DataError("no column")


CLASSES = {
    "None": ("Mine = None", "defines no jaxscale.Law 'Mine'"),
    "text": ("Mine = 'Chinchilla'", "defines no jaxscale.Law 'Mine'"),
    "function": ("def Mine(): pass", "Mine(): no argument is called like an input"),
    "another class": ("class Mine: pass", "defines no jaxscale.Law 'Mine'"),
    "an instance": ("from jaxscale import Chinchilla\nMine = Chinchilla()", "no jaxscale.Law"),
    "the base": ("from jaxscale import Law as Mine", "defines no jaxscale.Law 'Mine'"),
    "another name": (
        LAW.replace("class Mine", "class Min"),
        "no jaxscale.Law 'Mine'; it has 'Min'",
    ),
    "made": (
        "def make():\n"
        + LAW.replace("\n", "\n    ").replace("class Mine", "class Inner")
        + "\n    return Inner\nMine = make()",
        "the class Mine calls itself Inner",
    ),
    "no formula": (LAW.split("    def")[0], "Mine has no formula; write __call__(self, N, ...)"),
    "no input": (LAW.replace("(self, N)", "(self)"), "Mine has no formula"),
    "no parameter": (
        "from jaxscale import Law\nclass Mine(Law):\n    def __call__(self, N):\n        return N",
        "Mine has no parameter",
    ),
    "declared wrongly": (
        LAW.replace("    E: Scalar", "    k: float\n    E: Scalar"),
        "line 5: LawError: Mine.k does not say what it is",
    ),
    "needs a value": (
        "from jaxscale._numerics.pytree import static\n"
        + LAW.replace("    E: Scalar", "    k: float = static()\n    E: Scalar"),
        "Mine() fails: TypeError: Mine.__init__() missing 1 required positional argument: 'k'",
    ),
    "fails when made": (
        LAW + "\n    def __post_init__(self):\n        raise KeyError('later')\n",
        "Mine() fails: line 16: KeyError: 'later'",
    ),
}


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_no_law_of_that_name_is_a_sentence(tmp_path, name):
    code, message = CLASSES[name]
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(ValueError) as caught:
        find_law(f"{tmp_path / 'mine.py'}:Mine")
    assert message in sentence(str(caught.value))


def test_a_law_under_two_names_and_one_of_the_catalogue_are_found(tmp_path):
    code = LAW + "\nOther = Mine\nfrom jaxscale import Chinchilla as Known, Chinchilla\n"
    (tmp_path / "mine.py").write_text(code)
    assert find_law(f"{tmp_path / 'mine.py'}:Other").__name__ == "Mine"
    assert find_law(f"{tmp_path / 'mine.py'}:Known") is jaxscale.Chinchilla
    assert len(named_law(f"{tmp_path / 'mine.py'}:Mine").source) == 64


PLACES = {
    "nothing": (lambda path: None, "no such file"),
    "a directory": (lambda path: path.mkdir(), "is a directory; give "),
    "a pipe": (lambda path: os.mkfifo(path), "is not a regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    "the terminal": (lambda path: path.symlink_to("/dev/tty"), "is not a regular file"),
    "too much": (lambda path: path.write_bytes(b"#" * (5 << 20)), "MiB, which is the most"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["law", "specification"])
def test_what_is_no_readable_file_is_a_sentence(tmp_path, capsys, kind, place):
    make, message = PLACES[place]
    make(tmp_path / "x.py")
    (tmp_path / "runs.csv").write_text(TABLE)
    command = ["sweep", str(tmp_path / "x.py"), "--folder", str(tmp_path / "out")]
    if kind == "law":
        command = ["fit", str(tmp_path / "runs.csv"), "--law", f"{tmp_path / 'x.py'}:Mine"]
    assert main(command) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in sentence(err.strip())


def test_a_file_is_read_up_to_its_limit(tmp_path):
    (tmp_path / "x").write_bytes(b"5" * (1 << 20))
    assert len(read_bytes(tmp_path / "x", 1 << 20, "a file")) == 1 << 20
    (tmp_path / "x").write_bytes(b"5" * (1 + (1 << 20)))
    with pytest.raises(jaxscale.DataError, match="more than 1 MiB, which is the most"):
        read_bytes(tmp_path / "x", 1 << 20, "a file")


@pytest.mark.parametrize(
    "command",
    [
        ["fit", "RUNS", "--law", "LAW"],
        ["warmup", "--n", "20", "--law", "LAW"],
        ["compare", "RUNS", "--law", "LAW"],
        ["predict", "RUNS", "--law", "LAW", "--N", "1e9"],
        ["laws", "LAW"],
    ],
)
@pytest.mark.parametrize("code", ["raise SystemExit(0)", "raise RuntimeError('boom')"])
def test_no_command_ends_with_a_law_file(tmp_path, capsys, command, code):
    (tmp_path / "runs.csv").write_text(TABLE)
    (tmp_path / "mine.py").write_text(code)
    places = {"RUNS": str(tmp_path / "runs.csv"), "LAW": f"{tmp_path / 'mine.py'}:Mine"}
    assert main([places.get(word, word) for word in command]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "cannot load" in sentence(err.strip())


@pytest.mark.parametrize(
    "command",
    "fit warmup predict allocate plot bootstrap influence compare sweep laws".split(),
)
def test_help_says_that_a_law_file_is_run(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "naming a FILE.py runs it" in " ".join(capsys.readouterr().out.split())


SPEC = '[data.a]\npath = "runs.csv"\n[sweep]\nlaws = ["Chinchilla"]\n'
DEEP = "no specification, tables in tables without end"
SPECS = {
    "arrays in arrays": ("x = " + "[" * 100_000, DEEP),
    "tables in tables": ("x = " + "{a = " * 100_000, DEEP),
    "a mixture": ("x = " + "[{a = " * 50_000, DEEP),
    "a key of many parts": ("a" + ".a" * 300_000 + " = 1", DEEP),
    "a header of many parts": ("[" + "a." * 300_000 + "a]", DEEP),
    "a header with blanks": ("[[" + "a . " * 200_000 + "a]]", DEEP),
    "starts": (SPEC + "starts = 1_000_000_000_000", "starts in [sweep]: expected a whole number"),
    "starts in hex": (SPEC + "starts = 0x" + "f" * 9999, "got an integer of more than 4300 digits"),
    "starts of digits": (SPEC + "starts = " + "9" * 9999, "no TOML: "),
    "starts deep": (SPEC + "starts = " + "[" * 99 + "]" * 99, "starts in [sweep]: expected a who"),
    "replicates": (SPEC + "bootstrap = 1_000_000_000_000", "bootstrap in [sweep]: expected"),
    "a chunk": (SPEC + "bootstrap = 9\nchunk = 1_000_000_000_000", "chunk in [sweep]: expected"),
    "many files": (SPEC + "bootstrap = 10_000_000\nchunk = 1", "would make 10,000,001 files"),
    "many cells": (
        SPEC + f"seeds = {list(range(40_000))}\ndeltas = {[k + 0.5 for k in range(40_000)]}",
        "the axes multiply to 1,600,000,000 cells",
    ),
    "a list for a table": ("sweep = [1]\n" + SPEC.split("[sweep]")[0], "got [1]"),
    "a long value": (SPEC + f'starts = "{"x" * 10_000}"', "got 'xxxxx"),
    "a long key": (SPEC + "x" * 10_000 + " = 1", "unknown key 'xxxxx"),
    "no text": (b"\xff\xfe\x00", "not UTF-8 text (byte 0xff)"),
    "a NUL": (SPEC + "\0", "no TOML: "),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_specification_that_nobody_can_meet_is_a_sentence(tmp_path, capsys, name):
    text, message = SPECS[name]
    (tmp_path / "runs.csv").write_text(TABLE)
    path = tmp_path / "sweep.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["sweep", str(path), "--folder", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in sentence(err.strip()) and str(path) in err
    assert not (tmp_path / "out").exists()


def test_dots_that_are_no_parts_of_a_key_are_read(tmp_path):
    (tmp_path / "runs.csv").write_text(TABLE)
    text = SPEC + "# " + "." * 80 + "\ndeltas = [\n" + ", ".join(f"0.{k}" for k in range(1, 60))
    text = text.replace("0.10,", "").replace("0.20,", "").replace("0.30,", "")
    text = text.replace("0.40,", "").replace("0.50,", "")
    (tmp_path / "sweep.toml").write_text(text + "\n]\n")
    assert len(read_spec(tmp_path / "sweep.toml").cells) == 54


NUMBERS = {
    "starts": (["fit", "RUNS", "--starts", "1000000000000"], "starts must be between 0 and"),
    "steps": (["fit", "RUNS", "--max-steps", "1000000000000"], "max_steps must be between 1 and"),
    "steps of 32 bits": (["fit", "RUNS", "--max-steps", "2147483648"], "max_steps must be between"),
    "draws": (["bootstrap", "FIT", "--draws", "100000000000"], "draws of 60 runs must be at most"),
    "cases": (["bootstrap", "FIT", "--draws", "1" + "0" * 99, "--method", "case"], "must be at"),
    "tests": (["compare", "RUNS", "--draws", "100000000000"], "draws of 60 runs must be at most"),
    "rows": (["warmup", "--n", "1000000000000"], "n must be between 1 and 10,000,000"),
    "starts of a warmup": (["warmup", "--n", "20", "--starts", "1000000000000"], "and starts"),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory, noisy, fitted):
    folder = tmp_path_factory.mktemp("numbers")
    columns = (noisy.columns["N"].tolist(), noisy.columns["D"].tolist(), noisy.loss.tolist())
    rows = [f"{n!r},{d!r},{y!r}" for n, d, y in zip(*columns, strict=True)]
    (folder / "runs.csv").write_text("\n".join(["N,D,loss", *rows]) + "\n")
    fitted.save(folder / "fit.json")
    return {"RUNS": str(folder / "runs.csv"), "FIT": str(folder / "fit.json")}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_no_memory_holds_is_a_sentence(capsys, places, name):
    command, message = NUMBERS[name]
    assert main([places.get(word, word) for word in command]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in sentence(err.strip())


ROW = '{"N": 1e8, "D": 2e9, "loss": 3.5}'
TWICE = {
    "runs.jsonl": ([ROW, ROW.replace("}", ', "loss": 2}'), ROW], "row 2: key 'loss' stands twice"),
    "nested.jsonl": ([ROW, ROW, '{"a": {"b": 1, "b": 1}}'], "row 3: key 'b' stands twice"),
    "escaped.ndjson": (['{"N": 1, "\\u004e": 2}'], "row 1: key 'N' stands twice"),
    "runs.json": (
        ["[", ROW + ",", "", ROW.replace("{", '{"D": 1, '), "]"],
        "row 2 (line 4): key 'D'",
    ),
    "deep.json": ([f'[{ROW}, {{"x": [{{"y": 1, "y": 2}}]}}]'], "row 2 (line 1): key 'y' stands"),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_key_twice_in_a_table_is_refused_with_its_place(tmp_path, capsys, name):
    lines, message = TWICE[name]
    (tmp_path / name).write_text("\n".join(lines))
    assert main(["fit", str(tmp_path / name)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in sentence(err.strip()) and name in err


def test_keys_of_different_objects_may_agree(tmp_path):
    (tmp_path / "runs.jsonl").write_text('{"N": 1, "x": {"N": 2}, "D": 1, "loss": 3}\n')
    assert jaxscale.read_runs(tmp_path / "runs.jsonl").columns["N"].tolist() == [1]


@pytest.mark.parametrize("platform", ["cuda", "no such platform"])
def test_a_platform_that_is_not_there_is_a_sentence(platform):
    command = [sys.executable, "-m", "jaxscale", "predict", "Chinchilla:hoffmann_2022"]
    environment = dict(os.environ, JAX_PLATFORMS=platform, CUDA_VISIBLE_DEVICES="")
    done = subprocess.run(
        [*command, "--N", "1e9", "--D", "1e10"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stdout == ""
    assert f"jaxscale: error: JAX_PLATFORMS={platform}: JAX finds no such device" in done.stderr
    assert "Traceback" not in done.stderr
