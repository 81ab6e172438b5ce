"""The recipe's `corpus` section."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["email", "phone", "card", "iban", "ip"]


class CorpusSettings(BaseModel):
    """Which of the pages that are left become training text, and what is removed from them."""

    model_config = ConfigDict(extra="forbid")

    redact: list[Kind] = Field(
        ["email", "phone", "card", "iban", "ip"], description="kinds of personal data that are replaced by a placeholder"
    )
    phone_regions: list[str] = Field(
        ["US", "GB"], description="ISO countries whose national number formats count; international ones always do"
    )
    heldout_share: float = Field(
        0.03, gt=0, lt=1, description="share of documents, by hash of their content, that no training sees"
    )
    heldout_least: int = Field(4, ge=1, description="documents held out at least, however small the corpus is")
