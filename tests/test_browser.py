"""The built book in a real browser: it loads, from here alone, without an error, and its formulas are set."""

import json
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

from book import build

PAGES = build.toc_pages(build.REPOSITORY / "book" / "_toc.yml")
SECONDS = 60
# Addresses that need no network; chrome: is the browser's own empty tab, as it starts.
INSIDE_THE_BROWSER = ("data:", "blob:", "about:", "chrome:")

# MathJax has finished, whether or not the page has formulas; Sphinx loads it only where there are some.
TYPESET = """
const done = arguments[0];
if (window.MathJax && MathJax.startup) MathJax.startup.promise.then(() => done(true), () => done(false));
else done(!document.querySelector(".math, script[src*=mathjax]"));
"""


def take_requests(browser: webdriver.Chrome) -> tuple[list[str], list[str]]:
    """The addresses requested since the last call, and those of them that failed.

    A failure whose request came before the last call is the browser's own: it looks for hosts when it starts.
    """
    requested, failed, by_id = [], [], {}
    for entry in browser.get_log("performance"):
        event = json.loads(entry["message"])["message"]
        kind, details = event["method"], event["params"]
        if kind == "Network.requestWillBeSent":
            by_id[details["requestId"]] = details["request"]["url"]
            requested.append(details["request"]["url"])
        elif kind == "Network.loadingFailed" and details["requestId"] in by_id and not details.get("canceled"):
            failed.append(f"{by_id[details['requestId']]}: {details['errorText']}")
        elif kind == "Network.responseReceived" and details["response"]["status"] >= 400:
            failed.append(f"{details['response']['url']}: {details['response']['status']}")
    return requested, failed


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_from_here_alone_and_without_errors(browser: webdriver.Chrome, address: str, page: str) -> None:
    browser.get_log("browser")
    take_requests(browser)

    browser.get(f"{address}/{page}.html")
    assert browser.execute_async_script(TYPESET), "MathJax did not finish"
    formulas = len(browser.find_elements("css selector", "article .math"))
    assert len(browser.find_elements("css selector", "article mjx-container")) >= formulas
    assert not browser.find_elements("css selector", "mjx-merror"), "a formula with an error"

    requested, failed = take_requests(browser)
    assert f"{address}/{page}.html" in requested
    assert [url for url in requested if not url.startswith((f"{address}/", *INSIDE_THE_BROWSER))] == []
    assert failed == []
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("notebooks/")])
def test_figures_are_drawn_on_white_and_fit_their_column(
    browser: webdriver.Chrome, address: str, page: str, theme: str
) -> None:
    browser.get(f"{address}/{page}.html")
    browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    for image in browser.find_elements("css selector", "article .cell_output img"):
        name = Path(image.get_attribute("src") or "").name
        assert int(image.get_property("naturalWidth")) > 0, f"{name} is not drawn"
        assert image.size["width"] <= browser.find_element("css selector", "article").size["width"], name
        if theme == "dark":
            assert image.value_of_css_property("background-color") == "rgba(255, 255, 255, 1)", name
            assert image.value_of_css_property("filter") == "none", name


def test_the_search_finds_the_neuron(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/search.html?q=neuron")
    WebDriverWait(browser, SECONDS).until(lambda chrome: chrome.find_elements("css selector", "#search-results li a"))
