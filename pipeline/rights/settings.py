"""The recipe's `pages.rights` section: whose wish not to be used is looked for, and which wishes decide."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cluster.fields import Files

Signal = Literal["block_list", "robots", "ai_txt", "header", "meta", "tdm"]

# Product tokens under which the operators document that what they fetch, or may use, trains models
# (their own help pages; Google-Extended and Applebot-Extended are tokens only, no crawler sends them).
AI_AGENTS = [
    "AI2Bot",
    "Ai2Bot-Dolma",
    "Amazonbot",
    "anthropic-ai",
    "Applebot-Extended",
    "Bytespider",
    "CCBot",
    "Claude-Web",
    "ClaudeBot",
    "cohere-ai",
    "cohere-training-data-crawler",
    "DeepSeekBot",
    "Diffbot",
    "FacebookBot",
    "Google-Extended",
    "GPTBot",
    "ImagesiftBot",
    "img2dataset",
    "Kangaroo Bot",
    "Meta-ExternalAgent",
    "omgili",
    "omgilibot",
    "PanguBot",
    "PerplexityBot",
    "Timpibot",
    "Webzio-Extended",
]


class RightsSettings(BaseModel):
    """Opt-outs of the people whose pages these are. What is found is kept as evidence, also where it does not decide."""

    model_config = ConfigDict(extra="forbid")

    refuse: list[Signal] = Field(
        ["block_list", "robots", "ai_txt", "header", "meta", "tdm"],
        description="signals that drop a page (reason `rights_` and the signal, no text kept); others are evidence only",
    )
    ai_agents: list[str] = Field(
        default_factory=AI_AGENTS.copy,
        description="product tokens of AI crawlers; a rule that names one and forbids it a page speaks of us too",
    )
    own_agent: str = Field(
        "pageloom", description="our product token, for which the rules under * count as well; empty: only those of ai_agents"
    )
    directives: list[str] = Field(
        ["noai", "noimageai"],
        description="of X-Robots-Tag and meta robots, for everybody; add noindex for pages that should not be found",
    )
    refuse_licences: list[str] = Field(
        default_factory=list, description="Creative Commons types to drop, such as cc-by-nc-nd or cc-by-nc-4.0; none by default"
    )
    block_lists: Files[list[str]] = Field(
        default_factory=list,
        description="files or URIs; a domain (with its sub-domains) or the beginning of a URL in each line, # comments",
    )
    host_files: Files[list[str]] = Field(
        default_factory=list,
        description="WARC files, globs or URIs with the hosts' robots.txt, where the pages' own archives lack them",
    )
    scan_kb: int = Field(256, ge=1, le=65536, description="kB of a page's beginning in which <meta> is looked for")

    def files(self) -> list[str]:
        """What enters the key of the stage by its content."""
        return [*self.block_lists, *self.host_files]
