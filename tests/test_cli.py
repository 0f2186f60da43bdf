"""The command as its users meet it: what it prints, what it leaves behind, its exit status."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tqttfs_lite import commands, files
from tqttfs_lite.cli import main
from tqttfs_lite.energy.models import BULK, CAUSAL, MEMORY, SLIDES, WITHOUT_ALPHA
from tqttfs_lite.errors import DatasetError
from tqttfs_lite.experiments import experiment, paths, results
from tqttfs_lite.experiments.config import RECIPES, TrainingConfig
from tqttfs_lite.experiments.datasets import load

TRAIN = ["train", "784-16(1)-10(2)", "--dataset", "mnist", "--time-steps", "4", "--epochs", "1", "--release"]


def test_train_stores_a_result_that_evaluate_and_verify_confirm(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(TRAIN) == 0
    (checkpoint,) = (home / "checkpoints").iterdir()
    (result_file,) = (home / "results").glob("*.json")
    assert "of 300 test images" in capsys.readouterr().out
    for command in (["evaluate", str(checkpoint)], ["evaluate", str(result_file)]):
        assert main(command) == 0
        assert "1 of 1 confirmed" in capsys.readouterr().out
    assert main(["verify"]) == 0
    assert "numbers confirmed" in capsys.readouterr().out
    monkeypatch.setattr(experiment, "train", lambda *_, **__: pytest.fail("it was trained before"))
    assert main(TRAIN) == 0


def test_an_option_that_a_command_does_not_know_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["energy", "a.safetensors", "--cores", "1"])
    assert "unrecognized arguments: --cores 1" in capsys.readouterr().err


def test_energy_is_told_against_the_unquantized_network(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(TRAIN)
    (checkpoint,) = (home / "checkpoints").iterdir()
    assert main(["energy", str(checkpoint)]) == 1
    assert "name one with --baseline" in capsys.readouterr().err
    main([TRAIN[0], "784-16-10", *TRAIN[2:-1]])
    assert main(["energy", str(checkpoint)]) == 0
    table = capsys.readouterr().out
    assert main(["energy", str(checkpoint), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["nanojoules"]) == {SLIDES, WITHOUT_ALPHA, CAUSAL, MEMORY, BULK} == set(report["evidence"])
    for accounting, layers in report["nanojoules"].items():
        assert accounting in table
        assert f"{sum(layers):.3f}" in table
    assert [layer["alpha"] for layer in report["layers"]] == [
        report["inference_time_steps"] / report["baseline_inference_time_steps"] / q for q in (1, 2)
    ]
    for layer, energy in zip(report["layers"], report["nanojoules"][MEMORY], strict=True):
        assert sum(layer["nanojoules_with_memory"].values()) == pytest.approx(energy)
    assert report["percent_saved_with_memory"]["by capacity, capped at 1 MB"] == report["percent_saved"][MEMORY]
    assert 0 < report["metrics"]["activation_sparsity"] < 1
    main([TRAIN[0], "784-17-10", *TRAIN[2:-1]])
    (other,) = (home / "runs").glob("*784-17-10*.json")
    assert main(["energy", str(checkpoint), "--baseline", str(other)]) == 1
    assert "differs in architecture" in capsys.readouterr().err
    assert main(["energy", str(checkpoint), "--baseline", str(checkpoint)]) == 1
    assert "differs in architecture" in capsys.readouterr().err

    model = home / "model.yml"
    model.write_text("addition_pj: 1.8\nweight_bytes: [65536, 8192]\n")
    assert main(["energy", str(checkpoint), "--model", str(model), "--json"]) == 0
    own = json.loads(capsys.readouterr().out)
    assert sum(own["nanojoules"][CAUSAL]) == pytest.approx(2 * sum(report["nanojoules"][CAUSAL]))
    assert [layer["memories"]["weights, bytes"] for layer in own["layers"]] == [65536, 8192]
    for wrong, said in (
        ("weight_bytes: [65536]", "2 sizes, one for each layer"),
        ("addition: 1", "unknown key addition"),
    ):
        model.write_text(wrong)
        assert main(["energy", str(checkpoint), "--model", str(model)]) == 1
        assert said in capsys.readouterr().err


def test_releasing_moves_a_result_of_ones_own(home: Path) -> None:
    assert main(TRAIN[:-1]) == 0
    (own,) = results.read_all(released=False)
    assert main(TRAIN) == 0
    (released,) = results.read_all()
    assert released == own and released.released and results.read_all(released=False) == []
    assert main(["verify"]) == 0


def test_what_a_kill_leaves_behind_is_no_result(home: Path) -> None:
    main(TRAIN)
    (path,) = (home / "results").glob("*.json")
    with pytest.raises(RuntimeError), files.atomic_write(path) as temporary:
        left = temporary.with_name(temporary.name)
        raise RuntimeError
    left.write_text("{")
    assert len(results.read_all()) == 1


def test_a_result_says_what_made_it(home: Path) -> None:
    main(TRAIN)
    (result,) = results.read_all()
    assert result.config == TrainingConfig("784-16(1)-10(2)", "mnist", 4, **{**RECIPES["mnist", "SMLP"], "epochs": 1})
    assert len(result.history) == 1 and result.seconds > 0
    assert result.made["torch"] == torch.__version__
    assert set(result.data_sha256) and len(result.checkpoint_sha256) == 64
    assert results.read(results.result_file(result.config, released=True)) == result


def test_a_result_of_ones_own_changes_nothing_released(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(TRAIN[:-1]) == 0
    assert results.read_all() == [] and len(results.read_all(released=False)) == 1
    (checkpoint,) = (home / "runs").glob("*.safetensors")
    assert main(["evaluate", str(checkpoint)]) == 0
    assert "1 of 1 confirmed" in capsys.readouterr().out


def test_a_damaged_checkpoint_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(TRAIN)
    (checkpoint,) = (home / "checkpoints").iterdir()
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert main(["evaluate", str(checkpoint)]) == 1
    assert "is corrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "784-4O0-10", "--dataset", "mnist", "--time-steps", "8"], "'-' and a layer"),
        (["train", "784-400(0)-10", "--dataset", "mnist", "--time-steps", "8"], "quantization degree"),
        (["train", "784-400-10", "--dataset", "mnist", "--time-steps", "0"], "greater than or equal to 1"),
        (["train", "784-400-10", "--dataset", "mnits", "--time-steps", "8"], "mnist, fashion-mnist"),
        (["train", "100-400-10", "--dataset", "mnist", "--time-steps", "8"], "does not fit mnist"),
        (["train", "784-400-10", "--dataset", "mnist", "--time-steps", "8", "--dropout", "2"], "dropout must be"),
        (["data", "cifar"], "mnist, fashion-mnist"),
        (["evaluate", "nowhere.safetensors"], "does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_a_non_zero_status(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("tqttfs: ") and words in error and "Traceback" not in error


def test_missing_data_says_how_to_fetch_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TQTTFS_DATA", str(tmp_path))
    assert main(TRAIN) == 1
    assert "run `tqttfs data mnist`" in capsys.readouterr().err
    with pytest.raises(DatasetError):
        load("mnist", "test")


def test_an_unknown_flag_or_command_ends_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["trian"], [*TRAIN, "--learnin-rate", "1"], ["train"], [*TRAIN, "--flip", "maybe"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert "usage: tqttfs" in capsys.readouterr().err


def test_an_interruption_says_that_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run_together", interrupted)
    assert main(TRAIN) == 130
    assert "resumes from its last completed epoch" in capsys.readouterr().err


@pytest.mark.data
def test_every_committed_result_is_whole_and_its_checkpoint_unchanged() -> None:
    """Names, hashes and sums; `tqttfs verify` counts the right answers again."""
    stored = results.read_all()
    assert stored
    for result in stored:
        assert result.test.images == 10_000
        if result.checkpoint.exists():
            if result.config.coding == "ttfs":
                experiment.trained_network(result)
            assert result.checkpoint.stat().st_size < 4 * 2**20


def test_what_is_named_is_what_is_read(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Other weights under the name of a released checkpoint are not taken for them, from whatever folder."""
    main(TRAIN)
    (checkpoint,) = (home / "checkpoints").iterdir()
    (result_file,) = (home / "results").glob("*.json")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    copy = elsewhere / checkpoint.name
    shutil.copy(checkpoint, copy)
    for command in ("evaluate", "dial"):
        assert main([command, str(copy)]) == 1  # there is no result beside it
    shutil.copy(result_file, elsewhere)
    assert main(["evaluate", str(copy)]) == main(["evaluate", str(elsewhere / result_file.name)]) == 0
    assert {path.suffix for path in elsewhere.rglob("*") if path.is_file()} == {".safetensors", ".json", ".npz"}
    assert main(["dial", str(copy)]) == main(["dial", str(copy)]) == 0  # measured, and then read
    assert (elsewhere / "dials" / result_file.name).exists()
    for content in (b"", bytes(copy.stat().st_size), checkpoint.read_bytes()[:-2] + b"zz"):
        copy.write_bytes(content)
        assert main(["evaluate", str(copy)]) == 1
    assert main(["evaluate", str(checkpoint)]) == 0


def test_a_checkpoint_and_its_result_may_lie_in_folders_of_their_own(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(TRAIN)
    elsewhere = tmp_path_factory.mktemp("copy")
    for folder in ("checkpoints", "results"):
        shutil.copytree(home / folder, elsewhere / folder)
        shutil.rmtree(home / folder)
    monkeypatch.chdir(elsewhere / "checkpoints")
    (name,) = Path().glob("*.safetensors")
    assert main(["evaluate", str(name)]) == 0


def test_the_commit_of_another_repository_is_not_taken_for_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where the project was unpacked from an archive inside somebody's repository."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True)
    (tmp_path / "unpacked").mkdir()
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path / "unpacked")
    assert experiment.made(torch.device("cpu"))["commit"] == "unknown"
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    assert len(str(experiment.made(torch.device("cpu"))["commit"])) == 40


def test_a_hook_of_another_repository_does_not_change_the_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """git sets GIT_DIR for what its hooks start."""
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    assert experiment.made(torch.device("cpu"))["commit"] == "unknown"
    git = ["git", "-C", str(tmp_path / "theirs"), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    (tmp_path / "theirs").mkdir()
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "theirs" / ".git"))
    assert experiment.made(torch.device("cpu"))["commit"] == "unknown"


@pytest.mark.parametrize("allocates", [lambda: torch.empty(2**60, dtype=torch.uint8), lambda: bytearray(2**60)])
def test_running_out_of_memory_is_one_sentence(
    allocates: Callable[[], object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "data", lambda options: allocates())
    assert main(["data"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tqttfs: out of memory: use a smaller batch_size") and "Traceback" not in error


def test_a_reader_that_wants_no_more_of_the_output_is_no_error(home: Path) -> None:
    released = str(paths.REPOSITORY / "data" / "study.yml")  # of which nothing is trained here, so it has much to print
    words = [sys.executable, "-m", "tqttfs_lite.cli", "study", "--commands", released]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout and run.stderr
        run.stdout.close()
        assert run.stderr.read() == ""
    assert run.returncode == 141


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "data", lambda options: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="size"):
        main(["data"])
