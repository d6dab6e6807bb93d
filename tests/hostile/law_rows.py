"""Law files: run because they are named, and whatever they then do is one sentence."""
# ruff: noqa: E501 (a row is a line)

from hostile.harness import ESCAPE, TAKEN, Row
from hostile.table_rows import GOOD

LAW = '''
from jaxscale import Law, Scalar, coefficient, exponent, offset, power


class Mine(Law):
    """L(N) = E + A N^-alpha."""

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("coefficient", per=dict(N="alpha"))
    alpha: Scalar = exponent("exponent")

    def __call__(self, N):
        return self.E + self.A * power(N, -self.alpha)
'''
BODY = "return self.E + self.A * power(N, -self.alpha)"
RAISES = {
    "an error": "raise RuntimeError('boom')",
    "an error with escapes": f"raise ValueError({ESCAPE!r})",
    "an error of a megabyte": "raise ValueError('x' * 1_000_000)",
    "an exit of 0": "raise SystemExit(0)",
    "an exit of None": "raise SystemExit",
    "an exit with a text": "import sys; sys.exit('bye')",
    "quit": "quit()",
    "no end of calls": "def f(): f()\nf()",
    "no end of repr": "class A:\n    def __repr__(self): return repr(self)\nraise ValueError(A())",
    "an error without words": "class Bad(Exception):\n    def __str__(self): raise self\nraise Bad",
    "an error that exits": "class Bad(Exception):\n    def __str__(self): raise SystemExit(0)\nraise Bad",
    "an error that is no Exception": "class Bad(BaseException): pass\nraise Bad('x')",
    "a generator's exit": "raise GeneratorExit",
    "a group of errors": "raise ExceptionGroup('x', [ValueError(1)])",
    "a group of exits": "raise BaseExceptionGroup('x', [SystemExit(1)])",
    "a warning": "raise Warning('x')",
    "an error of jaxscale": "import jaxscale\nraise jaxscale.FitError('mine')",
    "an error of the system": "raise OSError(28, 'full', '/x')",
    "a broken pipe": "raise BrokenPipeError(32, 'x')",
    "no memory": "x = [0] * (1 << 60)",
    "a number without end": "int('9' * 5000)",
    "no syntax": "class Mine(",
    "tabs and blanks": "if 1:\n\tx = 1\n        y = 1",
    "brackets": "x = " + "(" * 5000,
    "nested lists": "x = " + "[" * 250 + "]" * 250,
    "no text": "x = '\xff'".encode("latin-1"),
    "another encoding": b"# coding: utf-16\nx = 1",
    "an unknown encoding": b"# coding: nothing\nx = 1",
    "a NUL": "x = 1\0",
    "nothing": "",
    "no such module": "import nowhere_at_all",
    "itself": "import mine",
}
LAWS = {
    "an index": LAW.replace(BODY, "return N[0]"),
    "an undefined name": LAW.replace(BODY, "return undefined"),
    "an error of its own": LAW.replace(BODY, "raise KeyError('k')"),
    "an exit": LAW.replace(BODY, "raise SystemExit(0)"),
    "calls without end": LAW.replace(BODY, "return self(N)"),
    "a text": LAW.replace(BODY, "return 'x'"),
    "None": LAW.replace(BODY, "pass"),
    "a list": LAW.replace(BODY, "return [1, 2]"),
    "a class": LAW.replace(BODY, "return Mine"),
    "a complex number": LAW.replace(BODY, "return 1j * N"),
    "a truth": LAW.replace(BODY, "return N > 1"),
    "a table": LAW.replace(BODY, "return N[:, None] * N[None]"),
    "three numbers": LAW.replace(BODY, "import jax\n        return self.E * jax.numpy.ones(3)"),
    "NaN": LAW.replace(BODY, "return self.E * float('nan')"),
    "infinity": LAW.replace(BODY, "return self.E / 0.0"),
    "a constant": LAW.replace(BODY, "return 3.0"),
    "a float": LAW.replace(BODY, "return float(self.E + self.A * power(N, -self.alpha))"),
    "an if": LAW.replace(BODY, "return self.E if N > 1 else self.A"),
    "NumPy": LAW.replace(BODY, "import numpy\n        return self.E + self.A * numpy.exp(-self.alpha * numpy.log(N))"),
    "a file": LAW.replace(BODY, "return open('/no/such/file')"),
    "an unknown input": LAW.replace("(self, N)", "(self, Q)").replace("power(N", "power(Q").replace("N=", "Q="),
    "any inputs": LAW.replace("(self, N)", "(self, *N)"),
    "named inputs": LAW.replace("(self, N)", "(self, **N)"),
    "an input with a default": LAW.replace("(self, N)", "(self, N=None)"),
    "an input like a field": LAW.replace("(self, N)", "(self, E)"),
    "an input called loss": LAW.replace("(self, N)", "(self, loss)"),
    "a property that fails": LAW + "\n    @property\n    def parameters(self): raise KeyError('p')",
    "a law that is no law": LAW.replace("(Law)", "(object)"),
    "a metaclass": LAW.replace("class Mine(Law)", "class Meta(type(Law)):\n    def __call__(self, *a, **k): raise KeyError('m')\n\n\nclass Mine(Law, metaclass=Meta)"),
    "a docstring of escapes": LAW.replace('"""L(N) = E + A N^-alpha."""', repr(ESCAPE)),
    "meanings of escapes": LAW.replace('"irreducible loss"', repr(ESCAPE)),
    "per of nothing": LAW.replace('per=dict(N="alpha")', 'per=dict(N="gamma")'),
    "per of no law": LAW.replace('per=dict(N="alpha")', "per=3"),
    "a parameter that is called law": LAW.replace("alpha", "law"),
    "a parameter that is called values": LAW.replace("alpha", "values"),
    "50 parameters": LAW.replace("    E: Scalar", "".join(f"    p{k}: Scalar = exponent('x')\n" for k in range(50)) + "    E: Scalar", 1),
}  # fmt: skip
FIT = ("fit", "a.csv", "--quiet", "--law", "mine.py:Mine")


def files(code):
    """A good table, and a law file."""
    return {"a.csv": GOOD, "mine.py": code}


def joined(code):
    """A law below whatever the code does first."""
    return code + LAW.encode() if isinstance(code, bytes) else code + "\n" + LAW


ROWS = [
    Row(f"a law file with {name}", FIT, files(joined(code) if name != "nothing" else code), ("mine.py",), makes=("__pycache__",))
    for name, code in RAISES.items()
]  # fmt: skip
ROWS += [
    Row(f"a law with {name}", FIT, files(code), codes=(1, 2), makes=("__pycache__",), weird=True)
    for name, code in LAWS.items()
]
ROWS += [
    Row("a law that is right", FIT, files(LAW), (TAKEN,), (1,)),
    Row("a law file that prints", FIT, files("print('\\x1b[2Jx')\n" + LAW), (TAKEN,), (1,), slow=True),
    Row("two commands of one law file", ("compare", "a.csv", "--law", "mine.py:Mine,mine.py:Nope"), files(LAW)),
    Row("a law file of 5 MB", FIT, files("#" * (5 << 20)), ("which is the most",)),
    Row("a law file that is a folder", FIT, {"a.csv": GOOD, "mine.py": lambda path: path.mkdir()}),
    Row("a law file that is a device", FIT, {"a.csv": GOOD, "mine.py": lambda path: path.symlink_to("/dev/zero")}),
    Row("laws of a law file that exits", ("laws", "mine.py:Mine"), files("raise SystemExit(0)"), ("SystemExit",)),
    Row("a loss file that exits", ("fit", "a.csv", "--loss", "mine.py:Mine"), files("raise SystemExit(0)"), ("SystemExit",)),
    Row("a loss file with a law", ("fit", "a.csv", "--loss", "mine.py:Mine"), files(LAW), ("Loss",)),
]  # fmt: skip
