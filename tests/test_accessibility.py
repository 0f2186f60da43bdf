"""The built book by the rules of axe-core (https://github.com/dequelabs/axe-core), in a real browser."""

import shutil
import subprocess
import tarfile
from collections.abc import Iterator

import pytest
from selenium import webdriver

from book import build
from tests.conftest import missing

AXE = "4.14.1"
PAGES = [*build.toc_pages(build.REPOSITORY / "book" / "_toc.yml"), "search", "genindex"]
TYPESET = """
const done = arguments[0];
(window.MathJax?.startup?.promise ?? Promise.resolve()).then(() => done());
"""
VIOLATIONS = """
const done = arguments[0];
axe.run().then(results => done(results.violations.filter(v => ["serious", "critical"].includes(v.impact)).flatMap(
  v => v.nodes.map(node => `${v.id}: ${node.target}: ${node.html.slice(0, 120)}`))));
"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, fetched once by npm into _build/."""
    folder = build.BUILD / "axe-core"
    package = folder / f"axe-core-{AXE}.tgz"
    if not package.is_file():
        if not shutil.which("npm"):
            missing("no npm, which fetches axe-core: on Debian, apt-get install npm")
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", f"axe-core@{AXE}", "--pack-destination", str(folder)]
        fetched = subprocess.run(command, capture_output=True, text=True, check=False)
        if fetched.returncode:
            missing(f"npm could not fetch axe-core {AXE}: {fetched.stderr.strip()}")
    with tarfile.open(package) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


@pytest.fixture(
    scope="module", params=[("light", 1280), ("dark", 1280), ("light", 375)], ids=lambda p: f"{p[0]} {p[1]}"
)
def theme(request: pytest.FixtureRequest, browser: webdriver.Chrome, address: str) -> Iterator[str]:
    """Light and dark, as a reader who has chosen it finds every page, and light on a phone."""
    theme, width = request.param
    screen = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(f"{address}/search.html")
    for key in ("theme", "mode"):
        browser.execute_script("localStorage.setItem(...arguments)", key, theme)
    yield theme
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def violations(browser: webdriver.Chrome, axe: str) -> list[str]:
    """What is seriously wrong with the page that the browser shows."""
    browser.execute_script(axe)
    return list(browser.execute_async_script(VIOLATIONS))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_serious_violation(
    browser: webdriver.Chrome, address: str, axe: str, theme: str, page: str
) -> None:
    browser.get(f"{address}/{page}.html")
    assert browser.execute_script("return document.documentElement.dataset.theme") == theme
    browser.execute_async_script(TYPESET)
    assert violations(browser, axe) == []


def test_a_violation_would_be_found(browser: webdriver.Chrome, address: str, axe: str) -> None:
    browser.get(f"{address}/search.html")
    browser.execute_script("document.body.append(document.createElement('img'))")
    assert any(found.startswith("image-alt") for found in violations(browser, axe))
