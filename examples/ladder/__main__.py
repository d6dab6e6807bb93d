"""Build, train, evaluate, collect, fit: a ladder of real models from nothing but Python.

    python -m examples.ladder --out ladder            # the full ladder, 45 minutes on two cores
    python -m examples.ladder --out quick --quick     # the whole way in a minute or two

A killed ladder goes on where it was: every finished run is one line of OUT/log.jsonl. Larger
ladders are numbers: `--widths 256,512,1024 --budgets 1e15,1e16 --batch 64 --workers 1` on a GPU.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples.ladder.plan import QUICK, Plan, learning_rates, rate_of
from examples.ladder.workers import train_all


def write_csv(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows with six significant digits, enough for any loss and a third of the bytes."""
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            short = {k: f"{v:.6g}" for k, v in row.items() if isinstance(v, float)}
            writer.writerow(row | short)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.ladder", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of log, tables, figures")
    parser.add_argument("--quick", action="store_true", help="tiny models, a minute or two")
    parser.add_argument("--workers", type=int, help="processes (default: cores; 1 on a GPU)")
    parser.add_argument("--no-fit", action="store_true", help="stop after the tables")
    for field in ("widths", "budgets", "rectangle_widths", "rectangle_tokens"):
        parser.add_argument("--" + field.replace("_", "-"), help="comma-separated numbers")
    parser.add_argument("--batch", type=int, help="windows per step")
    parser.add_argument("--context", type=int, help="bytes per window")
    return parser.parse_args(argv)


def plan_of(args: argparse.Namespace) -> Plan:
    """Return the plan that the flags ask for."""
    plan = QUICK if args.quick else Plan()
    changes: dict[str, Any] = {}
    for field in ("widths", "rectangle_widths"):
        if (given := getattr(args, field)) is not None:
            changes[field] = tuple(int(v) for v in given.split(",") if v)
    for field in ("budgets", "rectangle_tokens"):
        if (given := getattr(args, field)) is not None:
            changes[field] = tuple(float(v) for v in given.split(",") if v)
    if "widths" in changes:  # the parts that name widths of their own must be among them
        known = changes["widths"]
        changes.setdefault("rectangle_widths", known)
        changes["wsd"] = tuple(p for p in plan.wsd if p[0] in known)
        changes["repeats"] = tuple(p for p in plan.repeats if p[0] in known)
        longer, tokens = plan.long_sweep
        changes["long_sweep"] = tuple(w for w in longer if w in known), tokens
    for field in ("batch", "context"):
        if (given := getattr(args, field)) is not None:
            changes[field] = given
    return dataclasses.replace(plan, **changes)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the five steps."""
    args = parse(argv)
    plan, out = plan_of(args), args.out
    workers = args.workers or len(getattr(os, "sched_getaffinity", lambda _: range(1))(0))
    out.mkdir(parents=True, exist_ok=True)
    log = out / "log.jsonl"
    rates = out / "rates.json"
    if not rates.exists():  # a ladder that goes on keeps its rates
        sweep = train_all(plan.sweep(), log, workers, "learning rates")
        law = learning_rates([entry["row"] for entry in sweep])
        rates.write_text(json.dumps(dict(zip("cab", law, strict=True))) + "\n")
        write_csv([entry["row"] for entry in sweep], out / "sweep.csv")
    law = tuple(json.loads(rates.read_text()).values())
    entries = train_all(plan.ladder(rate_of(law)), log, workers, "ladder")
    write_csv([entry["row"] for entry in entries], out / "runs.csv")
    write_csv([row for entry in entries for row in entry["curve"]], out / "curves.csv")
    if not args.no_fit:
        from examples.ladder.fit import report

        print(report(out))


if __name__ == "__main__":
    main()
