"""How the documentation is built: `sphinx-build -W --keep-going docs docs/_build/html`.

Needs no network, neither to build nor to read: formulas are MathML, the theme brings its scripts,
the search index is a file. Code cells run at build time and keep their compiled programs in
`docs/_build/programs`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent)]

import jaxscale  # noqa: E402

project = "jaxscale"
author = "The jaxscale authors"
copyright = "the jaxscale authors, Apache-2.0"  # noqa: A001
version = release = jaxscale.__version__
html_title = f"jaxscale {version}"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "nouns",
    "closed",
    "commands",
    "example_report",
    "law_figures",
    "rooted",
    "shell",
]
exclude_patterns = ["_build", "_extensions"]
suppress_warnings: list[str] = []
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist", "attrs_inline"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

# Cells run in a kernel of this very environment, each page in its own, and must not fail. What they
# compile is shared by all pages.
nb_execution_mode = os.environ.get("DOCS_CELLS", "cache")
nb_execution_cache_path = str(HERE / "_build" / "cells")
nb_execution_in_temp = True
nb_execution_timeout = 180
nb_execution_raise_on_error = False  # a warning, which -W makes an error once all pages have run
nb_merge_streams = True
nb_execution_show_tb = True
PROGRAMS = HERE / "_build" / "programs"
PROGRAMS.mkdir(parents=True, exist_ok=True)
STARTUP = HERE / "_build" / "ipython" / "profile_default" / "startup"
STARTUP.mkdir(parents=True, exist_ok=True)
(STARTUP / "sh.py").write_text((HERE / "_extensions" / "sh_magic.py").read_text("utf-8"), "utf-8")
os.environ.update(
    JAX_COMPILATION_CACHE_DIR=os.environ.get("JAX_COMPILATION_CACHE_DIR", str(PROGRAMS)),
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
    JAXSCALE_CACHE=str(PROGRAMS),
    JAX_PLATFORMS="cpu",
    # Compiling is most of the build, and LLVM's optimizations a good part of that. Pages that
    # measure time take them back.
    XLA_FLAGS="--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1",
    IPYTHONDIR=str(HERE / "_build" / "ipython"),
    NO_COLOR="1",
    COLUMNS="96",
    PYTHONPATH=os.pathsep.join(p for p in (str(HERE.parent), os.environ.get("PYTHONPATH")) if p),
    # `!jaxscale ...` in a cell is the command of this environment.
    PATH=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
)

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False  # "A figure: what is in it" is one sentence, not a type
napoleon_custom_sections = ["Cost", "Source", "Sources", "Units"]
default_role = "code"
smartquotes = False  # an option is --by, not –by

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["jaxscale.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}


def barred(*event: Any) -> None:
    """Takes the bars in docstrings for absolute values; to Sphinx they are substitutions."""
    lines: list[str] = event[-1]
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[i] = line.replace("|", r"\|")


def setup(app: Sphinx) -> None:
    """As Sphinx asks for."""
    app.connect("autodoc-process-docstring", barred, priority=900)
