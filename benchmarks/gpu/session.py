"""The clock of one run: programs compiled side by side, figures written as they come.

Programs are traced one after the other (Python) and compiled in threads (XLA). Nothing is measured
while others compile, unless the budget leaves no choice; the record says so then.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxscale._numerics.precision import cast, scope

from ..document import environment
from ..tables import markdown, number

HEAD = ("part", "case", "dtype", "seconds", "spread", "lanes/s", "ns/lane/run/step", "compile s",
        "temporary MB", "what")  # fmt: skip
WORKERS = 12
"""Programs compiled at the same time at most."""


@dataclasses.dataclass
class Case:
    """One program and its arguments.

    Attributes:
        part: of the script.
        name: of the case.
        function: pure; called with the arguments, expanded.
        args: small NumPy pytrees in float64; cast to `dtype`.
        dtype: "float64" or "float32".
        expand: pure; makes the arguments of `function` on the device out of `args`, where they are
            too large to be sent there; None where they are the same.
        lanes: that one call works on.
        rows: runs of a lane's table.
        width: lanes in flight.
        patch: what is open while it is traced.
        options: of the compiler.
        host: whether it is for the CPU of this machine; measured once.
        extra: further keys of its record.
    """

    part: str
    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    dtype: str = "float64"
    expand: Callable[..., Any] | None = None
    lanes: int = 0
    rows: int = 0
    width: int = 0
    patch: Callable[[], AbstractContextManager[Any]] = nullcontext
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    host: bool = False
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def small(self) -> tuple[Any, ...]:
        """Return `args` in the dtype."""
        cast_args: tuple[Any, ...] = cast(self.args, np.dtype(self.dtype))
        return cast_args

    def shapes(self) -> tuple[Any, ...]:
        """Return the shapes of what `function` is called with."""
        if self.expand is None:
            return self.small()
        made: tuple[Any, ...] = jax.eval_shape(self.expand, *self.small())
        return made

    def placed(self) -> AbstractContextManager[Any]:
        """Open the device of the case."""
        if not self.host:
            return nullcontext()
        context: AbstractContextManager[Any] = jax.default_device(host())
        return context


@dataclasses.dataclass
class Made:
    """A compiled case.

    Attributes:
        case: it.
        executable: takes device arrays.
        trace_s: seconds of tracing and lowering.
        compile_s: seconds of XLA, beside other programs.
        memory: temporary bytes by the compiler's figure.
    """

    case: Case
    executable: Any
    trace_s: float
    compile_s: float
    memory: int

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments, on the device."""
        with scope(self.case.dtype), self.case.placed():
            small = jax.device_put(self.case.small())
            made = small if self.case.expand is None else jax.jit(self.case.expand)(*small)
            return jax.block_until_ready(made)  # type: ignore[no-any-return]

    def call(self, arguments: tuple[Any, ...]) -> Any:
        """Run it to its end; the result stays on the device."""
        with scope(self.case.dtype), self.case.placed():
            return jax.block_until_ready(self.executable(*arguments))


def host() -> Any:
    """Return this machine's CPU as a device, whatever the default is."""
    return jax.local_devices(backend="cpu")[0]


class Session:
    """Budget, pool of compilers, and the files that are written.

    Args:
        folder: where the files go.
        budget: seconds for everything.
        repeats: measured calls of every program.
        say: called with a line of progress.
    """

    def __init__(
        self, folder: Path, budget: float, repeats: int, say: Callable[[str], None]
    ) -> None:
        self.begin, self.budget, self.repeats, self.say = time.monotonic(), budget, repeats, say
        self.environment = environment()
        kind = str(self.environment["device_kind"]).lower().replace(" ", "-").replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        self.lines, self.table = folder / f"gpu-{kind}.jsonl", folder / f"gpu-{kind}.md"
        self.lines.write_text("")
        self.records: list[dict[str, Any]] = []
        self.waiting: dict[int, Future[tuple[Any, float]]] = {}
        self.traced: dict[int, float] = {}
        self.pool = ThreadPoolExecutor(max(1, min(WORKERS, (os.cpu_count() or 2) - 1)))

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.budget - (time.monotonic() - self.begin)

    def submit(self, case: Case) -> None:
        """Trace and lower a case here, and let the pool compile it."""
        begin = time.monotonic()
        with scope(case.dtype), case.placed(), case.patch():
            lowered = jax.jit(case.function).lower(*case.shapes())
        self.traced[id(case)] = time.monotonic() - begin
        self.waiting[id(case)] = self.pool.submit(_compiled, lowered, case.options)

    def settle(self, share: float) -> None:
        """Wait until all is compiled, or that share of the budget is over."""
        rest = self.budget * share - (time.monotonic() - self.begin)
        wait(self.waiting.values(), timeout=max(0.0, rest))

    def take(self, case: Case) -> Made | None:
        """Return a compiled case; None, and a record, if it is not there in time or failed."""
        future = self.waiting.get(id(case))
        if future is None:
            self.skip(case, "not compiled: the budget was over")
            return None
        try:
            executable, seconds = future.result(timeout=max(0.1, self.left - 5))
        except TimeoutError:
            self.skip(case, "compiling took longer than the budget")
            return None
        except (jax.errors.JaxRuntimeError, ValueError, NotImplementedError) as error:
            self.skip(case, f"{type(error).__name__}: {str(error)[:300]}")
            return None
        figures = executable.memory_analysis()
        memory = int(getattr(figures, "temp_size_in_bytes", 0) or 0)
        return Made(case, executable, self.traced[id(case)], seconds, memory)

    def skip(self, case: Case, why: str) -> None:
        """Note that a case did not run."""
        self.note(case.part, case.name, case.dtype, skipped=why)

    def measure(self, case: Case, given: tuple[Any, ...] | None = None) -> tuple[Any, Any]:
        """Warm a case, time it, note it; returns (its last result, its record), or two None.

        Args:
            case: that was submitted.
            given: arguments in the place of its own, of the same shapes.
        """
        if self.left < 8:
            self.skip(case, "the budget was over")
            return None, None
        made = self.take(case)
        if made is None:
            return None, None
        busy = any(not future.done() for future in self.waiting.values())
        try:
            arguments = made.arguments() if given is None else given
            begin = time.perf_counter()
            result = made.call(arguments)
            warm = time.perf_counter() - begin
            seconds: list[float] = []
            for _ in range(1 if case.host else self.repeats):
                if seconds and self.left < 8 + 2 * warm:
                    break
                begin = time.perf_counter()
                result = made.call(arguments)
                seconds.append(time.perf_counter() - begin)
        except jax.errors.JaxRuntimeError as error:
            self.skip(case, str(error)[:300])
            return None, None
        middle = float(np.median(seconds))
        figures: dict[str, Any] = {
            "seconds": seconds, "median_s": middle, "first_s": warm, "trace_s": made.trace_s,
            "compile_s": made.compile_s, "temporary_bytes": made.memory,
            "peak_bytes": peak(), "beside_compiling": busy, "width": case.width,
            "rows": case.rows, "lanes": case.lanes,
        }  # fmt: skip
        if case.lanes:
            figures["lanes_per_s"] = case.lanes / middle
        steps = getattr(result, "steps", None)
        if steps is not None and case.rows:
            total = float(np.asarray(steps, float).sum())
            figures["steps"] = total
            figures["ns_per_lane_run_step"] = 1e9 * middle / (total * case.rows)
        return result, self.note(case.part, case.name, case.dtype, **figures, **case.extra)

    def note(self, part: str, name: str, dtype: str, **figures: Any) -> dict[str, Any]:
        """Write one record to both files, and return it."""
        there = self.environment
        record: dict[str, Any] = {
            "part": part, "case": name, "dtype": dtype, **figures,
            "device": there["device"], "device_kind": there["device_kind"],
            "versions": there["versions"], "commit": there["commit"],
            "modified": there["modified"], "at_s": round(time.monotonic() - self.begin, 1),
        }  # fmt: skip
        self.records.append(record)
        with self.lines.open("a") as file:
            file.write(json.dumps(_plain(record)) + "\n")
        self.table.write_text(self.report())
        said = record.get("skipped") or record.get("says") or ""
        rate = number(record.get("lanes_per_s"))
        took = number(record.get("median_s"))
        self.say(f"{record['at_s']:6.1f} s  {part}: {name} {dtype}  {took} s  {rate}/s  {said}")
        return record

    def report(self) -> str:
        """Return the Markdown text of what there is."""
        there = self.environment
        versions = ", ".join(f"{name} {version}" for name, version in there["versions"].items())
        title = f"# {there['device_kind']} ({there['device']})"
        lines = [title, "", f"{versions}; Python {there['python']}, {there['cores']} cores, "
                 f"{there['processor']}; commit {there['commit']}", ""]  # fmt: skip
        return "\n".join([*lines, *markdown(HEAD, [_cells(r) for r in self.records]), ""])

    def close(self) -> None:
        """Drop what still waits; a program that is being compiled is compiled to its end."""
        self.pool.shutdown(wait=False, cancel_futures=True)


def peak() -> int | None:
    """Return the most bytes held on the device so far; None where it does not say."""
    figures = jax.local_devices()[0].memory_stats() or {}
    return figures.get("peak_bytes_in_use")


def _compiled(lowered: Any, options: dict[str, Any]) -> tuple[Any, float]:
    begin = time.monotonic()
    executable = lowered.compile(compiler_options=options or None)
    return executable, time.monotonic() - begin


def _cells(record: dict[str, Any]) -> list[str]:
    seconds = record.get("seconds") or []
    spread = f"{(max(seconds) - min(seconds)) / record['median_s']:.0%}" if seconds else ""
    memory = record.get("temporary_bytes")
    said = f"left out: {record['skipped']}" if "skipped" in record else record.get("says", "")
    return [
        record["part"], record["case"], record["dtype"], number(record.get("median_s")), spread,
        number(record.get("lanes_per_s")), number(record.get("ns_per_lane_run_step")),
        number(record.get("compile_s")), number(memory and memory / 1e6),
        said.replace("|", "/").replace("\n", " "),
    ]  # fmt: skip


def _plain(value: Any) -> Any:
    """Return JSON: NumPy numbers as Python's, what is not finite as null."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
