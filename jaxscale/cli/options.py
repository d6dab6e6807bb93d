"""The options that commands share, one function per group of them.

An option has one meaning in every command: `--figure FILE` is a figure, `--out FILE` the JSON of
the answer, `--folder DIR` a folder, `--kind` a kind, `--law LAW[:COLUMN]` a law, `--loss` a robust
loss, `--column NAME=COLUMN` says which column is what. What the options mean is worked out in
`given`.
"""

from __future__ import annotations

import argparse

from jaxscale._numerics.precision import PRECISIONS
from jaxscale.cli.sections import FITTING, OUTPUT, READING, SHAPE, SOURCE, section
from jaxscale.cli.values import integer, limits, names, number, pair, width
from jaxscale.objective.losses import NAMES
from jaxscale.objective.residuals import RESIDUALS

RUNS_FILE = "naming a FILE.py runs it, with all that it does"
LAW_METAVAR = "LAW[:COLUMN]"
TABLE = (
    "CSV, TSV, JSON Lines, JSON, Parquet or Markdown file, or - for standard input; several, or a "
    "pattern such as 'runs/*.csv', are one table with a column file"
)
"""Of a table of runs."""


def law_option(sub: argparse.ArgumentParser) -> None:
    """Add the law of a command that takes one."""
    text = f"e.g. Chinchilla, PowerLaw:C, FILE.py:CLASS or FILE.py:CLASS:COLUMN; {RUNS_FILE}"
    sub.add_argument("--law", default="Chinchilla", metavar=LAW_METAVAR, help=text)


def fitting_options(sub: argparse.ArgumentParser) -> None:
    """Add what a fit does, the law and the runs aside."""
    group = section(sub, FITTING)
    group.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=X",
        type=pair,
        help="hold a parameter at a value; repeatable",
    )
    numbers = "asymmetric:PENALTY, quantile:TAU and student:NU set their number"
    text = f"the robust loss: {', '.join(NAMES)}, or FILE.py:CLASS; {numbers}; {RUNS_FILE}"
    text += "; default huber, of fractions square"
    group.add_argument("--loss", metavar="LOSS", help=text)
    text = "width of the loss; default its own, 1e-3 for huber; auto, by jaxscale fit, for 1.345 "
    text += "robust standard deviations of the residuals"
    group.add_argument("--delta", type=width, metavar="X", help=text)
    text = "what the loss is of; of fractions between 0 and 1, logit, binomial, beta-binomial"
    group.add_argument("--residual", choices=RESIDUALS, default="log", help=text)
    sub.set_defaults(two_fits=False)
    group.add_argument("--starts", type=integer, default=1024, metavar="S", help="random starts")
    group.add_argument("--precision", choices=PRECISIONS, default="float64", help="of the search")


def seed_option(sub: argparse.ArgumentParser, of: str) -> None:
    """Add the seed of what is random."""
    sub.add_argument("--seed", type=integer, default=0, metavar="K", help=f"of {of}")


def table_argument(sub: argparse.ArgumentParser) -> None:
    """Add the table of runs, which may lie in several files."""
    sub.add_argument("runs", nargs="+", help=TABLE)


def shape_options(sub: argparse.ArgumentParser) -> None:
    """Add what makes one row per run of a table that has another shape."""
    group = section(sub, SHAPE)
    group.add_argument(
        "--melt",
        metavar="PATTERN",
        help="columns whose names match become rows, e.g. '{N}_{D}tok - loss' for a wide W&B "
        "export, '{D}' for a pivot table; N, D, C, S are numbers (30M, 2B), other fields text, "
        "{metric} says what the cells are, {} is anything",
    )
    group.add_argument(
        "--parse",
        action="append",
        default=[],
        metavar="[COLUMN=]PATTERN",
        help="take N, D and others from the names of runs, e.g. '{N}_{D}tok', or from another "
        "column, e.g. 'model={}-{N}'; {D/20N} is a multiple of 20 N, as in 190M-1xC; auto takes "
        "the pattern that the names suggest; repeatable",
    )
    group.add_argument(
        "--last-of",
        metavar="COLUMN,...",
        help="keep the last row of every run of a log, which these columns tell apart, e.g. run",
    )
    text = "its loss: last, median:K of the last K, or ema:B, a mean with decay B; with --last-of"
    group.add_argument("--end", default="last", metavar="HOW", help=text)
    group.add_argument(
        "--best-of",
        metavar="COLUMN,...",
        help="keep the lowest loss of the rows that are alike in these, e.g. N,D for a sweep of "
        "learning rates",
    )
    group.add_argument(
        "--over",
        metavar="COLUMN,...",
        help="with --best-of: take the optimum of a parabola in the logarithm of what was tuned, "
        "lr or lr,batch, instead of the lowest point; lr_opt and lr_opt_se say where it is, and "
        "--column loss=lr_opt takes that for the response",
    )
    group.add_argument(
        "--average-over",
        metavar="COLUMN,...",
        help="average rows that differ in these only, e.g. seed; loss_se is the error of a mean",
    )
    group.add_argument(
        "--envelope",
        metavar="COLUMN",
        help="keep the rows that no other one of no more of this beats, e.g. C for checkpoints",
    )


def table_options(sub: argparse.ArgumentParser) -> None:
    """Add how a table of runs is read."""
    group = section(sub, READING)
    text = "N, D, C, S, loss, weight, group, trials, or an input of an own law"
    column_option(sub, "N=params, or an expression, 'loss=log(val_ppl)'", text)
    group.add_argument(
        "--scale",
        action="append",
        default=[],
        metavar="NAME=X",
        type=pair,
        help="multiply a column, e.g. N=1e6 for a table in millions; repeatable",
    )
    group.add_argument("--where", metavar="EXPR", help='keep rows, e.g. "loss < 4 and lr == 3e-4"')
    group.add_argument(
        "--drop-highest",
        type=integer,
        default=0,
        metavar="K",
        help="leave out the K highest losses",
    )
    group.add_argument(
        "--bad",
        choices=("raise", "drop"),
        default="raise",
        help="what to do with rows whose cells are missing, not finite or no numbers",
    )
    group.add_argument(
        "--units",
        choices=("plain", "auto"),
        default="plain",
        help="auto reads 300M, 11%%, 20,000,000, **3.36**, ~2.1, 2.91 ± 0.02, and the units of "
        "headers, 'params (M)'",
    )
    shape_options(sub)
    group.add_argument("--decimal", default=".", metavar="MARK", help="decimal mark of CSV numbers")


def column_option(sub: argparse.ArgumentParser, example: str, names: str) -> None:
    """Add which column of a table or a log is what."""
    group = section(sub, READING)
    group.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help=f"say which column is {names}, e.g. {example}; repeatable; default by the header",
    )


def flops_option(sub: argparse.ArgumentParser) -> None:
    """Add what a run costs."""
    text = (
        "what a run costs: K for K N D FLOPs; COLUMN[:FORM], fitted to what the runs did cost "
        "(FORM product, k N D; power, k N^a D^b; affine, D (k N^a + c); default by AIC); or "
        f"FILE.py:FUNCTION of N and D, {RUNS_FILE}; default as the table that is fitted has it, "
        "else 6"
    )
    sub.add_argument("--flops", metavar="COST", help=text)
    sub.set_defaults(any_cost=True)


def own_flops_option(sub: argparse.ArgumentParser) -> None:
    """Add the cost that a fit was counted with, where it is the user's own."""
    text = f"the cost of the file, where it is your own: FILE.py:FUNCTION; {RUNS_FILE}"
    section(sub, SOURCE).add_argument("--flops", metavar="COST", help=text)
    sub.set_defaults(any_cost=False)


def source_options(sub: argparse.ArgumentParser, presets: bool = True) -> None:
    """Add the fit, or the preset, that an answer rests on."""
    text = "a file of `jaxscale fit --out`"
    sub.add_argument("fit", help=text + (", or LAW:PRESET" if presets else ""))
    group = section(sub, SOURCE)
    group.add_argument(
        "--law",
        metavar=LAW_METAVAR,
        help=f"the law of the file, where it is your own: FILE.py:CLASS; {RUNS_FILE}",
    )
    text = f"the loss of the file, where it is your own: FILE.py:CLASS; {RUNS_FILE}"
    group.add_argument("--loss", metavar="LOSS", help=text)
    text = "whose fit, of a file of `jaxscale fit --by`; default all, one after the other"
    group.add_argument("--table", metavar="NAME", help=text)


def constraint_options(sub: argparse.ArgumentParser) -> None:
    """Add what a law is held to beside fixed values, and how well losses are known."""
    group = section(sub, FITTING)
    group.add_argument(
        "--bound",
        action="append",
        default=[],
        metavar="NAME=LOW:HIGH",
        type=limits,
        help="keep a parameter within a range, e.g. E=1:2; repeatable",
    )
    group.add_argument(
        "--tie",
        action="append",
        default=[],
        metavar="NAME=OTHER",
        type=names,
        help="let a parameter be what another one is, e.g. beta=alpha; repeatable",
    )
    error_option(sub)


def error_option(sub: argparse.ArgumentParser) -> None:
    """Add the column that says how well losses are known."""
    group = section(sub, FITTING)
    text = "column with the standard errors of the losses: runs are weighted by them"
    group.add_argument("--error", metavar="COLUMN", help=text)


def goal_options(sub: argparse._ActionsContainer, several: bool = True) -> None:
    """Add the budgets and the losses to reach."""
    nargs = "+" if several else None
    text = "budgets in FLOPs" if several else "the best run of a budget in FLOPs"
    text += ", or in the unit of the cost"
    sub.add_argument("--compute", type=number, nargs=nargs, metavar="C", help=text)
    text = "losses to reach" if several else "the least compute for a loss"
    sub.add_argument("--target-loss", type=number, nargs=nargs, metavar="L", help=text)


def force_option(sub: argparse.ArgumentParser) -> None:
    """Add `--force`."""
    sub.add_argument(
        "--force", action="store_true", help="allocate by a fit that is not certified all the same"
    )


def input_options(sub: argparse.ArgumentParser) -> None:
    """Add the inputs of predictions."""
    for name, example in (("N", "7B"), ("D", "1.4T"), ("C", "6e23"), ("S", "100K")):
        text = f"values of {name}, e.g. {example}"
        sub.add_argument(f"--{name}", type=number, nargs="+", metavar="X", help=text)
    sub.add_argument(
        "--at",
        action="append",
        default=[],
        metavar="NAME=X",
        type=pair,
        help="value of an input of another name; repeatable",
    )


def level_option(sub: argparse.ArgumentParser) -> None:
    """Add the level of intervals."""
    sub.add_argument("--level", type=number, default=0.9, metavar="P", help="of the intervals")


def out_option(sub: argparse.ArgumentParser) -> None:
    """Add the file that takes the whole answer."""
    group = section(sub, OUTPUT)
    group.add_argument("-o", "--out", metavar="FILE", help="write the whole answer there, as JSON")


def figure_option(sub: argparse.ArgumentParser, what: str, required: bool = False) -> None:
    """Add the file of a figure."""
    group = section(sub, OUTPUT)
    text = f"draw {what} into a .png, .svg or .pdf file"
    group.add_argument("--figure", metavar="FILE", required=required, help=text)


def folder_option(sub: argparse.ArgumentParser, what: str, required: bool = False) -> None:
    """Add a folder of results."""
    group = section(sub, OUTPUT)
    group.add_argument("--folder", metavar="DIR", required=required, help=what)


def quiet_option(sub: argparse.ArgumentParser) -> None:
    """Add `--quiet`."""
    group = section(sub, OUTPUT)
    group.add_argument("--quiet", action="store_true", help="no progress bar")
