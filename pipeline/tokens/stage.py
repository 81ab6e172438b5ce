"""The tokens stage: documents as packed sequences in shards that can be mapped into memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.errors import WorkError
from cluster.report.blocks import Headline, Table
from cluster.stage import Context
from cluster.store import parquet_bytes
from pipeline.crawl.stage import INVENTORY
from pipeline.pool import run_shards
from pipeline.shards import in_order
from pipeline.tokens.index import INDEX, TokenIndex, TokenShard

SPANS = "spans.parquet"
SPLITS = ("train", "heldout")
FIGURES = ("documents", "sequences", "tokens", "dropped")


def run_tokens(ctx: Context) -> None:
    """Tokenise and pack the corpus shard by shard in a pool of actors; then one index and one table of spans."""
    from pipeline.tokens.worker import TokenWorker, spans_name, token_dtype

    length = ctx.settings.sequence_length
    numbers: Counter[str] = Counter()
    units: list[dict[str, Any]] = []
    for place in in_order(ctx.inputs["corpus"].paths(".parquet")):
        split = place.name.partition("-")[0]
        units.append({"shard": len(units), "split": split, "name": f"{split}-{numbers[split]:05d}", "uri": str(place)})
        numbers[split] += 1
    tokenizer = ctx.inputs["tokenizer"]
    records = run_shards(ctx, units, TokenWorker, tokenizer.location, length, ctx.output, ctx.track)
    shards = [records[shard]["counts"] for shard in sorted(records)]
    vocabulary = tokenizer.counts["vocabulary"]
    index = TokenIndex(
        sequence_length=length,
        dtype=token_dtype(vocabulary).str,
        vocabulary=vocabulary,
        splits={split: [listed(each) for each in shards if each["split"] == split] for split in SPLITS},
        weights=weights_of((ctx.inputs["crawl"].location / INVENTORY).read_json()["sources"]),
    )
    for split in SPLITS:
        if not sum(index.sequences(split).values()):
            raise WorkError(
                f"the {split} documents do not fill one sequence of {length} tokens; "
                "give more pages or lower tokens.sequence_length"
            )
    (ctx.output / INDEX).write_json(index.model_dump())
    spans = pa.concat_tables(pq.read_table((ctx.work / spans_name(shard)).open()) for shard in sorted(records))
    (ctx.output / SPANS).write_bytes(parquet_bytes(spans))
    tell_tokens(ctx, shards, index.weights)


def listed(shard: Mapping[str, Any]) -> TokenShard:
    """A shard as the index names it. A source that fills no sequence there is not listed."""
    sources = {name: each["sequences"] for name, each in shard["sources"].items() if each["sequences"]}
    return TokenShard(name=shard["shard"], sequences=sum(sources.values()), sources=sources)


def weights_of(sources: Mapping[str, Mapping[str, Any]]) -> dict[str, float] | None:
    """The weights in the crawl's `inventory.json`; None where its sources have none (all have one, or none has)."""
    weights = {name: source["weight"] for name, source in sources.items() if source["weight"] is not None}
    return weights or None


def tell_tokens(ctx: Context, shards: list[dict[str, Any]], weights: Mapping[str, float] | None) -> None:
    rows: list[list[Any]] = []
    for split in SPLITS:
        total = Counter(dict.fromkeys(FIGURES, 0))
        for each in (part for shard in shards if shard["split"] == split for part in shard["sources"].values()):
            total.update(each)
        ctx.count(**{f"{split}_{name}": total[name] for name in FIGURES})
        rows.append([split, *(total[name] for name in FIGURES)])
    ctx.tell(
        Headline(label="tokens to learn from", value=ctx.counts["train_tokens"]),
        Table(
            title="Tokens",
            columns=["split", *FIGURES],
            rows=rows,
            note="dropped: tokens at the end of a shard, or of a source in it, that fill no sequence",
        ),
    )
    sources = by_source([shard for shard in shards if shard["split"] == "train"])
    ctx.count(sources=sources)
    if len(sources) > 1:
        ctx.tell(told_sources(sources, weights))


def by_source(shards: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Documents, sequences, tokens and dropped tokens of each source, in name order."""
    found = defaultdict[str, Counter[str]](Counter)
    for shard in shards:
        for name, figures in shard["sources"].items():
            found[name].update({figure: figures[figure] for figure in FIGURES})
    return {name: dict(figures) for name, figures in sorted(found.items())}


def told_sources(sources: Mapping[str, Mapping[str, int]], weights: Mapping[str, float] | None) -> Table:
    """What there is of each source to train on, beside what the recipe asks for."""
    tokens = sum(each["tokens"] for each in sources.values())
    weighed = sum(weights.values()) if weights else 0.0
    rows: list[list[str | float | int | None]] = [
        [
            name,
            each["documents"],
            each["tokens"],
            round(each["tokens"] / tokens, 4),
            None if weights is None else weights.get(name),
            round(weights.get(name, 0) / weighed if weights else each["tokens"] / tokens, 4),
        ]
        for name, each in sources.items()
    ]
    return Table(
        title="Tokens to learn from, by source",
        columns=["source", "documents", "tokens", "natural share", "weight", "share in training"],
        rows=rows,
        note="" if weights else "no source has a weight, so each comes as often as there is of it",
    )
