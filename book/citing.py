"""How to cite the paper and this companion, for people and for programs, from CITATION.cff."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from book.publishing import Site

Citation = Mapping[str, Any]  # CITATION.cff, as YAML reads it
KEYS = {"paper": "yang2024tqttfs", "companion": "tqttfs_lite"}
SPDX = "https://spdx.org/licenses"


def bibtex(citation: Citation, year: str, site: Site | None, commit: str) -> str:
    """BibTeX entries of the paper and of the companion, which has an address where it has a site.

    `commit` is as of `experiment.made`.
    """
    version = f"version {citation['version']}" + (f", commit {commit[:12]}" if commit != "unknown" else "")
    (paper,) = citation["references"]
    entries = [
        _entry(
            "inproceedings",
            KEYS["paper"],
            author=authors(paper),
            title=paper["title"],
            booktitle=paper["collection-title"],
            pages=f"{paper['start']}--{paper['end']}",
            year=paper["year"],
            doi=paper["doi"],
        ),
        _entry(
            "misc",
            KEYS["companion"],
            author=authors(citation),
            title=citation["title"],
            note=f"Software, {version}",
            year=year,
            url=site.address if site else "",
        ),
    ]
    return "\n\n".join(entries)


def authors(work: Citation) -> str:
    """The authors of a work as BibTeX has them.

    >>> authors({"authors": [{"family-names": "Yang", "given-names": "Yuxuan"}, {"name": "The authors"}]})
    'Yang, Yuxuan and {The authors}'
    """
    names = (
        f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
        for author in work["authors"]
    )
    return " and ".join(names)


def _entry(kind: str, key: str, **fields: Any) -> str:
    """One BibTeX entry without its empty fields; a title keeps its capitals."""
    lines = [
        f"  {name:<9} = {{{{{value}}}}}," if name == "title" else f"  {name:<9} = {{{value}}},"
        for name, value in fields.items()
        if value
    ]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


# What is beside the pages, for whoever takes the published book as data: its path and what it is.
PARTS = {
    "claims.json": "What the slides claim, what was measured here, and the verdict, claim by claim",
    "data/results/": "One result file per trained network",
    "data/answers/": "The trained networks' answers to each test image",
    "data/dials/": "Counts of trained networks at other output thresholds",
    "data/search/": "The trials that chose the settings and those of random searches, scored on validation images",
    "data/anytime/": "What conventional networks that are given the step can know after each step",
    "data/conventional/": "Networks of the same shapes that do not spike",
    "data/fixed_point/": "Trained networks with weights of few bits",
    "data/rankings/": "What searches for quantization degrees counted on the validation images",
    "data/benchmarks/": "Speed measurements",
    "data/paper/": "The tables of the paper's slides and of other works",
}


def ro_crate(citation: Citation, site: Site | None, built: datetime) -> dict[str, Any]:
    """The published book as an RO-Crate 1.1 (https://w3id.org/ro/crate/1.1), for ro-crate-metadata.json."""
    (paper,) = citation["references"]
    (author,) = citation["authors"]
    licence, cited = f"{SPDX}/{citation['license']}", f"https://doi.org/{paper['doi']}"
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": citation["title"],
        "description": citation["abstract"],
        "datePublished": f"{built:%Y-%m-%d}",
        "version": citation["version"],
        "keywords": ", ".join(citation["keywords"]),
        "license": {"@id": licence},
        "author": {"@id": "#authors"},
        "citation": {"@id": cited},
        "hasPart": [{"@id": part} for part in PARTS],
    }
    if site:
        root |= {"url": site.address, "isBasedOn": {"@id": site.repository}}
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [
            {
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
                "about": {"@id": "./"},
            },
            root,
            {"@id": "#authors", "@type": "Organization", "name": author["name"]},
            {"@id": licence, "@type": "CreativeWork", "name": f"{citation['license']} licence"},
            {"@id": cited, "@type": "ScholarlyArticle", "name": paper["title"]},
            *(
                {"@id": part, "@type": "Dataset" if part.endswith("/") else "File", "name": name}
                for part, name in PARTS.items()
            ),
            *([{"@id": site.repository, "@type": "SoftwareSourceCode", "name": citation["title"]}] if site else []),
        ],
    }
