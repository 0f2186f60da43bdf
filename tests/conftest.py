import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import pytest
import torch

# Before anything imports Triton: where there is no GPU its interpreter runs the kernels.
os.environ["TRITON_INTERPRET"] = "0" if torch.cuda.is_available() else "1"

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from hypothesis import settings
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from book import build
from tqttfs_lite.experiments import experiment, training
from tqttfs_lite.experiments.datasets import Images

# A busy machine is no failure.  CI tries the same cases every time; a developer's runs look for new ones.
settings.register_profile("tqttfs", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("tqttfs")
mpl.use("Agg")  # also where there is a screen


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run side by side on few cores; a thread each is fastest, and makes sums come out alike."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_style_and_no_figure_from_another_test() -> Iterator[None]:
    """Neither passes on, or what is tested would depend on the order of tests."""
    limits = (f"display.{name}" for name in ("max_colwidth", "max_rows", "max_columns"))
    with mpl.rc_context(), pd.option_context({limit: pd.get_option(limit) for limit in limits}):
        mpl.rcdefaults()
        yield
    plt.close("all")


@pytest.fixture
def small_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two easily told classes, and a data directory of one's own."""

    def load(name: str, split: str) -> Images:
        generator = torch.Generator().manual_seed(len(split))
        labels = torch.randint(0, 2, (320,), generator=generator)
        images = torch.randint(0, 100, (320, 28, 28), generator=generator, dtype=torch.uint8)
        images[labels == 1, :14] += 150
        return Images(images, labels)

    monkeypatch.setattr(training, "load", load)
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data directory of one's own with random images in place of the data sets."""

    def random_images(name: str, split: str) -> Images:
        generator = torch.Generator().manual_seed(len(split))
        images = torch.randint(0, 256, (300, 28, 28), generator=generator, dtype=torch.uint8)
        return Images(images, torch.randint(0, 10, (300,), generator=generator))

    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    for module in (training, experiment):
        monkeypatch.setattr(module, "load", random_images)
    return tmp_path


def missing(reason: str) -> NoReturn:
    """Skip what cannot be tested here; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line of log for each."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book."""
    if not (build.HTML / "index.html").is_file():
        missing("the book is not built: run `make book`")
    return build.HTML


@pytest.fixture(scope="session")
def address(html: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The built book, served on this machine only.

    In a folder, as GitHub Pages serves it: an address that is seen from the root of the server leads nowhere there.
    """
    root = tmp_path_factory.mktemp("server")
    (root / "name").symlink_to(html.resolve())
    handler = partial(QuietHandler, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/name"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Headless Chromium with its log of requests and of console messages."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        missing("no Chromium with its driver: on Debian, apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "disable-dev-shm-usage",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "window-size=1280,1000",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as chrome:
        chrome.set_script_timeout(60)
        chrome.set_page_load_timeout(60)
        yield chrome
