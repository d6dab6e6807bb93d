"""The page of a report: what it says, what it may do, what hostile names become."""

import dataclasses
import hashlib
import re
from base64 import b64encode
from html.parser import HTMLParser

import numpy as np
import pytest

import jaxscale
from jaxscale.errors import DataError
from jaxscale.flops import PowerCost
from jaxscale.reports.about import FIELDS, read_about
from jaxscale.reports.chart import Line, Panel
from jaxscale.reports.figures import inline
from jaxscale.reports.frontier import round_up, spaced
from jaxscale.reports.words import powers, stated
from jaxscale.shown.blocks import full_text
from jaxscale.shown.element import data, make, table
from jaxscale.uncertainty.intervals import Interval

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1)//",
    "</script><script>alert(1)</script>",
    "</title></style><b onclick=alert(1)>",
    "&lt;b&gt; &#x3c;i&#x3e;",
    "\x1b[31mred\x07",
    "\u202egpj.exe\u2066",
    "שלום",
    "a\u2028b\nc",
    "<!-- ]]> --> {{7*7}} ${7*7}",
    "x" * 5000,
]
BUDGET = 64
"""Draws: enough for an interval, and quick."""


class Page(HTMLParser):
    """Tags, attributes and texts of a page, as a browser's parser finds them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self._in = [], [], [], []
        self.scripts, self.styles = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self._in.append(tag)

    def handle_endtag(self, tag):
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, text):
        inside = self._in[-1] if self._in else ""
        {"script": self.scripts, "style": self.styles}.get(inside, self.text).append(text)


@pytest.fixture(scope="module")
def made(fitted):
    return jaxscale.report(fitted, draws=BUDGET, compute=1e22)


def renamed(fit, names):
    """The fit, its runs called by names that somebody chose."""
    rows = fit.runs.rows.tolist()
    called = {row: names[k % len(names)] for k, row in enumerate(rows)}
    runs = fit.runs.replace(
        source=names[0], called=called, names={"loss": names[1], "N": names[2]},
        dropped=[(10**6 + k, name) for k, name in enumerate(names)],
    )  # fmt: skip
    return dataclasses.replace(fit, runs=runs, prepared=None, warnings=tuple(names))


def test_the_answer_stands_on_top_with_its_interval_and_its_doubts(made, fitted):
    best = jaxscale.allocate(fitted, compute=1e22)
    sentence = made.answers[0]
    assert sentence.startswith("A budget of 10²² FLOPs, ") and "(90 % interval " in sentence
    assert f"D* = {best.D / 1e9:.3g} B tokens" in sentence and f"{best.loss:.3f}" in sentence
    page = Page(made.html)
    text = "".join(page.text).replace("\xa0", " ")
    assert text.index(sentence) < text.index("standard error")
    assert all(doubt in text for doubt in made.doubts)
    assert len(made.html) < 1.5e6 and full_text(made).startswith(sentence)


def test_a_budget_is_in_the_unit_of_the_cost(fitted):
    cost = PowerCost(3e-17, 0.9, 1.02, unit="gpu <hours>")
    priced = dataclasses.replace(fitted, law=fitted.law.replace(flops=cost), prepared=None)
    found = jaxscale.report(priced, draws=BUDGET, compute=1e5)
    assert found.answers[0].startswith("A budget of 10⁵ gpu <hours>")
    text = "".join(Page(found.html).text).replace("\xa0", " ")
    assert "C (gpu <hours>)" in text and "10⁵ gpu <hours>" in text
    assert "C = k N^a D^b in gpu <hours>, k = 3.000e-17, a = 0.9, b = 1.02" in text
    assert "FLOPs" not in text.split("Left out")[0]


@pytest.mark.slow
def test_the_same_fit_gives_the_same_page(made, fitted):
    assert jaxscale.report(fitted, draws=BUDGET, compute=1e22).html == made.html


def test_the_page_may_run_its_own_script_and_style_and_nothing_else(made):
    page = Page(made.html)
    (policy,) = [v for tag, k, v in page.attributes if tag == "meta" and "default-src" in (v or "")]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    code = [text for text in page.scripts if "use strict" in text]
    for kind, (text,) in (("script-src", code), ("style-src", page.styles)):
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[kind] == f"'sha256-{digest}'"
    assert len(page.scripts) == 2 and "unsafe" not in policy
    assert not [k for _, k, _ in page.attributes if k.startswith("on") or k in ("style", "srcdoc")]
    links = [v for _, k, v in page.attributes if k in ("href", "src", "action", "xlink:href")]
    assert links and all(v.startswith(("#", "data:")) for v in links)


def test_ids_are_distinct_and_every_reference_has_its_id(made):
    page = Page(made.html)
    ids = [v for _, k, v in page.attributes if k == "id"]
    assert len(ids) == len(set(ids))
    wanted = {v[1:] for _, k, v in page.attributes if k == "href" and v[0] == "#"}
    wanted |= {v for _, k, v in page.attributes if k in ("aria-labelledby", "for")}
    for _, _, v in page.attributes:
        wanted |= set(re.findall(r"url\(#([^)]+)\)", v or ""))
    assert len(wanted) > 50 and wanted <= set(ids)


def test_hostile_names_stay_text(fitted, made):
    hostile = jaxscale.report(
        renamed(fitted, HOSTILE), draws=BUDGET, compute=1e22, title=HOSTILE[0],
        about=dict.fromkeys(FIELDS, HOSTILE[3]),
    )  # fmt: skip
    page, plain = Page(hostile.html), Page(made.html)
    assert set(page.tags) - set(plain.tags) <= {"details", "summary"}
    assert page.tags.count("script") == 2 and "onerror" not in {k for _, k, _ in page.attributes}
    text = "".join(page.text)
    assert HOSTILE[0] in text and "</script><script>alert(1)" in text and r"\u202egpj.exe" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2066-\u2069]", text)
    assert "x" * 700 not in text and len(hostile.html) < 1.5e6


@pytest.mark.parametrize("text", HOSTILE)
def test_an_element_holds_what_it_is_given_as_text(text):
    from xml.etree import ElementTree

    cell = table(["a"], [[text], [make("b", text, title=text)]], "<", caption=text)
    page = Page(ElementTree.tostring(cell, encoding="unicode", method="html"))
    assert set(page.tags) == {"div", "table", "caption", "thead", "tr", "th", "tbody", "b"}
    block = data({"x": text}, "block").text
    assert not set(block) & set("<>&\u2028")


def test_a_fit_that_is_not_certified_says_so_in_the_place_of_the_answer(fitted):
    doubted = dataclasses.replace(fitted.certificate, at_bound=("E",))
    found = jaxscale.report(dataclasses.replace(fitted, certificate=doubted))
    text = "".join(Page(found.html).text)
    assert not found.trusted and found.answers == () and "not certified" in str(found)
    assert "not certified, so it answers nothing" in text and "E ended at a bound" in text
    for gone in ("N* =", "is best spent", "slider", "along-data"):
        assert gone not in found.html


@pytest.mark.parametrize("about, said", [
    ({"author": "me"}, "no field 'author'"),
    ({"authors": {"a": 1}}, "authors is to be text"),
    ({"authors": "x" * 5000}, "at most 2,000"),
])  # fmt: skip
def test_a_field_of_the_checklist_that_there_is_not_is_refused(about, said, fitted):
    with pytest.raises(DataError, match=re.escape(said)):
        jaxscale.report(fitted, about=about)


@pytest.mark.parametrize("text, said", [("authors =", "no TOML"), ("x = 1", "no field"),
                                        ("a." * 40 + "b = 1", "a key of more")])  # fmt: skip
def test_a_file_of_the_checklist_is_read_or_refused_in_a_sentence(tmp_path, text, said):
    path = tmp_path / "about.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_about(path)
    path.write_text("authors = ['A', 'B']\ndate = 2025-05-01\nseeds = 3\n")
    assert read_about(path) == {"authors": "A, B", "date": "2025-05-01", "seeds": "3"}


@pytest.mark.parametrize("wrong", [0, -1.0, float("inf"), float("nan"), [1e20, -3]])
def test_a_budget_that_is_none_is_refused(fitted, wrong):
    with pytest.raises(ValueError, match="compute must be positive"):
        jaxscale.report(fitted, compute=wrong)


def test_the_figure_of_one_page_clashes_with_no_other():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        "<metadata>x</metadata><defs><style>*{a:b}</style><path id='p1' style='fill: #fff; "
        "stroke: none'/></defs><g id='axes_1' clip-path='url(#p1)'><use xlink:href='#p1'/></g>"
        "</svg>"
    )
    one = inline(svg, "one", "<b>")
    assert [e.tag for e in one.iter()] == ["svg", "title", "defs", "path", "g", "use"]
    path, group, use = one.find("defs/path"), one.find("g"), one.find("g/use")
    assert path.attrib == {"id": "one-p1", "fill": "#fff", "stroke": "none"}
    assert group.attrib == {"clip-path": "url(#one-p1)"} and use.attrib == {"href": "#one-p1"}


@pytest.mark.parametrize(
    "low, high, among", [(1e18, 1e24, (3.8e23,)), (7.0, 9.0, ()), (1e-3, 1e30, (1.0,))]
)
def test_the_scales_of_the_slider_are_few_ascending_and_hold_what_was_asked(low, high, among):
    found = spaced(low, high, 200, among)
    assert len(found) <= 202 and (np.diff(found) > 0).all() and set(among) <= set(found)
    assert found[0] <= low * 1.01 and found[-1] >= high * 0.99


@pytest.mark.parametrize("ends", [(0.0, np.inf), (np.nan, np.nan), (1e-30, 1e30)])
@pytest.mark.parametrize("log_y", [True, False])
def test_a_chart_of_intervals_without_ends_shows_its_line(ends, log_y):
    scale = np.geomspace(1e18, 1e20, 5)
    low, high = (np.full(5, end) for end in ends)
    line = Line("N", "N*", np.geomspace(1e8, 1e9, 5), low, high)
    panel = Panel("sizes", "", "C", "N", scale, (line,), (), (scale, None), log_y, str)
    assert panel.range_y[0] < 1e8 and panel.range_y[1] > 1e9
    assert all(0 < y < 300 for y in panel.moves()["sizes-N"])


@pytest.mark.parametrize("value, text", [(1e24, "10²⁴"), (3.8e25, "3.8 × 10²⁵"), (1e-7, "10⁻⁷")])
def test_budgets_are_written_as_people_do(value, text):
    assert powers(value).replace("\xa0", " ") == text
    assert round_up(value) >= value * (1 - 1e-9)


@pytest.mark.parametrize("numbers, text", [
    ((1.94123, 1.93, 1.96), ("1.941", "1.930", "1.960")),
    ((123.456, 100.0, 150.0), ("123", "100", "150")),
    ((2.0, float("-inf"), float("inf")), ("2", "−∞", "∞")),
])  # fmt: skip
def test_numbers_have_the_digits_that_their_interval_leaves(numbers, text):
    assert stated(Interval("x", *numbers, 0.9, 0.1, "")) == text


@pytest.mark.slow
def test_a_nested_law_that_is_rejected_is_among_the_doubts(fitted, monkeypatch):
    from types import SimpleNamespace

    for rejected in (True, False):
        said = SimpleNamespace(said="k = .58 ± .04: told <apart>", rejected=rejected)
        monkeypatch.setattr(jaxscale.FitResult, "nesting", said)
        fit = dataclasses.replace(fitted)  # which has not worked out its own
        found = jaxscale.report(fit, draws=BUDGET)
        assert ("k = .58 ± .04: told <apart>." in found.doubts) == rejected
        assert "k = .58 ± .04: told &lt;apart&gt;" in found.html


@pytest.mark.slow
def test_a_further_result_is_shown_with_its_table_and_its_figure(fitted):
    laws = {"A": jaxscale.Chinchilla(), "<B>": jaxscale.Chinchilla(beta=0.36)}
    compared = jaxscale.compare(laws, fitted.runs, starts=32, draws=0, deltas=[])
    found = jaxscale.report(fitted, draws=BUDGET, results=[compared])
    assert "&lt;B&gt;" in found.html and "result0rollout-title" in found.html
    assert (
        "how the fit was validated" in found.html
        and "not stated: <code>validation" not in found.html
    )
    assert compared.sentence.replace("<", "&lt;").replace(">", "&gt;") in found.html


@pytest.mark.slow
def test_laws_of_one_scale_and_of_other_inputs_and_tall_tables_have_a_page():
    rng = np.random.default_rng(0)
    x, y = 10.0 ** rng.uniform(1, 4, (2, 6000))
    loss = (1.7 + 9 * x**-0.4 + 5 * y**-0.3) * np.exp(rng.normal(0, 0.01, 6000))
    one = jaxscale.fit(
        "PowerLaw:C", jaxscale.Runs(C=x[:80], loss=1.7 + 9 * x[:80] ** -0.4), starts=32
    )
    found = jaxscale.report(one, draws=BUDGET)
    assert found.answers[0].startswith("At C = ") and "slider" in found.html

    class Shape(jaxscale.Law):
        """L = E + A W^-alpha + B H^-beta."""

        E: jaxscale.Scalar = jaxscale.offset("bound")
        A: jaxscale.Scalar = jaxscale.coefficient("of width", per={"W": "alpha"})
        B: jaxscale.Scalar = jaxscale.coefficient("of depth", per={"H": "beta"})
        alpha: jaxscale.Scalar = jaxscale.exponent("of <width>")
        beta: jaxscale.Scalar = jaxscale.exponent("of depth")

        def __call__(self, W, H):
            return self.E + self.A * W**-self.alpha + self.B * H**-self.beta

    own = jaxscale.fit(Shape(), jaxscale.Runs(W=x, H=y, loss=loss), starts=32)
    found = jaxscale.report(own, draws=BUDGET)
    assert found.answers == () and "no single best run" in found.html and "slider" not in found.html
    assert len(found.html) < 1.5e6 and "5,984 more" in found.html
