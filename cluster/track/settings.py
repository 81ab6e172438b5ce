"""The recipe's `tracking` section."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TrackingSettings(BaseModel):
    """Where metrics go besides the artefact's own metrics.jsonl."""

    model_config = ConfigDict(extra="forbid")

    wandb: Literal["offline", "online", "disabled"] = Field(
        "offline", description="W&B mode; offline keeps everything on this machine until `wandb sync`"
    )
    project: str = Field("pageloom", description="W&B project")
