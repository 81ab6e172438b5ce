"""The recipe's `records` section."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from cluster.fields import How
from pipeline.measure.settings import LineSettings
from pipeline.rights.settings import RightsSettings


def selector(text: str) -> str:
    """A CSS selector that extraction understands. Raises ValueError for any other: every page would fail at it."""
    from resiliparse.extract.html2text import extract_plain_text  # reads pages only: most recipes name no selector
    from resiliparse.parse.html import CSSParserException, HTMLTree

    try:
        extract_plain_text(HTMLTree.parse("<p>"), skip_elements=[text])
    except CSSParserException as error:
        raise ValueError(f"not a CSS selector ({' '.join(str(error).split())}); write it as in `div.menu`") from error
    return text


class RecordsSettings(BaseModel):
    """From archived records to texts and all that can be measured of them. What is decided from that: `pages`."""

    model_config = ConfigDict(extra="forbid")

    task_mb: float = Field(
        64,
        gt=0,
        le=4096,
        description="MB of an input file that one task reads and one shard comes from; its memory is about 10 times that",
    )
    max_html_mb: float = Field(5, gt=0, le=256, description="MB of a decoded body; a longer one is `oversize`")
    max_nesting: int = Field(
        1000, ge=64, description="depth of the element tree; parsers slow down quadratically (browsers cut at 512)"
    )
    max_replaced: float = Field(
        0.02, ge=0, le=1, description="share of undecodable characters; above it a page is `undecodable`"
    )
    skip_elements: list[Annotated[str, AfterValidator(selector)]] = Field(
        default_factory=list, description="CSS selectors of elements that are boilerplate on every page of a site"
    )
    ask_trafilatura_below: float = Field(
        0.5, ge=0, le=1, description="expected word F1 of a page's text; below it trafilatura, which is slow, is asked too"
    )
    extract_seconds: How[float] = Field(
        20, gt=0, description="seconds for a page's extraction; after that it is `extract_timeout`"
    )
    extract_memory_mb: How[int] = Field(
        2048, ge=512, description="MB of address space of the process that extracts; a page that needs more is `extract_memory`"
    )
    extract_recycle_pages: How[int] = Field(5000, ge=1, description="pages after which that process is replaced by a new one")
    language_characters: int = Field(1000, ge=50, description="how much of a text's beginning the language detector sees")
    lines: LineSettings = Field(default_factory=LineSettings)
    rights: RightsSettings = Field(default_factory=RightsSettings)
