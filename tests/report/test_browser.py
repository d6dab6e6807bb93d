"""The page in a real browser: the slider moves, nothing is asked for, nothing is complained of.

Skipped by name where no Chromium is installed; `.ci/run` installs one, or says that it could not.
"""

import chromium
import pytest
from test_report import BUDGET, HOSTILE, renamed

import jaxscale

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        chromium.found() is None, reason="no Chromium here (apt-get install chromium)"
    ),
]
SCREENS = {
    "desktop": dict(width=1280, height=900),
    "phone": dict(width=390, height=844, mobile=True),
    "dark": dict(width=1280, height=900, dark=True),
}
STATE = """({
  value: document.getElementById("slider").value,
  spoken: document.querySelector("output").textContent,
  shown: [...document.querySelectorAll("[data-show]")].map((e) => e.textContent),
  marks: [...document.querySelectorAll("[data-mark]")].map((e) => e.getAttribute("transform")),
  dots: [...document.querySelectorAll("[data-dot]")].map((e) => e.getAttribute("cy")),
})"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium.Chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory, fitted):
    path = tmp_path_factory.mktemp("report") / "report.html"
    jaxscale.report(fitted, draws=BUDGET, compute=1e22).save(path)
    return path.as_uri()


def test_the_slider_moves_the_figure_and_the_numbers(browser, page):
    browser.screen(**SCREENS["desktop"])
    browser.open(page)
    before = browser.run(STATE)
    assert not browser.run("document.getElementById('control').hidden")
    assert "10²²" in before["spoken"] and len(before["marks"]) == 2
    browser.run("document.getElementById('slider').focus()")
    browser.press("Home", 36)
    first = browser.run(STATE)
    browser.press("ArrowRight", 39)
    second = browser.run(STATE)
    assert (first["value"], second["value"]) == ("0", "1")
    for state in (first, second):
        assert state["spoken"] != before["spoken"] and state["spoken"].startswith("A budget of ")
        for a, b in zip(
            state["marks"] + state["dots"], before["marks"] + before["dots"], strict=True
        ):
            assert a != b
    assert first["marks"] != second["marks"] and first["shown"][0] != second["shown"][0]
    told = browser.run("document.getElementById('slider').getAttribute('aria-valuetext')")
    assert told == second["shown"][0] and told.endswith("FLOPs")
    assert browser.requests == [] and browser.complaints == []


@pytest.mark.parametrize("screen", SCREENS)
def test_no_request_leaves_and_nothing_is_complained_of(browser, page, screen):
    browser.screen(**SCREENS[screen])
    browser.open(page)
    assert browser.requests == [] and browser.complaints == []
    width = SCREENS[screen]["width"]
    assert browser.run("document.documentElement.scrollWidth") == width  # only tables scroll
    paper = browser.run("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(", "))) < 200) == (screen == "dark")


def test_hostile_names_stay_text_in_a_browser(browser, tmp_path, fitted):
    found = jaxscale.report(
        renamed(fitted, HOSTILE), draws=BUDGET, title=HOSTILE[0], about={"authors": HOSTILE[1]}
    )
    found.save(tmp_path / "hostile.html")
    browser.screen(**SCREENS["phone"])
    browser.open((tmp_path / "hostile.html").as_uri())
    assert browser.requests == [] and browser.complaints == []
    assert browser.run("document.querySelectorAll('img, b[onclick], iframe').length") == 0
    assert browser.run("document.scripts.length") == 2
    assert browser.run("document.querySelector('h1').textContent") == HOSTILE[0]
    assert browser.run("document.documentElement.scrollWidth") == 390


def test_the_policy_stops_what_a_name_would_run_if_it_were_no_text(browser, page, tmp_path):
    """The tests above would see a script: one that is put into the page is refused, and said."""
    browser.open(page)
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')")
    browser.run("new Promise((done) => setTimeout(done, 200))")
    assert browser.complaints


def test_the_page_says_the_same_without_a_script_and_on_paper(browser, page, tmp_path):
    browser.screen(**SCREENS["desktop"])
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        hidden = browser.run("getComputedStyle(document.getElementById('control')).display")
        assert hidden == "none"
        text = browser.run("document.querySelector('#along table').innerText")
        assert "10²²" in text.replace("\xa0", " ")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    browser.open(page)
    browser.screen(width=800, height=1000, media="print")
    assert browser.run("getComputedStyle(document.getElementById('control')).display") == "none"
    browser.screen(**SCREENS["desktop"])
    assert browser.pdf()[:5] == b"%PDF-"
