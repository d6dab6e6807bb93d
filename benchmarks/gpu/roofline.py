"""What limits a step: the compiler's count of operations and bytes, the card, and its kernels."""

from __future__ import annotations

import gzip
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import jax

from jaxscale._numerics.precision import scope

from .session import Made

LIMITS = {
    "H100 PCIe": (26e12, 51e12, 2.0e12),
    "H100": (34e12, 67e12, 3.35e12),
    "H200": (34e12, 67e12, 4.8e12),
    "A100": (9.7e12, 19.5e12, 2.0e12),
}
"""Of a device kind that has this in its name: float64 and float32 operations a second outside of
tensor cores, bytes a second of its memory, by the vendor's data sheets."""
KERNELS = ("fusion", "custom-call", "dot", "reduce", "copy", "scatter", "gather", "sort", "cumsum",
           "concatenate", "select", "reduce-window", "dynamic-slice", "dynamic-update-slice",
           "transpose", "triangular-solve", "conditional", "while", "call", "convolution",
           "add", "multiply", "broadcast", "iota")  # fmt: skip
"""Instructions of a compiled module that are launches of their own."""


def limits_of(kind: str) -> tuple[float, float, float] | None:
    """Return the limits of a device kind, or None."""
    return next((limits for name, limits in LIMITS.items() if name in kind), None)


def counted(executable: Any) -> dict[str, float]:
    """Return the compiler's figures; of a loop whose length it cannot know, those of one step."""
    found = executable.cost_analysis()
    found = found[0] if isinstance(found, list) and found else found or {}
    return {
        key: float(found.get(key, 0.0)) for key in ("flops", "transcendentals", "bytes accessed")
    }


def roofline(made: Made, seconds: float, steps: int, kind: str) -> dict[str, Any]:
    """Return operations and bytes per lane, run and step, and the shares of the card's limits.

    Args:
        made: a program of one loop in which every lane takes every step.
        seconds: of a call.
        steps: of the loop.
        kind: of the device.
    """
    case, figures = made.case, counted(made.executable)
    step, each = seconds / steps, case.width * case.rows
    found: dict[str, Any] = {
        "step_s": step,
        "flops_per_lane_run_step": figures["flops"] / each,
        "transcendentals_per_lane_run_step": figures["transcendentals"] / each,
        "bytes_per_lane_run_step": figures["bytes accessed"] / each,
        "ns_per_lane_run_step": 1e9 * step / each,
    }
    there = limits_of(kind)
    said = f"{found['flops_per_lane_run_step']:.0f} operations and "
    said += f"{found['bytes_per_lane_run_step']:.0f} bytes per lane, run and step"
    if there is not None and step > 0:
        peak = there[0] if case.dtype == "float64" else there[1]
        found["share_of_operations"] = figures["flops"] / step / peak
        found["share_of_bandwidth"] = figures["bytes accessed"] / step / there[2]
        said += f"; {found['share_of_operations']:.1%} of the card's operations, "
        said += f"{found['share_of_bandwidth']:.1%} of its bandwidth"
    return {**found, "says": said}


def computations(text: str) -> dict[str, list[str]]:
    """Return the lines of every computation of a module's text, by name."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        head = re.match(r"\s*(?:ENTRY )?%?([\w.\-]+) \(.*\{\s*$", line)
        if head:
            name = head[1]
            found[name] = []
        elif line.strip() == "}":
            name = ""
        elif name:
            found[name].append(line.strip())
    return found


def launches(text: str) -> list[str]:
    """Return what the body of the outermost loop launches, in words: name, kind, result.

    Calls and the branches of conditionals are followed.
    """
    parts = computations(text)
    inside = {name for lines in parts.values() for line in lines
              for name in re.findall(r"body=%?([\w.\-]+)", line)}  # fmt: skip
    sizes = {name: len(_within(parts, name, frozenset())) for name in inside if name in parts}
    if not sizes:
        return []
    return _within(parts, max(sizes, key=lambda name: sizes[name]), frozenset())


def _within(parts: dict[str, list[str]], name: str, above: frozenset[str]) -> list[str]:
    found: list[str] = []
    for line in parts.get(name, []):
        match = re.match(r"(?:ROOT )?%?([\w.\-]+) = (.*?) ([a-z\-]+)\(", line)
        if not match or match[3] not in KERNELS:
            continue
        if match[3] in ("call", "conditional", "while"):
            inner = re.findall(r"(?:to_apply|body|computation)=%?([\w.\-]+)", line)
            for group in re.findall(r"branch_computations=\{([^}]*)\}", line):
                inner += [each.strip().lstrip("%") for each in group.split(",")]
            if match[3] != "call":
                found.append(f"{match[1]} {match[3]}")
            for each in inner:
                if each not in above:
                    found += _within(parts, each, above | {name})
            continue
        found.append(f"{match[1]} {match[3]} {match[2][:80]}")
    return found


def write_text(made: Made, path: Path) -> str:
    """Write the compiled module, compressed, and return its text."""
    text = made.executable.as_text() or ""
    path.write_bytes(gzip.compress(text.encode()))
    return text


def profile(made: Made, arguments: tuple[Any, ...]) -> tuple[list[dict[str, Any]], float]:
    """Return the kernels of one call, slowest first, and the seconds between first and last.

    On an accelerator those of its own lines; on a CPU, which has none, those of XLA's threads.
    """
    made.call(arguments)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder), scope(made.case.dtype):
            made.call(arguments)
        files = sorted(Path(folder).rglob("*.xplane.pb"))
        if not files:
            return [], 0.0
        planes = list(jax.profiler.ProfileData.from_file(str(files[-1])).planes)
        chosen = [p for p in planes if p.name.startswith("/device:")]
        events = [event for plane in chosen or planes for line in plane.lines
                  if _shows_kernels(line.name, bool(chosen)) for event in line.events]  # fmt: skip
        times, counts = Counter[str](), Counter[str]()
        for event in events:
            times[event.name] += event.duration_ns
            counts[event.name] += 1
        spans = [(e.start_ns, e.start_ns + e.duration_ns) for e in events]
    whole = (
        (max(end for _, end in spans) - min(begin for begin, _ in spans)) / 1e9 if spans else 0.0
    )
    return [{"kernel": name[:120], "calls": counts[name], "us": nanoseconds / 1e3}
            for name, nanoseconds in times.most_common(40)], whole  # fmt: skip


def _shows_kernels(line: str, device: bool) -> bool:
    if device:  # streams; the others show the same work again, by module and by operation
        return "Stream" in line
    return line.startswith("tf_XLA")
