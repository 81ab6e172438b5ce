"""The recipe's `crawl` section."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cluster.fields import Files, How, Private
from pipeline.crawl.pydoc_server import PydocSettings
from pipeline.crawl.weights import whole_weights

CRAWLED = "crawl"  # the source of pages that the crawl itself fetched
FORMATS = Literal["warc", "html", "jsonl", "parquet", "text", "code", "stackexchange"]


def expression(text: str) -> str:
    """A regular expression as Python has them. Raises ValueError for any other."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(
            f"not a regular expression ({error}); a sign that is meant literally has a backslash before it"
        ) from error
    return text


class Source(BaseModel):
    """Files that belong together: what they are called, how much they weigh, which copy of a page to keep."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern="^[a-z0-9][a-z0-9_.-]*$", description="what rows and reports call it: a-z, 0-9, _ . -")
    input: Files[list[str]] = Field(
        min_length=1, description="paths, directories, globs (`**` for all directories below) or URIs"
    )
    weight: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="its tokens in training against the other sources': of weights 3 and 1 the first gives 3/4 at every step, "
        "however much there is of each; all sources have one, or none (every token once an epoch). Another weight reads "
        "the files again; `pretrain.weights` replaces them all without",
    )
    priority: int = Field(0, description="of two copies of a page, the one from the source of higher priority stands for both")
    format: FORMATS | None = Field(None, description="of all its files; null: each by its content, then by its name")
    separator: str | None = Field(
        None, min_length=1, description="text: the line between two documents, such as <|endoftext|>; null: a file is one"
    )
    licences: list[str] | None = Field(
        None, description="code: SPDX ids that are permitted; null: the permissive ones (The Stack's list)"
    )
    max_code_kb: float = Field(1000, gt=0, description="code: kB of one file (The Stack: 1 MB)")

    def options(self) -> dict[str, Any]:
        """What its readers ask for, without what is not set."""
        return self.model_dump(include={"separator", "licences", "max_code_kb"}, exclude_none=True)


class CrawlSettings(BaseModel):
    """What to crawl and how gently; or which files to take instead."""

    model_config = ConfigDict(extra="forbid")

    input: Files[list[str]] = Field(
        default_factory=list,
        description="paths, directories, globs or URIs; replaces the crawl: short for one source of that name",
    )
    sources: list[Source] = Field(
        default_factory=list,
        description="files from several places, each with weight and priority; they replace the crawl as `input` does",
    )
    pydoc: PydocSettings | None = Field(None, description="start Python's documentation server on loopback and crawl it")
    seeds: Private[list[str]] = Field(default_factory=list, description="URLs to start from; only their hosts are crawled")
    contact: Private[str | None] = Field(
        None, description="URL or e-mail in the user agent, where site owners reach you; needed for any host but loopback"
    )
    host_files: bool = Field(
        True, description="ask each host once for /.well-known/tdmrep.json and /ai.txt, so that `pages.rights` can respect them"
    )
    exclude: Private[list[Annotated[str, AfterValidator(expression)]]] = Field(
        default_factory=list, description="regular expressions; a URL that one matches is not fetched"
    )
    delay: How[float] = Field(
        1.0,
        ge=0,
        le=3600,
        description="seconds between two requests to a host; a longer crawl-delay in robots.txt wins (Nutch: 5)",
    )
    hosts_at_once: How[int] = Field(16, ge=1, le=1000, description="hosts that one crawler actor visits at the same time")
    max_pages: int = Field(10_000, ge=1, description="pages of a host")
    max_depth: int = Field(16, ge=0, description="links away from a seed")
    max_page_mb: float = Field(
        5, gt=0, le=1024, description="MB of one body as sent; larger ones are not kept (Heritrix caps too)"
    )
    max_host_mb: float = Field(10_000, gt=0, description="MB of all bodies of a host as sent")
    max_redirects: int = Field(5, ge=0, le=20, description="in a row; RFC 9309 asks for at least five on robots.txt")
    attempts: How[int] = Field(
        2, ge=1, le=10, description="times a URL is tried after a timeout, a broken connection, 429 or 503"
    )
    timeout: How[float] = Field(20, gt=0, le=600, description="seconds for one whole exchange")
    warc_mb: float = Field(
        64,
        gt=0,
        le=1024,
        description="MB after which a WARC file is closed and committed; a killed crawl goes on behind the last",
    )

    @model_validator(mode="after")
    def names_differ(self) -> CrawlSettings:
        names = [source.name for source in self.all_sources()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"sources: two of them are named {twice}; give each a name of its own")
        return self

    @model_validator(mode="after")
    def weights_are_complete(self) -> CrawlSettings:
        weights = {source.name: source.weight for source in self.all_sources()}
        given = {name: weight for name, weight in weights.items() if weight is not None}
        if given and (bare := [name for name in weights if name not in given]):
            raise ValueError(
                f"sources: {bare[0]} has no weight, {next(iter(given))} has one; give all of them one, or none"
                + (" (`input` has none: list its files as a source)" if bare[0] == "input" and self.input else "")
            )
        if given:
            whole_weights(given)
        return self

    def all_sources(self) -> list[Source]:
        """`sources`, behind one that `input` stands for where it is given."""
        return [*([Source(name="input", input=self.input)] if self.input else []), *self.sources]

    def source_names(self) -> list[str]:
        """What `source` can say in a row."""
        return [source.name for source in self.all_sources()] or [CRAWLED]

    def patterns(self) -> list[str]:
        """Every path, glob and URI that is named."""
        return [pattern for source in self.all_sources() for pattern in source.input]
