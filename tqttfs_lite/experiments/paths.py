"""The locations of files: the data folder and its subfolders, and the data that come with the package."""

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parent  # the checkout or, if the package was installed without one, the folder that contains it


def data_directory() -> Path:
    """The folder for data sets, checkpoints and results.

    It is `$TQTTFS_DATA` if that is set, otherwise `data/` in the checkout that the package or the command runs from.
    Without a checkout, it is the operating system's folder for user data.
    """
    if named := os.environ.get("TQTTFS_DATA"):
        return Path(named).expanduser().absolute()  # YAML and .env files do not expand a tilde
    if checkout := next(filter(_is_checkout, (REPOSITORY, Path.cwd(), *Path.cwd().parents)), None):
        return checkout / "data"
    return Path(platformdirs.user_data_dir("tqttfs-lite", appauthor=False))


def _is_checkout(folder: Path) -> bool:
    return (folder / "tqttfs_lite" / "__init__.py").is_file() and (folder / "data" / "results").is_dir()


def raw_directory() -> Path:
    """The published data sets, which is torchvision's root folder; ignored by git."""
    return data_directory() / "raw"


def runs_directory() -> Path:
    """Your own trainings, unfinished ones and those whose results are not released; ignored by git."""
    return data_directory() / "runs"


def checkpoints_directory() -> Path:
    """The released weights, `<experiment>.safetensors`."""
    return data_directory() / "checkpoints"


def results_directory() -> Path:
    """The released numbers, `<experiment>.json`."""
    return data_directory() / "results"


def search_directory() -> Path:
    """Trials, which were scored on the validation images and never on the test set, `<experiment>.json`."""
    return data_directory() / "search"


def benchmarks_directory() -> Path:
    """The measurements of `make bench`; always in the repository, even if `$TQTTFS_DATA` is set."""
    return REPOSITORY / "data" / "benchmarks"


def paper_directory() -> Path:
    """The paper's tables as CSV, which come with the package."""
    return PACKAGE / "paper" / "tables"
