"""Expressions, names and mappings that nobody in good faith would give."""
# ruff: noqa: E501 (a row is a line)

import numpy as np
from hostile.harness import ESCAPE, TAKEN, Row
from hostile.table_rows import CELLS, GOOD, PYTHON

ATTACKS = [
    PYTHON, "__builtins__", "().__class__.__bases__[0].__subclasses__()", "open('canary', 'w')",
    "exec('1')", "eval('1') == 1", "N.__class__ == 1", "N.tofile('canary') == 1", "f'{N}' == 'x'",
    "[x for x in (1,)] == 1", "(lambda: 1)() == 1", "(N := 3) > 1", "{1: 2} == 1", "{1} == 1", "N[0] > 1",
    "N[:] > 1", "N if 1 else D", "await N", "yield N", "*N", "**N", "N @ D > 1", "N % 2 == 1", "N // 2 == 1",
    "N << 2 > 1", "N ^ 2 > 1", "~N > 1", "N is N", "b'x' == 1", "... == 1", "None == N", "1j > N", "N > 1;",
    "N > 1; loss < 3", "N > 1\nloss < 3", "import os", "del N", "N = 3", "N += 3", "assert N", "global N",
    "# N", "N > 1 # loss", "'", '"', '"""', "`", "``", "``` < 3", "`N", "N`", "` ` > 1", "\\", "N > \\", "(", ")",
    "()", "[]", "{}", "() == ()", "[] == []", "'' == ''", "loss", "3", "'x'", "N + D", "-loss", "not loss",
    "loss and N", "loss in 3", "loss in N", "loss in [[1]]", "'a' in ['a'] < 3", "1 < 'x'", "N < 'x'", "N + 'x' > 1",
    "True + True > 1", "True < 2", "nan < 1", "inf > N", "N > 1e999", "N < -1e999", "N == N / 0", "0/0 == 0/0",
    "N ** N ** N ** N > 1", "9**9**9**9**9 > N", "10**400 > 0", "2 ** (2 ** 40) > N", "N > " + "9" * 5000,
    "N > 0x" + "f" * 5000, "N > " + "1_" * 4000, "loss > 1e-999999999", "N > 0b2", "N > 0777", "N > 1__0",
    "loss < 4 " * 2, "\x00", "N > 1\x00", "\ud800", "N > '\ud800'", "\u202eN > 1", "\uff2e > 1", "N \u2265 1",
    "N \u00d7 D > 1", "loss \uff1c 3", ESCAPE, f"`{ESCAPE}` > 1", f"N > '{ESCAPE}'", "(" * 90 + "N" + ")" * 90,
    "(" * 9000 + "1", "-" * 9000 + "N > 1", "not " * 2400 + "N > 1", "N > " + "(" * 4000 + "1" + ")" * 4000,
    "N" + " + 1" * 2400 + " > 1", "1" + " < 1" * 2400, "N" + ".a" * 4500, "N" + "[0]" * 3000, "a" * 10_000,
    "a" * 10_001, "x" * 1_000_000, "N > 1 and " * 900 + "N > 1", "N in [" + "1," * 4000 + "]", "N ** " * 2000 + "1 > 1",
    "`" * 9999, "'" * 9999, "!" * 9999 + "(N > 1)", "&" * 9999, "N > 1 |" * 1200 + " N > 1",
    '"' + "\\" * 9000 + '" == N', "'" + "\\'" * 4900,
]  # fmt: skip


def kept(part):
    """Return what checks that a fit was given these rows."""
    return lambda runs: np.allclose(runs.loss, CELLS[part, 2])


def where(text, k) -> Row:
    """A row of an expression: refused, or it keeps rows and hands them on."""
    argv = ("fit", "a.csv", "--quiet", "--where", text)
    return Row(f"where {k}: {text[:40]!r}", argv, {"a.csv": GOOD}, codes=(1, 2), weird=True)


ROWS = [where(text, k) for k, text in enumerate(ATTACKS)]
KEPT = {
    "loss < 99 and " * 30 + "N > 2e8": slice(2, 8),
    "not not not N > 2e9": slice(0, 6),
    "N > " + "(" * 60 + "2e8" + ")" * 60: slice(2, 8),
    "N > 2" + "0" * 8: slice(2, 8),
    "N < 1" + "0" * 400: slice(0, 8),
    "`N` > 2e8 # 'x": None,
    "- - -N < -2e8": slice(2, 8),
    "0 < 1e8 < N <= 1e400": slice(2, 8),
}
for text, part in KEPT.items():
    argv = ("fit", "a.csv", "--quiet", "--where", text)
    if part is not None:
        ROWS.append(Row(f"kept: {text[:40]!r}", argv, {"a.csv": GOOD}, (TAKEN,), (1,), kept(part)))

MAPS = [
    "", "=", "N", "N=", "=N", "N==N", "N=N=N", "N=" + "x" * 100_000, "x" * 100_000 + "=N", f"N={ESCAPE}",
    f"{ESCAPE}=N", "N=\x00", "N=\ud800", "loss=N", "N=loss", "__class__=N", "loss=__class__", "self=N",
    "N=nothing", "n=N", "N=N ", " N=N", "N='N'", "N=`N`", 'N="N"', "N=1e6 * `N`", f"N={PYTHON}", "N=1e400 * N",
    "N=N/0", "N=0*N", "N=" + "(" * 5000 + "N", "N=" + "-" * 5000 + "N", "N=" + "N*" * 4000 + "N", "N=N**N**N",
    "N=9**9**9**9", "N=log(N)", "N=open('canary','w')", "N=N.tofile('canary')", "N=lambda: 1", "N=[N]", "N=N;D",
    "N=N\nD", "\u039d=N", "N=\uff2e", "weight=N<3", "loss=True", "loss=3", "loss=nan", "loss=inf*N", "loss='x'",
    "group=loss", "C=N", "D=N", "S=N", "weight=loss", "weight=-loss", "rows=N", "source=N", "values=N", "map=N",
]  # fmt: skip


def mapped(text, k) -> Row:
    """A row of `--column`."""
    argv = ("fit", "a.csv", "--quiet", f"--column={text}")
    return Row(f"column {k}: {text[:40]!r}", argv, {"a.csv": GOOD}, codes=(1, 2), weird=True)


ROWS += [mapped(text, k) for k, text in enumerate(MAPS)]
LAWS = [
    "", " ", ":", "::", ":N", "Chinchilla:N", "PowerLaw", "PowerLaw:", "PowerLaw:Q", "PowerLaw:N:D",
    "PowerLaw:__class__", "Law", "Sum", "object", "os.system", "builtins:eval", "jaxscale.Law", "os:system", "../x.py:A",
    "a.csv:A", "x.py", "x.py:", ".py:A", "x.py:A:B:C", "/dev/zero.py:A", "/dev/zero", "http://127.0.0.1/x.py:A",
    "x" * 100_000, "x" * 100_000 + ".py:A", "a\0b.py:A", "\ud800.py:A", ESCAPE, f"{ESCAPE}.py:A", f"PowerLaw:{ESCAPE}",
    "Chinchilla,KaplanN", ",", "chinchilla " * 3, "\uff23hinchilla", "None", "nan", "-1", "*", "Chinchilla()", PYTHON,
]  # fmt: skip
ROWS += [
    Row(f"law {k}: {text[:40]!r}", ("fit", "a.csv", "--quiet", f"--law={text}"), {"a.csv": GOOD}, weird=True)
    for k, text in enumerate(LAWS)
]  # fmt: skip
FLAGS = [
    ("--fix", ["", "=", "E", "E=", "=1", "E=x", "E=nan", "E=inf", "E=-inf", "E=1e400", "E=" + "9" * 5000, "E=0x1", "Q=1",
               f"{ESCAPE}=1", f"E={ESCAPE}", "E=1=2", "E=1,2", "alpha=-1", "A=-1", "A=0", "x" * 99_999 + "=1", "E=\ud800"]),
    ("--bound", ["", "E", "E=", "E=1", "E=:", "E=1:", "E=2:1", "E=nan:1", "E=1:nan", "E=inf:inf", "E=1:1", "Q=1:2",
                 f"{ESCAPE}=1:2", f"E=1:{ESCAPE}", "E=1:2:3", "A=-2:-1", "alpha=9:10", "E=1e400:1e400", "E=-inf:-inf"]),
    ("--tie", ["", "=", "E", "E=E", "alpha=Q", "Q=alpha", "E=alpha", "alpha=E", f"{ESCAPE}=E", "x" * 99_999 + "=E"]),
    ("--error", ["", "Q", "loss", "N", "__class__", ESCAPE, "x" * 99_999, "\0"]),
    ("--loss", ["", "x", "x.py:A", "/dev/zero.py:A", ESCAPE, "Square", "square ", "huber,square", "x" * 99_999, "a.csv"]),
    ("--residual", ["", "x", ESCAPE, "log ", "x" * 99_999]),
    ("--optimizer", ["", "x", ESCAPE, "newton()", "x" * 99_999]),
    ("--precision", ["", "x", "float16", "float128", ESCAPE, "int32"]),
    ("--units", ["", "x", ESCAPE]), ("--bad", ["", "x", ESCAPE]), ("--decimal", ["", "..", "\0", "x" * 9999, ESCAPE]),
]  # fmt: skip
ROWS += [
    Row(f"{flag} {k}: {text[:40]!r}", ("fit", "a.csv", "--quiet", f"{flag}={text}"), {"a.csv": GOOD}, codes=(1, 2), weird=True)
    for flag, texts in FLAGS for k, text in enumerate(texts)
]  # fmt: skip
