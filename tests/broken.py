"""Broken tables of runs, and what the refusal of each must name."""

GRID = [(n, d) for n in (1e8, 4e8, 1.6e9, 6.4e9) for d in (4e9, 3e10)]


def loss(n, d):
    return 1.69 + 406.4 / n**0.34 + 410.7 / d**0.28


def table(*cells, header="N,D,loss", rows=8, sep=",", values=None):
    """A good table of 8 runs (rows 2 to 9 of the file) in which `cells` (row, k, text) differ."""
    values = values or (lambda n, d: (n, d, loss(n, d)))
    text = [[f"{x:.10g}" for x in values(n, d)] for n, d in GRID[:rows]]
    for row, k, cell in cells:
        text[row - 2][k] = cell
    return "\n".join([header, *(sep.join(row) for row in text)]) + "\n"


def with_c(n, d):
    return n, 6 * n * d, loss(n, d)


def with_weight(n, d):
    return n, d, loss(n, d), 1.0


BROKEN = {
    "no loss": (table(header="N,D,depth"), ("'loss'", "row 1", "'depth'", "--column loss=")),
    "no D": (table(header="N,depth,loss"), ("'D'", "rows 2 to 9", "'depth'", "--column D=")),
    "unnamed D": (table(header="N,,loss"), ("'D'", "rows 2 to 9", "'N'")),
    "no header": (
        table().split("\n", 1)[1],
        ("'loss'", "row 1", "header line missing", "'100000000'"),
    ),
    "header only": (table(rows=0), ("'loss'", "row 1", "no rows")),
    "pipes": (table(header="N|D|loss", sep="|"), ("'loss'", "row 1", "'N|D|loss'")),
    "column twice": (table(header="N,N,loss"), ("'N'", "row 1", "twice")),
    "two for N": (
        table(header="params,D,loss,model_size", values=with_weight),
        ("'params'", "'model_size'", "row 1", "--column N=params"),
    ),
    "header again": (table((6, 0, "N"), (6, 1, "D"), (6, 2, "loss")), ("'N'", "row 6")),
    "cell missing": (table().replace("400000000,4000000000,", "400000000,"), ("'loss'", "row 4")),
    "comma in a number": (table((5, 2, "3,2")), ("'loss'", "row 5", "'2'", "4 cells")),
    "open quote": (table((7, 1, '"3e10')), ("'D'", "row 7", "quotation mark")),
    "quoted comma, then text": (
        table((7, 0, '"1,""6"'), (7, 1, '"3,0" e10')),
        ("'D'", "row 7", "text follows"),
    ),
    "text after a quote": (table((7, 1, '"3"e10')), ("'D'", "row 7", "text follows")),
    "diverged": (table((4, 2, "diverged")), ("'loss'", "row 4", "'diverged'")),
    "suffix": (table((3, 0, "125M")), ("'N'", "row 3", "'125M'", "--units auto")),
    "underscores": (table((3, 1, "3_000_000")), ("'D'", "row 3", "'3_000_000'")),
    "percent": (table((9, 2, "11%")), ("'loss'", "row 9", "'11%'", "--units auto")),
    "thousands": (table((8, 1, '"30,000,000"')), ("'D'", "row 8", "'30,000,000'", "--units auto")),
    "decimal comma": (
        table(header="N;D;loss", sep=";").replace(".", ","),
        ("'loss'", "row 2", "--decimal ,"),
    ),
    "truth": (table((5, 0, "True")), ("'N'", "row 5", "'True'")),
    "date": (table((5, 1, "2024-01-31")), ("'D'", "row 5", "'2024-01-31'")),
    "summary row": (table((9, 0, "mean"), (9, 1, "")), ("'N'", "row 9", "'mean'")),
    "empty loss": (table((4, 2, "")), ("'loss'", "row 4", "empty or NaN", "--bad drop")),
    "nan loss": (table((5, 2, "nan"), (7, 2, "NaN")), ("'loss'", "row 5", "also row 7")),
    "infinite loss": (table((6, 2, "inf")), ("'loss'", "row 6", "got inf", "--bad drop")),
    "not available": (table((2, 1, "N/A")), ("'D'", "row 2", "empty or NaN")),
    "overflow": (table((3, 0, "1" + "0" * 400)), ("'N'", "row 3", "got inf")),
    "zero N": (table((4, 0, "0"), (5, 0, "0"), (8, 0, "0")), ("'N'", "row 4", "rows 5, 8")),
    "negative D": (table((9, 1, "-3e10")), ("'D'", "row 9", "positive", "-3e+10")),
    "negative C": (
        table((3, 1, "-1e20"), header="N,C,loss", values=with_c),
        ("'C'", "row 3", "positive", "-1e+20"),
    ),
    "zero D beside C": (
        table((3, 0, "0"), header="tokens,C,loss", values=with_c),
        ("'tokens' (D)", "row 3", "positive", "got 0"),
    ),
    "negative loss": (table((6, 2, "-3.1")), ("'loss'", "row 6", "positive loss under log")),
    "zero loss": (table((6, 2, "0"), (7, 2, "0")), ("'loss'", "row 6", "also row 7")),
    "negative weight": (
        table((4, 3, "-1"), header="N,D,loss,weight", values=with_weight),
        ("'weight'", "row 4", ">= 0"),
    ),
    "weight of text": (
        table((4, 3, "high"), header="N,D,loss,weight", values=with_weight),
        ("'weight'", "row 4", "'high'"),
    ),
    "constant loss": (
        table(header="N,D,val loss", values=lambda n, d: (n, d, 2.5)),
        ("'val loss' (loss)", "rows 2 to 9", "2.5"),
    ),
    "one N": (
        table(header="params,D,loss", values=lambda n, d: (1e8, n, loss(1e8, n))),
        ("'params' (N)", "rows 2 to 9", "only one distinct value, 1e+08"),
    ),
    "one D": (
        table(values=lambda n, d: (n + d, 2e10, loss(n, d))),
        ("'D'", "rows 2 to 9", "only one distinct value, 2e+10"),
    ),
    "one D from C": (
        table(
            header="N,C,loss", values=lambda n, d: ((n + d) / 7, 6 / 7 * (n + d) * 2e10, loss(n, d))
        ),
        ("'D' (worked out from N and C)", "rows 2 to 9", "only one distinct value"),
    ),
    "five runs": (table(rows=5), ("'N'", "'D'", "'loss'", "rows 2 to 6", "5 free parameters")),
    "one run": (table(rows=1), ("'loss'", "row 2,", "1 run ")),
    "weights of zero": (
        table(header="N,D,loss,weight", values=lambda n, d: (n, d, loss(n, d), 0)),
        ("'loss'", "rows 2 to 9", "0 of 8 runs with a weight"),
    ),
}
