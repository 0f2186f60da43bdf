# The whole work as one graph: data sets -> trainings with their results -> executed notebooks -> the book.
# `make results`, `make book` and `tqttfs study FILE` call it; profiles/default holds the options of all three.
#
# After kill -9 the same call goes on.  A training writes its files whole or not at all, and holds a lock of its own that
# ends with it; what Snakemake has noted as unfinished it runs again, where a training goes on or finds its result.

import json
import re
import shlex
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from snakemake.exceptions import WorkflowError

from tqttfs_lite.experiments import anytime, datasets, paths, results, study
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
    + (paths.benchmarks_directory(), paths.paper_directory())
    + tuple(paths.data_directory() / kind for kind in (results.ANSWERS[0], results.DIALS[0], anytime.FOLDER))
    for path in sorted(folder.glob("[!.]*"))
]
ENVIRONMENT = [Path("pyproject.toml"), Path("constraints.txt")]
LIBRARY = [path for path in Path("tqttfs_lite").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
BOOK = [path for path in Path("book").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
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


for name, files in DATA_SETS.items():
    if not any(map(missing, files)):
        continue

    rule:
        name:
            f"fetch_{name.replace('-', '_')}"
        output:
            local(update(files)),  # files that are right are kept
        params:
            name=name,
        localrule: True
        shell:
            "tqttfs data {params.name}"


def data_of(wildcards):
    path = DATA / wildcards.place / f"{wildcards.name}.json"
    return [] if path.exists() else local(DATA_SETS[TRAININGS[path].dataset])


rule train:
    # A stored result needs no data: in a fresh clone, where these are still to be fetched, nothing is trained again.
    # It does not depend on the library either: what a result was made by is written in it, and `tqttfs verify` judges.
    input:
        data_of,
    output:
        # Not deleted before the job: another process may have made it since.  Its weights are no output, since of
        # released results git keeps them for the first seed only.
        local(update(f"{DATA}/{{place,results|runs}}/{{name}}.json")),
    wildcard_constraints:
        name="|".join(re.escape(path.stem) for path in TRAININGS if missing(path)) or "(?!)",
    log:
        "_build/logs/{place}/{name}.log",
    params:
        command=lambda wildcards, output: training_command(
            TRAININGS[Path(output[0])], *["--release"] * (wildcards.place == "results"), "--device cpu"
        ),
    threads: 1  # with one thread for each, jobs share the cores; Snakemake tells OpenMP
    # For a cluster.  The largest released training took 1.3 GB and an hour, and Snakemake beside it half a GB.
    # A GPU is not asked for: there one process trains several networks side by side, `tqttfs study --device cuda`.
    resources:
        mem_mb=2500,
        runtime=240,  # minutes
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
        made_from=lambda wildcards: content(*BOOK, *STORED, *LIBRARY, *ENVIRONMENT),
    localrule: True
    shell:
        "python -m book.build"
