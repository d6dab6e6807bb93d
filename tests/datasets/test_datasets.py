"""Named tables: the shipped one, the public ones where a copy lies, and the way of a download."""

import csv
import dataclasses
import http.server
import json
import sys
import threading

import numpy as np
import pytest
from cases import data_folder, needs_data

import jaxscale
from jaxscale import cli, datasets
from jaxscale.datasets import catalogue, downloading, loading
from jaxscale.datasets.entry import Entry, Source

PUBLIC = {name: entry for name, entry in catalogue.ENTRIES.items() if entry.source}
FETCHED = {name: entry for name, entry in PUBLIC.items() if entry.source.ref}
FOLDER = data_folder()
SHIPPED = loading.PACKAGE / "stdlib_ladder"


@pytest.fixture(autouse=True)
def no_copies(monkeypatch, tmp_path):
    """No copy, an empty cache: a test says itself what is there."""
    monkeypatch.delenv("JAXSCALE_DATA", raising=False)
    monkeypatch.setenv("JAXSCALE_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_the_shipped_table():
    runs = datasets.load("stdlib_ladder")
    width, depth = runs.columns["width"], runs.columns["depth"]
    hidden = 4 * np.round(2 * width / 3)
    block = 4 * width**2 + 3 * width * hidden + 2 * width
    N = depth * block + width
    np.testing.assert_array_equal(runs.columns["params_no_embed"], N)
    np.testing.assert_array_equal(runs.columns["N"], N + 256 * width)
    np.testing.assert_array_equal(runs.columns["D"], runs.columns["S"] * runs.columns["batch"])
    np.testing.assert_allclose(runs.columns["C"], 6 * runs.columns["N"] * runs.columns["D"])
    np.testing.assert_allclose(runs.columns["bits_per_byte"], runs.loss / np.log(2), rtol=2e-5)
    assert ((runs.loss > 0) & (runs.loss < np.log(256))).all()  # better than guessing bytes
    assert set(runs.group) == {"isoflop", "rectangle", "wsd", "repeat"}
    assert not runs.dropped and not runs.warnings


def test_the_shipped_curves_end_where_their_runs_do():
    runs, curves = datasets.load("stdlib_ladder"), datasets.load_curves("stdlib_ladder")
    assert len(curves) == len(runs)
    for k, (name, curve) in enumerate(curves.items()):
        assert set(curve) == set(loading.CURVE), name
        assert (np.diff(curve["step"]) > 0).all() and np.isfinite(curve["loss"]).all()
        assert curve["tokens"][-1] == runs.columns["D"][k]
        assert curve["loss"][-1] == runs.loss[k]


def test_the_shipped_files_are_small_and_described():
    files = list(SHIPPED.iterdir())
    assert {file.name for file in files} == {"runs.csv", "curves.csv", "sweep.csv", "README.md"}
    assert sum(file.stat().st_size for file in files) < 1_000_000
    text = datasets.card("stdlib_ladder")
    for table in ("runs.csv", "curves.csv", "sweep.csv"):
        for column in (SHIPPED / table).read_text().partition("\n")[0].split(","):
            assert column in text


@needs_data
@pytest.mark.parametrize("name", PUBLIC)
def test_public_tables(name, monkeypatch):
    monkeypatch.setenv("JAXSCALE_DATA", str(FOLDER))
    runs, entry = datasets.load(name), PUBLIC[name]
    assert len(runs) == entry.rows and datasets.content_digest(runs) == entry.digest
    assert {"N", "D"} | set(entry.columns) - {"loss", "group"} == set(runs.columns)
    assert all(np.isfinite(column).all() for column in (runs.loss, *runs.columns.values()))


@needs_data
def test_the_paper_leaves_out_the_highest_losses(monkeypatch):
    monkeypatch.setenv("JAXSCALE_DATA", str(FOLDER))
    entry = PUBLIC["epoch_chinchilla"]
    want = jaxscale.read_runs(FOLDER / entry.file, where="excluded_by_paper == 0")
    got = datasets.load("epoch_chinchilla")
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.columns["D"], want.columns["D"])  # bit for bit


def source_csv(entry, folder):
    """Write the tidy copy under the column names of its source, where both are known."""
    with (folder / entry.file).open(newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = {entry.columns[key]: column for key, column in entry.source.columns.items()}
    pairs |= (
        {"experiment": "experiment", "qc_outlier": "outlier"} if "experiment" in rows[0] else {}
    )
    lines = [",".join(pairs.values())]
    for row in rows:
        flag = {"0": "False", "1": "True"}[row.get("qc_outlier", "0")]
        lines.append(",".join(flag if name == "qc_outlier" else row[name] for name in pairs))
    return "\n".join(lines) + "\n"


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A site to download from: a folder, and the list of what was asked for."""
    asked = []
    root = tmp_path / "site"
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(root))

        def log_message(self, *args):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(downloading, "RAW", f"http://127.0.0.1:{server.server_port}")
    yield root, asked
    server.shutdown()
    thread.join()
    server.server_close()


def put(root, source, text):
    path = root / source.repository / source.ref / source.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@needs_data
@pytest.mark.parametrize("name", FETCHED)
def test_a_source_gives_what_the_copy_gives(name, site, monkeypatch):
    entry = FETCHED[name]
    assert set(entry.source.columns) == set(entry.columns)
    put(site[0], entry.source, source_csv(entry, FOLDER))
    fetched = datasets.load(name)
    monkeypatch.setenv("JAXSCALE_DATA", str(FOLDER))
    copied = datasets.load(name)
    assert fetched.digest() == copied.digest()


TINY = "Model Size,FLOPs spent,val\n1e6,1.2e13,5.0\n2e6,2.4e14,4.0\n4e6,9.6e14,3.5\n"


@pytest.fixture
def tiny(monkeypatch):
    """A table of two rows of three, under a name; its source and its copy differ in names."""
    source = Source(
        "owner/name", "abc", "data/t.csv", {"N": "Model Size", "C": "FLOPs spent", "loss": "val"}
    )
    want = jaxscale.Runs(N=[2e6, 4e6], D=[2e7, 4e7], loss=[4.0, 3.5])
    entry = Entry(
        about="a test",
        file="tiny/t.csv",
        columns={"N": "params", "C": "flops", "loss": "loss"},
        rows=2,
        digest=datasets.content_digest(want),
        source=dataclasses.replace(source, ref="main"),
        licence="none",
        paper="none",
        drop_highest=1,
    )
    monkeypatch.setitem(catalogue.ENTRIES, "tiny", entry)
    return entry


def test_download_once(tiny, site, tmp_path, capfd):
    root, asked = site
    put(root, tiny.source, TINY)
    first, second = datasets.load("tiny"), datasets.load("tiny")
    assert len(asked) == 1
    np.testing.assert_array_equal(first.columns["D"], [2e7, 4e7])
    assert first.source == "tiny" and first.rows.tolist() == [3, 4] and len(first.dropped) == 1
    assert first.digest() == second.digest()
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["owner-name-main-t.csv"]
    assert capfd.readouterr() == ("", "")


def test_a_copy_comes_before_a_download(tiny, site, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXSCALE_DATA", str(tmp_path))
    copy = tmp_path / tiny.file
    copy.parent.mkdir()
    copy.write_text(TINY.replace("Model Size,FLOPs spent,val", "params,flops,loss"))
    np.testing.assert_array_equal(datasets.load("tiny").loss, [4.0, 3.5])
    assert not site[1]
    copy.write_text(copy.read_text().replace("3.5", "3.6"))
    with pytest.raises(jaxscale.DataError, match="numbers are not those of 'tiny'"):
        datasets.load("tiny")
    assert copy.is_file()  # a person's own file is not touched


@pytest.mark.parametrize(
    "text, why",
    [
        (TINY.replace("3.5", "3.25"), "2 rows of other numbers"),
        (TINY + "8e6,9.6e15,3.0\n", "3 rows of other numbers"),
        (TINY[:60] + "\n", "cells for 3 columns"),
        ("<!doctype html>\n<p>moved</p>\n", "no column 'Model Size'"),
        ("", "empty"),
    ],
    ids=["changed", "longer", "cut", "html", "empty"],
)
def test_another_file_is_refused_and_removed(tiny, site, tmp_path, text, why):
    root, asked = site
    put(root, tiny.source, text)
    with pytest.raises(jaxscale.DataError, match="file was removed") as caught:
        datasets.load("tiny")
    assert why in str(caught.value)
    assert not list((tmp_path / "cache").iterdir())
    put(root, tiny.source, TINY)  # the source recovers: no leftover is in the way
    assert len(datasets.load("tiny")) == 2 and len(asked) == 2


def test_a_failed_download_says_so(tiny, site, tmp_path):
    with pytest.raises(jaxscale.DataError, match=r"cannot be downloaded.*404.*tiny/t\.csv"):
        datasets.load("tiny")
    assert not list((tmp_path / "cache").iterdir())


def test_without_pooch(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(jaxscale.DataError, match=r"pip install 'jaxscale\[data\]'"):
        datasets.load("tiny")


def test_no_copy_and_no_plain_source():
    with pytest.raises(jaxscale.DataError, match=r"no copy at porian/.*JAXSCALE_DATA.*formll/"):
        datasets.load("porian")


def test_unknown_names_and_missing_curves():
    with pytest.raises(jaxscale.DataError, match="did you mean 'epoch_chinchilla'"):
        datasets.load("epoch_chinchila")
    with pytest.raises(jaxscale.DataError, match="'qqq'; All names"):
        datasets.card("qqq")
    with pytest.raises(jaxscale.DataError, match="no curves.*'stdlib_ladder'"):
        datasets.load_curves("steplaw")


@pytest.mark.parametrize("name", PUBLIC)
def test_cards(name):
    text, entry = datasets.card(name), PUBLIC[name]
    for part in (entry.licence, entry.paper, entry.digest, entry.source.repository, entry.file):
        assert part in text
    assert len(entry.digest) == 64 and entry.rows > 0


def test_the_command(capsys):
    assert cli.main(["datasets", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["datasets"]
    assert [row["name"] for row in found] == datasets.names()
    assert cli.main(["datasets"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(found)
    assert cli.main(["datasets", "steplaw"]) == 0
    assert capsys.readouterr().out == datasets.card("steplaw") + "\n"
    assert cli.main(["datasets", "step"]) == 2
    assert "did you mean 'steplaw'" in capsys.readouterr().err
