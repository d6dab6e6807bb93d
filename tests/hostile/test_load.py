"""One process and many programs: the old ones make room, and copies of the process are told."""

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

import jaxscale
from jaxscale._numerics import programs
from jaxscale.errors import JaxscaleError


def add(x, *, step):
    return x + step


@pytest.fixture
def empty(monkeypatch):
    """No program is kept yet, and few are."""
    monkeypatch.setattr(programs, "_PROGRAMS", type(programs._PROGRAMS)())
    one, _ = programs.program(add, np.ones(3), dtype=np.float64, step=-1)
    monkeypatch.setattr(programs, "LIMIT", int(4.5 * one.size))
    programs._PROGRAMS.clear()


@pytest.mark.usefixtures("empty")
def test_programs_are_kept_by_their_bytes_and_the_oldest_is_freed():
    made = [programs.program(add, np.ones(3), dtype=np.float64, step=k)[0] for k in range(4)]
    dead = [weakref.ref(each.executable) for each in made]
    del made
    gc.collect()
    assert len(programs._PROGRAMS) == 4 and all(each() is not None for each in dead)
    programs.program(add, np.ones(3), dtype=np.float64, step=0)  # used again: not the oldest
    for k in range(4, 7):
        programs.program(add, np.ones(3), dtype=np.float64, step=k)
        assert programs.kept() <= programs.LIMIT
    gc.collect()
    assert [each() is not None for each in dead] == [True, False, False, False]
    assert programs.run(add, np.ones(3), dtype=np.float64, step=2)[0].tolist() == [3, 3, 3]


@pytest.mark.usefixtures("empty")
def test_a_program_above_the_limit_is_kept_alone(monkeypatch):
    monkeypatch.setattr(programs, "LIMIT", 1)
    for k in range(3):
        assert programs.run(add, np.ones(3), dtype=np.float64, step=k)[0].tolist() == [1 + k] * 3
        assert len(programs._PROGRAMS) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("again", [False, True], ids=["a program that is there", "another"])
def test_a_copy_of_a_process_that_has_fitted_says_so_and_does_not_hang(again):
    programs.run(add, np.ones(5), dtype=np.float64, step=0)
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        code = 1
        try:
            programs.run(add, np.ones(5), dtype=np.float64, step=int(again))
        except JaxscaleError as error:
            code = 7 if "was forked from" in str(error) and "spawn" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert programs.run(add, np.ones(5), dtype=np.float64, step=0)[0].tolist() == [1] * 5


FORKS_FIRST = """
import os, signal, sys
import numpy as np
from jaxscale._numerics import programs
from hostile_load_add import add
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    os._exit(int(programs.run(add, np.ones(3), dtype=np.float64)[0][0]))
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_process_that_has_not_fitted_may_be_copied(tmp_path):
    (tmp_path / "hostile_load_add.py").write_text("def add(x):\n    return x + 1\n")
    root = str(Path(jaxscale.__file__).parents[1])
    environment = dict(os.environ, PYTHONPATH=f"{root}:{tmp_path}")
    command = [sys.executable, "-W", "ignore", "-c", FORKS_FIRST]
    assert subprocess.run(command, env=environment, timeout=100).returncode == 0


@pytest.mark.slow
def test_threads_get_the_bits_of_one_alone(fitted, noisy):
    """Eight at a time, of programs that are there."""
    found: list[object] = [None] * 8

    def work(k):
        found[k] = jaxscale.fit(jaxscale.Chinchilla(), noisy)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for each in found:
        assert each.law.values == fitted.law.values and each.value == fitted.value
        assert np.array_equal(each.start_values, fitted.start_values, equal_nan=True)


@pytest.mark.slow
def test_cold_threads_of_several_laws_get_the_bits_of_one_alone():
    names = ("PurePowerLaw:N", "PowerLaw:N", "LogLaw:N", "KaplanN")
    N = np.logspace(7, 10, 23)
    runs = jaxscale.Runs(N=N, loss=60 * N**-0.2 + 1.2 + 0.01 * np.sin(np.arange(23)))
    found: dict[str, object] = {}

    def work(name):
        found[name] = jaxscale.fit(name, runs, starts=32)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    for name in names:
        alone = jaxscale.fit(name, runs, starts=32)
        assert found[name].law.values == alone.law.values and found[name].value == alone.value
