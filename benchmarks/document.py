"""The JSON document of a run: schema, environment, and the numbers that follow from records.

`benchmarks/README.md` documents every key. `SCHEMA` changes when one changes its meaning.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import math
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from .measure import Ratio, Record, share
from .problems import TOLERANCE

SCHEMA = 2
PACKAGES = ("jax", "jaxlib", "numpy", "scipy", "optax", "optimistix", "lmfit", "chinchilla",
            "nlsq", "simple-scaling-laws")  # fmt: skip


def environment() -> dict[str, Any]:
    """Return machine, versions, device and revision; every record holds them."""
    import jax

    import jaxscale

    device = jax.devices()[0]
    names = ("OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "XLA_FLAGS")
    return {
        "device": device.platform,
        "device_kind": device.device_kind,
        "cores": os.cpu_count(),
        "processor": _processor(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {"jaxscale": jaxscale.__version__, **_versions()},
        "variables": {name: os.environ[name] for name in names if name in os.environ},
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--", "jaxscale")),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _git(*words: str) -> str | None:
    root = Path(__file__).resolve().parents[1]
    try:
        done = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def document(
    records: list[Record], ratios: list[Ratio], settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the JSON document of a run; every number follows from records and ratios."""
    where = environment()
    return {
        "schema_version": SCHEMA,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "settings": settings,
        "tolerance": TOLERANCE,
        "records": [{**_record(record), **where} for record in records],
        "ratios": [_ratio(each) for each in ratios],
    }


def spread(values: Any) -> dict[str, Any] | None:
    """Return median, extremes and the rounds themselves; None of nothing."""
    values = np.asarray(values, float)
    if not len(values):
        return None
    return {
        "median": float(np.median(values)),
        "low": float(values.min()),
        "high": float(values.max()),
        "rounds": [float(x) for x in values],
    }


def _gap(record: Record) -> float | None:
    """Return the relative gap of the answer, or of the worst graded lane of a batch."""
    if record.best is None:
        return None
    if np.ndim(record.best):
        gap = float(np.max(record.values / record.best - 1))
    elif record.answer is None:
        return None
    else:
        gap = record.answer / record.best - 1
    return gap if math.isfinite(gap) else None


def _record(record: Record) -> dict[str, Any]:
    successes = share(record, TOLERANCE)
    cpu, wall = spread(record.cpu), spread(record.wall)
    gap = _gap(record)
    steps = record.steps
    work = float(np.mean(steps)) if len(steps) else record.extra.get("mean_steps")
    ns = None
    if cpu is not None and work and not record.extra.get("thin"):
        ns = 1e9 * cpu["median"] / (work * record.total * record.n)
    extra = {k: v for k, v in record.extra.items() if k not in ("reported", "median_steps", "thin")}
    median_steps = float(np.median(steps)) if len(steps) else record.extra.get("median_steps")
    return {
        "suite": record.suite,
        "problem": record.problem,
        "n": record.n,
        "method": record.method,
        "family": record.family,
        "job": record.job,
        "dtype": record.dtype,
        "devices": record.devices,
        "skipped": record.skipped,
        "lanes": record.total,
        "lanes_run": record.run,
        "extrapolated": record.extrapolated and not record.skipped,
        "first_call": record.first,
        "wall_s": wall,
        "cpu_s": cpu,
        "fits_per_second": record.total / wall["median"] if wall else None,
        "ns_per_lane_run_step": ns,
        "median_steps": median_steps,
        "gap": gap,
        "successful": None if gap is None else gap <= TOLERANCE,
        "graded": len(record.values),
        "share_successful": successes,
        "share_interval": None if successes is None else _wilson(successes, len(record.values)),
        "share_by_own_report": _own_report(record),
        "cpu_ms_per_success": (
            1e3 * cpu["median"] / (successes * record.total) if cpu and successes else None
        ),
        "extra": extra,
    }


def _own_report(record: Record) -> float | None:
    """Return the share of successes by the values that the fit itself reports."""
    if "reported" not in record.extra or record.best is None:
        return None
    reported = np.asarray(record.extra["reported"])[: len(record.values)]
    return float(np.mean(reported <= np.asarray(record.best) * (1 + TOLERANCE)))


def _wilson(portion: float, count: int, z: float = 1.96) -> list[float]:
    """Return the 95 % score interval of a share."""
    middle = (portion + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(portion * (1 - portion) / count + (z / (2 * count)) ** 2)
    half /= 1 + z * z / count
    return [max(0.0, middle - half), min(1.0, middle + half)]


def _ratio(each: Ratio) -> dict[str, Any]:
    times = spread(each.rounds)
    met = None
    if each.target is not None and times is not None:
        met = times["median"] >= each.target
    return {
        "suite": each.suite,
        "problem": each.problem,
        "question": each.question,
        "method": each.method,
        "rival": each.rival,
        "dtype": each.dtype,
        "ratio": times,
        "target": each.target,
        "met": met,
        "extrapolated": each.extrapolated,
    }
