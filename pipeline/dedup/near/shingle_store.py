"""The shingles of candidates: written once a shard, then fetched one page at a time without reading the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.errors import WorkError
from cluster.store import Location, write_shard
from cluster.track.events import Track
from pipeline.dedup.identity import id_range, named, place_of
from pipeline.dedup.runs import column, read_range, read_ranges, run_bytes
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.sketch import normalised, page_ngrams, shingles
from pipeline.dedup.sketch_worker import BATCH
from pipeline.pages.shard import kept_pages

GAP = 1 << 12  # shingles that are read and thrown away rather than asked for separately


def index_name(place: int) -> str:
    return f"part-{place:010d}.parquet"


def bytes_name(place: int) -> str:
    return f"part-{place:010d}.shingles"


class ShingleWorker:
    """Writes the shingles of those pages of one place that are in some candidate pair.

    inside: where the ids are that occur within shards; nodes: runs of those that occur between them.
    Memory: the texts of the shard, and 8 bytes a word of its candidates.
    """

    def __init__(
        self, settings: DedupSettings, inside: Location, nodes: Sequence[Location], track: Track, output: Location
    ) -> None:
        self.settings, self.inside, self.nodes = settings, inside, nodes
        self.track, self.output = track, output

    def __call__(self, unit: dict[str, Any]) -> None:
        place, crawl = unit["place"], unit["crawl"]
        nodes = [*self.nodes, *([self.inside / f"nodes-{unit['run']}"] if unit["run"] else [])]
        wanted = np.unique(column(read_ranges(nodes, "id", *id_range(place)), "id", np.int64))
        table = pa.table({"doc_id": wanted, "start": wanted, "count": wanted})
        flat = [np.zeros(0, dtype="<u8")]
        if len(wanted):
            pages = kept_pages(Location.of(unit["uri"]), ["doc_id", "priority", "fetch_time", "text"])
            pages = pages.filter(pa.array(np.isin(named(crawl, pages["doc_id"].to_numpy()), wanted)))
            lengths = list[int]()
            for batch in pages.select(["text"]).to_batches(max_chunksize=BATCH):
                texts = batch["text"].to_pylist()
                normal = [normalised(text, self.settings.characters) for text in texts]
                flat += map(shingles, page_ngrams(normal, self.settings))
                lengths += map(len, texts)
                self.track.advance(len(texts), unit.get("total"), "candidates")
            counts = np.array([len(each) for each in flat[1:]], dtype=np.int64)
            table = pa.table(
                {
                    "doc_id": named(crawl, pages["doc_id"].to_numpy()),
                    "start": np.cumsum(counts) - counts,
                    "count": counts,
                    "priority": pages["priority"],
                    "characters": pa.array(lengths, pa.int64()),
                    "fetch_time": pages["fetch_time"].fill_null(""),
                }
            )
            if table.num_rows != len(wanted):
                raise WorkError(
                    f"{unit['uri']}: {len(wanted) - table.num_rows} pages of the index are not there; rebuild `pages`"
                )
        (self.output / bytes_name(place)).write_bytes(np.concatenate(flat).astype("<u8").tobytes())
        write_shard(self.output, unit["shard"], index_name(place), run_bytes(table), candidates=table.num_rows)


class Shingles:
    """Fetches shingles by id. Memory: what it is asked for, and the index rows of one place at a time."""

    def __init__(self, place: Location) -> None:
        self.place = place

    def rows(self, ids: np.ndarray) -> pa.Table:
        """Index rows of ids (sorted, distinct) in their order: doc_id, start, count, priority, characters, fetch_time."""
        found = []
        for place in np.unique(place_of(ids)).tolist():
            own = ids[place_of(ids) == place]
            table = read_range(self.place / index_name(place), "doc_id", int(own[0]), int(own[-1]))
            found.append(table.take(pa.array(np.searchsorted(table["doc_id"].to_numpy(), own))))
        return pa.concat_tables(found)

    def fetch(self, rows: pa.Table) -> list[np.ndarray]:
        """The shingles of index rows, each uint64 sorted."""
        ids, starts, counts = (rows[name].to_numpy() for name in ("doc_id", "start", "count"))
        found: list[np.ndarray] = [np.zeros(0, dtype=np.uint64)] * len(ids)
        places = place_of(ids)
        for place in np.unique(places).tolist():
            at = np.flatnonzero(places == place)
            at = at[np.argsort(starts[at])]
            begins, ends = starts[at], starts[at] + counts[at]
            with (self.place / bytes_name(place)).open() as stream:
                for near in np.split(np.arange(len(at)), np.flatnonzero(begins[1:] - ends[:-1] > GAP) + 1):
                    first, last = int(begins[near[0]]), int(ends[near[-1]])
                    together = np.frombuffer(stream.read_at(8 * (last - first), 8 * first), dtype="<u8")
                    for row in near.tolist():
                        found[at[row]] = together[begins[row] - first : ends[row] - first].copy()
        return found


def batches(counts: Iterable[int], most: int) -> Iterable[slice]:
    """Consecutive slices whose counts add up to at most `most` (one item at least)."""
    begin, total, at = 0, 0, 0
    for at, count in enumerate(counts, 1):
        if total and total + count > most:
            yield slice(begin, at - 1)
            begin, total = at - 1, 0
        total += count
    if at > begin:
        yield slice(begin, at)
