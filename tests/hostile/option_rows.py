"""Every number that an option of any command takes, given everything that is no such number."""
# ruff: noqa: E501 (a row is a line)

import argparse

from hostile.harness import ESCAPE, Row
from hostile.log_rows import LOG
from hostile.table_rows import GOOD

from jaxscale.cli.parser import parser

TEXTS = (
    "0", "-0", "-1", "1", "nan", "-nan", "inf", "-inf", "1e12", "1000000000000", "1e400", "-1e400", "1e-400", "1e308", "",
    " ", "\u0661\u0662", "1_000", "0x10", "0b1", "1,5", "1e", "e1", "--1", "1.5", "0.5", "2147483648", "9223372036854775808",
    "9" * 400, "9" * 5000, "x" * 50_000, "None", "true", "1;2", "1\0", "\ud800", ESCAPE, "=1", "1 2", "1%", "\u00bd",
)  # fmt: skip
NUMERIC = ("number", "integer")
NAMED = ("pair", "limits", "step_count", "width")
REQUIRED = {
    "fit": ["a.csv"],
    "bootstrap": ["fit.json"],
    "influence": ["fit.json"],
    "compare": ["a.csv"],
    "rank": ["a.csv", "--law", "PurePowerLaw:N", "--quiet"],
    "warmup": ["--n", "20"],
    "predict": ["fit.json"],
    "plot": ["fit.json", "--kind", "law", "--figure", "law.svg"],
    "allocate": ["fit.json"],
    "design": ["fit.json", "--for", "N* at 1e24"],
    "isoflop": ["a.csv", "--quiet"],
    "report": ["fit.json", "--out", "page.html", "--quick", "--quiet"],
    "size": ["1e9"],
    "mixture": ["fit.json"],
    "specify": ["fit.json", "--compute", "1e21", "--quiet"],
    "verify": ["fit.json", "a.csv"],
    "forecast": ["log.csv", "--final-step", "99"],
}
"""What a command needs beside the option; the files are there."""


def numeric_options():
    """Yield every option of every command that takes a number: command, option, kind."""
    (subparsers,) = (
        action.choices
        for action in parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    for command, sub in subparsers.items():
        for action in sub._actions:
            kind = getattr(action.type, "__name__", "")
            if action.help == argparse.SUPPRESS or not action.option_strings:
                continue
            if kind in NUMERIC or kind in NAMED:
                yield command, action.option_strings[-1], kind


def _row(command, option, kind, text) -> Row:
    given = {"pair": f"E={text}", "limits": f"E={text}:9"}.get(kind, text)
    if option == "--at":
        given = f"N={text}"
    need = REQUIRED[command]
    if option in need:
        need = [word for word in need if word not in (option, "20", "99", "1e21")]
    more = []
    if command == "forecast" and option in ("--peak-lr", "--warmup", "--floor", "--decay"):
        more = ["--schedule", "wsd" if option == "--decay" else "cosine"]
    if option in ("--N", "--at") and command != "influence":
        more = ["--D=1e10"]
    if option == "--D" or (option in ("--N", "--at") and command == "influence"):
        more = ["--N=1e9"] if option == "--D" else ["--D=1e10"]
    argv = (command, *need, *more, f"{option}={given}")
    name = f"{command} {option} {text[:12]!r}"
    files = {"a.csv": GOOD, "log.csv": LOG}
    # An answer may be a number at its limit, where a person asks for the loss at 1e308.
    return Row(
        name,
        argv,
        files,
        codes=(0, 1, 2),
        makes=("fit.json",),
        slow=text not in SOME,
        weird=text in ("",),
    )


SOME = ("0", "-1", "nan", "inf", "1000000000000", "1e400", "", "0x10", "9" * 5000, ESCAPE)
ROWS = [_row(*option, text) for option in numeric_options() for text in TEXTS]
