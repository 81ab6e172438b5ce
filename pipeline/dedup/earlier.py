"""Earlier dedup artefacts that a crawl is compared with: their index, and the pages that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.errors import RequestError
from cluster.store import MANIFEST, Artefact, Location
from pipeline.dedup.settings import SKETCHED_WITH, DedupSettings


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
    if not (place / MANIFEST).exists():
        raise RequestError(f"dedup.against: no finished artefact at {uri}; give the directory ROOT/dedup/KEY of one")
    artefact = Artefact(place, (place / MANIFEST).read_json())
    if artefact.stage != "dedup":
        raise RequestError(f"dedup.against: {uri} is an artefact of `{artefact.stage}`; give one of `dedup`")
    check_same(uri, artefact.manifest["settings"], settings)
    root = Location(place.filesystem, place.path.rsplit("/", 2)[0])
    pages = root / "pages" / artefact.manifest["parents"]["pages"]
    if not (pages / MANIFEST).exists():
        raise RequestError(f"dedup.against: the pages of {uri} are not at {pages}; candidates are compared with their texts")
    index: dict[str, list[Location]] = {}
    for file in artefact.manifest["files"]:
        if file["path"].startswith("index/"):
            place_of_run = artefact.location / file["path"]
            index.setdefault(place_of_run.name.partition("-")[0], []).append(place_of_run)
    return Earlier(number, index, Artefact(pages, (pages / MANIFEST).read_json()).paths(".parquet"))


def check_same(uri: str, before: Mapping[str, Any], settings: DedupSettings) -> None:
    """Raises RequestError naming what differs: keys made in other ways never meet, and nobody would notice."""
    now = settings.model_dump(mode="json")
    other = [f"{name} {before.get(name)} there, {now[name]} here" for name in SKETCHED_WITH if before.get(name) != now[name]]
    if settings.same_url and not before.get("same_url"):
        other.append("same_url False there, True here")
    if other:
        raise RequestError(f"dedup.against: {uri} was made with {'; '.join(other)}; set dedup.* alike or leave it out")
