"""The pages of the documentation, as files; building them is a step of `.ci/run`."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import jaxscale

DOCS = Path(__file__).parents[2] / "docs"
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_reference_has_every_public_name_once():
    pages = "\n".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))
    named = Counter(re.findall(r"^\.\. auto\w+:: jaxscale\.(\w+)$", pages, re.MULTILINE))
    assert named == Counter(set(jaxscale.__all__) - {"__version__"})


@pytest.mark.parametrize("page", ["start.md"])
def test_a_page_in_chinese_runs_the_cells_of_the_page_in_english(page):
    english, chinese = ((DOCS / folder / page).read_text("utf-8") for folder in (".", "zh"))
    assert CELL.findall(chinese) == CELL.findall(english) != []
