"""The paths module: where things lie, and files that are whole or not there."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from tqttfs_lite import files
from tqttfs_lite.experiments import paths


def test_everything_moves_with_the_environment_but_the_released_facts(monkeypatch, tmp_path):
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    assert paths.data_directory() == tmp_path
    assert paths.raw_directory() == tmp_path / "raw"
    assert paths.runs_directory() == tmp_path / "runs"
    assert paths.checkpoints_directory() == tmp_path / "checkpoints"
    assert paths.results_directory() == tmp_path / "results"
    assert paths.paper_directory() == paths.PACKAGE / "paper" / "tables"


@pytest.mark.parametrize("unset", [None, ""])
def test_the_repository_is_the_default(monkeypatch, unset):
    monkeypatch.delenv("TQTTFS_DATA", raising=False)
    if unset is not None:
        monkeypatch.setenv("TQTTFS_DATA", unset)
    assert paths.data_directory() == Path(__file__).resolve().parent.parent / "data"


def test_an_installed_package_uses_the_checkout_that_one_stands_in_or_the_users_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("TQTTFS_DATA", raising=False)
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path / "site-packages")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert paths.data_directory() == Path(platformdirs.user_data_dir("tqttfs-lite", appauthor=False))
    for folder in ("clone/tqttfs_lite", "clone/data/results", "clone/notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "clone/tqttfs_lite/__init__.py").touch()
    monkeypatch.chdir(tmp_path / "clone/notebooks")
    assert paths.data_directory() == tmp_path / "clone/data"


def test_a_relative_folder_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQTTFS_DATA", "elsewhere")
    assert paths.data_directory() == tmp_path / "elsewhere"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TQTTFS_DATA", "~/at home")  # as a file of settings has it, where no shell replaces the tilde
    assert paths.data_directory() == tmp_path / "at home"


def test_atomic_write_makes_the_folder_and_leaves_one_file(tmp_path):
    target = tmp_path / "new" / "result.json"
    with files.atomic_write(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".tmp"  # patterns like *.json do not find what a kill leaves behind
        temporary.write_text("42")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["result.json"]
    assert target.read_text() == "42"


def test_atomic_write_keeps_the_old_file_on_failure(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), files.atomic_write(target) as temporary:
        temporary.write_text("ne")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert target.read_text() == "old"


def test_a_full_disk_is_named_and_loses_nothing(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # the next larger file is more than there is room for
    try:
        with pytest.raises(OSError, match="too large") as failure, files.atomic_write(target) as temporary:
            temporary.write_bytes(bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(target) in str(failure.value)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert target.read_text() == "old"


def test_a_reader_keeps_the_old_file_whole(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with open(target) as reader:
        with files.atomic_write(target) as temporary:
            temporary.write_text("new")
        assert reader.read() == "old"  # replaced, not overwritten in place
    assert target.read_text() == "new"


def test_atomic_write_of_nothing_is_an_error(tmp_path):
    target = tmp_path / "result.json"
    with pytest.raises(FileNotFoundError), files.atomic_write(target):
        pass
    assert not target.exists()


def test_atomic_write_survives_a_kill(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    script = (
        "import sys, time; from tqttfs_lite.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=paths.REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)
    assert target.read_text() == "old"
    with files.atomic_write(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_two_processes_do_not_share_a_temporary_file(monkeypatch, tmp_path):
    target = tmp_path / "result.json"
    with files.atomic_write(target) as mine:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with files.atomic_write(target) as other:
            assert mine != other
            other.write_text("other")
        mine.write_text("mine")
    assert target.read_text() == "mine"
