"""The tokens stage: documents as packed sequences in shards that can be mapped into memory."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.errors import WorkError
from cluster.report import Headline, Table
from cluster.stage import Context
from cluster.store import parquet_bytes
from pipeline.shards import run_shards

INDEX = "tokens.json"
SPANS = "spans.parquet"


def run_tokens(ctx: Context) -> None:
    """Tokenise and pack the corpus shard by shard in a pool of actors; then one index and one table of spans."""
    from pipeline.token_worker import TokenWorker, spans_name, token_dtype

    length = ctx.settings.sequence_length
    numbers: Counter[str] = Counter()
    units: list[dict[str, Any]] = []
    for place in ctx.inputs["corpus"].paths(".parquet"):
        split = place.name.partition("-")[0]
        units.append({"shard": len(units), "split": split, "name": f"{split}-{numbers[split]:05d}", "uri": str(place)})
        numbers[split] += 1
    tokenizer = ctx.inputs["tokenizer"]
    records = run_shards(ctx, units, TokenWorker, tokenizer.location, length, ctx.output, ctx.track)
    shards = [records[shard]["counts"] for shard in sorted(records)]
    splits = {
        split: [{"name": each["shard"], "sequences": each["sequences"]} for each in shards if each["split"] == split]
        for split in ("train", "heldout")
    }
    for split, parts in splits.items():
        if not sum(part["sequences"] for part in parts):
            raise WorkError(
                f"the {split} documents do not fill one sequence of {length} tokens; "
                "give more pages or lower tokens.sequence_length"
            )
    vocabulary = tokenizer.counts["vocabulary"]
    (ctx.output / INDEX).write_json(
        {"sequence_length": length, "dtype": token_dtype(vocabulary).str, "vocabulary": vocabulary, "splits": splits}
    )
    spans = pa.concat_tables(pq.read_table((ctx.work / spans_name(shard)).open()) for shard in sorted(records))
    (ctx.output / SPANS).write_bytes(parquet_bytes(spans))
    tell_tokens(ctx, shards)


def tell_tokens(ctx: Context, shards: list[dict[str, Any]]) -> None:
    rows: list[list[Any]] = []
    for split in ("train", "heldout"):
        parts = [each for each in shards if each["split"] == split]
        total = {name: sum(each[name] for each in parts) for name in ("documents", "sequences", "tokens", "dropped")}
        ctx.count(**{f"{split}_{name}": number for name, number in total.items()})
        rows.append([split, *total.values()])
    ctx.tell(
        Headline(label="tokens to learn from", value=ctx.counts["train_tokens"]),
        Table(
            title="Tokens",
            columns=["split", "documents", "sequences", "tokens", "dropped"],
            rows=rows,
            note="dropped: tokens at the end of a shard that fill no sequence",
        ),
    )
