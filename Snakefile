# The whole work as one graph: data sets -> trainings with their results -> executed notebooks -> the book.
# `make results`, `make book` and `tqttfs study FILE` call it; profiles/default holds the options of all three.
#
# After kill -9 the same call goes on.  A training writes its files whole or not at all, and holds a lock of its own that
# ends with it; what Snakemake has noted as unfinished it runs again, where a training goes on or finds its result.

import json
import os
import re
import shlex
import sys
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from snakemake.exceptions import WorkflowError

from tqttfs_lite.experiments import anytime, conventional, datasets, paths, results, search, study
from tqttfs_lite.experiments.config import training_command
from tqttfs_lite.experiments.results import result_file
from tqttfs_lite.paper import reported


def here(path):
    """Seen from this folder where it is inside: its own name may have braces, which Snakemake takes for wildcards."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


DATA = here(paths.data_directory())
if re.search("[{}]", str(DATA)):
    raise WorkflowError(f"{DATA}: Snakemake takes braces for wildcards: name another folder in TQTTFS_DATA")
RELEASED = {here(result_file(c, released=True)): c for c in study.read(study.released_file())}
# A study of one's own takes a released result where there is one.
OWN = {
    here(result_file(c, released=result_file(c, released=True).exists())): c
    for c in (study.read(unquote(config["study"])) if "study" in config else [])
}
TRAININGS = RELEASED | OWN
# Where they are trained: on processors, with one process a core; on a GPU one process trains several side by side.
# --config devices=cuda:0,cuda:1 names this machine's, and devices=cuda the one that a cluster gives to each job.
DEVICES = str(config.get("devices", "cpu")).split(",")
ON_GPU = DEVICES != ["cpu"]
AT_ONCE = int(config.get("at_once", 8 if ON_GPU else 1))
# Now that all of them are known: reading a study also finds those of installed packages.
DATA_SETS = {name: [here(path) for path in kind.locations.values()] for name, kind in datasets.DATASETS.items()}


def missing(path):
    """Whether a job is to make it.

    What is there is a source and no job's output, so that no option of Snakemake deletes it.  In the process of one
    job another may have made it since it was planned; the job itself sees to that.
    """
    return not (workflow.is_main_process and path.exists())


STORED = [
    here(path)
    for folder in (paths.results_directory(), paths.checkpoints_directory(), paths.search_directory())
    + (paths.benchmarks_directory(), paths.paper_directory(), conventional.directory())
    + tuple(
        paths.data_directory() / kind
        for kind in (results.ANSWERS[0], results.DIALS[0], results.FIXED_POINT[0], anytime.FOLDER, search.FOLDER)
    )
    for path in sorted(folder.glob("[!.]*"))
]
ENVIRONMENT = [Path("pyproject.toml"), Path("constraints.txt")]
LIBRARY = [path for path in Path("tqttfs_lite").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
BOOK = [path for path in Path("book").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
TOLD = [Path("CITATION.cff"), Path("_build/verified.json")]  # in the book: how to cite it, and its last verification
EXECUTED = [Path("_build") / path for path in sorted(Path("notebooks").glob("*.ipynb"))]


@cache
def content(*files):
    """The SHA-256 sum of these files' names and contents.

    A file that is unpacked, copied, removed or taken from another folder may be older than what was made from the one
    before, so dates alone do not say what is to be made again.
    """
    lines = (f"{sha256(path.read_bytes()).hexdigest()} {path}" for path in sorted(files) if path.exists())
    return sha256("\n".join(lines).encode()).hexdigest()


def cells(notebook):
    """What an author wrote of a notebook: without its outputs, which `make notebooks` puts into it."""
    return [(cell["source"], cell["metadata"]) for cell in json.loads(Path(notebook).read_text("utf-8"))["cells"]]


# The commands of this Python's environment, whether it is activated or not.  A thread that waits leaves its core to
# others: where every core is taken, threads that spin until all are done slow an epoch from seconds to minutes.
shell.prefix(
    "export OMP_WAIT_POLICY=passive PATH={}:\"$PATH\"; ".format(
        re.sub("([{}])", r"\1\1", shlex.quote(str(Path(sys.executable).parent)))
    )
)


# Data sets and results are `local`: shared by all machines, and never copied to a storage of Snakemake's.


rule results:  # the released study
    input:
        local(list(RELEASED)),


rule study:  # one's own: snakemake study --config study=FILE
    input:
        local(list(OWN)),


rule notebooks:
    input:
        EXECUTED,


rule book:
    input:
        "_build/html/index.html",


def identifier(text):
    """A name for rules and resources."""
    return re.sub(r"\W", "_", text)


for name, files in DATA_SETS.items():
    if not any(map(missing, files)):
        continue

    rule:
        name:
            f"fetch_{identifier(name)}"
        output:
            local(update(files)),  # files that are right are kept
        params:
            name=name,
        localrule: True
        shell:
            "tqttfs data {params.name}"


def groups():
    """What one job trains: results in one folder that differ in the seed alone, so many at once.

    They do not depend on what is there already, since the process of a job looks later than the one that planned it.
    """
    rows = {}
    for path, c in TRAININGS.items():
        rows.setdefault((path.parent, replace(c, seed=0)), []).append(path)
    return [row[start : start + AT_ONCE] for row in rows.values() for start in range(0, len(row), AT_ONCE)]


def gpu(device):
    """What a job asks for besides memory and time: a GPU, and where several are named that one."""
    return {"gpu": 1, "gpu_manufacturer": "nvidia"} | ({identifier(device): 1} if DEVICES[1:] else {})


# One job at a time on each GPU.  --resources gpu=100 says that a cluster has so many.
for name, most in {"gpu": len(DEVICES), **{identifier(device): 1 for device in DEVICES}}.items() if ON_GPU else ():
    workflow.global_resources.setdefault(name, most)


for number, group in enumerate(groups()):
    if not any(map(missing, group)):
        continue
    first, device = group[0], DEVICES[number % len(DEVICES)]

    rule:
        name:
            f"train_{identifier(first.stem)}"
        # A stored result needs no data: in a fresh clone, where these are still to be fetched, nothing is trained
        # again.  It does not depend on the library either: what a result was made by is written in it, and
        # `tqttfs verify` judges.
        input:
            [] if all(path.exists() for path in group) else local(DATA_SETS[TRAININGS[first].dataset]),
        output:
            # Not deleted before the job: another process may have made it since.  Its weights are no output, since of
            # released results git keeps them for the first seed only.
            local(update([path for path in group if missing(path)])),
        log:
            f"_build/logs/{first.parent.name}/{first.stem}.log",
        params:
            # Of what is there it reads the result.
            command=training_command(
                TRAININGS[first],
                *["--release"] * (first.parent.name == "results"),
                f"--device {device}",
                seeds=[TRAININGS[path].seed for path in group],
            ),
        threads: 1  # with one thread for each, jobs share the cores; Snakemake tells OpenMP
        # For a cluster.  On a processor the largest released training took 1.3 GB and an hour, and Snakemake beside it
        # half a GB.
        resources:
            mem_mb=8000 if ON_GPU else 2500,
            runtime=240,  # minutes
            **(gpu(device) if ON_GPU else {}),
        shell:
            # A line an epoch, on the screen and in the log; the score is in the result file.
            "{params.command} 2>&1 > /dev/null | tee {log:q} >&2"


rule notebook:
    input:
        STORED,
        LIBRARY,
        ENVIRONMENT,
        list(RELEASED),
        [ancient(file) for name in reported.ACCURACY for file in DATA_SETS[name]],  # the notebooks' data sets
        notebook="notebooks/{name}.ipynb",
    output:
        "_build/notebooks/{name}.ipynb",
    params:
        made_from=lambda wildcards: (
            content(*STORED, *LIBRARY, *ENVIRONMENT, *RELEASED, Path("book/execute.py")),
            cells(f"notebooks/{wildcards.name}.ipynb"),
        ),
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        # In its own folder, as in Jupyter.
        "python -m book.execute papermill --cwd notebooks --kernel python3 --no-progress-bar {input.notebook} {output}"


rule book_pages:
    input:
        EXECUTED,
        BOOK,
        STORED,
        ENVIRONMENT,
    output:
        "_build/html/index.html",
    params:
        made_from=lambda wildcards: content(*BOOK, *STORED, *LIBRARY, *ENVIRONMENT, *TOLD),
        site=[os.environ.get(name, "") for name in ("GITHUB_REPOSITORY", "GITHUB_SERVER_URL")],  # whose links it has
    localrule: True
    shell:
        "python -m book.build"
