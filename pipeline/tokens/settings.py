"""The recipe's `tokens` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TokensSettings(BaseModel):
    """Packed training sequences."""

    model_config = ConfigDict(extra="forbid")

    sequence_length: int = Field(2048, ge=16, le=1 << 20, description="tokens of a training sequence (Llama 1: 2048)")
