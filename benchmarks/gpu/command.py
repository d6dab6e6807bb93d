"""The command `gpu`: options, the order of things, and the check of lowering without a device."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `gpu`."""
    add = parser.add_argument
    add("--out", type=Path, default=RESULTS, metavar="DIR", help="folder of gpu-KIND.jsonl and .md")
    add("--budget", type=float, default=225.0, metavar="S", help="seconds in all; default 225")
    add("--repeats", type=int, default=3, metavar="K", help="measured calls; default 3")
    add("--parts", metavar="NAME,...", help="only these; default all")
    add("--gold", type=Path, metavar="FILE", help="best-known optima, their tables beside them")
    add("--small", action="store_true", help="tiny sizes, for a test on a CPU")
    add("--lower", metavar="PLATFORM", help="only lower every program, e.g. for cuda")


def run(asked: argparse.Namespace) -> int:
    """Run the script; 1 where a program does not lower, or an optimum is another than the CPU's."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms and "cpu" not in platforms:  # whose optima the device's are held against
        os.environ["JAX_PLATFORMS"] = f"{platforms},cpu"
    from . import cases, tables
    from .parts import PARTS, Plan
    from .session import Session

    parts = tuple(asked.parts.split(",")) if asked.parts else tuple(PARTS)
    if unknown := [name for name in parts if name not in PARTS]:
        print(f"gpu: no part {unknown[0]!r}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    sizes = cases.SMALL if asked.small else cases.FULL
    given, known = tables.simulated_tables(sizes.tables, sizes.largest), None
    if asked.gold is not None:
        given = tables.gold_tables(asked.gold)
        known = tables.best_known(given)
    session = Session(asked.out, asked.budget, asked.repeats, _say)
    plan = Plan(session, sizes, asked.small, given, known, parts)
    plan.gather()
    if asked.lower:
        return _lower(plan, asked.lower)
    plan.submit()
    session.settle(0.5)
    for part in parts:
        if part in plan.made or part == "fit":
            PARTS[part](plan)
    session.close()
    print(session.report())
    wrong = [r for r in session.records if r.get("worst", 0.0) > 1e-9
             and r["dtype"] in ("float64", "mixed")]  # fmt: skip
    sys.stdout.flush()
    return int(bool(wrong))


def _lower(plan: Any, platform: str) -> int:
    """Lower every program for a platform that is not here; 1 if one does not, or calls others."""
    import jax
    from jax import export

    from jaxscale._numerics.precision import scope

    failed = 0
    for case in [case for part in plan.parts for case in plan.made.get(part, []) if not case.host]:
        with scope(case.dtype), case.patch():
            try:
                made = export.export(jax.jit(case.function), platforms=[platform])(*case.shapes())
                if case.expand is not None:
                    export.export(jax.jit(case.expand), platforms=[platform])(*case.small())
            except (ValueError, NotImplementedError) as error:
                print(f"{case.part}: {case.name} {case.dtype}: {error}"[:300])
                failed += "parameters" not in str(error)  # refused by newton()
                continue
        text = made.mlir_module()
        foreign = "stablehlo.custom_call" in text
        failed += foreign
        print(f"{case.part}: {case.name} {case.dtype}: {len(text.splitlines())} lines"
              f"{', WITH CUSTOM CALLS' if foreign else ''}", flush=True)  # fmt: skip
    return int(bool(failed))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
