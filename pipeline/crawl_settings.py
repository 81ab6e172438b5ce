"""The recipe's `crawl` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pipeline.pydoc_server import PydocSettings


class CrawlSettings(BaseModel):
    """What to crawl and how gently; or which files to take instead."""

    model_config = ConfigDict(extra="forbid")

    input: list[str] = Field(
        default_factory=list, description="paths, globs or URIs of WARC, WET, HTML, JSONL or Parquet files; replaces the crawl"
    )
    pydoc: PydocSettings | None = Field(None, description="start Python's documentation server on loopback and crawl it")
    seeds: list[str] = Field(default_factory=list, description="URLs to start from; only their hosts are crawled")
    contact: str | None = Field(
        None, description="URL or e-mail in the user agent, where site owners reach you; needed for any host but loopback"
    )
    host_files: bool = Field(
        True, description="ask each host once for /.well-known/tdmrep.json and /ai.txt, so that `pages.rights` can respect them"
    )
    exclude: list[str] = Field(default_factory=list, description="regular expressions; a URL that one matches is not fetched")
    delay: float = Field(
        1.0,
        ge=0,
        le=3600,
        description="seconds between two requests to a host; a longer crawl-delay in robots.txt wins (Nutch: 5)",
    )
    hosts_at_once: int = Field(16, ge=1, le=1000, description="hosts that one crawler actor visits at the same time")
    max_pages: int = Field(10_000, ge=1, description="pages of a host")
    max_depth: int = Field(16, ge=0, description="links away from a seed")
    max_page_mb: float = Field(
        5, gt=0, le=1024, description="MB of one body as sent; larger ones are not kept (Heritrix caps too)"
    )
    max_host_mb: float = Field(10_000, gt=0, description="MB of all bodies of a host as sent")
    max_redirects: int = Field(5, ge=0, le=20, description="in a row; RFC 9309 asks for at least five on robots.txt")
    attempts: int = Field(2, ge=1, le=10, description="times a URL is tried after a timeout, a broken connection, 429 or 503")
    timeout: float = Field(20, gt=0, le=600, description="seconds for one whole exchange")
    warc_mb: float = Field(
        64,
        gt=0,
        le=1024,
        description="MB after which a WARC file is closed and committed; a killed crawl goes on behind the last",
    )
