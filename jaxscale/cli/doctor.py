"""The command `doctor`: what is there, what works, and what to do about what does not."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform

from jaxscale._version import __version__
from jaxscale.cli.console import SCHEMA, show
from jaxscale.cli.health import DOUBT, FAIL, NEEDED, Finding, findings
from jaxscale.text import many

EXAMPLES = ("jaxscale doctor", "jaxscale doctor --json")


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`, which has none of its own."""


def run(options: argparse.Namespace) -> int:
    """Print what is found, line by line; returns 1 where something fails.

    Neither JAX nor what needs it is imported on the way here.
    """
    found = []
    for finding in findings():
        found.append(finding)
        if not options.json:
            show(_lines(finding))
    counts = {status: sum(each.status == status for each in found) for status in (DOUBT, FAIL)}
    if options.json:
        document = {
            "schema_version": SCHEMA,
            "ok": not counts[FAIL],
            "checks": [finding._asdict() for finding in found],
            "notes": [],
            "versions": {"jaxscale": __version__, "python": platform.python_version(), **_there()},
        }
        show(json.dumps(document))
    else:
        said = [many(n, status) for status, n in counts.items() if n]
        show(f"\n{', '.join(said) or 'all is well'}")
    return int(counts[FAIL] > 0)


def _lines(finding: Finding) -> str:
    line = f"{finding.status:<5}  {finding.name:<10}  {finding.text}"
    return f"{line}\n{'':7}{'':10}  > {finding.cure}" if finding.cure else line


def _there() -> dict[str, str]:
    """Return the versions of what is installed of what is needed."""
    found = {}
    for name in NEEDED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
