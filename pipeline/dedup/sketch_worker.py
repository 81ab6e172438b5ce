"""The actor that sketches a shard of pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from cluster.store import Location, write_shard
from cluster.track.events import Track
from pipeline.dedup.runs import run_bytes
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.sketch import band_keys, exact_hash, normalised, page_ngrams, signatures
from pipeline.hashing import MULTIPLIER, mixed
from pipeline.pages.shard import kept_pages
from pipeline.shards import part_name
from pipeline.url import canonical_url

BATCH = 256  # documents sketched together


def sketch_name(shard: int) -> str:
    return part_name(shard)


def scoped(hashes: np.ndarray, sources: pa.ChunkedArray) -> np.ndarray:
    """uint64 [pages, n] -> the same, equal only for pages of one source."""
    salt = np.array([xxhash.xxh3_64_intdigest(each.encode()) for each in sources.to_pylist()], dtype=np.uint64)
    with np.errstate(over="ignore"):
        return mixed(hashes * MULTIPLIER + salt.reshape(-1, 1))


class SketchWorker:
    """Writes, for the kept pages of a shard: doc_id, priority, characters, fetch_time, text and url (two words of a
    128-bit hash each, uint64 [2]) and bands (uint64 [bands]).

    Memory: the texts of one shard, and 8 bytes a word for a batch of documents.
    """

    def __init__(self, settings: DedupSettings, track: Track, output: Location) -> None:
        self.settings, self.track, self.output = settings, track, output

    def __call__(self, unit: dict[str, Any]) -> None:
        settings = self.settings
        columns = ["doc_id", "priority", "fetch_time", "text"]
        columns += ["url"] if settings.same_url else []
        columns += ["source"] if settings.scope == "source" else []
        table = kept_pages(Location.of(unit["uri"]), columns)
        digests: list[bytes] = []
        keys = [np.zeros((0, settings.bands), dtype=np.uint64)]
        for batch in table.select(["text"]).to_batches(max_chunksize=BATCH):
            texts = [normalised(text, settings.characters) for text in batch["text"].to_pylist()]
            digests += map(exact_hash, texts)
            if settings.near:
                matrix = signatures(page_ngrams(texts, settings), settings.bands * settings.rows, settings.seed)
                keys.append(band_keys(matrix, settings.bands))
            self.track.advance(len(texts), unit.get("total"), "pages")
        hashes = {"text": as_pairs(digests)}
        if settings.same_url:
            urls = [canonical_url(url) or url for url in table["url"].to_pylist()]
            hashes["url"] = as_pairs([xxhash.xxh3_128_digest(url.encode()) for url in urls])
        if settings.near:
            hashes["bands"] = np.concatenate(keys)
        if settings.scope == "source":
            hashes = {name: scoped(each, table["source"]) for name, each in hashes.items()}
        sketched = pa.table(
            {
                "doc_id": table["doc_id"],
                "priority": table["priority"],
                "characters": pc.cast(pc.utf8_length(table["text"]), pa.int64()),
                "fetch_time": pc.fill_null(table["fetch_time"], ""),
                **{
                    name: pa.FixedSizeListArray.from_arrays(pa.array(each.ravel(), pa.uint64()), each.shape[1])
                    for name, each in hashes.items()
                },
            }
        ).sort_by("doc_id")
        write_shard(self.output, unit["shard"], sketch_name(unit["shard"]), run_bytes(sketched), pages=sketched.num_rows)


def as_pairs(digests: list[bytes]) -> np.ndarray:
    """128-bit digests as uint64 [n, 2]."""
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64).reshape(-1, 2)


def hashes_of(sketch: pa.Table, name: str) -> np.ndarray:
    """A column of hashes as uint64 [pages, n]."""
    column = sketch[name].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1) if len(column) else np.zeros((0, 2), dtype=np.uint64)
