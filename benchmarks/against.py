"""Two versions of jaxscale in turns: a revision of git against the working tree.

Each side is a snapshot in a temporary folder with its own copy of `jaxscale` and the same copy of
`benchmarks`. Child processes alternate (old, new, new, old, ...); each measures jaxscale against
SciPy within itself, so that the speed of the machine at that moment drops out. One pair of
processes is one pair of observations: what differs between two processes of the same code is
counted as noise, as it should be.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .child import ROOT, ask, pack, unpack
from .compare import FLOOR, LEVEL, Change, judge, paired
from .measure import Options
from .problems import Problem


def measured(request: dict[str, Any]) -> dict[str, Any]:
    """Return, per way to call `fit`, the median ratio to SciPy; runs in a child process."""
    from .measure import Job, interleave, ratio
    from .methods import OWN, REFERENCE, SCIPY
    from .suites.epoch import own_job, rival_job

    problem, rounds = unpack(request["problem"]), request["rounds"]
    own = [own_job(each, problem, request["precision"]) for each in OWN]
    options = Options(rival_starts=request["rival_starts"])
    rival = rival_job(next(r for r in SCIPY if r.name == REFERENCE), problem, options, rounds)
    assert isinstance(rival, Job)
    interleave([*own, rival], rounds, lambda text: None)
    found = {}
    for job in own:
        each = ratio("", job.record, rival.record, quantity="cpu")
        found[job.record.method] = {
            "ratio": float(np.median(each.rounds)), "answer": job.record.answer,
        }  # fmt: skip
    return found


def snapshots(revision: str, folder: Path) -> tuple[Path, Path]:
    """Write `jaxscale` of a revision and of the working tree below `folder`.

    Raises:
        ValueError: git does not know the revision.
    """
    done = subprocess.run(
        ["git", "archive", revision, "jaxscale"], cwd=ROOT, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise ValueError(f"git archive {revision}: {done.stderr.decode().strip()}")
    old, new = folder / "old", folder / "new"
    old.mkdir()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(old, filter="data")
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "jaxscale", new / "jaxscale", ignore=skip)
    for side in (old, new):
        shutil.copytree(ROOT / "benchmarks", side / "benchmarks", ignore=skip)
    return old, new


def against(
    revision: str,
    problem: Problem,
    *,
    pairs: int = 6,
    rounds: int = 3,
    floor: float = FLOOR,
    options: Options | None = None,
) -> list[Change]:
    """Compare the working tree with a revision.

    Args:
        revision: what git calls it.
        problem: what to fit.
        pairs: pairs of child processes; 6 are the fewest with a 95 % interval.
        rounds: rounds within each child.
        floor: relative change below which nothing is called a regression.
        options: precision, SciPy starts per child, progress.

    Raises:
        ValueError: git does not know the revision.
        RuntimeError: a child failed, for example because the revision lacks what is measured.
    """
    options = options or Options()
    request = {"problem": pack(problem), "rounds": rounds, "precision": options.precisions[0],
               "rival_starts": options.rival_starts}  # fmt: skip
    sides: dict[str, list[dict[str, Any]]] = {"old": [], "new": []}
    with tempfile.TemporaryDirectory() as folder:
        places = dict(zip(("old", "new"), snapshots(revision, Path(folder)), strict=True))
        for turn in range(pairs):
            options.say(f"pair {turn + 1} of {pairs}")
            for side in ("old", "new") if turn % 2 == 0 else ("new", "old"):
                cache = str(places[side] / "cache")
                found = ask("versions", request, folder=places[side], cache=cache)
                sides[side].append(found)
    changes = []
    for name in sides["old"][0]:
        old, new = (np.log([each[name]["ratio"] for each in sides[s]]) for s in ("old", "new"))
        ratios = (float(np.exp(np.median(old))), float(np.exp(np.median(new))))
        changes.append(judge(f"{name} / L-BFGS-B, CPU", ratios, paired(new - old, LEVEL), floor))
        answers = [sides[s][0][name]["answer"] for s in ("old", "new")]
        if answers[1] > answers[0] * (1 + 1e-6):
            changes.append(Change(f"{name}, answer", None, None, verdict="wrong"))
    return changes
