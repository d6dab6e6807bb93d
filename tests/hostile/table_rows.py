"""Tables of runs that nobody in good faith would write."""
# ruff: noqa: E501 (a row is a line)

import gzip
import json
import lzma
import math
import os
import struct
import zlib

import numpy as np
from broken import BROKEN, table
from hostile.harness import ESCAPE, TAKEN, Row

GOOD = table()
CELLS = np.array([[float(x) for x in line.split(",")] for line in GOOD.splitlines()[1:]])
FIT = ("fit", "{}", "--quiet")
JSONL = "".join(
    json.dumps(dict(zip(("N", "D", "loss"), row, strict=True))) + "\n" for row in CELLS.tolist()
)


def same(runs) -> bool:
    """Whether a fit was given the good table."""
    got = np.stack([runs.columns["N"], runs.columns["D"], runs.loss], axis=1)
    return got.shape == CELLS.shape and np.allclose(got, CELLS, rtol=1e-9)


def taken(name, file, content, *options, check=same, **more):
    """A table that is odd and right: the fit is given its numbers."""
    argv = tuple(word.format(file) for word in FIT) + options
    return Row(name, argv, {file: content}, (TAKEN,), (1,), check, **more)


def refused(name, file, content, *said, options=(), **more):
    """A table that is refused in a sentence."""
    argv = tuple(word.format(file) for word in FIT) + tuple(options)
    return Row(name, argv, {file: content}, said, **more)


def cell(text, k=2, row=5):
    """The good table with one other cell; k is its column."""
    return table((row, k, text))


def named(header):
    """The good table with another header."""
    return table(header=header)


def bomb(size, packer):
    """Bytes that unpack to `size` of one letter."""

    def make(path):
        with packer(path, "wb") as file:
            for _ in range(size >> 20):
                file.write(b"x" * (1 << 20))

    return make


def many_rows(count):
    """A table of very many short rows, packed."""

    def make(path):
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(b"N,D,loss\n")
            for _ in range(count // 10_000):
                file.write(b"1,2,3\n" * 10_000)

    return make


def sparse(size):
    """What makes a file of so many zeros that takes no disk."""

    def make(path):
        with path.open("wb") as file:
            file.truncate(size)

    return make


def link(to):
    """What makes a symbolic link."""
    return lambda path: path.symlink_to(to)


def unpickles():
    """Bytes that, unpickled, would make a file."""
    return b"cos\nsystem\n(S'touch canary'\ntR."


PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + bytes(17)
PYTHON = "__import__('os').system('touch canary')"
WIDE = 20_000

ENCODINGS = [
    taken("a mark of UTF-8", "a.csv", "\ufeff" + GOOD),
    taken("UTF-16, little end first", "a.csv", GOOD.encode("utf-16")),
    taken("UTF-16, big end first", "a.csv", b"\xfe\xff" + GOOD.encode("utf-16-be")),
    refused("UTF-16 without its mark", "a.csv", GOOD.encode("utf-16-le"), "NUL"),
    refused("half of UTF-16", "a.csv", GOOD.encode("utf-16")[:-1], "UTF-16"),
    refused("UTF-32", "a.csv", GOOD.encode("utf-32")),
    refused("UTF-7", "a.csv", b"+/v8-N,D,loss\n"),
    refused("Latin-1", "a.csv", named("N,D,loss,caf\xe9").encode("latin-1"), "not UTF-8"),
    refused("half a letter", "a.csv", GOOD.encode() + b"\xe2\x82", "not UTF-8"),
    refused("an overlong slash", "a.csv", b"N,D,loss\n\xc0\xaf,1,2\n", "not UTF-8"),
    refused("half a pair", "a.csv", b"N,D,loss\n\xed\xa0\x80,1,2\n", "not UTF-8"),
    refused("a NUL in a cell", "a.csv", cell("3\0"), "row 5", "NUL"),
    refused("NULs only", "a.csv", b"\0" * 9999),
    refused("an image", "a.csv", PNG),
    refused("random bytes", "a.csv", np.random.default_rng(0).bytes(4000)),
    refused("nothing", "a.csv", b"", "empty"),
    refused("blanks", "a.csv", " \n\t\r\n" * 999, "empty"),
    refused("a mark alone", "a.csv", b"\xef\xbb\xbf"),
    taken("lines ended by CR", "a.csv", GOOD.replace("\n", "\r")),
    taken("lines ended by CR LF", "a.csv", GOOD.replace("\n", "\r\n")),
    taken("blank lines between", "a.csv", GOOD.replace("\n", "\n\n\n")),
    taken("no last newline", "a.csv", GOOD.rstrip("\n")),
    refused("separators of Unicode", "a.csv", GOOD.replace("\n", "\u2028")),
    refused("vertical tabs", "a.csv", GOOD.replace("\n", "\v")),
]

NAMES = [
    refused("escapes in a header", "a.csv", named(f'N,D,"{ESCAPE}"')),
    refused("escapes in a cell", "a.csv", cell(f'"{ESCAPE}"'), "row 5"),
    refused("escapes in a file's name", f"{ESCAPE}.csv", "x"),
    refused("escapes in an ending", f"a.{ESCAPE}", GOOD),
    refused("a file's name of 250 letters", "x" * 246 + ".csv", "x"),
    Row("a path of 9,000 letters", ("fit", "x" * 9000 + ".csv")),
    Row("a NUL in a path", ("fit", "a\0b.csv")),
    Row("half a pair in a path", ("fit", "a\udcffb.csv")),
    Row("a path without an end", ("fit", "../" * 3000 + "etc/passwd")),
    Row("the shadow file", ("fit", "/etc/shadow")),
    Row("an address", ("fit", "http://127.0.0.1:9/runs.csv"), said=("nothing is downloaded",)),
    Row("a command after |", ("fit", "|touch canary"), said=("no such file",)),
    refused("a header of 100,000 letters", "a.csv", named("N,D," + "x" * 100_000)),
    taken("a long name beside", "a.csv", GOOD.replace("\n", ",1\n").replace(",1", "," + "y" * 131_073, 1)),
    refused("a name twice", "a.csv", named("N,N,loss"), "twice"),
    refused("a name twice but for blanks", "a.csv", named("N, N ,loss"), "twice"),
    refused("names without letters", "a.csv", named(",,"), "header"),
    refused("names that Python has", "a.csv", named("__class__,__init__,self")),
    refused("a formula for a name", "a.csv", named("=1+1,@SUM(A1),+cmd|' /C calc'!A0")),
    refused("a name of braces", "a.csv", named("{0.__class__},{},%s%n")),
    taken("marks of direction in names", "a.csv", named("N\u202e,D\u2066,loss\u200f")),
    refused("letters that look alike", "a.csv", named("\u039d,D,loss"), "'N'"),
]  # fmt: skip

NUMBERS = [
    refused(f"{text[:20]!r} for a loss", "a.csv", cell(text), "row 5", weird=True)
    for text in (
        "1" + "0" * 400, "-" + "9" * 400, "1e400", "-1e400", "1e999999999", "inf", "-Infinity", "nan",
        "NaN", "-nan", "nan(0x1)", "0x1p3", "0x10", "0b11", "0o7", "1_000", "1__0", "1e", "e5", "--3",
        "+-3", "3.5.1", "3,5", "3 5", "3;5", "1e5e5", "\u00bd", "\u2163", "3\u00b2", "~3", "3?", "None",
        "null", "true", "#REF!", "#DIV/0!", "=1+1", "@3", "-", "*", "3j", "1/2", "10**400", PYTHON,
        "${HOME}", "`id`", "$(id)", "%n%s%x", "{loss}", "<script>", "\u202e3", "3\u200f", "'3'", "0",
        "-0.0", "-3", "-1e-300", "x" * 131_073, "9" * 131_073, "1e-400", "1" * 5000,
    )
]  # fmt: skip
NUMBERS += [
    taken("losses of other digits", "a.csv", cell("\u0663", row=2), check=lambda runs: runs.loss[0] == 3),
    taken("a point before", "a.csv", cell(".5"), check=lambda runs: runs.loss[3] == 0.5),
    taken("a plus before", "a.csv", cell("+3."), check=lambda runs: runs.loss[3] == 3),
    taken("an E", "a.csv", cell("3E0"), check=lambda runs: runs.loss[3] == 3),
    taken("very small", "a.csv", cell("5e-324"), check=lambda runs: runs.loss[3] == 5e-324),
    taken("very large", "a.csv", cell("1.7e308"), check=lambda runs: runs.loss[3] == 1.7e308),
    taken("400 digits after the point", "a.csv", cell("3." + "3" * 400), check=lambda runs: math.isclose(runs.loss[3], 10 / 3)),
    refused("an N of zero", "a.csv", cell("0", k=0), "row 5", "positive"),
    refused("an N of 1e400", "a.csv", cell("1e400", k=0), "row 5", weird=True),
    refused("a weight below zero", "a.csv", GOOD.replace("\n", ",-1\n").replace("-1", "weight", 1), "weight"),
    refused("units", "a.csv", cell("1e9e9M", k=0), options=["--units", "auto"]),
    refused("units without a number", "a.csv", cell("M", k=0), options=["--units", "auto"]),
    refused("units beyond numbers", "a.csv", cell("9e307T", k=0), options=["--units", "auto"], weird=True),
    refused("a cell of a million Ms", "a.csv", cell("M" * 1_000_000, k=0), options=["--units", "auto"]),
    refused("a cell of a million digits", "a.csv", cell("1" * 1_000_000 + "x"), options=["--units", "auto"]),
    refused("commas without end", "a.csv", cell('"' + "1," * 60_000 + '"'), options=["--units", "auto"]),
    refused("a decimal mark of its own", "a.csv", GOOD, "decimal", options=["--decimal", "x"]),
    taken("points under a comma", "a.csv", GOOD, "--decimal", ","),
]  # fmt: skip

SHAPES = [
    refused("a header alone", "a.csv", "N,D,loss\n", "no rows"),
    refused("a row alone", "a.csv", "1,2,3\n"),
    refused("one cell", "a.csv", "x"),
    refused("one quote", "a.csv", '"', weird=True),
    refused("a million quotes", "a.csv", '"' * 1_000_001),
    refused("quotes that end badly", "a.csv", 'N,D,loss\n"1"x,2,3\n', "row 2"),
    refused("a quote that is not closed", "a.csv", GOOD + '"', "quotation mark"),
    refused("a quote open for a megabyte", "a.csv", GOOD + '"' + "x\n" * 500_000, "quotation mark"),
    refused("commas alone", "a.csv", "," * 10_000),
    refused("a row of 100,000 cells", "a.csv", GOOD + "1," * 100_000 + "1\n", "row 10"),
    refused("a row cut short", "a.csv", GOOD + "1e8,2", "row 10"),
    refused("100,000 short rows", "a.csv", "N,D,loss\n" + "1\n" * 100_000, "row 2"),
    taken(
        f"{WIDE} columns", "a.csv",
        "\n".join(line + "," + ",".join(f"c{k}" if j == 0 else "0" for k in range(WIDE)) for j, line in enumerate(GOOD.splitlines())),
        slow=True,
    ),
    taken("a cell that nobody uses of 200,000 letters", "a.csv", GOOD.replace("\n", "," + "z" * 200_000 + "\n").replace("z" * 200_000, "note", 1)),
    refused("semicolons and commas", "a.csv", GOOD.replace(",", ";", 3)),
    refused("a wall of bars", "a.csv", GOOD.replace(",", "|")),
    refused("a row ten times", "a.csv", GOOD.splitlines()[0] + "\n" + (GOOD.splitlines()[1] + "\n") * 10),
    refused("the same loss", "a.csv", table(values=lambda n, d: (n, d, 2.5)), "2.5"),
]  # fmt: skip

KINDS = [
    refused("a pickle", "a.pkl", unpickles(), "unpickling runs code"),
    refused("a pickle as CSV", "a.csv", unpickles()),
    refused("a pickle of arrays", "a.npy", unpickles(), "unpickling runs code"),
    refused("an archive of arrays", "a.npz", b"PK\x03\x04"),
    refused("a sheet", "a.xlsx", b"PK\x03\x04" + bytes(99), "unknown kind"),
    refused("a script", "a.py", PYTHON, "unknown kind"),
    refused("SQL", "a.db", b"SQLite format 3\0", "unknown kind"),
    refused("no Parquet", "a.parquet", b"PAR1" + bytes(9) + b"PAR1", "not a Parquet"),
    refused("Parquet cut short", "a.parquet", b"PAR1", "not a Parquet"),
    refused("Parquet of a huge footer", "a.parquet", b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1"),
    refused("no gzip", "a.csv.gz", GOOD, "cannot be read"),
    refused("gzip cut short", "a.csv.gz", gzip.compress(GOOD.encode())[:-9], "cannot be read"),
    refused("gzip with a wrong sum", "a.csv.gz", gzip.compress(GOOD.encode())[:-8] + bytes(8)),
    refused("gzip of no deflate", "a.csv.gz", gzip.compress(b"")[:10] + b"\xff" * 40),
    refused("no xz", "a.csv.xz", GOOD, "cannot be read"),
    refused("xz cut short", "a.csv.xz", lzma.compress(GOOD.encode())[:-9], "cannot be read"),
    refused("xz asking for 4 GB", "a.csv.xz", lzma.compress(GOOD.encode())[:12] + b"\xff" * 40),
    refused("zlib", "a.csv.gz", zlib.compress(GOOD.encode())),
    refused("gzip in gzip", "a.csv.gz", gzip.compress(gzip.compress(GOOD.encode()))),
    taken("two members of gzip", "a.csv.gz", gzip.compress(GOOD[:60].encode()) + gzip.compress(GOOD[60:].encode())),
    taken("zeros after gzip", "a.csv.gz", gzip.compress(GOOD.encode()) + bytes(99)),
    refused("a bomb", "a.csv.gz", bomb(8 << 20, gzip.open), size=8 << 20),
    refused("a cell of 20 MiB", "a.csv.gz", bomb(20 << 20, gzip.open), "a cell of more than 16,777,216", size=20 << 20),
    refused("a bomb of xz", "a.csv.xz", bomb(64 << 20, lzma.open), size=64 << 20, slow=True),
    refused("a bomb of 3 GiB", "a.csv.gz", bomb(3 << 30, gzip.open), "2 GiB", size=2 << 30, slow=True),
    refused("a cell of 1 GiB", "a.csv.gz", bomb(1 << 30, gzip.open), size=1 << 30, slow=True),
    refused("four million rows", "a.csv.gz", many_rows(4_000_000), size=24_000_000, slow=True),
    refused("a pipe", "a.csv", os.mkfifo, "not a regular file"),
    refused("a folder", "a.csv", lambda path: path.mkdir(), "is a directory"),
    refused("a device without end", "a.csv", link("/dev/zero"), "not a regular file"),
    refused("chance", "a.csv", link("/dev/urandom"), "not a regular file"),
    refused("the null device", "a.csv", link("/dev/null"), "not a regular file"),
    refused("a terminal", "a.csv", link("/dev/tty"), "not a regular file"),
    refused("a link to itself", "a.csv", lambda path: path.symlink_to(path.name)),
    refused("a link to nothing", "a.csv", link("nowhere"), "no such file"),
    refused("a link to a folder", "a.csv", link("."), "is a directory"),
    refused("the memory of the process", "a.csv", link("/proc/self/mem")),
    refused("a file of the system without a size", "a.csv", link("/proc/self/status")),
    refused("a sparse file of 3 GiB", "a.csv", sparse(3 << 30), "2 GiB", size=2 << 30, slow=True),
    Row("stdin", ("fit", "-"), said=("standard input",)),
    Row("stdin as a device", ("fit", "/dev/stdin")),
    Row("the folder of the process", ("fit", "/proc/self/fd")),
]  # fmt: skip


def jsonl(line, name="a.jsonl"):
    """The good table as lines of JSON, with one more line."""
    return {name: JSONL + line + "\n"}[name]


JSONS = [
    refused("a key twice", "a.jsonl", jsonl('{"N":1,"N":2,"D":3,"loss":4}'), "row 9", "twice"),
    refused("a number", "a.jsonl", jsonl("3"), "row 9"),
    refused("a list", "a.jsonl", jsonl("[1,2,3]"), "row 9"),
    refused("null", "a.jsonl", jsonl("null"), "row 9"),
    refused("a text", "a.jsonl", jsonl('"x"'), "row 9"),
    refused("an empty object", "a.jsonl", jsonl("{}"), "row 9"),
    refused("words", "a.jsonl", "oops\n" + JSONL, "row 1", "not JSON"),
    refused("quotes of Python", "a.jsonl", JSONL.replace('"', "'"), "not JSON"),
    refused("400 digits", "a.jsonl", jsonl('{"N":1' + "0" * 400 + ',"D":3,"loss":4}'), "row 9", weird=True),
    refused("5,000 digits", "a.jsonl", jsonl('{"N":' + "9" * 5000 + ',"D":3,"loss":4}'), "row 9"),
    refused("1e400", "a.jsonl", jsonl('{"N":1e400,"D":3,"loss":4}'), "row 9", weird=True),
    refused("NaN", "a.jsonl", jsonl('{"N":1e8,"D":3,"loss":NaN}'), "row 9", weird=True),
    refused("Infinity", "a.jsonl", jsonl('{"N":1e8,"D":-Infinity,"loss":3}'), "row 9", weird=True),
    refused("true for a loss", "a.jsonl", jsonl('{"N":1e8,"D":3,"loss":true}'), "row 9"),
    refused("a list for a loss", "a.jsonl", jsonl('{"N":1e8,"D":3,"loss":[3]}'), "row 9"),
    refused("an object for a loss", "a.jsonl", jsonl('{"N":1e8,"D":3,"loss":{"x":3}}'), "row 9"),
    refused("lists 100,000 deep", "a.jsonl", jsonl("[" * 100_000), "row 9"),
    refused("objects 100,000 deep", "a.jsonl", jsonl('{"a":' * 100_000), "row 9"),
    refused("an array 100,000 deep", "a.json", "[" * 100_000),
    refused("objects 500 deep", "a.jsonl", jsonl('{"a":' * 500 + "1" + "}" * 500)),
    refused("a loss 40 deep", "a.jsonl", jsonl('{"N":1e8,"D":3,"loss":' + '{"a":' * 40 + "1" + "}" * 41)),
    refused("escapes for a key", "a.jsonl", jsonl(json.dumps({ESCAPE: 1}))),
    refused("escapes for a loss", "a.jsonl", jsonl(json.dumps({"N": 1, "D": 2, "loss": ESCAPE}))),
    refused("half a pair for a loss", "a.jsonl", jsonl('{"N":1e8,"D":3,"loss":"\\ud800"}'), "row 9"),
    refused("half a pair for a key", "a.jsonl", jsonl('{"\\udfff":1}')),
    refused("a NUL for a key", "a.jsonl", jsonl('{"\\u0000":1}')),
    refused("an empty key", "a.jsonl", jsonl('{"":1}')),
    refused("a key of a megabyte", "a.jsonl", jsonl(json.dumps({"x" * (1 << 20): 1}))),
    refused("5,000 keys", "a.jsonl", jsonl(json.dumps({f"k{k}": k for k in range(5_000)}))),
    refused("other keys in each row", "a.jsonl", "".join(json.dumps({f"k{k}": k}) + "\n" for k in range(3000)), slow=True),
    refused("an array of nothing", "a.json", "[]", "no rows"),
    refused("an array of arrays of nothing", "a.json", "[[]]"),
    refused("an array cut short", "a.json", "[" + JSONL.replace("\n", ",\n"), "not JSON"),
    refused("an array and more", "a.json", "[{}] x", "not JSON"),
    taken("a last line cut short", "a.jsonl", JSONL + '{"N": 1', check=lambda runs: len(runs.loss) == 8),
    taken("keys of Python's objects beside", "a.jsonl", JSONL.replace("}", ', "__class__": 1, "constructor": 2, "__proto__": 3}')),
]  # fmt: skip

ALL = [
    *ENCODINGS, *NAMES, *NUMBERS, *SHAPES, *KINDS, *JSONS,
    *(refused(f"a broken table: {name}", "a.csv", text, weird=True) for name, (text, _) in BROKEN.items()),
]  # fmt: skip
