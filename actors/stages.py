"""The stages of this folder: tokens to models."""

from __future__ import annotations

from cluster.stage import Stage

STAGES: tuple[Stage, ...] = ()
