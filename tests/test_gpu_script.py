"""The script for one accelerator: what it needs no accelerator for, and all of it at tiny sizes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cold
from benchmarks.gpu import cases, roofline, tables
from jaxscale._numerics.precision import scope

ROOT = Path(__file__).parents[1]
MODULE = """\
HloModule jit_f

%body.1 (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %p = (s32[], f32[8]) parameter(0)
  %fusion.3 = f32[8]{0} fusion(%gte), kind=kLoop, calls=%fused.1
  %c = (f32[8]) conditional(%i, %a, %b), branch_computations={%one, %two}
  ROOT %tuple.1 = (s32[], f32[8]) tuple(%x, %fusion.3)
}

%one (q: f32[8]) -> f32[8] {
  ROOT %custom.2 = f32[8]{0} custom-call(%q), custom_call_target="x"
}

%two (q: f32[8]) -> f32[8] {
  ROOT %q = f32[8]{0} parameter(0)
}

ENTRY %main (x: f32[8]) -> (s32[], f32[8]) {
  %before = f32[8]{0} copy(%x)
  ROOT %while.1 = (s32[], f32[8]) while(%t), condition=%cond, body=%body.1
}
"""


def ran(*arguments):
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_launches_are_those_of_the_loop_with_its_branches():
    found = roofline.launches(MODULE)
    assert [line.split()[0] for line in found] == ["fusion.3", "c", "custom.2"]
    assert roofline.launches("HloModule empty") == []


@pytest.mark.parametrize("kind", ["NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe", "cpu"])
def test_limits_go_by_the_name_of_the_device(kind):
    found = roofline.limits_of(kind)
    assert (found is None) == (kind == "cpu")
    assert found is None or (found[2] < 3e12) == ("PCIe" in kind)


def test_many_tables_are_one_objective_and_padding_weighs_nothing():
    few = tables.simulated_tables(3, 40)
    objective, z, which = tables.stacked(few, 2)
    assert objective.weight.shape[0] == 3 and len(z) == 6
    np.testing.assert_array_equal(which, [0, 0, 1, 1, 2, 2])
    assert [int((row > 0).sum()) for row in objective.weight] == [len(t.N) for t in few]


@pytest.mark.slow
def test_a_spot_is_made_of_its_own_values():
    one = tables.spot()
    with scope(np.float64):
        every, z = tables.spots(one, 3)
        true = np.array(one.space.coordinates(dict(A=500.0, x0=2.0, y0=2.0, s=1.0, b=10.0)))
        value = float(one.value(true))
    assert every.target.value.shape == (3, 25) and z.shape == (3, 5)
    assert value < 1e-20 and 0.01 < np.abs(np.asarray(z) - true).max() < 0.7


def test_a_law_of_many_powers_has_the_parameters_it_declares():
    law = tables.wide_law(3)
    assert law.inputs == ("x0", "x1", "x2") and len(law.parameters) == 7


def test_commands_that_are_compared_have_names_of_their_own():
    names = [task.name for task in cold.tasks(10)]
    assert len(set(names)) == len(names)
    done = ran("cold", "--list", "--tasks", "fit-*")
    assert done.stdout.split() == [name for name in names if name.startswith("fit-")]


@pytest.mark.slow
def test_cold_runs_two_checkouts_in_turns(tmp_path):
    out = tmp_path / "cold.json"
    done = ran("cold", "--tasks", "import-numpy,help", "--rounds", 2, "--against", ROOT,
               "--out", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert [(r["task"], r["side"]) for r in found["records"]] == [
        ("import-numpy", ""), ("help", "this"), ("help", "against")
    ]  # fmt: skip
    assert all(r["exit"] == [0] and len(r["cpu_s"]) == 2 for r in found["records"])
    over = {(q["task"], q["over"]): q["cpu_s"] for q in found["ratios"]}
    assert ("help", "help against") in over and len(over["help", "import-numpy"]) == 2


@pytest.mark.slow
def test_every_program_of_the_script_lowers_for_cuda(tmp_path):
    done = ran("gpu", "--lower", "cuda", "--out", tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "CUSTOM" not in done.stdout and "gpufit" in done.stdout


@pytest.mark.slow
@pytest.mark.nightly
def test_the_script_measures_every_part_and_agrees_with_the_cpu(tmp_path):
    done = ran("gpu", "--small", "--repeats", 1, "--budget", 3000, "--out", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    records = [json.loads(line) for line in (tmp_path / "gpu-cpu.jsonl").read_text().splitlines()]
    parts = {"compile", "correctness", "starts", "mixed", "slab", "roofline", "kernels", "profile",
             "plan", "gpufit", "refits", "grid", "tall", "variants", "wide", "fit"}  # fmt: skip
    assert {r["part"] for r in records} == parts
    assert all(r["device_kind"] and r["versions"]["jax"] for r in records)
    left = [r for r in records if "skipped" in r]
    assert all(r["part"] == "wide" for r in left), left
    graded = [r for r in records if "worst" in r and r["dtype"] != "float32"]
    assert len(graded) == 2 and all(r["worst"] < 1e-9 for r in graded)
    assert "within 1e-9" in (tmp_path / "gpu-cpu.md").read_text()


@pytest.mark.slow
def test_a_run_that_is_out_of_time_says_what_it_left_out(tmp_path):
    done = ran("gpu", "--small", "--repeats", 1, "--budget", 9, "--out", tmp_path)
    records = [json.loads(line) for line in (tmp_path / "gpu-cpu.jsonl").read_text().splitlines()]
    assert done.returncode == 0 and any("skipped" in r for r in records)


def test_what_a_program_is_given_has_the_shapes_it_is_lowered_with():
    for case in [*cases.gpufit(cases.SMALL), *cases.refits(cases.SMALL, True)][:2]:
        with scope(case.dtype):
            shapes = case.shapes()
        assert case.lanes == shapes[1].shape[0]
