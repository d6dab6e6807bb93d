"""What must be, and what must not be, in the two files of a release: `contents.py DIST`."""

import email.message
import re
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST = {"wheel": 2e6, "sdist": 4e6}
"""Bytes. The sdist has the figures of README and the results that it cites."""
HELD = {".md", ".csv", ".js", ".css", ".typed", ".py"}
"""Kinds of files that the package has."""


def tracked() -> set[str]:
    """Return the files of the package in this checkout."""
    paths = (path for path in (ROOT / "jaxscale").rglob("*") if path.is_file())
    return {str(p.relative_to(ROOT)) for p in paths if "__pycache__" not in p.parts}


def of_wheel(path: Path) -> list[str]:
    """Return what is wrong with a wheel."""
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        info = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(wheel.read(info))
        notes = wheel.read(info.replace("METADATA", "entry_points.txt")).decode()
    package = {name for name in names if ".dist-info/" not in name}
    wrong = [f"{name} is missing" for name in sorted(tracked() - package)]
    wrong += [f"{name} is no file of the package" for name in sorted(package - tracked())]
    wrong += [f"{name} is of no known kind" for name in package if Path(name).suffix not in HELD]
    if "jaxscale = jaxscale.cli:entry" not in notes:
        wrong.append("there is no command `jaxscale`")
    if not any(name.endswith("licenses/LICENSE") for name in names):
        wrong.append("there is no licence")
    return wrong + of_metadata(metadata)


def of_metadata(metadata: email.message.Message) -> list[str]:
    """Return what is wrong with what an index is told."""
    text = str(metadata.get_payload())
    wrong = [
        f"the description links to {link}" for link in re.findall(r"\]\((?!https?:)(.*?)\)", text)
    ]
    if not text.startswith("# jaxscale") or len(text) < 1000:
        wrong.append("the description is not README")
    version = (ROOT / "jaxscale" / "_version.py").read_text().split('"')[-2]
    if metadata["Version"] != version:
        wrong.append(f"the version is {metadata['Version']}, not {version}")
    needs = ("Summary", "License-Expression", "Requires-Python", "Keywords")
    return wrong + [f"the metadata have no {name}" for name in needs if not metadata[name]]


def of_sdist(path: Path) -> list[str]:
    """Return what is wrong with an sdist."""
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    needs = {"README.md", "CHANGELOG.md", "LICENSE", "CITATION.cff", "pyproject.toml"}
    needs |= {"tests/conftest.py", ".ci/run", "docs/laws.md", *tracked()}
    wrong = [f"{name} is missing" for name in sorted(needs - names)]
    leaks = re.compile(r"(^|/)(__pycache__|\.git|dist|build|\.\w+_cache|\.hypothesis)(/|$)|\.pyc$")
    return wrong + [f"{name} leaked" for name in sorted(names) if leaks.search(name)]


def main(folder: Path) -> int:
    """Print what is wrong with the files of a folder; returns 1 if anything is."""
    found = []
    for kind, ending, check in (("wheel", "*.whl", of_wheel), ("sdist", "*.tar.gz", of_sdist)):
        (path,) = folder.glob(ending)
        size = path.stat().st_size
        found += [f"{path.name}: {what}" for what in check(path)]
        if size > MOST[kind]:
            found.append(f"{path.name} has {size / 1e6:.1f} MB, more than {MOST[kind] / 1e6:g}")
        print(f"{path.name}: {size / 1e6:.2f} MB")
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
