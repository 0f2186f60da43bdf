"""How to cite is what CITATION.cff says, and the metadata for programs has what its readers require."""

from datetime import UTC, datetime

import pytest
import yaml
from pybtex.database import Entry, Person, parse_file, parse_string

from book import author_year, build, citing
from book.publishing import Site
from tqttfs_lite.paper import reported

CITATION = yaml.safe_load((build.REPOSITORY / "CITATION.cff").read_text("utf-8"))
BIBLIOGRAPHY = parse_file(build.REPOSITORY / "book" / "references.bib").entries
SITE = Site("owner", "name")


def test_the_paper_is_cited_as_in_the_bibliography_and_the_companion_with_its_address() -> None:
    entries = parse_string(citing.bibtex(CITATION, "2026", SITE, "0123456789abcdef"), "bibtex").entries
    ours, theirs = entries[citing.KEYS["paper"]], BIBLIOGRAPHY[citing.KEYS["paper"]]
    assert {key: text.replace("{", "").replace("}", "") for key, text in ours.fields.items()} == {
        key: text.replace("{", "").replace("}", "") for key, text in theirs.fields.items()
    }
    assert ours.persons == theirs.persons
    companion = entries[citing.KEYS["companion"]]
    assert companion.fields["url"] == SITE.address
    assert str(companion.persons["author"][0]) == f"{{{CITATION['authors'][0]['name']}}}"
    assert companion.fields["note"].endswith(", commit 0123456789ab")
    elsewhere = parse_string(citing.bibtex(CITATION, "2026", None, "unknown"), "bibtex").entries["tqttfs_lite"].fields
    assert "url" not in elsewhere and "commit" not in elsewhere["note"]


@pytest.mark.parametrize("site", [None, SITE])
def test_the_crate_has_what_its_specification_requires(site: Site | None) -> None:
    crate = citing.ro_crate(CITATION, site, datetime(2026, 1, 2, tzinfo=UTC))
    assert crate["@context"] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["@type"] == "CreativeWork" and descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"]["@id"].startswith("https://w3id.org/ro/crate/")
    assert root["@type"] == "Dataset" and root["datePublished"] == "2026-01-02"
    assert all(root[key] for key in ("name", "description", "license"))
    assert {f"{folder}/" for folder in build.LINKED} <= citing.PARTS.keys()
    named = [value["@id"] for value in root.values() if isinstance(value, dict)]
    assert {*named, *(part["@id"] for part in root["hasPart"])} <= entities.keys()
    assert (SITE.repository in entities) == (site is not None)


def test_the_authors_part_of_a_codecheck_is_complete_but_for_orcids() -> None:
    """By the register's rules for version 2.0: CC-CFG-001 to 007, 014 to 019, 021 to 023, 027 and 028, CC-BUN-001."""
    text = (build.REPOSITORY / "codecheck.yml").read_text("utf-8")
    assert text.startswith("---\n")
    check = yaml.safe_load(text)
    assert check["version"] == "https://codecheck.org.uk/spec/config/2.0/"
    (paper,) = CITATION["references"]
    assert check["paper"]["title"] == paper["title"]
    assert check["paper"]["reference"] == f"https://doi.org/{paper['doi']}"
    names = [f"{author['given-names']} {author['family-names']}" for author in paper["authors"]]
    assert [author["name"] for author in check["paper"]["authors"]] == names
    assert all(item["comment"] and (build.REPOSITORY / item["file"]).is_file() for item in check["manifest"])
    assert not {"certificate", "codechecker", "report"} & check.keys(), "nobody has checked it yet"


def test_every_work_that_a_table_cites_is_in_the_bibliography() -> None:
    later = {row.key for row in (*reported.since_2024(), *reported.statements())}
    assert {*reported.literature_keys().values(), *later} <= BIBLIOGRAPHY.keys()
    slides = [row for dataset in reported.ACCURACY for row in reported.accuracy(dataset)]
    others = {row.model.split()[0].lower() for row in slides if row.reference != "this paper"}  # of "Hao et al.", hao
    assert [name for name in others if not any(name in key for key in BIBLIOGRAPHY)] == []


def test_entries_are_named_as_the_text_cites_them() -> None:
    def entry(*names: str) -> Entry:
        return Entry("misc", {"year": "2024"}, {"author": [Person(name) for name in names]})

    entries = [
        entry('G{\\"o}ltz, J.', "B, C.", "D, E."),
        entry("A, B.", "den Haag, C."),
        entry("A, B.", "den Haag, C."),
    ]
    labels = author_year.AuthorYearLabels().format_labels(entries)
    assert [*labels] == ["Göltz et al., 2024", "A and den Haag, 2024a", "A and den Haag, 2024b"]
