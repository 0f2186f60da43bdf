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


def test_the_address_without_a_page_leads_to_the_first(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/")
    WebDriverWait(browser, SECONDS).until(lambda chrome: chrome.current_url == f"{address}/{PAGES[0]}.html")


# Whether a figure, as it was drawn, has pictures of pixels in it.
PIXELS = """
const request = new XMLHttpRequest();
request.open("GET", arguments[0].src, false);
request.send();
return request.responseText.includes("<image");
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("notebooks/")])
def test_figures_are_drawn_fit_their_column_and_are_dark_on_a_dark_page(
    browser: webdriver.Chrome, address: str, page: str, theme: str
) -> None:
    browser.get(f"{address}/{page}.html")
    browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    for image in browser.find_elements("css selector", "article .cell_output img"):
        name = Path(image.get_attribute("src") or "").name
        assert int(image.get_property("naturalWidth")) > 0, f"{name} is not drawn"
        assert image.size["width"] <= browser.find_element("css selector", "article").size["width"], name
        if theme == "dark":
            pixels = browser.execute_script(PIXELS, image)  # in which dark and light are what is shown
            turned = "brightness(0.85)" if pixels else "invert(1) hue-rotate(180deg)"
            assert image.value_of_css_property("filter") == turned, name


@pytest.mark.parametrize(
    ("word", "page"),
    [("neuron", "notebooks/02_neuron"), ("quantization", "notebooks/03_temporal_quantization")],
)
def test_the_search_finds_the_chapter_about_a_word(
    browser: webdriver.Chrome, address: str, word: str, page: str
) -> None:
    browser.get(f"{address}/search.html?q={word}")
    found = f'#search-results li a[href*="{page}.html"]'
    WebDriverWait(browser, SECONDS).until(lambda chrome: chrome.find_elements("css selector", found))


def test_the_theme_button_leads_to_the_dark_mode(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/{PAGES[0]}.html")
    colours = {}
    for _ in range(3):  # it goes round light, dark and the system's
        browser.find_element("css selector", ".article-header-buttons .theme-switch-button").click()
        mode = browser.execute_script("return document.documentElement.dataset.mode")
        colours[mode] = browser.find_element("css selector", "body").value_of_css_property("background-color")
    assert colours.keys() == {"light", "dark", "auto"}
    assert colours["light"] == "rgba(255, 255, 255, 1)"
    assert colours["dark"] != colours["light"]


# Figures that are, in part, beside the screen.
BESIDE = """
return [...document.querySelectorAll("article :is(img, figure svg)")].filter((picture) => {
    const { left, right } = picture.getBoundingClientRect();
    return left < 0 || right > innerWidth;
}).map((picture) => picture.outerHTML.slice(0, 300));
"""


@pytest.mark.parametrize("page", PAGES)
def test_no_page_is_wider_than_a_phone(browser: webdriver.Chrome, address: str, page: str) -> None:
    phone = {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        browser.get(f"{address}/{page}.html")
        assert browser.execute_async_script(TYPESET)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 375
        assert browser.execute_script(BESIDE) == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_a_phone_a_tap_enlarges_a_figure_and_another_puts_it_back(browser: webdriver.Chrome, address: str) -> None:
    phone = {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        browser.get(f"{address}/notebooks/03_temporal_quantization.html")
        picture = browser.find_element("css selector", "article figure:not(.interactive) > img")
        figure = picture.find_element("xpath", "..")
        small = picture.size["width"]
        for width, fades in ((700, True), (small, False)):
            browser.execute_script("arguments[0].click()", picture)
            assert picture.size["width"] == pytest.approx(width, abs=5)
            assert ("more-to-the-right" in (figure.get_attribute("class") or "")) == fades
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 375
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_paper_a_page_is_alone_with_every_fold_open_and_afterwards_as_before(
    browser: webdriver.Chrome, address: str
) -> None:
    def folds() -> list[bool]:
        return [fold.get_property("open") for fold in browser.find_elements("css selector", "article details")]

    browser.get(f"{address}/notebooks/01_coding.html")
    browser.execute_script("document.documentElement.dataset.theme = 'dark'")
    before = folds()
    assert False in before
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    try:
        assert all(folds())
        assert browser.execute_script("return document.documentElement.dataset.theme") == "light"
        beside = ".bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, .prev-next-footer"
        assert not any(part.is_displayed() for part in browser.find_elements("css selector", beside))
        assert browser.find_element("css selector", "#jb-print-docs-body h1").is_displayed()
    finally:
        browser.execute_script("dispatchEvent(new Event('afterprint'))")
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert folds() == before
    assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"


# Each table with the fold around it opened: where its box ends, and whether it holds more than it shows.
TABLES = """
for (const fold of document.querySelectorAll("article details")) fold.open = true;
return [...document.querySelectorAll("article :is(.text_html, .pst-scrollable-table-container)")].map((box) => ({
    right: (box.closest("details") ?? box).getBoundingClientRect().right,
    wide: Boolean(box.closest(".full-width")),
    more: box.scrollWidth > box.clientWidth + 2,
    fades: getComputedStyle(box).maskImage !== "none",
    words: box.innerText.slice(0, 80),
}));
"""
WIDE = ["notebooks/07_accuracy", "notebooks/08_energy", "notebooks/09_audit"]


@pytest.mark.parametrize("width", [1440, 1280, 1100, 375])
@pytest.mark.parametrize("page", WIDE)
def test_a_table_that_does_not_fit_takes_the_margin_and_where_there_is_none_it_fades_out(
    browser: webdriver.Chrome, address: str, page: str, width: int
) -> None:
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        browser.get(f"{address}/{page}.html")
        assert browser.execute_async_script(TYPESET)
        tables = browser.execute_script(TABLES)
        column = browser.execute_script("return document.querySelector('article').getBoundingClientRect().right")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert any(table["wide"] for table in tables)
        assert [table["words"] for table in tables if table["more"] and not table["wide"]] == []
        if width >= 1200:
            assert [table["words"] for table in tables if table["wide"] and table["right"] <= column] == []
        browser.execute_async_script("setTimeout(arguments[0], 500)")  # folds tell that they are open
        tables = browser.execute_script(TABLES)
        assert [table["words"] for table in tables if table["more"] != table["fades"]] == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
