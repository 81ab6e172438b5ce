"""Ray, started here or joined. Which one is decided once, by `open_session`; nobody else asks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from cluster.resources import Node
from cluster.session.embedded import Embedded
from cluster.session.joined import Joined
from cluster.settings import ClusterSettings
from cluster.store import Location

__all__ = ["Embedded", "Joined", "Session", "open_session"]


class Session(Protocol):
    """Ray, from when it is first needed until `stop`, which leaves nothing running that `start` began.

    dashboard_url: empty where there is none. token_file: holds what the dashboard asks for; None where the user knows it.
    logs: Ray's own, on this machine, once started; None where they are the cluster's. keep_logs: leave them to be read.
    memory_of: whose memory can be measured from here: of the whole "run", or of the "driver" alone.
    """

    dashboard_url: str
    token_file: Path | None
    logs: Path | None
    keep_logs: bool
    memory_of: str

    @property
    def place(self) -> str:
        """Where the work runs, in a few words."""

    def check(self) -> None:
        """Raises RequestError, within seconds and before any work, for what `start` could not work with."""

    def nodes(self) -> Sequence[Node]:
        """What there is room on, also before `start`. Raises RequestError as `check` does."""

    def start(self) -> Any:
        """Once; returns the session's mailbox actor (cluster.track.events.Mailbox). Raises RequestError."""

    def stop(self) -> None:
        """End what was started; nothing to do where nothing was."""


def open_session(settings: ClusterSettings, root: Location | None = None) -> Session:
    """The session that settings and RAY_ADDRESS ask for, not started yet. root: what all nodes must reach."""
    asked = {"cluster.address": settings.address, "RAY_ADDRESS": os.environ.get("RAY_ADDRESS")}
    source, address = next(((name, value) for name, value in asked.items() if value), ("", "local"))
    if address == "local":
        return Embedded(settings)
    return Joined(settings, address, source, root)
