"""Lines that stand on many pages: the first copy of each stays, what repeats all over one host goes altogether.

A line here is what stands between two line breaks of an extracted page, so mostly a paragraph. Lines shorter than
`min_characters` are left alone: "Yes, please." is no copy. So is source code: without one of its lines it is no program.
Two phases: each shard tells its distinct lines once, with the first page and the number of pages; ranges of hashes add that
up over the shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from cluster.store import Location, write_shard
from cluster.track.events import Track
from pipeline.dedup.decisions import dropped
from pipeline.dedup.runs import column, key_range, read_range, read_ranges, run_bytes
from pipeline.dedup.settings import ParagraphSettings
from pipeline.dedup.sketch import normalised
from pipeline.dedup.sketch_worker import sketch_name
from pipeline.groups import begins, group_starts
from pipeline.hashing import MULTIPLIER, mixed
from pipeline.pages.shard import kept_pages
from pipeline.records.source_code import is_code

LINES = pa.schema([("doc_id", pa.int64()), ("lines", pa.list_(pa.int32()))])


def paragraphs_name(shard: int) -> str:
    return f"paragraphs/part-{shard:06d}.parquet"


def line_keys(text: str, least: int) -> list[tuple[int, int, int]]:
    """(number of the line, xxh3-64 of its words, how many words) of the lines with `least` characters in words or more."""
    found = []
    for number, line in enumerate(text.split("\n")):
        if len(line) >= least:
            words = normalised(line, len(line))
            if len(words) >= least:
                found.append((number, xxhash.xxh3_64_intdigest(words.encode()), words.count(" ") + 1))
    return found


def without_lines(text: str, lines: Sequence[int]) -> str:
    """The text without the lines of these numbers; "" where none is left."""
    gone = set(lines)
    return "\n".join(line for number, line in enumerate(text.split("\n")) if number not in gone).strip("\n")


class LineWorker:
    """Tells the lines of a shard's pages that stay, but of source code.

    Writes `lines-`: page, number, key, host_key and words of every line, in order; and a run by key of (key, first page,
    pages), where a line has a key of its own and another one together with its host. Memory: the shard's texts, 40 bytes a
    line.
    """

    def __init__(self, settings: ParagraphSettings, decisions: Location, track: Track, output: Location) -> None:
        self.settings, self.decisions, self.track, self.output = settings, decisions, track, output

    def __call__(self, unit: dict[str, Any]) -> None:
        shard = unit["shard"]
        pages = kept_pages(Location.of(unit["uri"]), ["doc_id", "host", "text", "code_language"])
        pages = pages.filter(pa.array(~is_code(pages)))
        gone = dropped(self.decisions, shard)["doc_id"].to_numpy()
        pages = pages.filter(pa.array(~np.isin(pages["doc_id"].to_numpy(), gone)))
        rows: list[tuple[int, int, int, int, int]] = []
        total = 0
        for doc_id, host, text in zip(*(pages[name].to_pylist() for name in ("doc_id", "host", "text")), strict=True):
            salt = xxhash.xxh3_64_intdigest((host or "").encode())
            rows += ((doc_id, number, key, salt, words) for number, key, words in line_keys(text, self.settings.min_characters))
            total += len(text.split())
        self.track.advance(pages.num_rows, unit.get("total"), "pages")
        doc_ids = np.array([row[0] for row in rows], dtype=np.int64)
        keys, salts = (np.array([row[at] for row in rows], dtype=np.uint64) for at in (2, 3))
        with np.errstate(over="ignore"):
            host_keys = mixed(keys * MULTIPLIER + mixed(salts))
        lines = {"doc_id": doc_ids, "line": np.array([row[1] for row in rows], dtype=np.int32), "key": keys}
        words = np.array([row[4] for row in rows], dtype=np.int32)
        (self.output / f"lines-{sketch_name(shard)}").write_bytes(
            run_bytes(pa.table({**lines, "host_key": host_keys, "words": words}))
        )
        told = summed(np.concatenate([keys, host_keys]), np.tile(doc_ids, 2), None)
        write_shard(self.output, shard, sketch_name(shard), run_bytes(told), words=total, lines=len(rows))


def summed(keys: np.ndarray, first: np.ndarray, pages: np.ndarray | None) -> pa.Table:
    """One row a key, sorted: the smallest `first`, and the sum of `pages` (None: how many different `first` there are)."""
    order = np.lexsort((first, keys))
    keys, first = keys[order], first[order]
    counts = begins(keys, first).astype(np.int64) if pages is None else pages[order]
    starts = group_starts(keys)
    sums = np.add.reduceat(counts, starts) if len(starts) else counts
    return pa.table({"key": keys[starts], "first": first[starts], "pages": sums})


class RepeatedWorker:
    """A range of keys over all shards: those on more than one page. Memory: 64 bytes a row of the range."""

    def __init__(self, runs: Sequence[Location], output: Location) -> None:
        self.runs, self.output = runs, output

    def __call__(self, unit: dict[str, Any]) -> None:
        tables = list(read_ranges(self.runs, "key", *key_range(unit["partition"], unit["partitions"])))
        kinds = (("key", np.uint64), ("first", np.int64), ("pages", np.int64))
        found = summed(*(column(tables, name, kind) for name, kind in kinds))
        found = found.filter(pa.array(found["pages"].to_numpy() > 1))
        write_shard(self.output, unit["shard"], sketch_name(unit["shard"]), run_bytes(found), repeated=found.num_rows)


class ParagraphWorker:
    """Which lines of a shard's pages go: doc_id (sorted), lines (numbers, ascending).

    A line goes where it stood before, on this page or on one with a smaller id, and everywhere on a host that has it on
    `host_pages` pages or more.
    """

    def __init__(self, settings: ParagraphSettings, runs: Location, repeated: Sequence[Location], output: Location) -> None:
        self.settings, self.runs, self.repeated, self.output = settings, runs, repeated, output

    def __call__(self, unit: dict[str, Any]) -> None:
        shard = unit["part"]
        table = pq.read_table((self.runs / f"lines-{sketch_name(shard)}").open())
        doc_ids, numbers, keys, hosts, words = (table[name].to_numpy() for name in table.column_names)
        gone = np.ones(len(keys), dtype=bool)
        gone[np.unique(np.stack([doc_ids, keys.view(np.int64)]), axis=1, return_index=True)[1]] = False  # first of its page
        first, _ = self.looked_up(keys)
        gone |= (first >= 0) & (first != doc_ids)
        gone |= self.looked_up(hosts)[1] >= self.settings.host_pages
        pages, starts = np.unique(doc_ids[gone], return_index=True)
        lines = [each.tolist() for each in np.split(numbers[gone], starts[1:])] if len(pages) else []
        removed = int(words[gone].sum())
        told = pa.table({"doc_id": pages, "lines": lines}, schema=LINES)
        write_shard(self.output, unit["shard"], paragraphs_name(shard), run_bytes(told), lines=int(gone.sum()), removed=removed)

    def looked_up(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each key its first page (-1: it stands on one page only) and on how many it stands (0)."""
        first, pages = np.full(len(keys), -1, dtype=np.int64), np.zeros(len(keys), dtype=np.int64)
        for partition, place in enumerate(self.repeated):
            low, high = key_range(partition, len(self.repeated))
            own = np.flatnonzero((keys >= np.uint64(low)) & (keys <= np.uint64(high)))
            known = read_range(place, "key", low, high)
            if len(own) and known.num_rows:
                sorted_keys = known["key"].to_numpy()
                at = np.searchsorted(sorted_keys, keys[own]).clip(max=len(sorted_keys) - 1)
                hit = sorted_keys[at] == keys[own]
                first[own[hit]] = known["first"].to_numpy()[at[hit]]
                pages[own[hit]] = known["pages"].to_numpy()[at[hit]]
        return first, pages


def removed_lines(dedup: Location, shard: int) -> dict[int, list[int]]:
    """doc_id -> numbers of the lines that go; empty where the recipe did not ask for it."""
    place = dedup / paragraphs_name(shard)
    if not place.exists():
        return {}
    table = pq.read_table(place.open())
    return dict(zip(table["doc_id"].to_pylist(), table["lines"].to_pylist(), strict=True))
