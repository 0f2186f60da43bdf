"""What a stranger gets: the public names, and a wheel that works in any folder without the extras."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tqttfs_lite
from tqttfs_lite.cli import COMMANDS, LEVELS
from tqttfs_lite.experiments import paths
from tqttfs_lite.paper import verification


def test_the_public_names_are_there_and_documented() -> None:
    assert set(tqttfs_lite.__all__) == set(tqttfs_lite._HOMES) <= set(dir(tqttfs_lite))
    for name in tqttfs_lite.__all__:
        assert getattr(tqttfs_lite, name).__doc__, name
    assert tqttfs_lite.__version__
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = tqttfs_lite.trian


def test_help_is_told_before_anything_large_is_imported() -> None:
    script = "import sys; from tqttfs_lite.cli import _parser; _parser(['--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=paths.REPOSITORY
    )
    assert not {"torch", "pandas", "numpy", "torchvision", "matplotlib"} & set(done.stdout.split())
    assert LEVELS == verification.LEVELS


WRONG = """
encode(bytes_, 2.5)
encode(bytes_, "8")
encode([0, 255], 8)
tq_ttfs_neuron(S, W, q=2.5)
tq_ttfs_neuron(S, W, q=nan)
tq_ttfs_neuron(S, W, q=1, theta=nan)
tq_ttfs_neuron(S, W, q=1, theta=inf)
tq_ttfs_neuron(S[:, 0], W, q=1)
tq_ttfs_neuron(S, W.T, q=1)
register("no record")
Neuron(theta=nan)
Neuron(theta=-1.0)
Architecture.parse(784)
Architecture((28.0, 28), (Linear(10),))
Architecture((nan,), (Linear(10),))
Architecture((784,), (Linear(10, 2.5),))
Architecture((784,), (Linear(10, nan),))
Architecture.parse("64-10").with_quantization(2)
recipe(784, "mnist", 8)
SpikingNetwork(image, 8, pooling="Max")
SpikingNetwork(image, 8, dropout=nan)
SpikingNetwork(image, 2.5)
network(bytes_.float())
infer(network, bytes_)
infer(network, encode(bytes_, 16))
decode(V, (V > 1).float(), (0, 1), 2)
decode(V, V > 1, (1,), 2)
decode(V, V[:1] > 1, (0, 1), 2)
evaluate(network, bytes_, torch.tensor([10]))
evaluate(network, bytes_, torch.tensor([1, 2]))
evaluate(network, bytes_, torch.tensor([1.0]))
evaluate(network, bytes_[:0], torch.tensor([], dtype=torch.int64))
"""


def test_the_public_functions_refuse_what_they_would_be_wrong_about() -> None:
    """In a process of its own, since the types that are checked in tests are not checked elsewhere."""
    script = f"""
from math import inf, nan
import torch
from tqttfs_lite import *
from tqttfs_lite.experiments.datasets import register
from tqttfs_lite.spiking.neuron import Neuron
from tqttfs_lite.spiking.notation import Linear
image = Architecture.parse("8x8-2C3-P2-10")
network = SpikingNetwork(image, 8)
bytes_ = torch.zeros(1, 8, 8, dtype=torch.uint8)
bytes_[0, 0, 0] = 255
S, W, V = torch.zeros(4, 1, 3), torch.ones(2, 3), torch.rand(2, 3, 4)
assert evaluate(network, bytes_, torch.tensor([9])).images == 1
for line in {WRONG.split(chr(10))[1:-1]!r}:
    try:
        eval(line)
    except TqttfsError:
        continue
    except Exception as error:
        print(line, "raises", repr(error))
    else:
        print(line, "passes")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since a build leaves files that the next one would pack."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(paths.PACKAGE, folder / "source" / paths.PACKAGE.name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(paths.REPOSITORY / name, folder / "source")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), "."]
    subprocess.run(command, check=True, cwd=folder / "source", capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> dict[str, str]:
    """An environment with the wheel, in which the extras cannot be imported, and a home without data."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    extras = ("IPython", "matplotlib", "papermill", "snakemake", "jupyter_book")
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in extras)
    )
    (tmp_path / "elsewhere").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TQTTFS", "PYTHON"))}
    return kept | {
        "PYTHONPATH": str(tmp_path / "site"),
        "XDG_DATA_HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": "1",
    }


def tqttfs(*words: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tqttfs_lite.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder / "elsewhere")


def test_the_wheel_trains_and_evaluates_in_any_folder(installed: dict[str, str], tmp_path: Path) -> None:
    home = tmp_path / "home" / "tqttfs-lite"
    network = ["64-16(1)-10(2)", "--dataset", "digits", "--time-steps", "4", "--epochs", "1"]
    others = (["train", text, *network[1:]] for text in ("64-16-10", "8x8-8C3-P2-10"))
    for words in (["data", "digits"], ["train", *network], *others):
        done = tqttfs(*words, environment=installed, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    trained = sorted((home / "runs").glob("*.json"))
    assert len(trained) == 3
    quantized = next(str(path) for path in trained if "q1-2" in path.name)
    for words in (["evaluate", quantized], ["dial", quantized], ["energy", quantized]):
        done = tqttfs(*words, environment=installed, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    study = tmp_path / "study.yml"
    study.write_text(
        "- {dataset: digits, time_steps: 4, architectures: [8x8-16-10], degrees: [1-1, 1-2], seeds: [0],"
        " settings: {epochs: 1}}\n"
    )
    done = tqttfs("study", str(study), environment=installed, folder=tmp_path)
    assert done.returncode == 0 and "64-16(1)-10(2)" in done.stdout, done.stderr
    assert len(list((home / "runs").glob("*.json"))) == 3  # the same networks, trained before


def test_a_mistake_is_one_sentence_and_a_defect_keeps_its_traceback(installed: dict[str, str], tmp_path: Path) -> None:
    for words, told in (
        (["evaluate", "nothing.safetensors"], "does not exist"),
        (["train", "784-16-10", "--dataset", "mnist", "--time-steps", "0"], "must be greater than or equal to 1"),
        (["study", "nothing.yml"], "cannot be read"),
    ):
        done = tqttfs(*words, environment=installed, folder=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert done.stderr.startswith("tqttfs: ") and told in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    from tqttfs_lite.cli import main

    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert COMMANDS[command][0].split(",")[0] in " ".join(capsys.readouterr().out.split())
