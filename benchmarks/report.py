"""Tables as Markdown and figures as PNG, from the documents of one or more runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import figures, tables


def write(results: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Write `report.md` and the figures that the documents have data for.

    Args:
        results: documents; with several, the figures of each are numbered.
        folder: made if it does not exist.

    Returns:
        The files written.

    Raises:
        ValueError: a document has another schema.
    """
    from .document import SCHEMA

    folder.mkdir(parents=True, exist_ok=True)
    written, sections = [], ["# Benchmarks"]
    for k, result in enumerate(results):
        if result.get("schema_version") != SCHEMA:
            raise ValueError(f"schema {result.get('schema_version')}, not {SCHEMA}: measure again")
        suffix = "" if len(results) == 1 else f"-{k + 1}"
        sections.append(f"\nMeasured {result['created']} on "
                        + tables.render(result, as_markdown=True))  # fmt: skip
        for name, draw in figures.FIGURES.items():
            figure = draw(result)
            if figure is None:
                continue
            path = folder / f"{name}{suffix}.png"
            figure.savefig(path, dpi=150)
            written.append(path)
            sections.append(f"\n![{name}]({path.name})")
    page = folder / "report.md"
    page.write_text("\n".join(sections) + "\n")
    return [page, *written]
