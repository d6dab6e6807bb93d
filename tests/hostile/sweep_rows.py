"""Specifications of sweeps that nobody in good faith would write."""
# ruff: noqa: E501 (a row is a line)

import os

from hostile.harness import ESCAPE, Row
from hostile.table_rows import GOOD

SPEC = '[data.a]\npath = "a.csv"\n[sweep]\nlaws = ["Chinchilla"]\n'
SWEEP = ("sweep", "s.toml", "--folder", "out", "--quiet")
KEYS = (
    "laws",
    "losses",
    "deltas",
    "residuals",
    "seeds",
    "starts",
    "precision",
    "bootstrap",
    "chunk",
)
VALUES = {
    "a truth": "true", "a minus": "-1", "zero": "0", "a fraction": "0.5", "nan": "nan", "inf": "inf", "text": '"x"',
    "an empty text": '""', "an empty list": "[]", "an empty table": "{}", "a list of lists": "[[[]]]", "a date": "2024-01-01",
    "a time": "00:00:00", "1e12": "1_000_000_000_000", "1e400": "1e400", "4,000 digits": "9" * 4000, "hex": "0xFFFFFFFFFFFFFFFFFF",
    "escapes": '"\\u001b[31m\\u202e"', "a mixture": '["x", 1, true]', "nan in a list": "[nan]", "a minus in a list": "[-1]",
    "twice": "[1, 1]", "truths in a list": "[true, false]", "texts in a list": '["x", "y"]',
    "a long list": "[" + ", ".join(f"{k}" for k in range(5000)) + "]",
}  # fmt: skip


def spec(name, text, *said, **more):
    """A specification that is refused."""
    return Row(f"a sweep with {name}", SWEEP, {"a.csv": GOOD, "s.toml": text}, said, **more)


def setting(key, value):
    """The good specification with one other value."""
    return (
        SPEC.replace("laws = ", "other = ") + f"laws = {value}\n"
        if key == "laws"
        else SPEC + f"{key} = {value}\n"
    )


GOOD_SETTINGS = {
    ("seeds", "zero in a list"), ("starts", "hex"), ("bootstrap", "zero"), ("seeds", "a long list"), ("deltas", "a long list"),
}  # fmt: skip
ROWS = [
    spec(f"{name} for {key}", setting(key, value), codes=(2,) if (key, name) not in GOOD_SETTINGS else (1, 2),
         weird=True, makes=("out",) if (key, name) in GOOD_SETTINGS else (), slow=(key, name) in GOOD_SETTINGS)
    for key in KEYS for name, value in VALUES.items()
]  # fmt: skip
ROWS += [
    spec("nothing", ""),
    spec("words", "hello"),
    spec("a mark alone", b"\xef\xbb\xbf"),
    spec("no text", b"\xff\xfe"),
    spec("a NUL", SPEC + "\0"),
    spec("lists 100,000 deep", SPEC + "x = " + "[" * 100_000),
    spec("tables 3,000 deep", SPEC + "x = " + "{a = " * 3000),
    spec("a key 50,000 deep", SPEC + "a." * 50_000 + "b = 1"),
    spec("quoted keys 5,000 deep", SPEC + '"a".' * 5000 + "b = 1"),
    spec("a table 5,000 deep", SPEC + "[" + "a." * 5000 + "b]"),
    spec("a key twice", SPEC + "starts = 1\nstarts = 2"),
    spec("a table twice", SPEC + "[sweep]\n"),
    spec("20,000 tables", SPEC + "".join(f"[x{k}]\n" for k in range(20_000))),
    spec("2 MB", SPEC + "#" * (2 << 20), "which is the most"),
    spec("an unknown key", SPEC + "nothing = 1"),
    spec("a key of escapes", SPEC + '"\\u001b[31m" = 1'),
    spec("__class__", SPEC + "__class__ = 1"),
    spec("no data", "[sweep]\nlaws = ['Chinchilla']"),
    spec("data that is a list", "data = [1]\n[sweep]\nlaws = ['Chinchilla']"),
    spec("data that is a number", "data.a = 1\n[sweep]\nlaws = ['Chinchilla']"),
    spec("data named ..", SPEC.replace("[data.a]", '[data.".."]')),
    spec("data named ../x", SPEC.replace("[data.a]", '[data."../x"]')),
    spec("data named /x", SPEC.replace("[data.a]", '[data."/x"]')),
    spec("data of an empty name", SPEC.replace("[data.a]", '[data.""]')),
    spec("data of a long name", SPEC.replace("[data.a]", f"[data.{'x' * 300}]")),
    spec("data of an escape", SPEC.replace("[data.a]", '[data."\\u001b"]')),
    spec("a path of a device", SPEC.replace("a.csv", "/dev/zero")),
    spec("a path of a folder", SPEC.replace("a.csv", ".")),
    spec("an empty path", SPEC.replace('"a.csv"', '""')),
    spec("a path of a NUL", SPEC.replace("a.csv", "a\\u0000b")),
    spec("a path of escapes", SPEC.replace("a.csv", "\\u001b[31m")),
    spec("a path of 9,000 letters", SPEC.replace("a.csv", "x" * 9000)),
    spec("a path that is a list", SPEC.replace('"a.csv"', '["a.csv"]')),
    spec("an attack for where", SPEC.replace("[sweep]", "where = \"__import__('os').system('touch canary')\"\n[sweep]"), codes=(1, 2), makes=("out",)),
    spec("a map of lists", SPEC.replace("[sweep]", "map = {N = [1]}\n[sweep]")),
    spec("a map of a map", SPEC.replace("[sweep]", "map.N.N.N = 'x'\n[sweep]")),
    spec("a law file that exits", SPEC.replace("Chinchilla", "s.py:Mine"), "s.py"),
    spec("a law of a device", SPEC.replace("Chinchilla", "/dev/zero.py:A")),
    spec("a law of escapes", SPEC.replace("Chinchilla", "\\u001b[31m")),
    spec("a law twice", SPEC.replace('"Chinchilla"', '"Chinchilla", "Chinchilla"'), "twice"),
    spec("a law twice in other letters", SPEC.replace('"Chinchilla"', '"Chinchilla", "chinchilla"')),
    spec("fix of no law", SPEC + "[fix.Nope]\nE = 1"),
    spec("fix that is a number", SPEC.replace("[sweep]", "[sweep]\n") + "[fix]\nChinchilla = 1"),
    spec("fix of no parameter", SPEC + "[fix.Chinchilla]\nQ = 1"),
    spec("fix of a text", SPEC + "[fix.Chinchilla]\nE = 'x'"),
    spec("fix of NaN", SPEC + "[fix.Chinchilla]\nE = nan"),
    spec("fix of a truth", SPEC + "[fix.Chinchilla]\nE = true"),
    spec("fix of a long number", SPEC + "[fix.Chinchilla]\nE = " + "9" * 4000),
    spec("fix of all", SPEC + "[fix.Chinchilla]\nE = 1\nA = 1\nB = 1\nalpha = 1\nbeta = 1"),
    Row("a sweep of a pipe", SWEEP, {"a.csv": GOOD, "s.toml": os.mkfifo}, ("not a regular file",)),
    Row("a sweep of a device", SWEEP, {"s.toml": lambda path: path.symlink_to("/dev/zero")}, ("not a regular file",)),
    Row("a sweep of a folder", SWEEP, {"s.toml": lambda path: path.mkdir()}, ("is a directory",)),
    Row("a sweep of itself", SWEEP, {"s.toml": lambda path: path.symlink_to("s.toml")}),
    Row("a sweep into a file", (*SWEEP[:3], "a.csv"), {"a.csv": GOOD, "s.toml": SPEC}),
    Row("a sweep into a pipe", (*SWEEP[:3], "p"), {"a.csv": GOOD, "s.toml": SPEC, "p": os.mkfifo}),
    Row("a sweep into a device", (*SWEEP[:3], "/dev/null"), {"a.csv": GOOD, "s.toml": SPEC}),
    Row("a sweep into a NUL", (*SWEEP[:3], "a\0b"), {"a.csv": GOOD, "s.toml": SPEC}),
    Row("a sweep into 9,000 letters", (*SWEEP[:3], "x" * 9000), {"a.csv": GOOD, "s.toml": SPEC}),
    Row("a sweep into a link to itself", (*SWEEP[:3], "l"), {"a.csv": GOOD, "s.toml": SPEC, "l": lambda path: path.symlink_to("l")}),
    Row("a sweep below a file", (*SWEEP[:3], "a.csv/out"), {"a.csv": GOOD, "s.toml": SPEC}),
    Row("a sweep into escapes", (*SWEEP[:3], f"a.csv/{ESCAPE}"), {"a.csv": GOOD, "s.toml": SPEC}),
]  # fmt: skip
for row in ROWS:
    if "s.py:Mine" in str(row.files.get("s.toml", "")):
        row.files["s.py"] = "raise SystemExit(0)"
