"""What a release says of itself in several files is one and the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from jaxscale import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NEEDS = dict(
    re.fullmatch(r"([\w-]+)>=([\d.]+)", need).groups()
    for need in PROJECT["project"]["dependencies"]
)
RECIPE = yaml.safe_load((ROOT / ".ci" / "conda" / "recipe.yaml").read_text())
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def released(text):
    """The numbers of a version: 0.2.0 of 0.2.0.dev0."""
    return re.match(r"\d+\.\d+\.\d+", text)[0]


def test_the_change_log_begins_with_this_version():
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released(heads[0]) == released(__version__)
    assert ("unreleased" in heads[0]) == ("dev" in __version__)
    assert not any("unreleased" in head for head in heads[1:])


def test_a_citation_names_the_last_release():
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    last = next(released(head) for head in heads if "unreleased" not in head)
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == last


def test_the_conda_recipe_needs_what_the_package_needs():
    run = dict(need.split(" >=") for need in RECIPE["requirements"]["run"])
    assert run.pop("python") == PROJECT["project"]["requires-python"].removeprefix(">=")
    run["matplotlib"] = run.pop("matplotlib-base")  # without Qt
    assert run == NEEDS
    host = {need.replace(" ", "") for need in RECIPE["requirements"]["host"]}
    assert host >= set(PROJECT["build-system"]["requires"])
    assert RECIPE["context"]["version"] == __version__
    assert RECIPE["about"]["summary"] == PROJECT["project"]["description"]
    assert RECIPE["about"]["license"] == PROJECT["project"]["license"]
    (command,) = RECIPE["build"]["python"]["entry_points"]
    name, door = command.split(" = ")
    assert PROJECT["project"]["scripts"] == {name: door}


def test_the_oldest_that_are_tried_are_the_oldest_that_are_admitted():
    lines = (ROOT / ".ci" / "oldest.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pinned.keys() == NEEDS.keys()
    for name, version in pinned.items():
        least = NEEDS[name]
        assert version == least + ".0" * (2 - least.count(".")), name


def test_every_python_that_is_claimed_is_tried():
    claimed = {
        line.rpartition(" ")[2]
        for line in PROJECT["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", line)
    }
    checks = yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text())
    rows = checks["jobs"]["suite"]["strategy"]["matrix"]["include"]
    assert {row["python"] for row in rows} == claimed
    assert f">={min(claimed, key=lambda v: int(v[2:]))}" == PROJECT["project"]["requires-python"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_files_and_extras_that_exist(path):
    text = path.read_text()
    for name in re.findall(r"\.ci/[\w.]+", text):
        assert (ROOT / name).exists(), name
    for extras in re.findall(r"\.\[([\w,]+)\]", text):
        assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def test_the_container_holds_an_extra_that_exists_and_all_that_a_build_reads():
    text = (ROOT / ".ci" / "Containerfile").read_text()
    assert re.search(r"EXTRA=\[(\w+)\]", text)[1] in PROJECT["project"]["optional-dependencies"]
    copied = {
        name for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for name in line.split()
    }
    assert all((ROOT / name).exists() for name in copied)
    assert copied == {"pyproject.toml", "README.md", "LICENSE", "jaxscale"}
