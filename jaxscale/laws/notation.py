"""Formulas of laws as LaTeX.

The formulas that docstrings begin with are written as people type them, `E + A N^-alpha`: a space
is a product, a fraction reaches over the whole product at its side, a trailing number or what
follows an underscore is an index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

TOKEN = re.compile(
    r"(?P<dots>\.\.\.)|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z]\w*'?)|(?P<sign>\S)"
)
GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "kappa", "mu", "xi", "rho",
    "sigma", "tau", "phi", "psi", "omega", "lambda", "theta", "nu",
}  # fmt: skip
SPELLED = {"eps": r"\epsilon", "lam": r"\lambda", "inf": r"\infty", "star": r"\star"}
FUNCTIONS = {"log": r"\log", "ln": r"\ln", "exp": r"\exp", "log2": r"\log_2", "log10": r"\log_{10}"}
WORDS = {
    "with", "for", "above", "and", "any", "two", "of", "the", "compute", "playing", "at", "a",
    "strength", "tokens", "per", "parameter", "domain", "to", "as", "or", "where", "in",
}  # fmt: skip
"""English, as far as formulas have it; `a` is a parameter unless another word is beside it."""
SIGNS = {"<=": r"\le", ">=": r"\ge", "*": r"\cdot", ".": r"\cdot"}
CLOSING = {"(": ")", "[": "]", "{": "}"}


def latex(formula: str) -> str:
    r"""Return a formula as LaTeX, without dollar signs.

    Args:
        formula: as `Law.formula()` has it, e.g. "L(N) = E + A N^-alpha".

    Returns:
        E.g. `L(N) = E + A N^{-\alpha}`. What it cannot read stays as text.
    """
    parser = Parser(formula)
    written = parser.line()
    return written if parser.done else rf"\text{{{formula}}}"


class Parser:
    """One pass over the tokens of a formula."""

    def __init__(self, formula: str) -> None:
        text = formula.replace("²", "^2").replace("product over", "product_over")
        text = re.sub(r"product_over (\w+) of", r"product_\1", text).replace("sum of", "sum")
        self.tokens = list(tokens(text))
        self.at = 0

    @property
    def done(self) -> bool:
        """Whether all was read."""
        return self.at == len(self.tokens)

    @property
    def next(self) -> str:
        """The token that is read next, "" at the end."""
        return "" if self.done else self.tokens[self.at]

    def take(self) -> str:
        """Return the next token and go on."""
        self.at += 1
        return self.tokens[self.at - 1]

    def word(self) -> bool:
        """Whether the next token is English."""
        beside = {*self.tokens[max(self.at - 1, 0) : self.at], *self.tokens[self.at + 1 :][:1]}
        return self.next in WORDS and (self.next != "a" or bool((beside - {"a"}) & WORDS))

    def line(self, comma: str = r",\quad ") -> str:
        """Read terms, signs and words up to a closing bracket or the end.

        Args:
            comma: what a comma is written as, closer within brackets.
        """
        parts = []
        while not self.done and self.next not in CLOSING.values():
            if self.word():
                words = []
                while self.word():
                    words.append(self.take())
                parts.append(rf"\ \text{{{' '.join(words)}}}\ ")
            elif self.next in {"+", "-", "=", ",", ":", *SIGNS}:
                sign = self.take()
                parts.append(comma if sign == "," else SIGNS.get(sign, sign))
            elif term := self.term():
                parts.append(term)
            else:
                break
        return " ".join(parts).replace(" ,", ",")

    def term(self) -> str:
        """Read products and the strokes between them."""
        written = self.product()
        while self.next == "/":
            self.take()
            below = self.product()
            written = rf"\frac{{{bare(written)}}}{{{bare(below)}}}"
        return written

    def product(self) -> str:
        """Read factors side by side."""
        factors = []
        while not self.done and not self.word() and (factor := self.factor()):
            factors.append(factor)
        return " ".join(factors)

    def factor(self) -> str:
        """Read one factor with its exponent."""
        base = self.atom()
        if base and self.next == "^":
            self.take()
            sign = self.take() if self.next == "-" else ""
            power = self.atom()
            power = f"-{power}" if sign else bare(power)  # -(a + b) keeps its bracket
            base = f"{base}^{{{power}}}" if "'" not in base else f"{{{base}}}^{{{power}}}"
        return base

    def atom(self) -> str:
        """Read a number, a name, a function of what follows, or a bracket."""
        token = self.next
        if token in CLOSING:
            self.take()
            inside = self.line(",")
            if self.next != CLOSING[token]:
                return ""
            self.take()
            tall = r"\frac" in inside or "^" in inside
            left, right = (r"\left", r"\right") if tall else ("", "")
            return f"{left}{token}{inside}{right}{CLOSING[token]}"
        if token == "...":
            self.take()
            return r"\cdots"
        if token in FUNCTIONS:
            return FUNCTIONS[self.take()]
        if token[:1].isalnum():
            return name(self.take())
        return ""


def tokens(text: str) -> Iterator[str]:
    """Split a formula; `<=` is one sign."""
    for found in TOKEN.finditer(text.replace("<=", "≤").replace(">=", "≥")):
        yield {"≤": "<=", "≥": ">="}.get(found[0], found[0])


def name(token: str) -> str:
    """Return a number or a name in LaTeX: Greek by its letter, indices below, words upright."""
    if token[0].isdigit():
        return token
    prime = "'" if token.endswith("'") else ""
    head, _, index = token.rstrip("'").partition("_")
    if head in ("sum", "product"):
        return {"sum": r"\sum", "product": r"\prod"}[head] + (f"_{index}" if index else "")
    if trailing := re.fullmatch(r"([A-Za-z]+?)(\d+)", head):
        head, index = trailing[1], trailing[2] + (f",{index}" if index else "")
    below = ",".join(letters(part) for part in index.split(",")) if index else ""
    return letters(head) + prime + (f"_{{{below}}}" if below else "")


def letters(text: str) -> str:
    """Return the letters of a name or an index."""
    if text in SPELLED:
        return SPELLED[text]
    if text in GREEK:
        return f"\\{text}"
    return text if len(text) == 1 or text.isdigit() else rf"\mathrm{{{text}}}"


def bare(written: str) -> str:
    """Return what one bracket holds, where it holds all: a stroke or an exponent groups already."""
    for left, right in ((r"\left(", r"\right)"), ("(", ")")):
        if written.startswith(left) and written.endswith(right):
            inside = written[len(left) : -len(right)]
            depth = 0
            for sign in re.findall(r"[()]", inside):
                depth += 1 if sign == "(" else -1
                if depth < 0:
                    return written
            return inside if depth == 0 else written
    return written
