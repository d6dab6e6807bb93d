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


def apart(text: str) -> tuple[list[str], Counter, Counter]:
    """Blocks of code, numbers and links of a text: what does not depend on its language."""
    blocks = re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    links = Counter(re.findall(r"\]\(([^)]+)\)", prose))
    code = Counter(re.findall(r"`([^`]+)`", prose))
    words = re.sub(r"\]\([^)]+\)|`[^`]+`", " ", prose)
    return blocks, code + Counter(re.findall(r"(?<![\w.])\d*\.?\d[\d,]*(?:e-?\d+)?", words)), links


def test_readme_in_chinese_has_the_code_the_numbers_and_the_links_of_the_english_one():
    english, chinese = (
        apart((DOCS.parent / name).read_text("utf-8")) for name in ("README.md", "README.zh.md")
    )
    assert chinese[0] == english[0]
    assert chinese[1] == english[1]
    # Each leads to the other, and to the five minutes in its own language.
    own = {"README.zh.md": "README.md", "docs/start.md": "docs/zh/start.md"}
    assert chinese[2] == Counter({own.get(k, k): n for k, n in english[2].items()})
