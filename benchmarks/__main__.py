"""Command line of the benchmarks: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from . import cold, designs
from .gpu import command as gpu

PRECISIONS = ("float64", "float32", "mixed")
ORDER = ("epoch", "bootstrap", "grid", "scaling", "gold", "cold")
EXAMPLES = """\
  python -m benchmarks run --suite quick --out now.json
  python -m benchmarks run --suite epoch,gold --rounds 7
  python -m benchmarks compare before.json now.json
  python -m benchmarks compare --against HEAD~3
  python -m benchmarks report now.json -o report
  python -m benchmarks designs --tables 1000"""


def say(text: str) -> None:
    """Tell progress on standard error."""
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Throughput of scaling-law fits: jaxscale against SciPy and other libraries.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        dest="command", metavar="run | compare | report | designs | cold | gpu"
    )
    run = commands.add_parser("run", help="measure suites", description="Measure suites.")
    add = run.add_argument
    add(
        "--suite",
        default="quick",
        metavar="NAMES",
        help=f"quick or full (every suite), or of {', '.join(ORDER)}; default quick",
    )
    add("--size", choices=("quick", "full"), help="size of named suites; default quick")
    add("--rounds", type=int, metavar="R", help="default 3 (quick) or 5 (full)")
    add(
        "--rival-starts",
        type=int,
        metavar="K",
        help="classic starts of each SciPy solver over all rounds; default 60 (quick) or all",
    )
    add(
        "--precision",
        default="float64",
        metavar="P,...",
        help=f"of the jaxscale fits, of {', '.join(PRECISIONS)}; graded in float64 always",
    )
    add("--devices", type=int, default=2, metavar="K", help="most host devices; default 2")
    add("--huge", action="store_true", help="scaling: also a million starts")
    add("--out", type=Path, metavar="FILE", help="write JSON here")
    compare = commands.add_parser(
        "compare",
        help="look for regressions",
        description="Exit 1 if a ratio became worse beyond noise.",
    )
    add = compare.add_argument
    add("files", nargs="*", type=Path, metavar="OLD NEW", help="two files of `run --out`")
    add("--against", metavar="REV", help="measure a git revision and the working tree in turns")
    add("--pairs", type=int, default=6, help="of child processes for --against; default 6")
    add("--floor", type=float, default=0.15, help="smallest change that counts; default 0.15")
    report = commands.add_parser(
        "report",
        help="tables and figures of runs",
        description="Write Markdown tables and PNG figures.",
    )
    report.add_argument("files", nargs="+", type=Path, metavar="FILE")
    report.add_argument(
        "-o", "--out", type=Path, default=Path("report"), metavar="DIR", help="default report"
    )
    designs.options(
        commands.add_parser(
            "designs",
            help="how often certified fits allocate wrongly",
            description="Simulate tables by design, fit them, and count the wrong allocations.",
        )
    )
    cold.options(
        commands.add_parser(
            "cold",
            help="what new processes of the command line take",
            description=cold.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    gpu.options(
        commands.add_parser(
            "gpu",
            help="everything on one accelerator, in four minutes",
            description="Correctness, starts per second, refits, grids, tall and wide problems, "
            "Gpufit's problem, roofline and kernels on the default device.",
        )
    )
    return parser  # fmt: skip


def _run(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    size = asked.suite if asked.suite in ("quick", "full") else asked.size or "quick"
    names = ORDER if asked.suite in ("quick", "full") else tuple(asked.suite.split(","))
    precisions = tuple(asked.precision.split(","))
    rounds = asked.rounds if asked.rounds is not None else {"quick": 3, "full": 5}[size]
    starts = asked.rival_starts
    if starts is None and size == "quick":
        starts = 60
    if unknown := [name for name in names if name not in ORDER]:
        parser.error(f"no suite {unknown[0]!r}; there are quick, full, {', '.join(ORDER)}")
    if unknown := [name for name in precisions if name not in PRECISIONS]:
        parser.error(f"no precision {unknown[0]!r}; there are {', '.join(PRECISIONS)}")
    if min(rounds, starts or 1, asked.devices) < 1:
        parser.error("--rounds, --rival-starts and --devices must be at least 1")
    from . import document, tables
    from .measure import Options
    from .suites import SUITES

    options = Options(size, rounds, starts, precisions, asked.devices, asked.huge, say=say)
    records: list[Any] = []
    ratios: list[Any] = []
    for name in names:
        say(f"suite {name}")
        begin = time.perf_counter()
        found = SUITES[name](options)
        say(f"suite {name}: {time.perf_counter() - begin:.0f} s")
        records += found[0]
        ratios += found[1]
    settings = {"suites": list(names), "size": size, "rounds": rounds, "rival_starts": starts,
                "precisions": list(precisions), "devices": asked.devices,
                "huge": asked.huge, "seed": options.seed}  # fmt: skip
    result = document.document(records, ratios, settings)
    print(tables.render(result))
    if asked.out is not None:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    return 0


def _compare(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    from . import compare

    if (asked.against is None) == (not asked.files) or len(asked.files) not in (0, 2):
        parser.error("compare takes two files, or --against REV")
    try:
        if asked.against is not None:
            from .against import against
            from .measure import Options
            from .problems import default_problem

            changes = against(asked.against, default_problem(), pairs=asked.pairs,
                              floor=asked.floor, options=Options(say=say))  # fmt: skip
        else:
            old, new = (json.loads(path.read_text()) for path in asked.files)
            changes = compare.compare(old, new, floor=asked.floor)
    except (OSError, ValueError, RuntimeError) as error:
        parser.exit(2, f"compare: {error}\n")
    print(compare.table(changes))
    return int(any(change.failed for change in changes))


def _report(asked: argparse.Namespace) -> int:
    os.environ.setdefault("MPLBACKEND", "Agg")
    from . import report

    for path in report.write([json.loads(file.read_text()) for file in asked.files], asked.out):
        print(path)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run a command; without one, print the help."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.command == "run":
        return _run(parser, asked)
    if asked.command == "compare":
        return _compare(parser, asked)
    if asked.command == "report":
        return _report(asked)
    if asked.command == "designs":
        for text in designs.run(asked):
            print(text, flush=True)
        return 0
    if asked.command == "cold":
        return cold.run(asked)
    if asked.command == "gpu":
        return gpu.run(asked)
    parser.print_help()
    return 0


if __name__ == "__main__":
    sys.exit(main())
