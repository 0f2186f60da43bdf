"""Where everything is: the data folder and its parts, and what comes with the package."""

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parent  # the checkout; where the package was installed without one, the folder that it lies in


def data_directory() -> Path:
    """The folder of data sets, checkpoints and results.

    `$TQTTFS_DATA` if it is set, else `data/` of the checkout: the one that the package runs from, or the one in which
    the command was called.  Without a checkout it is the user's data folder, as the operating system has it.
    """
    if named := os.environ.get("TQTTFS_DATA"):
        return Path(named).expanduser().absolute()  # a tilde is left as it is in YAML and .env files
    if checkout := next(filter(_is_checkout, (REPOSITORY, Path.cwd(), *Path.cwd().parents)), None):
        return checkout / "data"
    return Path(platformdirs.user_data_dir("tqttfs-lite", appauthor=False))


def _is_checkout(folder: Path) -> bool:
    return (folder / "tqttfs_lite" / "__init__.py").is_file() and (folder / "data" / "results").is_dir()


def raw_directory() -> Path:
    """The data sets as published, torchvision's root; ignored by git."""
    return data_directory() / "raw"


def runs_directory() -> Path:
    """Your own trainings, unfinished or with results that are not released; ignored by git."""
    return data_directory() / "runs"


def checkpoints_directory() -> Path:
    """The released weights, `<experiment>.safetensors`."""
    return data_directory() / "checkpoints"


def results_directory() -> Path:
    """The released numbers, `<experiment>.json`."""
    return data_directory() / "results"


def search_directory() -> Path:
    """Configurations that were tried on the validation images, `<experiment>.json`; none of them saw the test set."""
    return data_directory() / "search"


def benchmarks_directory() -> Path:
    """What `make bench` measured; always the repository's own, whatever `$TQTTFS_DATA` says."""
    return REPOSITORY / "data" / "benchmarks"


def paper_directory() -> Path:
    """The paper's tables as CSV, which come with the package."""
    return PACKAGE / "paper" / "tables"
