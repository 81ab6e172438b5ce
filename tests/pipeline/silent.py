"""A track for stages' workers where no session runs, and so no mailbox."""

from __future__ import annotations

from typing import Any

from cluster.track.events import Track


class Silent(Track):
    """Tells nobody."""

    def __init__(self) -> None:
        super().__init__("silent", None)

    def _put(self, wait: bool = True, **_: Any) -> None:
        pass
