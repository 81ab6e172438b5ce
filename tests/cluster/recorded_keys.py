"""What keys were when they were last meant to change: `python -m tests.cluster.recorded_keys` writes it anew.

For each stage its version, its key in the quickstart on an empty root, and the default of every setting that a key can hold.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from cluster.fields import defaults
from cluster.plan import make_plan
from cluster.store import Store
from pageloom import line

FILE = Path(__file__).with_name("keys.json")


def present() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as root:
        plan = make_plan(line().load("quickstart"), line().stages, Store(root))
    found = {
        each.stage.name: {
            "version": each.stage.version,
            "key": each.key,
            "defaults": {
                name: json.loads(json.dumps(value, default=str)) for name, value in defaults(each.stage.settings).items()
            },
        }
        for each in plan
    }
    return found


def recorded() -> dict[str, Any]:
    return json.loads(FILE.read_text())


if __name__ == "__main__":
    FILE.write_text(json.dumps(present(), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
