"""The record of published fits: what was printed, our optimum, and why they differ.

    python -m benchmarks.record --data DIR [--only GROUP] [--out benchmarks/results]

Every published fit of the public tables in DIR (default $JAXSCALE_DATA), refitted under its
authors' own objective. Writes record.md and record.json into the folder `--out`; without it prints
the page. With --only the rows of one group are made anew, the others of the folder's record stay.
Exit 1: some printed values have a lower objective than our optimum, a defect of jaxscale.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from . import chinchilla, downstream, hyper, limited, others
from .entry import WORSE, Row
from .page import document, page, read

GROUPS = (chinchilla.rows, limited.rows, downstream.rows, hyper.rows, others.rows)


def main() -> int:
    """Refit everything, write the page."""
    parser = argparse.ArgumentParser(
        "benchmarks.record", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("JAXSCALE_DATA"),
                        help="folder of the public tables; default $JAXSCALE_DATA")  # fmt: skip
    parser.add_argument(
        "--only", default="", help="one group: chinchilla, limited, downstream, hyper, others"
    )
    parser.add_argument("--out", type=Path, help="folder of record.md and record.json")
    options = parser.parse_args()
    if options.data is None:
        print("record: no tables; give --data DIR or set JAXSCALE_DATA", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for group in GROUPS:
        if options.only not in group.__module__:
            continue
        for row in group(Path(options.data)):
            rows.append(row)
            print(f"{row.verdict:16} {row.digits:14} {row.title}", file=sys.stderr, flush=True)
    rows += others.unchecked()
    before = options.out / "record.json" if options.only and options.out else None
    if before is not None and before.is_file():
        made = {row.key: row for row in rows}
        rows = [made.pop(row.key, row) for row in read(before)] + [*made.values()]
    text = page(rows)
    if options.out is None:
        print(text)
    else:
        (options.out / "record.md").write_text(text)
        (options.out / "record.json").write_text(json.dumps(document(rows), indent=1) + "\n")
    return int(any(row.verdict == WORSE or WORSE in row.counts for row in rows))


if __name__ == "__main__":
    sys.exit(main())
