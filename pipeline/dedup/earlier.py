"""Earlier dedup artefacts that a crawl is compared with: their index, and the pages that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.errors import RequestError
from cluster.store import Artefact, Location, write_shard
from pipeline.dedup.decisions import dropped
from pipeline.dedup.exact import PREFERRED
from pipeline.dedup.near.candidates import shard_run
from pipeline.dedup.runs import run_bytes
from pipeline.dedup.settings import SKETCHED_WITH, DedupSettings
from pipeline.dedup.sketch_worker import hashes_of, sketch_name
from pipeline.pages.shard import page_shards


@dataclass(frozen=True)
class Earlier:
    """crawl: its number in `identity`, from 1; index: its runs by kind (bands, text, url); pages: its pages' shards."""

    crawl: int
    index: Mapping[str, Sequence[Location]]
    pages: Sequence[Location]


def open_earlier(settings: DedupSettings) -> list[Earlier]:
    """The artefacts that `dedup.against` names. Raises RequestError for one that is not there or not comparable."""
    return [open_one(number, uri, settings) for number, uri in enumerate(settings.against, 1)]


def open_one(number: int, uri: str, settings: DedupSettings) -> Earlier:
    place = Location.of(uri.rstrip("/"))
    if (artefact := Artefact.at(place)) is None:
        raise RequestError(f"dedup.against: no finished artefact at {uri}; give the directory ROOT/dedup/KEY of one")
    if artefact.stage != "dedup":
        raise RequestError(f"dedup.against: {uri} is an artefact of `{artefact.stage}`; give one of `dedup`")
    check_same(uri, artefact.manifest["settings"], settings)
    root = Location(place.filesystem, place.path.rsplit("/", 2)[0])
    there = root / "pages" / artefact.manifest["parents"]["pages"]
    if (pages := Artefact.at(there)) is None:
        raise RequestError(f"dedup.against: the pages of {uri} are not at {there}; candidates are compared with their texts")
    index: dict[str, list[Location]] = {}
    for file in artefact.manifest["files"]:
        if file["path"].startswith("index/"):
            place_of_run = artefact.location / file["path"]
            index.setdefault(place_of_run.name.partition("-")[0], []).append(place_of_run)
    return Earlier(number, index, page_shards(pages))


def check_same(uri: str, before: Mapping[str, Any], settings: DedupSettings) -> None:
    """Raises RequestError naming what differs: keys made in other ways never meet, and nobody would notice."""
    now = settings.model_dump(mode="json")
    other = [f"{name} {before.get(name)} there, {now[name]} here" for name in SKETCHED_WITH if before.get(name) != now[name]]
    if settings.same_url and not before.get("same_url"):
        other.append("same_url False there, True here")
    if other:
        raise RequestError(f"dedup.against: {uri} was made with {'; '.join(other)}; set dedup.* alike or leave it out")


def index_name(kind: str, shard: int) -> str:
    return f"index/{kind}-{shard:06d}.parquet"


class IndexWorker:
    """What later crawls compare with: the band keys, or the hashes, of the pages of a shard that stay.

    Rows (key, representative) sorted by key, where a key has at most `representatives`; or (high, low, doc_id and what
    preference is decided by) sorted by hash. The band is part of a key.
    """

    def __init__(self, representatives: int, sketches: Location, output: Location) -> None:
        self.representatives, self.sketches, self.output = representatives, sketches, output

    def __call__(self, unit: dict[str, Any]) -> None:
        kind, part = unit["kind"], unit["part"]
        columns = ["doc_id", kind] if kind == "bands" else ["doc_id", *PREFERRED, kind]
        sketch = pq.read_table((self.sketches / sketch_name(part)).open(), columns=columns)
        gone = dropped(self.output, part)["doc_id"].to_numpy()
        sketch = sketch.filter(pa.array(~np.isin(sketch["doc_id"].to_numpy(), gone)))
        hashes = hashes_of(sketch, kind)
        if kind == "bands":
            table = shard_run(hashes, sketch["doc_id"].to_numpy(), self.representatives)
        else:
            table = sketch.drop_columns([kind]).append_column("high", pa.array(hashes[:, 0]))
            table = table.append_column("low", pa.array(hashes[:, 1])).sort_by([("high", "ascending"), ("low", "ascending")])
            table = table.select(["high", "low", "doc_id", *PREFERRED])
        write_shard(self.output, unit["shard"], index_name(kind, part), run_bytes(table), rows=table.num_rows)
