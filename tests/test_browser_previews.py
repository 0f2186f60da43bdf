"""What a link shows of the work, equation, figure or term that it leads to, in a real browser."""

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.test_accessibility import axe, violations
from tests.test_browser import INSIDE_THE_BROWSER, SECONDS, TYPESET, take_requests

__all__ = ["axe"]  # a fixture

SHOWN = "const box = document.querySelector('#preview'); return box?.matches(':popover-open') ? box.innerText : ''"
SETTLED = 1  # seconds after which nothing more appears
LINKS = {
    "work": ("notebooks/03_temporal_quantization", "a.internal[href*='bibliography.html#']", "Yuxuan Yang"),
    "equation of another page": ("notebooks/09_audit", "a.internal[href*='08_energy.html#equation-eq-energy']", "(8."),
    "equation of this page": ("notebooks/03_temporal_quantization", "a.internal[href^='#equation-eq-tq']", "(3."),
    "figure": ("notebooks/03_temporal_quantization", "a.internal[href^='#fig-']", "Fig. 3."),
    "term": ("notebooks/09_audit", "a.internal[href*='symbols.html#term-']", "arriving spike"),
}
HERE, PAGE, FIGURE = "notebooks/03_temporal_quantization", "a.internal[href^='#fig-']", "Fig. 3."


def link(browser: webdriver.Chrome, address: str, page: str, selector: str) -> WebElement:
    """The first such link of the page, in the middle of the screen."""
    browser.get(f"{address}/{page}.html")
    assert browser.execute_async_script(TYPESET)
    found = browser.find_element("css selector", f"article {selector}")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", found)
    return found


def shown(browser: webdriver.Chrome) -> str:
    """The words of the preview, once there is one."""
    return str(WebDriverWait(browser, SECONDS).until(lambda chrome: chrome.execute_script(SHOWN)))


def none_appears(browser: webdriver.Chrome) -> bool:
    ActionChains(browser).pause(SETTLED).perform()
    return browser.execute_script(SHOWN) == ""


@pytest.mark.parametrize(("page", "selector", "words"), LINKS.values(), ids=LINKS.keys())
def test_under_the_mouse_a_link_shows_what_it_leads_to_until_escape(
    browser: webdriver.Chrome, address: str, page: str, selector: str, words: str
) -> None:
    browser.get_log("browser")
    take_requests(browser)
    found = link(browser, address, page, selector)
    ActionChains(browser).move_to_element(found).perform()
    assert words in shown(browser)
    box = browser.find_element("id", "preview")
    assert found.get_attribute("aria-describedby") == box.get_attribute("id")
    left, right = box.location["x"], box.location["x"] + box.size["width"]
    assert 0 <= left < right <= browser.execute_script("return innerWidth")
    assert box.find_elements("css selector", "a[href], [id], [tabindex]") == []
    if "equation" in selector:
        assert box.find_element("css selector", "mjx-container").size["width"] > 0
    for picture in box.find_elements("css selector", "img"):
        assert int(picture.get_property("naturalWidth")) > 0

    ActionChains(browser).move_to_element(box).perform()
    ActionChains(browser).pause(SETTLED).perform()
    assert words in shown(browser)  # a reader may point at it
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert none_appears(browser)
    assert found.get_attribute("aria-describedby") is None
    requested, failed = take_requests(browser)
    assert [url for url in requested if not url.startswith((f"{address}/", *INSIDE_THE_BROWSER))] == failed == []
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_preview_leaves_with_the_mouse(browser: webdriver.Chrome, address: str) -> None:
    ActionChains(browser).move_to_element(link(browser, address, HERE, PAGE)).perform()
    assert FIGURE in shown(browser)
    ActionChains(browser).move_to_element(browser.find_element("css selector", ".bd-sidebar-primary")).perform()
    assert none_appears(browser)


@pytest.mark.parametrize("answer", ["Promise.reject(new Error())", "Promise.resolve(new Response('', {status: 503}))"])
def test_a_page_that_could_not_be_read_is_read_at_the_next_look(
    browser: webdriver.Chrome, address: str, answer: str
) -> None:
    found = link(browser, address, *LINKS["work"][:2])
    once = "const read = window.fetch; window.fetch = () => { window.fetch = read; return ANSWER }"
    browser.execute_script(once.replace("ANSWER", answer))
    ActionChains(browser).move_to_element(found).perform()
    assert none_appears(browser)
    ActionChains(browser).move_to_element(browser.find_element("css selector", ".bd-sidebar-primary")).perform()
    assert none_appears(browser)
    ActionChains(browser).move_to_element(found).perform()
    assert LINKS["work"][2] in shown(browser)


def test_the_focus_of_the_keyboard_shows_it_and_it_is_accessible(
    browser: webdriver.Chrome, address: str, axe: str
) -> None:
    found = link(browser, address, HERE, PAGE)
    browser.execute_script("arguments[0].focus({preventScroll: true})", found)
    ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element == found
    assert FIGURE in shown(browser)
    assert violations(browser, axe) == []
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element != found
    assert FIGURE not in browser.execute_script(SHOWN)


def test_a_finger_follows_the_link(browser: webdriver.Chrome, address: str) -> None:
    found = link(browser, address, HERE, PAGE)
    over = "arguments[0].dispatchEvent(new PointerEvent('pointerover', {bubbles: true, pointerType: arguments[1]}))"
    browser.execute_script(over, found, "touch")
    assert none_appears(browser)
    browser.execute_script(over, found, "mouse")
    assert FIGURE in shown(browser)


def test_without_a_server_a_page_shows_what_is_on_it(browser: webdriver.Chrome, html: Path) -> None:
    folder = html.resolve().as_uri()
    ActionChains(browser).move_to_element(link(browser, folder, HERE, PAGE)).perform()
    assert FIGURE in shown(browser)
    ActionChains(browser).move_to_element(link(browser, folder, *LINKS["work"][:2])).perform()
    assert none_appears(browser)
