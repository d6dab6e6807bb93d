"""What `doctor` looks at, one function per line. A part that is missing or broken is a finding.

Nothing of jaxscale that needs JAX is imported before the part that tries it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import io
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jaxscale._version import __version__
from jaxscale.cli.cache import private_cache
from jaxscale.text import many, visible

OK, DOUBT, FAIL = "ok", "doubt", "fail"
BROKEN = (Exception,)
"""What a broken installation raises as it is imported or used, which may be anything."""
NEEDED = ("jax", "jaxlib", "optax", "numpy", "matplotlib", "narwhals", "tqdm", "shtab")
SOME = ("shtab",)
"""What one command needs, and no other."""
EXTRAS = {
    "pyarrow": ("parquet", "Parquet files"),
    "tensorboard": ("tensorboard", "event files"),
    "pooch": ("data", "downloads of named tables"),
    "distributed": ("cluster", "sweeps on a cluster"),
    "numpyro": ("mcmc", "posteriors"),
}
VARIABLES = (
    *("JAX_PLATFORMS", "JAX_ENABLE_X64", "JAX_DISABLE_JIT", "JAX_DEBUG_NANS", "XLA_FLAGS"),
    *("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"),
    *("CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_PYTHON_CLIENT_MEM_FRACTION"),
    *("JAXSCALE_CACHE", "JAXSCALE_DATA", "JAXSCALE_DATASETS_CACHE", "XDG_CACHE_HOME"),
    *("OMP_NUM_THREADS", "NPROC", "MPLCONFIGDIR", "NO_COLOR", "COLUMNS", "PYTHONPATH"),
)
KNOWN = {"E": 0.9541269, "alpha": 0.4228326, "beta": 0.5292417}
"""What a fit of Chinchilla to the shipped ladder gives."""


class Finding(NamedTuple):
    """A line of `doctor`.

    Attributes:
        name: of the part.
        status: `OK`, `DOUBT` or `FAIL`.
        text: what was found.
        cure: what to do; empty where nothing need be done.
    """

    name: str
    status: str
    text: str
    cure: str = ""


def findings() -> Iterator[Finding]:
    """Yield what is found, part by part; nothing that a part raises gets past."""
    parts = (python, packages, extras, devices, flags, cores, programs, data, variables, selftest)
    for part in parts:
        try:
            yield from part()
        except BROKEN as error:
            cure = "the line says what is wrong; reinstalling may help: pip install -U jaxscale"
            yield Finding(part.__name__, FAIL, said(error), cure)


def said(error: BaseException) -> str:
    """Return an error as one short line."""
    words = " ".join(visible(str(error)).split())
    return f"{type(error).__name__}: {words[:160]}" if words else type(error).__name__


def python() -> Iterator[Finding]:
    """Python and jaxscale."""
    yield Finding("python", OK, f"{platform.python_version()}, {sys.executable}")
    yield Finding("jaxscale", OK, f"{__version__}, {Path(__file__).parents[1]}")


def packages() -> Iterator[Finding]:
    """What jaxscale needs, each imported."""
    least = _least()
    found, broken = [], []
    for name in NEEDED:
        try:
            importlib.import_module(name)
            version = importlib.metadata.version(name)
        except BROKEN as error:
            status = DOUBT if name in SOME else FAIL
            broken.append(Finding(name, status, said(error), f"pip install -U {name}"))
            continue
        found.append(f"{name} {version}")
        if name in least and _numbers(version) < _numbers(least[name]):
            text = f"{version}, and jaxscale needs {least[name]} or later"
            broken.append(Finding(name, FAIL, text, f"pip install -U '{name}>={least[name]}'"))
    yield Finding("packages", OK, ", ".join(found))
    yield from broken


def _least() -> dict[str, str]:
    """Return the oldest versions that the installed jaxscale asks for; empty in a checkout."""
    try:
        lines = importlib.metadata.requires("jaxscale") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = (re.match(r"([\w-]+)>=([\d.]+)(?!.*extra)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def extras() -> Iterator[Finding]:
    """What some commands need beside."""
    there, missing = [], []
    for module, (extra, what) in EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            missing.append(f"{extra} ({what})")
        else:
            there.append(f"{module} {importlib.metadata.version(module)}")
    lacks = f"; not installed: {', '.join(missing)}" if missing else ""
    cure = "where you want one: pip install 'jaxscale[NAME]'" if missing else ""
    yield Finding("extras", OK, (", ".join(there) or "none") + lacks, cure)


def devices() -> Iterator[Finding]:
    """The devices that JAX finds, and their memory."""
    import jax

    try:
        found = jax.devices()
    except BROKEN as error:
        cure = "unset JAX_PLATFORMS, or set it to cpu" if os.environ.get("JAX_PLATFORMS") else (
            "pip install -U jax jaxlib, in one call"
        )  # fmt: skip
        yield Finding("devices", FAIL, said(error), cure)
        return
    kinds = [device.device_kind for device in found]
    text = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
    text = f"{jax.default_backend()}: {text}, {_memory(found[0])}"
    nvidia = shutil.which("nvidia-smi") or os.path.exists("/proc/driver/nvidia/version")
    wanted = os.environ.get("JAX_PLATFORMS", "") != "cpu"
    if nvidia and wanted and all(device.platform == "cpu" for device in found):
        cure = "pip install 'jaxscale[cuda]'; its plugin must be of the version of jaxlib"
        yield Finding("devices", DOUBT, f"{text}; the GPU of this machine is not used", cure)
    else:
        yield Finding("devices", OK, text)


def _memory(device: Any) -> str:
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        used = stats.get("bytes_in_use", 0) / 2**30
        return f"{stats['bytes_limit'] / 2**30:.1f} GiB each, {used:.1f} in use"
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / 2**30:.1f} GiB of memory"


def flags() -> Iterator[Finding]:
    """How JAX computes where nobody says."""
    import jax

    config = jax.config
    matmul = getattr(config, "jax_default_matmul_precision", None) or "default"
    kind = "float64" if getattr(config, "jax_enable_x64", False) else "float32"
    text = f"{kind} by default (fits ask for float64 themselves), matmul precision {matmul}"
    slow = [
        name
        for name in ("jax_disable_jit", "jax_debug_nans", "jax_log_compiles")
        if getattr(config, name, False)
    ]
    if slow:
        cure = f"unset {', '.join(name.upper() for name in slow)}, unless you look for a fault"
        yield Finding("precision", DOUBT, f"{text}; {', '.join(slow)} on: all is slow", cure)
    else:
        yield Finding("precision", OK, text)


def cores() -> Iterator[Finding]:
    """How many cores there are for executors."""
    can = getattr(os, "sched_getaffinity", None)
    free, there = len(can(0)) if can else os.cpu_count() or 1, os.cpu_count() or 1
    text = f"{free} of {many(there, 'core')}"
    limit = Path("/sys/fs/cgroup/cpu.max")
    if limit.is_file():
        quota, _, period = limit.read_text().partition(" ")
        if quota.isdecimal():
            text += f", of which a container may use {int(quota) / int(period):.3g}"
    yield Finding("cores", OK, f"{text}; executors: threads, processes (sweep --workers), dask")


def programs() -> Iterator[Finding]:
    """Where compiled programs are kept."""
    given, off = os.environ.get("JAX_COMPILATION_CACHE_DIR"), os.environ.get("JAXSCALE_CACHE")
    folder = Path(given) if given else None if off == "off" else private_cache()
    if folder is None:
        why = "off by JAXSCALE_CACHE" if off == "off" else "no folder that only you can write to"
        cure = "unset JAXSCALE_CACHE" if off == "off" else "set JAXSCALE_CACHE to a folder of yours"
        yield Finding("programs", DOUBT, f"{why}: every process compiles anew", cure)
        return
    try:
        sizes = [entry.stat().st_size for entry in os.scandir(folder)] if folder.is_dir() else []
        text = f"{folder}, {many(len(sizes), 'file')}, {sum(sizes) / 2**20:.1f} MiB"
        if folder.is_dir():
            with tempfile.TemporaryFile(dir=folder):
                pass
        yield Finding("programs", OK, text)
    except OSError as error:
        cure = "set JAXSCALE_CACHE to a folder of yours"
        yield Finding("programs", DOUBT, f"{folder}: {error.strerror or error}", cure)


def data() -> Iterator[Finding]:
    """Where named tables are looked for."""
    from jaxscale.datasets import at_hand, names

    folder = os.environ.get("JAXSCALE_DATA")
    here = f"{len(at_hand())} of {len(names())} named tables are here"
    if folder and not os.path.isdir(folder):
        cure = "point JAXSCALE_DATA at the folder of your copies, or unset it"
        yield Finding("data", DOUBT, f"JAXSCALE_DATA={folder}: no such folder; {here}", cure)
    else:
        where = f"JAXSCALE_DATA={folder}" if folder else "JAXSCALE_DATA is not set"
        yield Finding("data", OK, f"{here}; {where}")


def variables() -> Iterator[Finding]:
    """The environment as far as it matters."""
    given = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    yield Finding("variables", OK, visible(" ".join(given)) or "none that matters is set")


def selftest() -> Iterator[Finding]:
    """A fit whose values are known, a gradient, and a figure."""
    import jax

    from jaxscale.datasets import load
    from jaxscale.fitting.fit import fit
    from jaxscale.laws import Chinchilla

    begin = time.perf_counter()
    found = fit(Chinchilla(), load("stdlib_ladder"), starts=32)
    text = f"in {time.perf_counter() - begin:.1f} s"
    off = {k: abs(float(found.law.values[k]) / known - 1) for k, known in KNOWN.items()}
    worst = max(off, key=lambda name: off[name])
    if not off[worst] < 1e-4:
        text = f"{worst} is off by {100 * off[worst]:.2g} %"
        yield Finding("a fit", FAIL, text, "do not trust fits of this machine; please report it")
    elif not found.certificate.trusted:
        reasons = "; ".join(found.certificate.reasons)
        yield Finding("a fit", FAIL, reasons, "do not trust fits of this machine; please report it")
    else:
        yield Finding("a fit", OK, f"{text}, with the values that are known")
    law = found.law.values
    slope = float(jax.grad(lambda N: found.law(N, 1e9))(1e7))
    exact = -law["alpha"] * law["A"] * 1e7 ** (-law["alpha"] - 1)
    right = abs(slope / exact - 1) < 1e-4
    text = f"of the law by N: {slope:.5g}, exactly {exact:.5g}"
    yield Finding("a gradient", OK if right else FAIL, text, "" if right else "please report it")
    from jaxscale.plotting import plot_fit

    begin, drawn = time.perf_counter(), io.BytesIO()
    plot_fit(found).savefig(drawn, format="png")
    size = len(drawn.getvalue()) / 1024
    text = f"{size:.0f} KiB in {time.perf_counter() - begin:.1f} s"
    yield Finding("a figure", OK if size > 10 else FAIL, text)
