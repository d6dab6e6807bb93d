"""What a named table is: the row of the catalogue."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

NO_LICENCE = "none stated, so no permission to publish copies"


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a public table comes from.

    Attributes:
        repository: "owner/name" on GitHub.
        commit: as it was read, shortened.
        path: in the repository.
        columns: column of the source by letter or name here; None where it is no plain table.
        where: rows that stay, in the source's names.
        ref: what a download asks for: the full hash of a commit with the file, else a branch
            (short hashes are not served reliably); the digest guards both. "" for no download.
    """

    repository: str
    commit: str
    path: str
    columns: Mapping[str, str] | None = None
    where: str | None = None
    ref: str = ""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One named table.

    Attributes:
        about: a line on what it is.
        file: of a tidy copy, below JAXSCALE_DATA; of a shipped table, below the package's folder.
        columns: column of that file by letter (N, D, C, S, loss, group) or name here. Of N and D
            one may be missing: it follows from C = 6 N D, as the source's authors work it out.
        rows: how many stay; None for a shipped table.
        digest: SHA-256 of the numbers, see `loading.content_digest`; "" for a shipped table.
        source: None for a shipped table.
        licence: of the source.
        paper: where the runs are described.
        where: rows of the file that stay.
        drop_highest: how many of the highest losses are left out.
        unit: of the loss.
    """

    about: str
    file: str
    columns: Mapping[str, str]
    rows: int | None
    digest: str
    source: Source | None
    licence: str
    paper: str
    where: str | None = None
    drop_highest: int = 0
    unit: str = "nats/token"


NDC = {"N": "params", "D": "tokens", "C": "flops", "loss": "loss"}
