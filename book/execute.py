"""Run a command, and the notebooks that it executes, in an environment that does not depend on who runs it.

    python -m book.execute papermill notebooks/01_coding.ipynb out.ipynb

A backend of matplotlib that is set in a shell draws figures nowhere, `python -O` leaves assertions out, start-up files
and configurations of IPython and Jupyter run code of their own: none of them may change what the book says.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / "_build"
# What changes how Python, its notebooks and its figures behave, but for where its modules and caches are.
DROPPED = ("PYTHON", "IPYTHON", "JUPYTER", "MPL", "MATPLOTLIB", "OMP_", "MKL_", "LC_", "LANG", "COLUMNS", "LINES")
KEPT = ("PYTHONPATH", "MPLCONFIGDIR")
SET = {
    "PYTHONUTF8": "1",  # in whatever locale
    "MATPLOTLIBRC": os.devnull,  # matplotlib's own defaults
    "IPYTHONDIR": str(BUILD / "ipython"),  # with neither a profile nor start-up files
    "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel, not one of the same name elsewhere
    "OMP_NUM_THREADS": "1",  # notebooks run side by side
    "OMP_WAIT_POLICY": "passive",
}


def environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of an execution, from those of whoever starts it.

    >>> sorted(environment({"MPLBACKEND": "Agg", "HOME": "/home"}).keys() - SET.keys())
    ['HOME']
    """
    kept = {name: value for name, value in given.items() if name in KEPT or not name.startswith(DROPPED)}
    return {**kept, **SET}


if __name__ == "__main__":
    os.execvpe(sys.argv[1], sys.argv[1:], environment())
