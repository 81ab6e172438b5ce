"""Nothing is lost in silence: what came in, what was kept, and why the rest was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from cluster.errors import WorkError


def entry(statuses: Iterable[str], reasons: Iterable[str], **more: Any) -> dict[str, Any]:
    """A shard's line: {records, kept, rejected: {reason: number}, ...}."""
    kept = Counter(statuses)
    rejected = Counter(reason for reason in reasons if reason)
    return {"records": kept.total(), "kept": kept["kept"], "rejected": dict(sorted(rejected.items())), **more}


def balance(name: str, shards: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Add the shards up. Raises WorkError naming the shard in which records = kept + rejected does not hold."""
    records, kept, rejected = 0, 0, Counter[str]()
    for shard, line in sorted(shards.items()):
        refused = sum(line["rejected"].values())
        if line["records"] != line["kept"] + refused:
            raise WorkError(
                f"{name}: shard {shard} does not add up: {line['records']} records, {line['kept']} kept, {refused} rejected; "
                "this is a fault of pageloom, please report it"
            )
        records, kept = records + line["records"], kept + line["kept"]
        rejected.update(line["rejected"])
    return {"records": records, "kept": kept, "rejected": dict(rejected.most_common())}
