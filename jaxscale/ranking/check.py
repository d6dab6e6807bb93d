"""Does the file of a ranking hold? Hashes of what went into it, its digest, and a second run."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxscale.data.runs import Runs
from jaxscale.engine.dispatch import Progress
from jaxscale.errors import DataError
from jaxscale.files.document import versions
from jaxscale.files.fields import Field
from jaxscale.files.reading import parse_json, read_text
from jaxscale.laws.names import law_file
from jaxscale.objective.losses import loss_named
from jaxscale.ranking.judging import hash_of_file, law_called
from jaxscale.ranking.rank import label_of_file, rank
from jaxscale.ranking.result import SCHEMA, Ranking, digest_of
from jaxscale.ranking.tables import named_tables
from jaxscale.shown.blocks import Block, Shown, said
from jaxscale.text import listing, short

MAX_BYTES = 1 << 28
SAME = 1e-6
"""Relative difference up to which two errors are the same: of other versions and machines too."""


@dataclasses.dataclass(frozen=True)
class Checked(Shown):
    """Whether the file of a ranking holds.

    Attributes:
        findings: (what, whether it holds, in words).
        again: the ranking made anew; None where it was not asked for.
        notes: what may explain a difference.
    """

    findings: tuple[tuple[str, bool, str], ...]
    again: Ranking | None
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether all of it does."""
        return all(good for _, good, _ in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document."""
        rows = [{"what": what, "holds": good, "said": said} for what, good, said in self.findings]
        return {"holds": self.holds, "findings": rows}

    def _blocks(self) -> list[Block]:
        lines = [f"{'ok ' if good else 'NO '} {what}: {how}" for what, good, how in self.findings]
        end = "the ranking holds" if self.holds else "the ranking does not hold"
        return [*lines, end, *said(self.notes)]


def read_ranking(path: str | Path) -> dict[str, Any]:
    """Return the document of a file of `jaxscale rank --out FILE`.

    Raises:
        DataError: it is none, or misses what a check needs.
    """
    example = "a result of jaxscale rank FILE.py:CLASS --out rank.json"
    text = read_text(Path(path), MAX_BYTES, example)
    try:
        field = Field("", parse_json(text, str(path)))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not a ranking (it is no JSON: {error})") from error
    try:
        field["kind"].text(["ranking"])
        field["schema"].same(SCHEMA, "the schema")
        for table in field["tables"].items().values():
            table["sha256"].text(), table["source"].text()
        settings = field["settings"]
        for name in ("starts", "seed", "draws"):
            settings[name].whole()
        for name in ("level", "limit"):
            settings[name].positive()
        for name in ("residual", "precision", "loss"):
            settings[name].text()
        settings["by"].texts()
        for law in field["laws"].elements():
            law["law"].text(), law["sha256"].text(), law["proposed"].flag()
        if "results" not in field.value:
            raise DataError("results is missing: --json prints a summary; check the file of --out")
        for each in field["results"].elements():
            (
                each["law"].text(),
                each["trial"].whole(),
                each["error"].number(),
                each["certified"].flag(),
            )
        field["digest"].text()
    except DataError as error:
        raise DataError(f"{path}: not a ranking: {error}") from error
    return dict(field.value)


def check(
    document: Mapping[str, Any],
    laws: Sequence[str] = (),
    tables: Mapping[str, Runs] | None = None,
    *,
    again: bool = False,
    folder: str | Path = "",
    progress: Progress | None = None,
) -> Checked:
    """Check the document of a ranking.

    Args:
        document: see `read_ranking`.
        laws: where its laws of a person's own files are, FILE.py:CLASS; a file is never run for
            the name that a document has.
        tables: its tables that have no public name, found by their hashes.
        again: whether to rank again, and compare every result.
        folder: where a relative FILE.py is looked for.
        progress: see `rank`.

    Raises:
        DataError: it is to be ranked again, and a table or a law is not at hand.
    """
    stated = digest_of(document)
    same = stated == document["digest"]
    said = "as stated" if same else f"{stated[:16]}, the file states {document['digest'][:16]}"
    findings = [("digest", same, said)]
    found = _tables(document, tables or {}, findings)
    known = _laws(document, laws, Path(folder), findings)
    notes = []
    made = document.get("versions") or {}
    other = [f"{k} {made[k]} (here {v})" for k, v in versions().items() if made.get(k, v) != v]
    if other:
        notes.append(f"made with {', '.join(map(str, other))}")
    fresh = None
    if again:
        missing = [what for what, good, _ in findings if not good and what != "digest"]
        if missing:
            raise DataError(f"to rank again takes what the file was made from: {listing(missing)}")
        fresh = _again(document, known, found, folder=Path(folder), progress=progress)
        findings.append(_compared(document, fresh))
    return Checked(tuple(findings), fresh, tuple(notes))


def _tables(
    document: Mapping[str, Any],
    given: Mapping[str, Runs],
    findings: list[tuple[str, bool, str]],
) -> dict[str, Runs]:
    by_hash = {runs.digest(): runs for runs in given.values()}
    found = {}
    for name, stated in document["tables"].items():
        runs = by_hash.get(stated["sha256"])
        if runs is None:
            try:
                runs = named_tables(name.partition("/")[0]).get(name)
            except DataError:
                runs = None
        good = runs is not None and runs.digest() == stated["sha256"]
        said = "as it was" if good else "its numbers are others now"
        if runs is None:
            said = "not given, or its numbers are others now: name its file"
        elif good:
            found[name] = runs
        findings.append((f"table {name}", good, said))
    return found


def _laws(
    document: Mapping[str, Any],
    given: Sequence[str],
    folder: Path,
    findings: list[tuple[str, bool, str]],
) -> dict[str, str]:
    """Return the text of every law of the document that is at hand, by its label."""
    files = {label_of_file(text, folder): text for text in given if law_file(text)}
    found = {}
    for law in document["laws"]:
        label, stated = law["law"], law["sha256"]
        what = f"law {label}"
        if ".py:" in label:
            path = law_file(files[label], folder) if label in files else None
            if path is None:
                findings.append((what, False, "not given: name its FILE.py:CLASS"))
                continue
            source, text = hash_of_file(path), files[label]
        else:
            try:
                source, text = law_called(label)[1], label
            except ValueError:
                findings.append((what, False, f"no law {short(label)} here"))
                continue
        good = source == stated
        findings.append((what, good, "as it was" if good else "its source is another one now"))
        found[label] = text
    return found


def _again(
    document: Mapping[str, Any],
    laws: Mapping[str, str],
    tables: Mapping[str, Runs],
    *,
    folder: Path,
    progress: Progress | None,
) -> Ranking:
    settings = document["settings"]
    proposed = {law["law"]: law["proposed"] for law in document["laws"]}
    return rank(
        [text for label, text in laws.items() if proposed[label]],
        tables,
        rivals=[text for label, text in laws.items() if not proposed[label]],
        by=settings["by"],
        sources={name: document["tables"][name]["source"] for name in tables},
        starts=settings["starts"],
        seed=settings["seed"],
        loss=loss_named(settings["loss"], settings.get("delta")),
        residual=settings["residual"],
        precision=settings["precision"],
        level=settings["level"],
        draws=settings["draws"],
        limit=settings["limit"],
        folder=folder,
        progress=progress,
    )


def _compared(document: Mapping[str, Any], fresh: Ranking) -> tuple[str, bool, str]:
    before = {(each["law"], each["trial"]): each for each in document["results"]}
    now = {(each["law"], each["trial"]): each for each in fresh.to_dict()["results"]}
    off = []
    for key in sorted({*before, *now}):
        one, two = before.get(key), now.get(key)
        if one is None or two is None or one["certified"] != two["certified"]:
            off.append(key)
        elif not math.isclose(one["error"], two["error"], rel_tol=SAME, abs_tol=1e-12):
            off.append(key)
    if not off:
        return "results", True, f"all {len(before)} are found again"
    law, trial = off[0]
    where = fresh.trials[trial] if trial < len(fresh.trials) else None
    place = f"{where.table} along {where.by}" if where else f"trial {trial}"
    return "results", False, f"{len(off)} of {len(before)} differ; the first is {law} on {place}"
