"""Which artefacts and models hold pages that are to be forgotten, or come from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.inputs import root_list
from cluster.store import Artefact, Store
from pipeline.crawl.stage import FETCHES
from pipeline.dedup.decisions import all_dropped
from pipeline.provenance.trace import not_ascii, plain_hosts, url_of
from pipeline.records.shard import record_shards
from pipeline.rights.forget import FORGET, REASON, Forgotten
from pipeline.tokens.stage import SPANS
from pipeline.url import without_port


@dataclass(frozen=True)
class Holder:
    """An artefact, and what of the forgotten pages is in it: `3 pages`, `train-00001`, `made from base`, ..."""

    stage: str
    key: str
    place: str
    holds: str


@dataclass(frozen=True)
class Held:
    """holders: in the order of the stages. twins: URLs of other pages with (nearly) the same text, which stay."""

    holders: list[Holder]
    twins: list[str]


def find_holders(store: Store, stages: Sequence[str], forgotten: Forgotten) -> Held:
    """Look through every committed artefact of the root, whichever settings made it.

    Reads hosts, offsets and URLs of the pages' shards that were made before the list was what it is now, then the
    document ids of what was made from them. Memory: one shard's columns.
    """
    artefacts = {name: store.artefacts(name) for name in stages}
    state = root_list(store.root, FORGET)
    found: dict[tuple[str, str], tuple[Artefact, str]] = {}
    twins: dict[str, None] = {}
    for crawl in artefacts.get("crawl", []):
        if number := archived(crawl, forgotten):
            found["crawl", crawl.key] = crawl, f"{number} archived answers"
    for records in artefacts.get("records", []):
        if number := sum(1 for _ in matching_rows(records, forgotten)):
            found["records", records.key] = records, plural(number, "record")
    for pages in artefacts.get("pages", []):
        if state in pages.manifest["external"]:
            continue  # made without them
        rows = list(matching_rows(pages, forgotten, "status"))
        if not rows:
            continue
        found["pages", pages.key] = pages, plural(len(rows), "page")
        ids = [row["doc_id"] for row in rows if row["status"] == "kept"]
        for dedup in children(artefacts.get("dedup", []), pages):
            twins |= dict.fromkeys(twins_of(pages, dedup, ids))
        for corpus in children(artefacts.get("corpus", []), pages):
            if splits := documents(corpus, ids):
                told = ", ".join(f"{number} {split}" for split, number in sorted(splits.items()))
                found["corpus", corpus.key] = corpus, f"{plural(splits.total(), 'document')} ({told})"
                for tokens in children(artefacts.get("tokens", []), corpus):
                    if shards := token_shards(tokens, ids):
                        found["tokens", tokens.key] = tokens, ", ".join(shards)
    made_from(artefacts, found)
    ordered = sorted(found.items(), key=lambda each: (stages.index(each[0][0]), each[1][0].manifest["committed"]))
    return Held([Holder(stage, key, str(each.place), holds) for (stage, key), (each, holds) in ordered], list(twins))


def children(artefacts: Sequence[Artefact], parent: Artefact) -> Iterator[Artefact]:
    return (each for each in artefacts if each.manifest["parents"].get(parent.stage) == parent.key)


def archived(crawl: Artefact, forgotten: Forgotten) -> int:
    """Answers of the pages in the crawl's own archives."""
    if not (crawl.location / FETCHES).exists():
        return 0
    table = pq.read_table((crawl.location / FETCHES).open(), columns=["url", "reason"])
    urls = table.filter(pc.equal(table["reason"], "ok"))["url"].to_pylist()
    return sum(bool(forgotten.match(url, "", -1)) for url in urls)


def matching_rows(artefact: Artefact, forgotten: Forgotten, *more: str) -> Iterator[dict[str, Any]]:
    """Rows of `records` or `pages` that are meant. more: columns besides doc_id and reason."""
    columns = ["doc_id", "url", "host", "warc_file", "warc_offset", "reason", *more]
    for place in record_shards(artefact):
        table = pq.read_table(place.open(), columns=columns)
        for row in table.filter(candidates(table, forgotten)).to_pylist():
            if row["reason"] != REASON and forgotten.match(row["url"], row["warc_file"], row["warc_offset"]):
                yield row


def candidates(table: pa.Table, forgotten: Forgotten) -> pa.ChunkedArray:
    """Rows that the list could mean, by host, offset and the very URL: vectorised, so that few need a closer look."""
    hosts = {without_port(host).strip("[]") for host in forgotten.hosts}
    named = hosts | {host.strip("[]") for host in forgotten.url_hosts}
    spelled = plain_hosts(table["host"])
    mask = pc.is_in(table["warc_offset"], pa.array(list(forgotten.records), pa.int64()))
    mask = pc.or_(mask, pc.is_in(table["url"], pa.array(sorted(forgotten.urls), pa.string())))
    mask = pc.or_(mask, pc.or_(pc.is_in(spelled, pa.array(sorted(named), pa.string())), not_ascii(spelled)))
    for host in hosts:
        mask = pc.or_(mask, pc.ends_with(spelled, f".{host}"))
    return mask


def documents(corpus: Artefact, ids: Sequence[int]) -> Counter[str]:
    """Documents of these pages by split."""
    splits = Counter[str]()
    for place in corpus.paths(".parquet"):
        table = pq.read_table(place.open(), columns=["doc_id"])
        number = pc.sum(pc.is_in(table["doc_id"], pa.array(ids, pa.int64()))).as_py() or 0
        splits[place.name.partition("-")[0]] += number
    return +splits


def token_shards(tokens: Artefact, ids: Sequence[int]) -> list[str]:
    table = pq.read_table((tokens.location / SPANS).open(), columns=["doc_id", "shard"])
    return sorted(set(table.filter(pc.is_in(table["doc_id"], pa.array(ids, pa.int64())))["shard"].to_pylist()))


def twins_of(pages: Artefact, dedup: Artefact, ids: Sequence[int]) -> Iterator[str]:
    """URLs of the pages that were duplicates of these, or of which these were duplicates."""
    wanted, groups = set(ids), set(ids)  # a page that stays is the group's own number
    for table in all_dropped(dedup):
        groups.update(table.filter(pc.is_in(table["doc_id"], pa.array(ids, pa.int64())))["canonical_id"].to_pylist())
    same = set(groups)
    for table in all_dropped(dedup):
        same.update(table.filter(pc.is_in(table["canonical_id"], pa.array(list(groups), pa.int64())))["doc_id"].to_pylist())
    yield from (url for doc_id in sorted(same - wanted) if (url := url_of(pages, doc_id)))


def made_from(artefacts: Mapping[str, Sequence[Artefact]], found: dict[tuple[str, str], tuple[Artefact, str]]) -> None:
    """Add what came from a corpus or tokens that hold the pages: tokenizer, models, evaluations, releases."""
    carriers = {each for each in found if each[0] in ("corpus", "tokens")}
    grew = True
    while grew:
        grew = False
        for stage, each in ((stage, each) for stage, all_of in artefacts.items() for each in all_of):
            parents = [name for name, key in each.manifest["parents"].items() if (name, key) in carriers]
            if parents and (stage, each.key) not in carriers:
                carriers.add((stage, each.key))
                found[stage, each.key] = each, f"made from {' and '.join(sorted(parents))}"
                grew = True


def newest_line(store: Store, stages: Sequence[str], stage: str) -> dict[str, Artefact | None]:
    """The newest artefact of a stage with what it was made from and the newest of what was made from it.

    Empty where the stage has none. All belong together: each one's parents are in the line.
    """
    last = store.artefacts(stage)[-1:]
    if not last:
        return {}
    line: dict[str, Artefact | None] = dict.fromkeys(stages)
    pending = last
    while pending:
        each = pending.pop()
        line[each.stage] = each
        pending += [found for name, key in each.manifest["parents"].items() if (found := store.artefact(name, key))]
    ancestors = [name for name, each in line.items() if each]
    for name in stages:
        for each in store.artefacts(name) if name not in ancestors else []:
            parents = each.manifest["parents"]
            if parents and all((held := line.get(need)) and held.key == key for need, key in parents.items()):
                line[name] = each
    return line


def plural(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
