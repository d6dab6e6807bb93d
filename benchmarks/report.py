"""What is said: one JSON document and one table, from the records of a run."""

from __future__ import annotations

import datetime
import importlib.metadata
import math
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxscale

from .measure import Record
from .problems import TOLERANCE, Problem

SCHEMA = 1
REFERENCE = "L-BFGS-B"
TARGETS = {"success": 50.0, "default": 20.0, "grid": 1000.0}


def environment(precision: str) -> dict[str, Any]:
    """Return machine, versions, device and revision."""
    device = jax.devices()[0]
    names = ("jax", "jaxlib", "numpy", "scipy", "optax")
    variables = ("OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "XLA_FLAGS")
    return {
        "device": device.platform,
        "device_kind": device.device_kind,
        "dtype": precision,
        "cpu_count": os.cpu_count(),
        "processor": _processor(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {
            "jaxscale": jaxscale.__version__,
            **{name: importlib.metadata.version(name) for name in names},
        },
        "variables": {name: os.environ[name] for name in variables if name in os.environ},
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--", "jaxscale")),
    }


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


def document(problem: Problem, records: list[Record], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON document of a run; every number follows from the records."""
    lowest = min(float(np.min(record.values)) for record in records)
    best = lowest if problem.best_known is None else problem.best_known
    shares = {r.name: float(np.mean(problem.success(r.values, best))) for r in records}
    return {
        "schema_version": SCHEMA,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "settings": settings,
        "problem": {
            "name": problem.name,
            "source": problem.source,
            "n": len(problem.N),
            "delta": problem.delta,
            "classic_starts": len(problem.starts),
            "best": best,
            "best_is": "known" if problem.best_known is not None else "lowest of this run",
            "lowest_found": lowest,
            "tolerance": TOLERANCE,
        },
        "environment": environment(settings["precision"]),
        "methods": [_method(problem, record, best) for record in records],
        "ratios": _ratios(records, shares),
    }


def _spread(values: Any) -> dict[str, Any]:
    values = np.asarray(values, float)
    return {
        "median": float(np.median(values)),
        "low": float(values.min()),
        "high": float(values.max()),
        "rounds": [float(x) for x in values],
    }


def _method(problem: Problem, record: Record, best: float) -> dict[str, Any]:
    good = problem.success(record.values, best)
    share = float(np.mean(good))
    cpu = float(np.median(record.cpu))
    steps = record.steps
    work = np.mean(steps) * record.starts_total * len(problem.N) if len(steps) else None
    reported = record.reported
    return {
        "name": record.name,
        "job": record.job,
        "family": record.family,
        "starts_total": record.starts_total,
        "starts_run": record.starts_run,
        "extrapolated": record.starts_run < record.starts_total,
        "share_successful": share,
        "share_interval": _wilson(share, len(good)),
        "share_by_own_report": (
            None if reported is None else float(np.mean(problem.success(reported, best)))
        ),
        "answer": record.answer,
        "answer_successful": bool(problem.success(record.answer, best)),
        "median_steps": float(np.median(steps)) if len(steps) else record.median_steps,
        "cpu_s": _spread(record.cpu),
        "wall_s": _spread(record.wall),
        "cpu_ms_per_success": 1e3 * cpu / (share * record.starts_total) if share else None,
        "ns_per_start_run_step": None if work is None else 1e9 * cpu / float(work),
        "first_call": record.first,
    }


def _wilson(share: float, count: int, z: float = 1.96) -> list[float]:
    """Return the 95 % score interval of a share."""
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    half /= 1 + z * z / count
    return [max(0.0, middle - half), min(1.0, middle + half)]


def _ratios(records: list[Record], shares: dict[str, float]) -> list[dict[str, Any]]:
    by_name = {record.name: record for record in records}
    classic = by_name["jaxscale classic"]
    found = []

    def add(question: str, rival: Record, values: np.ndarray | None, target: float | None) -> None:
        entry = {"question": question, "rival": rival.name, "target": target, "ratio": None}
        if values is not None:
            entry["ratio"] = _spread(values)
            entry["met"] = None if target is None else bool(np.median(values) >= target)
        entry["extrapolated"] = rival.starts_run < rival.starts_total
        found.append(entry)

    for rival in (record for record in records if record.family == "scipy"):
        values = None
        if shares[rival.name] > 0 and shares[classic.name] > 0:
            gain = shares[classic.name] / shares[rival.name]
            values = gain * np.array(rival.cpu) / np.array(classic.cpu)
        target = TARGETS["success"] if rival.name == REFERENCE else None
        add("CPU per successful classic start", rival, values, target)
    rival = by_name[REFERENCE]
    for key in ("default", "grid"):
        own = by_name[f"jaxscale {key}"]
        question = f"wall of {own.name}, warm, against all classic starts"
        add(question, rival, np.array(rival.wall) / np.array(own.wall), TARGETS[key])
    return found


def table(result: dict[str, Any]) -> str:
    """Return the document as aligned text."""
    problem, where = result["problem"], result["environment"]
    count = problem["classic_starts"]
    lines = [
        f"{problem['name']}: {problem['n']} runs, log-Huber delta={problem['delta']:g}, best "
        f"{problem['best']:.12e} ({problem['best_is']}); success within {problem['tolerance']:g}",
        f"jaxscale {where['dtype']} on {where['device']} ({where['device_kind']}), SciPy float64; "
        f"{where['cpu_count']} cores, {where['processor']}",
        "",
        f"{'method':<18}{'starts':>7}{'graded':>7}{'success':>9}{'steps':>7}{'CPU s':>9}"
        f"{'wall s':>9}{'spread':>8}{'ms/succ':>9}{'ns/step':>9}{'compile s':>11}{'first s':>9}",
    ]
    for m in result["methods"]:
        wall, first = m["wall_s"], m["first_call"] or {}
        spread = (wall["high"] - wall["low"]) / wall["median"]
        lines.append(
            f"{m['name']:<18}{m['starts_total']:>7}{m['starts_run']:>7}"
            f"{m['share_successful']:>9.1%}{m['median_steps']:>7.0f}"
            f"{m['cpu_s']['median']:>9.4f}{wall['median']:>9.4f}{spread:>8.0%}"
            f"{_cell(m['cpu_ms_per_success']):>9}{_cell(m['ns_per_start_run_step']):>9}"
            f"{_cell(first.get('compile_s')):>11}{_cell(first.get('wall_s')):>9}"
        )
    lines += ["", f"{'times faster (median of rounds)':<62}{'rival':<17}{'ratio':>8}{'target':>8}"]
    for r in result["ratios"]:
        ratio = "none" if r["ratio"] is None else f"{r['ratio']['median']:.3g}"
        target = "" if r["target"] is None else f"{r['target']:g}"
        verdict = {True: "met", False: "missed"}.get(r.get("met"), "")
        lines.append(f"{r['question']:<62}{r['rival']:<17}{ratio:>8}{target:>8}  {verdict}")
    if any(m["extrapolated"] for m in result["methods"]):
        lines += ["", f"SciPy times are extrapolated from the graded starts to {count}."]
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
