"""Who holds a root: what locks of local roots and leases in object stores say alike."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cluster.location import Location

LOCK = ".pageloom.lock"  # the name below the root

Say = Callable[[str], None]


def nothing_to_lose() -> None:
    """The check of a lock that only its holder's death ends."""


@dataclass(frozen=True)
class Held:
    """A root that this process writes to. check: raises WorkError where it no longer may."""

    fence: int
    check: Callable[[], None] = nothing_to_lose


def identity(fence: int) -> dict[str, Any]:
    return {"fence": fence, "host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}


def named(who: dict[str, Any]) -> str:
    return f"pid {who.get('pid')} on {who.get('host')} since {who.get('since')}"


def held_message(root: Location, who: dict[str, Any]) -> str:
    return f"{root}: held by another run ({named(who)}); wait for it with --wait, or use another --root"
