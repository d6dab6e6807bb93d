"""What `doctor` says where a part is missing, broken or slow; it never fails itself."""

import importlib
import json

import pytest

from jaxscale.cli import health
from jaxscale.cli.parser import main


class Strange(Exception):
    """What a broken package may raise."""


def broken(error):
    def raises(*_, **__):
        raise error

    return raises


def statuses(part):
    return {finding.name: finding for finding in part()}


@pytest.mark.parametrize(
    "error",
    [ImportError("libcuda.so.1: not found"), Strange(), OSError(5, "I/O error"), KeyError(3)],
)
def test_a_package_that_is_broken_is_a_line(monkeypatch, error):
    real = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module", lambda name: broken(error)() if name == "optax" else real(name)
    )
    found = statuses(health.packages)
    assert found["optax"].status == "fail" and found["optax"].cure == "pip install -U optax"
    assert type(error).__name__ in found["optax"].text
    assert "numpy" in found["packages"].text and "optax" not in found["packages"].text


@pytest.mark.parametrize(
    "name, status", [("jax", "fail"), ("matplotlib", "fail"), ("shtab", "doubt")]
)
def test_what_one_command_needs_is_a_doubt_and_what_all_need_a_failure(monkeypatch, name, status):
    real = importlib.import_module
    monkeypatch.setattr(
        importlib,
        "import_module",
        lambda each: broken(ModuleNotFoundError(each))() if each == name else real(each),
    )
    assert statuses(health.packages)[name].status == status


def test_a_package_that_is_too_old_is_told(monkeypatch):
    lines = ["numpy>=99.1", "optax>=0.0.1", "pyarrow>=999; extra == 'parquet'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: lines)
    found = statuses(health.packages)
    assert "needs 99.1 or later" in found["numpy"].text and "optax" not in found
    assert health._least() == {"numpy": "99.1", "optax": "0.0.1"}


@pytest.mark.parametrize("error", [RuntimeError("no device"), AssertionError(), Strange("plugin")])
def test_no_device_is_a_line(monkeypatch, error):
    monkeypatch.setattr("jax.devices", broken(error))
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    (found,) = health.devices()
    assert found.status == "fail" and "JAX_PLATFORMS" in found.cure


def test_a_gpu_that_jax_does_not_see_is_a_doubt(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    (found,) = health.devices()
    assert found.status == "doubt" and "jaxscale[cuda]" in found.cure
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")  # by choice
    (found,) = health.devices()
    assert found.status == "ok"


PROGRAMS = [
    ({"JAXSCALE_CACHE": "off"}, "doubt", "off by JAXSCALE_CACHE"),
    ({"JAXSCALE_CACHE": "/proc/none"}, "doubt", "only you can write to"),
    ({"JAX_COMPILATION_CACHE_DIR": "{tmp}"}, "ok", "1 file, 0.0 MiB"),
    ({"JAX_COMPILATION_CACHE_DIR": "{tmp}/none"}, "ok", "0 files"),
    ({"JAX_COMPILATION_CACHE_DIR": "/proc"}, "doubt", "/proc: "),
]


@pytest.mark.parametrize("given, status, said", PROGRAMS, ids=str)
def test_where_programs_are_kept(monkeypatch, tmp_path, given, status, said):
    (tmp_path / "a program").write_bytes(b"x")
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAXSCALE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    (found,) = health.programs()
    assert found.status == status and said in found.text
    assert bool(found.cure) == (status == "doubt")


def test_a_folder_of_data_that_is_not_there_is_a_doubt(monkeypatch, tmp_path):
    monkeypatch.setenv("JAXSCALE_DATA", str(tmp_path / "none"))
    (found,) = health.data()
    assert found.status == "doubt" and "no such folder" in found.text


def test_variables_are_shown_and_not_obeyed(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla\x1b[31m\nok  fake")
    (found,) = health.variables()
    assert "\x1b" not in found.text


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(
        health, "selftest", lambda: iter([health.Finding("a fit", "ok", "as known")])
    )


@pytest.mark.parametrize("part", ["python", "devices", "flags", "cores", "programs", "selftest"])
@pytest.mark.parametrize("error", [Strange("\x1b[31mred"), RuntimeError(), MemoryError()], ids=repr)
def test_a_part_that_raises_is_a_failure_and_the_others_are_told(
    capsys, monkeypatch, quick, part, error
):
    raises = broken(error)
    raises.__name__ = part
    monkeypatch.setattr(health, part, raises)
    assert main(["doctor", "--json"]) == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    (failed,) = [check for check in document["checks"] if check["status"] == "fail"]
    assert failed["name"] == part and type(error).__name__ in failed["text"] and failed["cure"]
    assert not document["ok"] and err == "" and len(document["checks"]) > 7
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert out.rstrip().endswith("1 fail") and err == "" and "Traceback" not in out


@pytest.mark.slow
@pytest.mark.parametrize("off, code", [(1, 0), (1.001, 1)])
def test_the_self_test_finds_a_fit_that_is_not_the_known_one(capsys, monkeypatch, off, code):
    monkeypatch.setattr(health, "KNOWN", {k: v * off for k, v in health.KNOWN.items()})
    assert main(["doctor"]) == code
    out = capsys.readouterr().out
    assert ("do not trust fits" in out) is bool(code)
    assert "a gradient" in out and "a figure" in out
