"""An opt-out as it was found."""

from __future__ import annotations

from typing import NamedTuple


class Evidence(NamedTuple):
    """An opt-out. signal: one of the settings' `refuse`; text: what was said and where, such as `meta robots: noai`."""

    signal: str
    text: str
