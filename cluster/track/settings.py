"""The recipe's `tracking` section."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TrackingSettings(BaseModel):
    """Where metrics go besides the artefact's own metrics.jsonl."""

    model_config = ConfigDict(extra="forbid")

    wandb: Literal["offline", "online", "disabled"] = Field(
        "offline", description="offline records under the root what W&B would get, until `pageloom sync`; online also sends it"
    )
    project: str = Field("pageloom", description="W&B project")
    entity: str | None = Field(None, description="W&B user or team; None: the key's own")
    tags: list[str] = Field([], description="further tags of W&B runs; recipe and `pageloom` always are")
