from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.store import Location
from pipeline.classifiers.stage import SCHEMA, scores_of


def test_scores_are_put_together_by_the_sources_that_are_cut_apart(tmp_path: Path) -> None:
    places = []
    for shard, scores in enumerate([{"web": 0.125, "books": 0.25, "forum": 0.375}, {"web": 0.5, "books": None, "code": None}]):
        places.append(Location.of(tmp_path / f"{shard}.parquet"))
        rows = [{"doc_id": shard, "source": source, "quality": score} for source, score in scores.items()]
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / f"{shard}.parquet")

    def found(kind: str, *apart: str) -> dict[str, list[float]]:
        return {name: scores.tolist() for name, scores in scores_of(places, kind, apart).items()}

    assert found("quality") == {"": [0.125, 0.25, 0.375, 0.5]}
    assert found("quality", "books", "code") == {"": [0.125, 0.375, 0.5], "books": [0.25]}
    assert found("toxicity", "books") == {}
