"""What a table measures, by the name of its column: a loss, a perplexity, an accuracy, a reward.

The laws are fitted to any of them; whoever reads the result is told which it was.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxscale.data.expressions import FUNCTIONS, as_name, names_in
from jaxscale.data.headers import header, made_from

_WORDS = {
    "loss": "loss losses crossentropy celoss nll xent 损失 损失值 损失函数 交叉熵",
    "perplexity": "ppl perplexity pplx 困惑度",
    "accuracy": "acc accuracy acc1 acc5 top1 top5 top1acc top5acc top1accuracy top5accuracy "
    "accnorm exactmatch passrate pass1 winrate solverate successrate 准确率 正确率 精度",
    "error rate": "errorrate errrate err error top1error top5error top1err wer cer 错误率 误差率",
    "bits per byte": "bpb bitsperbyte",
    "bits per character": "bpc bitspercharacter bitsperchar",
    "reward": "reward rewards 奖励",
    "score": "score scores f1 auc auroc bleu sacrebleu chrf rouge rougel meteor 得分",
}
WORDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}
SPREAD = {"stderr", "std", "stdev", "se", "sem", "sd", "var", "variance", "ci", "sigma"}
"""Words of what tells how well a number is known."""
PREFIX = re.compile(r"(?:val|valid|validation|test|eval|train|training|final|best|mean|avg|dev)+")
EXPRESSION = re.compile(rf"[+*`]|\s[-/]\s|^[\d.]+\s*[-/]|\b(?:{'|'.join(FUNCTIONS)})\(")
"""What no name of a column has, as far as one can tell."""
FRACTIONS = ("accuracy", "error rate")
"""Kinds that lie between 0 and 1, or 0 and 100 %."""
BOUNDED = ("score",)
"""Kinds that often do."""
COUNTED_TOP = re.compile(
    r"(?:pass|maj|top|hits?|recall|precision|em)(?:at)?\d*k?(?:acc(?:uracy)?)?"
)
"""Words of accuracies with a number in them: pass@10, maj@64, top-3, recall at 5."""
CORRECT = ("correct", "ncorrect", "numcorrect", "right", "passed", "solved", "hits", "successes")
"""Names, in lower case without punctuation, of counts that are an accuracy over their trials."""


class Response(NamedTuple):
    """What the runs measured.

    Attributes:
        kind: "loss", "perplexity", "accuracy" and so on.
        column: the column, or the expression, that it came from.
    """

    kind: str
    column: str

    @property
    def is_loss(self) -> bool:
        """Whether it is to be called a loss."""
        return self.kind == "loss"

    @property
    def of_perplexity(self) -> bool:
        """Whether it is the logarithm of a perplexity, so that its exponential is one."""
        match = re.fullmatch(r"log\((.+)\)", self.column)
        return match is not None and kind_of(match[1].strip(" `")) == "perplexity"


def kind_of(name: str) -> str | None:
    """Return what the name of a column says that it measures; None where it says nothing."""
    base = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header(name).base)
    tokens = [t for t in re.split(r"[^a-z0-9\u4e00-\u9fff]+", base.lower()) if t]
    if not tokens or SPREAD & set(tokens):
        return None
    for k in range(min(3, len(tokens)), 0, -1):
        for some in (tokens[-k:], tokens[:k]):
            if (found := _kind("".join(some))) is not None:
                return found
    return None


def _kind(word: str) -> str | None:
    if word in WORDS:
        return WORDS[word]
    if match := PREFIX.match(word):
        return WORDS.get(word[match.end() :])
    if COUNTED_TOP.fullmatch(word) and re.search(r"\dk?|k$", word):
        return "accuracy"
    return next((k for w, k in WORDS.items() if not w.isascii() and word.endswith(w)), None)


def candidates(columns: Sequence[str]) -> dict[str, str]:
    """Return what could be the response where no column is called loss: kinds by column.

    Of the training and of the validation set, the latter; an `error` beside another is the error
    of that.
    """
    kinds = {c: kind for c in columns if (kind := kind_of(c)) is not None}
    for spared in (r".*(?:train|训练).*", r"(?:.*[^a-z])?err(?:or)?s?"):
        others = {c: kind for c, kind in kinds.items() if not re.fullmatch(spared, c.lower())}
        kinds = others or kinds
    return kinds


def written(column: str) -> str:
    """Return how an expression writes a response: as a name, or in brackets."""
    worked_out = "`" in column or " / " in column
    return f"({column})" if worked_out else as_name(column)


def ceiling(column: str, values: np.ndarray) -> tuple[int, int]:
    """Return where a fraction ends, 1 or 100, as it was read, and in the cells of its column.

    Args:
        column: its name.
        values: [n] as they were read.
    """
    read = 1 if np.max(np.abs(values), initial=0.0) <= 1.5 else 100
    return read, 100 if header(column).factor < 1 else read


@functools.lru_cache(maxsize=1024)
def response_of(column: str) -> Response:
    """Return what a column called so, or an expression of columns, measures.

    What no name tells is a loss: that is what laws are of.
    """
    column = made_from(column)[1]
    if match := re.fullmatch(r"log\((.+)\)", column):
        inner = kind_of(match[1].strip(" `"))
        return Response("loss" if inner in ("perplexity", None) else f"log {inner}", column)
    if (match := re.fullmatch(r"exp\((.+)\)", column)) and kind_of(match[1]) == "loss":
        return Response("perplexity", column)
    if match := re.fullmatch(r"(?:1|1\.0|100)\s*-\s*(`.+`|\w+)", column):
        opposite = {"accuracy": "error rate", "error rate": "accuracy"}
        kind = kind_of(match[1].strip("`"))
        if kind in opposite:
            return Response(opposite[kind], column)
    if match := re.fullmatch(r"(1\s*-\s*)?(`.+`|\w+)\s*/\s*(?:`.+`|[A-Za-z_]\w*)", column):
        if re.sub(r"[^a-z]", "", match[2].lower()) in CORRECT:
            return Response("error rate" if match[1] else "accuracy", column)
    if EXPRESSION.search(column) and (names := names_in(column)):
        kinds = {kind_of(name) for name in names}
        return Response("loss" if kinds <= {"loss", None} else column, column)
    return Response(kind_of(column) or "loss", column)
