"""The command `laws`: the catalogue, or the page of one law."""

from __future__ import annotations

import argparse
from typing import Any

from jaxscale.cli.options import RUNS_FILE
from jaxscale.cli.outputs import deliver
from jaxscale.laws import CATALOGUE, Law, derived
from jaxscale.laws.names import find_law
from jaxscale.laws.notation import latex
from jaxscale.text import columns, quantity

EXAMPLES = ("jaxscale laws", "jaxscale laws Chinchilla")


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `laws`."""
    text = f"show one law in full: its name, or FILE.py:CLASS; {RUNS_FILE}"
    sub.add_argument("name", nargs="?", metavar="LAW", help=text)
    text = "every law in full, as a page in Markdown: docs/laws.md"
    sub.add_argument("--markdown", action="store_true", help=text)


def run(options: argparse.Namespace) -> int:
    """List the laws, or show one in full."""
    laws = [find_law(options.name)] if options.name else list(CATALOGUE.values())
    if options.markdown:
        text = markdown(laws)
    elif options.name:
        text = _law_page(laws[0])
    else:
        rows = [[law.__name__, law.formula(), ", ".join(law.presets)] for law in laws]
        text = columns([["law", "formula", "presets"], *rows], "<<<")
    deliver(options, text, lambda: {"laws": [_describe(law) for law in laws]})
    return 0


def _describe(law: type[Law]) -> dict[str, Any]:
    example = law.usual()()
    return {
        "law": law.__name__,
        "formula": law.formula(),
        "about": law.about(),
        "inputs": list(example.inputs),
        "parameters": {name: spec.doc for name, spec in example.parameters.items()},
        "presets": {
            name: {
                **preset.values,
                "source": preset.source,
                "note": preset.note,
                "derived": derived(law.preset(name)),
            }
            for name, preset in law.presets.items()
        },
    }


def markdown(laws: list[type[Law]]) -> str:
    """Return a page of laws: what each is, its parameters, and its published values."""
    text = [
        "# The catalogue of laws",
        "",
        f"{len(laws)} laws, as `jaxscale laws --markdown` prints them; `jaxscale laws NAME` shows",
        "one. A law with arguments is shown with some: `BrokenPower[2]` has two breaks,",
        "`MixingLaw[web,code]` two domains.",
        "",
        "| law | formula |",
        "|---|---|",
    ]
    cell = str.maketrans({"|": "\\|"})
    text += [
        f"| [{law.__name__}](#{law.__name__.lower()}) | `{law.formula().translate(cell)}` |"
        for law in laws
    ]
    for law in laws:
        paragraphs = law.about().split("\n", 1)[1:]
        text += ["", f"## {law.__name__}", "", f"$${latex(law.formula())}$$", *paragraphs]
        text += ["", "| parameter | |", "|---|---|"]
        text += [f"| `{name}` | {spec.doc} |" for name, spec in law.usual()().parameters.items()]
        for name, preset in law.presets.items():
            values = ", ".join(f"{k} {v:.6g}" for k, v in preset.values.items())
            note = f" ({preset.note})" if preset.note else ""
            text += ["", f"Preset `{law.__name__}:{name}`: {values}. {preset.source}{note}."]
    return "\n".join(text)


def _law_page(law: type[Law]) -> str:
    lines = [law.__name__, "", law.about(), "", "Parameters"]
    rows = [["  " + name, spec.doc] for name, spec in law.usual()().parameters.items()]
    lines.append(columns(rows, "<<"))
    for name, preset in law.presets.items():
        lines += ["", f"Preset {law.__name__}:{name}", f"  {preset.source}"]
        lines += [f"  {preset.note}"] if preset.note else []
        fitted = law.preset(name)
        rows = [["  " + k, repr(float(v))] for k, v in fitted.values.items()]
        rows += [["  " + k, quantity(v, 6) + "  (derived)"] for k, v in derived(fitted).items()]
        lines.append(columns(rows, "<<"))
    return "\n".join(lines)
