"""Where a page went: fetched or not, kept or dropped and why, into which sequences, at which training steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel

from cluster.store import Artefact, Location
from pipeline.crawl.stage import FETCHES
from pipeline.dedup.decisions import decisions_name
from pipeline.dedup.identity import CRAWL_BITS
from pipeline.shards import part_name
from pipeline.tokens.index import INDEX, TokenIndex
from pipeline.tokens.stage import SPANS
from pipeline.url import canonical_url, host_name


@dataclass(frozen=True)
class Training:
    """How a training run reads the `tokens` artefact: enough to know its order.

    weights: the run's own ones of the sources, None where it takes those of the recipe's sources.
    """

    steps: int
    global_batch: int
    seed: int
    weights: Mapping[str, float] | None = None


class FetchFate(BaseModel):
    """What the crawler made of the URL. reason: ok, robots_disallowed, http_404, ..."""

    reason: str
    status: int
    bytes: int


class SequencePlace(BaseModel):
    """Tokens start..end (exclusive) of a sequence of a token shard, and the steps that trained on them."""

    shard: str
    sequence: int
    start: int
    end: int
    steps: list[int] = []


class PageFate(BaseModel):
    """What became of one archived record of the URL.

    reason, value, threshold: of the rule that dropped it; note: what it saw, such as an opt-out.
    duplicate_of: the URL of the page that stands for it.
    split: train, heldout, or empty where it is in no corpus.
    """

    doc_id: int
    warc_file: str
    warc_offset: int
    status: str
    reason: str = ""
    value: float | None = None
    threshold: float | None = None
    note: str = ""
    language: str | None = None
    characters: int = 0
    duplicate_of: str = ""
    similarity: float | None = None
    split: str = ""
    sequences: list[SequencePlace] = []


class Trace(BaseModel):
    """fetch: None where the crawl never met the URL, or where the pages came from files. pages: one a record.

    searched: of `crawl` (for fetches) and `pages` (for records) those that were there to be searched.
    """

    url: str
    searched: list[str] = []
    fetch: FetchFate | None = None
    pages: list[PageFate] = []


def trace_page(url: str, artefacts: Mapping[str, Artefact | None], training: Training | None = None) -> Trace:
    """Follow a URL through the artefacts that exist (crawl, pages, dedup, corpus, tokens; None: not made yet).

    Reads only the columns it needs, shard by shard. The URL is looked for as it is spelled, then in its canonical form,
    and then among all records of its host, since an archive may spell it in any way.
    """
    crawl, pages = artefacts.get("crawl"), artefacts.get("pages")
    canonical = canonical_url(url) or url
    fetches = crawl.location / FETCHES if crawl is not None else None
    fetches = fetches if fetches is not None and fetches.exists() else None
    searched = [name for name, there in (("crawl", fetches), ("pages", pages)) if there is not None]
    for spelling in dict.fromkeys([url, canonical]):
        trace = Trace(url=spelling, searched=searched)
        if fetches is not None:
            trace.fetch = next(
                (FetchFate(**row) for row in rows(fetches, "url", spelling, ["reason", "status", "bytes"])), None
            )
        if pages is not None:
            trace.pages = list(page_fates(pages, [spelling]))
        if trace.fetch or trace.pages:
            break
    if pages is not None and not trace.pages and (spellings := other_spellings(pages, canonical)):
        trace.url = spellings[0]
        trace.pages = list(page_fates(pages, spellings))
    for page in trace.pages:
        if page.status == "kept":
            follow(page, artefacts, training)
    return trace


def rows(place: Location, column: str, value: str | int, columns: list[str]) -> Iterator[dict]:
    """Rows of a Parquet file where `column` is `value`."""
    table = pq.read_table(place.open(), columns=list({column, *columns}))
    yield from table.filter(pc.equal(table[column], value)).select(columns).to_pylist()


def other_spellings(pages: Artefact, canonical: str) -> list[str]:
    """The URLs of records whose canonical form this is, each once. Only those of its host are looked at one by one."""
    host, found = host_name(canonical).strip("[]"), dict[str, None]()
    for place in pages.paths(".parquet") if host else ():
        table = pq.read_table(place.open(), columns=["url", "host"])
        spelled = plain_hosts(table["host"])
        urls = table.filter(pc.or_(pc.equal(spelled, host), not_ascii(spelled)))["url"].to_pylist()
        found |= dict.fromkeys(url for url in urls if canonical_url(url) == canonical)
    return list(found)


def plain_hosts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Hosts without brackets and dots at their ends, in lower case: older artefacts have them in other spellings.

    In those, other alphabets are not in punycode (`not_ascii`): such rows are to be looked at one by one.
    """
    return pc.utf8_trim(pc.utf8_lower(column), "[].")


def not_ascii(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.invert(pc.string_is_ascii(column))


def page_fates(pages: Artefact, urls: Sequence[str]) -> Iterator[PageFate]:
    columns = ["doc_id", "warc_file", "warc_offset", "status", "reason", "value", "threshold", "note", "language", "characters"]
    for place in pages.paths(".parquet"):
        for url in urls:
            for row in rows(place, "url", url, columns):
                yield PageFate(note=row.pop("note") or "", **row)


def follow(page: PageFate, artefacts: Mapping[str, Artefact | None], training: Training | None) -> None:
    """Fill in what dedup, corpus and tokens made of a kept page."""
    dedup, corpus, tokens = (artefacts.get(name) for name in ("dedup", "corpus", "tokens"))
    if dedup is not None:
        place = dedup.location / decisions_name(page.doc_id >> 32)
        for row in rows(place, "doc_id", page.doc_id, ["canonical_id", "similarity", "reason"]):
            page.status, page.reason, page.similarity = "rejected", row["reason"], row["similarity"]
            page.duplicate_of = url_of(artefacts["pages"], row["canonical_id"]) or earlier_page(row["canonical_id"])
    if corpus is not None and page.status == "kept":
        for place in corpus.paths(".parquet"):
            if any(rows(place, "doc_id", page.doc_id, ["doc_id"])):
                page.split = place.name.partition("-")[0]
    if tokens is not None and page.split:
        page.sequences = list(sequence_places(tokens, page, training))


def url_of(pages: Artefact | None, doc_id: int) -> str:
    for place in pages.paths(part_name(doc_id >> 32)) if pages else []:
        for row in rows(place, "doc_id", doc_id, ["url"]):
            return row["url"]
    return ""


def earlier_page(canonical_id: int) -> str:
    """In words, a page that no shard of this crawl holds (see `pipeline.dedup.identity`)."""
    crawl, doc_id = canonical_id >> CRAWL_BITS, canonical_id & ((1 << CRAWL_BITS) - 1)
    return f"document {doc_id} of number {crawl} in dedup.against"


def sequence_places(tokens: Artefact, page: PageFate, training: Training | None) -> Iterator[SequencePlace]:
    index = TokenIndex.model_validate((tokens.location / INDEX).read_json())
    firsts = index.first_sequences(page.split)
    order = index.training_order(training.seed, training.weights) if training and page.split == "train" else None
    for row in rows(tokens.location / SPANS, "doc_id", page.doc_id, ["shard", "sequence", "start", "end"]):
        place = SequencePlace(**row)
        if order and training:
            place.steps = order.steps_of(firsts[place.shard] + place.sequence, training.steps, training.global_batch)
        yield place


def describe(trace: Trace) -> str:
    """The trace in lines for a person."""
    lines = [trace.url]
    if trace.fetch:
        lines.append(f"  fetch      {trace.fetch.reason} (HTTP {trace.fetch.status}, {trace.fetch.bytes:,} bytes)")
    if not trace.pages and "pages" not in trace.searched:
        lines.append("  page       not known: records and pages are not made yet, `pageloom run --until pages` makes them")
    elif not trace.pages:
        met = trace.fetch or "crawl" not in trace.searched
        lines.append("  page       no archived record of this URL" + ("" if met else "; it was not crawled"))
    for page in trace.pages:
        lines.append(f"  record     {page.warc_file} at {page.warc_offset}: document {page.doc_id}")
        if page.duplicate_of:
            alike = "" if page.similarity is None else f" (similarity {page.similarity:.2f})"
            lines.append(f"  dropped    {page.reason} of {page.duplicate_of}{alike}")
        elif page.status == "rejected":
            measured = "" if page.value is None else f" {page.value:.4g}"
            limit = "" if page.threshold is None else f" (limit {page.threshold:.4g})"
            note = f": {page.note}" if page.note else ""
            lines.append(f"  dropped    {page.reason}{measured}{limit}{note}")
        else:
            lines.append(
                f"  kept       {page.characters:,} characters, {page.language}" + (f", {page.split}" if page.split else "")
            )
        for place in page.sequences:
            steps = f": steps {', '.join(map(str, place.steps))}" if place.steps else ""
            lines.append(f"  tokens     {place.shard} sequence {place.sequence} [{place.start}:{place.end}]{steps}")
    return "\n".join(lines)
