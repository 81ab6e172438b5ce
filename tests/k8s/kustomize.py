"""kubectl's kustomize, offline: from the PATH where it knows components, else the one that comes with the dev packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).parents[2] / "k8s"
OLDEST = (1, 27)  # kubectl's embedded kustomize has had `components:` and `replacements:` as they are used here since

Object = dict[str, Any]


@cache
def kubectl() -> str:
    for found in (shutil.which("kubectl"), str(Path(sys.executable).with_name("kubectl"))):
        if found and Path(found).exists():
            said = subprocess.run([found, "version", "--client", "-o", "json"], capture_output=True, text=True, check=True)
            version = json.loads(said.stdout)["clientVersion"]
            if (int(version["major"]), int(version["minor"].rstrip("+"))) >= OLDEST:
                return found
    raise AssertionError("no kubectl that is new enough; `make install` brings one")


def build(place: Path) -> list[Object]:
    """The objects of a kustomization. Raises AssertionError with what kustomize said."""
    done = subprocess.run([kubectl(), "kustomize", str(place)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def combined(overlay: Path, components: list[str], place: Path) -> list[Object]:
    """An overlay with further components of k8s/components. place: an empty directory."""
    wanted = {
        "resources": [os.path.relpath(overlay, place)],
        "components": [os.path.relpath(K8S / "components" / each, place) for each in components],
    }
    (place / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    return build(place)
