"""Variables that Ray reads, set for the time of a session: for this process, all that it starts, and a Ray already imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

TOKEN = "RAY_AUTH_TOKEN"
TOKEN_PATH = "RAY_AUTH_TOKEN_PATH"
MODE = "RAY_AUTH_MODE"


class Environment:
    """Sets variables at once; `restore` puts back what was there."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        reread()

    def restore(self) -> None:
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        reread()


def reread() -> None:
    """Have an imported Ray look at its variables again: its C++ part keeps what it saw at first, the token included.

    Only while Ray is neither started nor joined. The configuration goes first: a thread that still drains must not look for
    a token, in a mode that wants one, when there is none any more (Ray aborts the process then).
    """
    if "ray" in sys.modules:
        import ray  # waits for another thread that is in the middle of it: half an import has no configuration yet

        raylet: Any = ray._raylet
        raylet.Config.initialize("")
        raylet.AuthenticationTokenLoader.instance().reset_cache()
