"""The command `laws`: the catalogue, or the page of one law."""

from __future__ import annotations

import argparse
import inspect
import json
from typing import Any

from jaxscale.cli.console import show
from jaxscale.laws import CATALOGUE, Law, derived
from jaxscale.laws.names import find_law
from jaxscale.text import columns, quantity


def run_laws(options: argparse.Namespace) -> int:
    """List the laws, or show one in full."""
    if options.name:
        laws = [find_law(options.name)]
    else:
        laws = list(CATALOGUE.values())
    if options.json:
        show(json.dumps({"laws": [_describe(law) for law in laws]}))
    elif not options.name:
        rows = [[law.__name__, law.formula(), ", ".join(law.presets)] for law in laws]
        show(columns([["law", "formula", "presets"], *rows], "<<<"))
    else:
        show(_law_page(laws[0]))
    return 0


def _describe(law: type[Law]) -> dict[str, Any]:
    example = law()
    return {
        "law": law.__name__,
        "formula": law.formula(),
        "inputs": list(example.inputs),
        "parameters": {name: spec.doc for name, spec in example.parameters.items()},
        "presets": {name: dict(p.values, source=p.source) for name, p in law.presets.items()},
    }


def _law_page(law: type[Law]) -> str:
    lines = [law.__name__, "", inspect.getdoc(law) or "", "", "Parameters"]
    rows = [["  " + name, spec.doc] for name, spec in law().parameters.items()]
    lines.append(columns(rows, "<<"))
    for name, preset in law.presets.items():
        lines += ["", f"Preset {law.__name__}:{name}", f"  {preset.source}"]
        lines += [f"  {preset.note}"] if preset.note else []
        fitted = law.preset(name)
        rows = [["  " + k, repr(float(v))] for k, v in fitted.values.items()]
        rows += [["  " + k, quantity(v, 6) + "  (derived)"] for k, v in derived(fitted).items()]
        lines.append(columns(rows, "<<"))
    return "\n".join(lines)
