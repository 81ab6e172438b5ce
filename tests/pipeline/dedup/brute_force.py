"""Real documents whose similarities are known exactly, all pairs of them, without anything of the stage but its words."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasketch
import numpy as np
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from cluster.store import Location
from pipeline.dedup.decisions import dropped
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.sketch import normalised
from pipeline.dedup.stage import deduplicate, split_of
from pipeline.extract.gold import gold_pages
from pipeline.pool import run_here
from tests.pipeline.dedup.conftest import Crawl

Pair = tuple[int, int]  # positions among the texts, smaller first
NGRAM, PASSAGE = 5, 200  # words
SHARDS = 4


def books(data: Path) -> Iterator[list[str]]:
    """The words of every novel, in the order of the files' names."""
    for path in sorted((data / "prose/novels").glob("*.txt.gz")):
        yield gzip.decompress(path.read_bytes()).decode(errors="replace").split()


def whole_documents(data: Path) -> list[str]:
    """News articles, documents of C4 and main texts of web pages: as they are, so with what they have in common."""
    news = [line.split(" ", 1)[1] for line in (data / "dedup/news_articles.train").read_text().splitlines()]
    crawled = [json.loads(line)["text"] for line in (data / "prose/c4_sample.jsonl").read_text().splitlines()]
    return news + crawled + [page.gold for page in gold_pages(data / "html", ("wcxb",))]


def real_documents(data: Path, number: int, seed: int = 11) -> list[str]:
    """A fifth whole documents; the others pairs of passages of novels, 200 words each, that overlap.

    Passages that lie d words apart have (196 - d) / (196 + d) of their shingles in common: every d from 0 to 65 occurs
    equally often, so similarities go from 1/2 to 1. No passage occurs in two pairs, so pairs are found independently.
    """
    chance = random.Random(seed)
    found = chance.sample(whole_documents(data), number // 5)
    pairs = (number - len(found)) // 2
    places = [(words, at) for words in books(data) for at in range(0, len(words) - 2 * PASSAGE, 2 * PASSAGE)]
    for turn, (words, at) in enumerate(chance.sample(places, pairs)):
        for begin in (at, at + turn % 66):
            found.append(" ".join(words[begin : begin + PASSAGE]))
    chance.shuffle(found)
    return found


def ngrams(text: str) -> set[str]:
    """By the definition, on the words themselves."""
    words = normalised(text, 500_000).split()
    width = min(NGRAM, len(words))
    return {" ".join(words[at : at + width]) for at in range(len(words) - width + 1)} if words else set()


def true_jaccard(one: str, other: str) -> float:
    a, b = ngrams(one), ngrams(other)
    return len(a & b) / len(a | b) if a | b else 1.0


def all_similarities(sets: Sequence[set[str]]) -> dict[Pair, float]:
    """The Jaccard similarity of every pair of sets with something in common, smaller position first.

    By a product of sparse matrices: sets x n-grams, times itself transposed, are the sizes of all intersections.
    """
    number: dict[str, int] = {}
    columns = [number.setdefault(gram, len(number)) for each in sets for gram in each]
    ends = np.cumsum([0, *map(len, sets)])
    matrix = csr_array((np.ones(len(columns), dtype=np.int32), columns, ends), shape=(len(sets), len(number)))
    common = (matrix @ matrix.T).tocoo()
    upper = common.row < common.col
    low, high, both = common.row[upper], common.col[upper], common.data[upper]
    sizes = np.diff(ends)
    how = both / (sizes[low] + sizes[high] - both)
    return dict(zip(zip(low.tolist(), high.tolist(), strict=True), how.tolist(), strict=True))


def chance_of_a_band(similarity: Any, bands: int = 14, rows: int = 8) -> Any:
    """Of pairs at a similarity, the share that has a band in common (Leskovec et al., Mining of Massive Datasets, 3.4)."""
    return 1 - (1 - similarity**rows) ** bands


def candidates(work: Location, shard_size: int) -> set[Pair]:
    """The pairs that the phases below `work` looked at."""
    found = set[Pair]()
    for phase in ("runs", "candidates"):
        for name in (work / phase).files():
            if name.startswith("pairs-"):
                pairs = pq.read_table((work / phase / name).open())
                ends = [pairs[end].to_numpy() for end in ("low", "high")]
                places = ((ids >> 32) * shard_size + (ids & 0xFFFFFFFF) for ids in ends)
                found |= {(min(pair), max(pair)) for pair in zip(*map(np.ndarray.tolist, places), strict=True)}
    return found


@dataclass
class Answer:
    """By position among the texts: exact similarities of pairs, the pairs the stage looked at, the pages that go."""

    sets: list[set[str]]
    similarity: dict[Pair, float]
    candidates: set[Pair]
    gone: dict[int, dict[str, Any]]

    def at_least(self, least: float) -> dict[Pair, float]:
        """Pairs of pages that no exact copy has replaced before signatures are compared."""
        copies = {page for page, row in self.gone.items() if row["reason"] == "exact_duplicate"}
        return {pair: how for pair, how in self.similarity.items() if how >= least and not copies & {*pair}}


def answer_for(data: Path, number: int, root: Path) -> Answer:
    """What the stage, with its defaults, says of so many real documents, beside their similarities."""
    texts = real_documents(data, number)
    crawl = Crawl(root)
    ctx = crawl.context(crawl.pages(texts, SHARDS), DedupSettings(), "d")
    deduplicate(ctx, run_here)
    size = -(-len(texts) // SHARDS)
    gone = {}
    for row in (row for shard in range(SHARDS) for row in dropped(ctx.output, shard).to_pylist()):
        page, to = ((row[name] >> 32) * size + (row[name] & 0xFFFFFFFF) for name in ("doc_id", "canonical_id"))
        gone[page] = row | {"to": to}
    sets = [ngrams(text) for text in texts]
    return Answer(sets, all_similarities(sets), candidates(ctx.work / split_of(ctx.settings), size), gone)


def datasketch_candidates(sets: Sequence[set[str]]) -> set[Pair]:
    """The pairs that datasketch's MinHashLSH finds in 14 bands of 8 hashes, which it does not verify."""
    index, found = datasketch.MinHashLSH(num_perm=112, params=(14, 8)), set[Pair]()
    for at, grams in enumerate(sets):
        sketch = datasketch.MinHash(112, seed=1)
        sketch.update_batch([gram.encode() for gram in grams])
        found |= {(other, at) for other in index.query(sketch)}
        index.insert(at, sketch, check_duplication=False)
    return found
