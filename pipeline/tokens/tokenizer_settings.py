"""The recipe's `tokenizer` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TokenizerSettings(BaseModel):
    """Byte-level BPE trained on the corpus."""

    model_config = ConfigDict(extra="forbid")

    vocabulary: int = Field(
        65_536, ge=300, le=1 << 20, description="tokens at most, the 256 bytes and the special ones included"
    )
    sample_mb: float = Field(200, gt=0, description="MB of training text that the merges are learnt from")
    min_frequency: int = Field(2, ge=1, description="occurrences of a pair that make it worth a token")
