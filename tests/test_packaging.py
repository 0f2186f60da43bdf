"""pyproject.toml, constraints.txt and environment.yml agree, with each other and with what is installed."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from book import build
from book.publishing import BRANCH

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# What `make` installs; the peers are a target of their own.
INSTALLED_EXTRAS = {"notebooks", "book", "test", "pipeline", "cluster"}


def constraints() -> list[Requirement]:
    lines = (REPOSITORY / "constraints.txt").read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def pins() -> dict[str, Version]:
    """Each constraint's exact version, by normalised name."""
    return {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in constraints()}


def named_requirements() -> list[tuple[str, Requirement]]:
    """Every dependency that pyproject.toml names, with its group."""
    groups = {"dependencies": PROJECT["dependencies"], **EXTRAS}
    return [(group, Requirement(line)) for group, lines in groups.items() for line in lines]


def installed() -> dict[str, metadata.Distribution]:
    return {canonicalize_name(found.metadata["Name"]): found for found in metadata.distributions()}


@pytest.mark.parametrize("pin", constraints(), ids=str)
def test_a_constraint_is_one_exact_public_version(pin: Requirement) -> None:
    (specifier,) = pin.specifier
    assert specifier.operator == "=="
    assert "*" not in specifier.version
    assert Version(specifier.version).local is None, "a local version exists in no public registry"
    assert pin.url is None and pin.marker is None


def test_no_package_is_pinned_twice() -> None:
    assert len(pins()) == len(constraints())


@pytest.mark.parametrize(("group", "requirement"), named_requirements(), ids=str)
def test_every_named_dependency_is_pinned_to_a_version_it_admits(group: str, requirement: Requirement) -> None:
    version = pins().get(canonicalize_name(requirement.name))
    assert version is not None, f"{requirement.name} of {group} is missing in constraints.txt"
    assert version in requirement.specifier


def test_what_the_pinned_packages_need_is_pinned_too() -> None:
    pinned, present = pins(), installed()
    missing = set()
    for name in pinned.keys() & present.keys():
        for line in present[name].requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                missing.update({canonicalize_name(needed.name)} - pinned.keys())
    assert not missing


def test_every_pin_admits_the_first_python_that_the_project_admits() -> None:
    first = min(specifier.version for specifier in SpecifierSet(PROJECT["requires-python"]))
    refused = {
        name: str(found.metadata["Requires-Python"])
        for name, found in installed().items()
        if name in pins() and first not in SpecifierSet(found.metadata["Requires-Python"] or "")
    }
    assert not refused


def test_the_running_environment_has_the_pinned_versions() -> None:
    present = {name: Version(found.version).public for name, found in installed().items()}
    different = {
        name: f"installed {present[name]}, pinned {version}"
        for name, version in pins().items()
        if name in present and present[name] != version.public
    }
    assert not different


def test_the_running_environment_has_all_that_make_installs() -> None:
    wanted = {
        canonicalize_name(requirement.name)
        for group, requirement in named_requirements()
        if group in INSTALLED_EXTRAS | {"dependencies"}
    }
    assert wanted <= installed().keys()


def test_conda_installs_the_package_with_its_extras_through_the_constraints() -> None:
    *packages, by_pip = yaml.safe_load((REPOSITORY / "environment.yml").read_text("utf-8"))["dependencies"]
    assert "pip" in packages
    constraint, package = by_pip["pip"]
    assert constraint == "-c constraints.txt"
    assert package.startswith("-e .")
    assert Requirement(f"{PROJECT['name']}{package.removeprefix('-e .')}").extras == INSTALLED_EXTRAS


def test_one_python_everywhere() -> None:
    packages = yaml.safe_load((REPOSITORY / "environment.yml").read_text("utf-8"))["dependencies"]
    (python,) = (line.removeprefix("python=") for line in packages if str(line).startswith("python="))
    assert python in SpecifierSet(PROJECT["requires-python"])
    assert python == f"{sys.version_info.major}.{sys.version_info.minor}", "the pins are those of conda's Python"


WORKFLOW = REPOSITORY / ".github" / "workflows" / "check.yml"


def test_the_workflow_runs_on_every_push_and_every_week() -> None:
    triggers = yaml.safe_load(WORKFLOW.read_text("utf-8"))[True]  # YAML reads the key `on` so
    assert "push" in triggers
    ((minute, hour, day, month, weekday),) = (entry["cron"].split() for entry in triggers["schedule"])
    assert (day, month) == ("*", "*") and weekday.isdigit() and hour.isdigit() and minute.isdigit()


def test_what_the_workflow_calls_exists() -> None:
    job = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]["check"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands
    for command in commands:
        file = REPOSITORY / command.split()[0]
        assert file.stat().st_mode & 0o100, f"{file.name} is not executable"
    (python,) = (step["with"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
    assert python["python-version"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (REPOSITORY / python["cache-dependency-path"]).is_file()
    targets = set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE))
    called = set(re.findall(r"\bmake (\w+)(?= &&|;)", (REPOSITORY / ".ci" / "run").read_text("utf-8")))
    assert called == {"test", "book"} & targets


def test_the_workflow_publishes_from_the_main_branch_what_has_passed() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    check, publish = workflow["jobs"]["check"], workflow["jobs"]["publish"]
    order = [step.get("uses", step.get("run", "")).partition("@")[0] for step in check["steps"]]
    assert order.index("actions/upload-pages-artifact") > order.index(".ci/run")
    (upload,) = (step for step in check["steps"] if "upload-pages-artifact" in step.get("uses", ""))
    assert upload["with"]["path"] == build.HTML.relative_to(REPOSITORY).as_posix()
    assert publish["needs"] == "check"
    assert upload["if"] == publish["if"]
    assert f"github.ref == 'refs/heads/{BRANCH}'" in publish["if"]
    assert workflow["permissions"] == {"contents": "read"} and "permissions" not in check
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}  # what deploy-pages needs, and no more


def test_the_containers_start_from_pytorch_without_cuda_and_from_what_make_knows() -> None:
    container = REPOSITORY / ".devcontainer"
    described = json.loads((container / "devcontainer.json").read_text("utf-8"))
    program, *targets = described["postCreateCommand"].split()
    assert program == "make"
    assert set(targets) <= set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE))
    image = (container / described["build"]["dockerfile"]).read_text("utf-8")
    assert re.findall(r"^FROM python:([\d.]+)", image, re.MULTILINE) == [
        f"{sys.version_info.major}.{sys.version_info.minor}"
    ]
    tools = re.findall(r"\w+:([\w-]+)", (REPOSITORY / ".ci" / "run").read_text("utf-8").partition("for tool in ")[2])
    assert {tool for tool in tools if tool != "make"} <= set(image.split())
    index = re.findall(r"PIP_EXTRA_INDEX_URL=(\S+)", image)
    assert index == re.findall(r"PIP_EXTRA_INDEX_URL=(\S+)", (REPOSITORY / "binder" / "postBuild").read_text("utf-8"))
    assert len(index) == 1 and index[0].endswith("/cpu")


@pytest.mark.parametrize(
    ("schema", "file"),
    [("citation-file-format", "CITATION.cff"), ("github-workflows", ".github/workflows/check.yml")],
)
def test_a_file_for_another_program_is_what_that_expects(schema: str, file: str, tmp_path: Path) -> None:
    def valid(path: Path) -> bool:
        check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
        return subprocess.run(check, capture_output=True, check=False).returncode == 0

    text = (REPOSITORY / file).read_text("utf-8")
    assert valid(REPOSITORY / file)
    (broken := tmp_path / Path(file).name).write_text(f"{text}\nsurely-unknown: 1\n", "utf-8")
    assert not valid(broken)
