"""What a build shows of the repository that it is for, by the environment that it runs in."""

import json
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from book import build, publishing
from book.publishing import Site

GITHUB = {"GITHUB_REPOSITORY": "Owner/book", "GITHUB_SERVER_URL": "https://github.com"}
CONFIG = yaml.safe_load((build.REPOSITORY / "book" / "_config.yml").read_text("utf-8"))


@pytest.mark.parametrize("repository", ["book", "owner/", "owner/book/more", "owner/two words"])
def test_a_name_that_github_would_not_give_stops_the_build(repository: str) -> None:
    with pytest.raises(publishing.SiteError, match="must be as in owner/name"):
        publishing.site({"GITHUB_REPOSITORY": repository})


def test_the_configuration_has_address_repository_and_buttons_of_the_site_alone() -> None:
    site = publishing.site(GITHUB)
    assert site is not None
    configured = publishing.configured(CONFIG, site)
    assert configured["html"]["baseurl"] == "https://owner.github.io/book/"
    assert configured["repository"]["url"] == "https://github.com/Owner/book"
    assert "http" not in json.dumps(CONFIG), "without a site nothing leads there"
    assert not publishing.site({})
    kept = ("title", "author", "execute", "parse", "sphinx")
    assert {key: configured[key] for key in kept} == {key: CONFIG[key] for key in kept}


@pytest.mark.parametrize("site", [None, Site("owner", "book")])
def test_the_front_page_has_the_preview_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site | None
) -> None:
    monkeypatch.setattr(build, "HTML", tmp_path)
    (tmp_path / "book").mkdir()
    page = "<html><head><title>A</title></head><article><section><h1>A</h1><p>B.</p></section></article></html>"
    for file in ("index.html", "book/intro.html"):
        (tmp_path / file).write_text(page, "utf-8")
    build.finish_html("book/intro", site)
    written = [(tmp_path / file).read_text("utf-8") for file in ("index.html", "book/intro.html")]
    ours, theirs = (
        [tag["content"] for tag in BeautifulSoup(text, "html.parser").select("meta[property]")] for text in written
    )
    assert ours == theirs
    addresses = ["https://owner.github.io/book/book/intro.html", f"https://owner.github.io/book/{build.PREVIEW}"]
    assert [text for text in ours if "/" in text] == (addresses if site else [])
