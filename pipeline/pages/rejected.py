"""Looking at single pages: those that a reason rejected, with value, threshold and text side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel

from cluster.errors import RequestError
from cluster.store import Artefact, Location
from pipeline.pages.thresholds import family


class ShownPage(BaseModel):
    """A page, what was decided of it and why. text: as extracted; empty where the owner did not want it used."""

    doc_id: int
    url: str
    source: str
    language: str | None
    status: str
    reason: str
    value: float | None
    threshold: float | None
    note: str | None
    text: str = ""

    def measured(self) -> str:
        """`0.31 (limit 0.2)`, or the note where nothing was measured."""
        if self.value is None:
            return self.note or ""
        return f"{self.value:.4g}" + ("" if self.threshold is None else f" (limit {self.threshold:.4g})")


def rejected_pages(records: Artefact, shards: Iterable[Location], reasons: Sequence[str], limit: int) -> Iterator[ShownPage]:
    """The first `limit` pages of these shards of `pages` that one of `reasons` rejected ("": that were kept)."""
    columns = [name for name in ShownPage.model_fields if name != "text"]
    left = limit
    for place in shards:
        table = pq.read_table(place.open(), columns=columns, filters=pc.field("reason").isin(list(reasons))).slice(0, left)
        texts = texts_of(records.location / place.name, table["doc_id"])
        for row in table.to_pylist():
            yield ShownPage(**row, text=texts.get(row["doc_id"], ""))
        left -= table.num_rows
        if not left:
            return


def texts_of(shard: Location, doc_ids: pa.ChunkedArray) -> dict[int, str]:
    """The texts of some rows of a records shard."""
    if not len(doc_ids):
        return {}
    wanted = pc.is_in(pc.field("doc_id"), doc_ids.combine_chunks())
    table = pq.read_table(shard.open(), columns=["doc_id", "text"], filters=wanted)
    return dict(zip(table["doc_id"].to_pylist(), table["text"].to_pylist(), strict=True))


def reasons_named(pages: Artefact, name: str) -> list[str]:
    """The reasons that a name stands for: one as the ledger spells it, or a family of them such as gopher_repetition.

    Raises RequestError naming those there are.
    """
    reasons = list(pages.counts["rejected"])
    found = [reason for reason in reasons if name in (reason, family(reason))]
    if not found:
        raise RequestError(f"--reason {name}: rejected no page here; there are {', '.join(reasons) or 'none'}")
    return found
