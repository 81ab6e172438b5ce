"""Makes the environment in which datatrove 0.10.1 runs: it pins an old trafilatura and a fasttext that clashes with ours.

    python tests/benchmarks/peers/environment.py [DIRECTORY]

DIRECTORY is `.venv-peers` beside the project unless said otherwise. Nothing is done where the environment is there
already. About 700 MB, no torch. `make bench` calls this, `make install` never does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"


def directory() -> Path:
    """Where the environment is, or would be: PAGELOOM_PEERS or `.venv-peers` beside the project."""
    return Path(os.environ.get("PAGELOOM_PEERS") or HERE.parents[2] / ".venv-peers")


def python(place: Path) -> Path | None:
    """The interpreter of a finished environment with today's requirements, None where there is none."""
    mark = place / "requirements.txt"
    return place / "bin/python" if mark.exists() and mark.read_bytes() == REQUIREMENTS.read_bytes() else None


def make(place: Path) -> Path:
    """The interpreter, after installing what is missing. Raises CalledProcessError where pip fails."""
    if found := python(place):
        return found
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    interpreter = place / "bin/python"
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Everything is pinned: resolving again would let another package's newest release bring a CUDA build along.
    subprocess.run([*pip, "--no-deps", "-r", str(REQUIREMENTS)], check=True)
    (place / "requirements.txt").write_bytes(REQUIREMENTS.read_bytes())
    return interpreter


if __name__ == "__main__":
    print(make(Path(sys.argv[1]) if len(sys.argv) > 1 else directory()))
