"""Where the book is published, which the environment of the build tells, and what follows from it.

GitHub Actions names the repository in `$GITHUB_REPOSITORY`.  From that follow the book's address on GitHub Pages and
every link to the repository; elsewhere the book has neither, and nothing that needs them is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

BRANCH = "main"
GITHUB = "https://github.com"


class SiteError(Exception):
    """What keeps the book from being built for a site, in a sentence."""


class Site(NamedTuple):
    """A repository on GitHub, and the book that GitHub Pages serves for it."""

    owner: str
    name: str

    @property
    def repository(self) -> str:
        """The repository's address.

        >>> Site("Owner", "book").repository
        'https://github.com/Owner/book'
        """
        return f"{GITHUB}/{self.owner}/{self.name}"

    @property
    def address(self) -> str:
        """The book's address, without a slash at its end.

        >>> Site("Owner", "book").address, Site("Owner", "owner.github.io").address
        ('https://owner.github.io/book', 'https://owner.github.io')
        """
        host = f"{self.owner.lower()}.github.io"
        return f"https://{host}" if self.name.lower() == host else f"https://{host}/{self.name}"


def site(environment: Mapping[str, str]) -> Site | None:
    """The site that a build is for; None outside of GitHub, and on a server of GitHub's that is not the public one.

    Raises `SiteError` where the repository is not named as GitHub names one.

    >>> site({"GITHUB_REPOSITORY": "owner/book", "GITHUB_SERVER_URL": "https://github.com"})
    Site(owner='owner', name='book')
    >>> site({}), site({"GITHUB_REPOSITORY": "owner/book", "GITHUB_SERVER_URL": "https://github.example.org"})
    (None, None)
    """
    repository = environment.get("GITHUB_REPOSITORY", "")
    if not repository or environment.get("GITHUB_SERVER_URL", GITHUB) != GITHUB:
        return None
    if not (match := re.fullmatch(r"([\w-]+)/([\w.-]+)", repository)):
        raise SiteError(f"GITHUB_REPOSITORY must be as in owner/name, not {repository!r}")
    return Site(*match.groups())


def configured(config: Mapping[str, Any], site: Site) -> dict[str, Any]:
    """Jupyter Book's configuration with the site's address, its repository and its buttons."""
    buttons = {f"use_{button}_button": True for button in ("repository", "edit_page", "issues")}
    return {
        **config,
        "repository": {"url": site.repository, "branch": BRANCH},
        "html": {**config["html"], **buttons, "baseurl": f"{site.address}/"},
        "launch_buttons": {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        },
    }
