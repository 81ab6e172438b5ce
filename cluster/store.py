"""Where a run's work lives: one root, local or object storage, of immutable artefacts.

An artefact is ROOT/<stage>/<key>/artefact.json, written last and never overwritten; it names the directory beside it in which
the attempt that made it worked (see cluster.attempts), with size and digest of every file. Without it there is no artefact.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cluster.attempts import attempts_in, begin
from cluster.conditional import create
from cluster.errors import RequestError, WorkError
from cluster.location import Location, digest_bytes, digest_file, in_parallel, is_unfinished, settle
from cluster.shards import WORK, missing_or_cut, parquet_bytes, read_records, shard_records, write_shard

# What a stage works with, from one place.
__all__ = [
    "METRICS",
    "WORK",
    "Artefact",
    "Location",
    "Manifest",
    "Store",
    "digest_bytes",
    "parquet_bytes",
    "shard_records",
    "write_shard",
]

MANIFEST = "artefact.json"
METRICS = "metrics.jsonl"  # measured, not derived: outside the artefact's digest
WANTED = frozenset({"stage", "key", "files", "parents", "counts"})  # what every manifest says


@dataclass(frozen=True)
class Artefact:
    """A committed result of a stage: where its files are and what it says of itself."""

    location: Location
    manifest: Mapping[str, Any]

    @classmethod
    def at(cls, place: Location) -> Artefact | None:
        """The artefact whose directory ROOT/<stage>/<key> is `place`, None while it is not committed.

        Raises WorkError for a manifest that cannot be read.
        """
        try:
            manifest = (place / MANIFEST).read_json()
            if not (isinstance(manifest, dict) and manifest.keys() >= WANTED):
                raise ValueError("no manifest")
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise WorkError(
                f"{place / MANIFEST}: cannot be read ({error}); put back a copy of it, or delete it and the stage is made again"
            ) from error
        attempt = manifest.get("attempt")  # roots of before attempts had directories have none
        return cls(place / attempt if attempt else place, manifest)

    @property
    def place(self) -> Location:
        """ROOT/<stage>/<key>, the directory of the manifest: what `Artefact.at` opens."""
        return self.location.parent if self.manifest.get("attempt") else self.location

    @property
    def stage(self) -> str:
        return self.manifest["stage"]

    @property
    def key(self) -> str:
        return self.manifest["key"]

    @property
    def counts(self) -> Mapping[str, Any]:
        return self.manifest["counts"]

    @property
    def digest(self) -> str:
        """One hash over all derived files: equal digests mean equal bytes."""
        files = [[file["path"], file["digest"]] for file in self.manifest["files"] if file["path"] != METRICS]
        return digest_bytes(json.dumps(files).encode())

    def paths(self, suffix: str) -> list[Location]:
        """Locations of the files whose path ends with `suffix`, in name order."""
        return [self.location / file["path"] for file in self.manifest["files"] if file["path"].endswith(suffix)]

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics tracked while the stage ran, one dict a step with `step` and `time`."""
        place = self.location / METRICS
        return [json.loads(line) for line in place.read_bytes().splitlines()] if place.exists() else []


@dataclass
class Manifest:
    """What `artefact.json` holds. Field names are the file's keys. attempt: the directory of the files, beside it."""

    stage: str
    key: str
    settings: Mapping[str, Any]
    parents: Mapping[str, str]
    external: list[dict[str, Any]]
    version: str
    pageloom: str
    started: float
    seconds: float
    work_seconds: float
    peak_memory_bytes: int
    host: str
    peak_memory_of: str = "run"  # or "driver": on a cluster that was joined, what other processes take is not seen
    counts: dict[str, Any] = field(default_factory=dict)
    report: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    committed: float = 0.0
    values: dict[str, Any] = field(default_factory=dict)  # what of settings and recipe is in the key
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    attempt: str = ""


class Store:
    """The artefacts under one root."""

    def __init__(self, root: str | Path) -> None:
        self.root = Location.of(root)

    def check(self, writing: bool) -> None:
        """Raises RequestError where the root cannot be reached, or, with `writing`, where nothing can be put there.

        Writing makes a local root; an object store is asked for the bucket only, so as to leave nothing in it.
        """
        try:
            bucket = Location(self.root.filesystem, self.root.path.partition("/")[0])
            there = (self.root if self.root.is_local or not writing else bucket).exists()
            if self.root.is_local and writing:
                Path(self.root.path).mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=self.root.path).close()
            elif self.root.is_local and there and not Path(self.root.path).is_dir():
                raise RequestError(f"{self.root}: cannot be the root (a file is there); choose another --root")
            elif writing and not there:
                raise RequestError(f"{self.root}: there is no bucket {bucket.path}; create it, or choose another --root")
        except UnicodeEncodeError as error:
            raise RequestError(
                f"{printable(str(self.root))}: the name of the root is not UTF-8; choose another --root"
            ) from error
        except OSError as error:
            said = (self.root.is_local and error.strerror) or first_words(error)
            remedy = (
                "choose another --root" if self.root.is_local else "check the address, the credentials and what they permit"
            )
            raise RequestError(f"{self.root}: cannot be the root ({said}); {remedy}") from error

    def place(self, stage: str, key: str) -> Location:
        """The directory of an artefact: its manifest, and the attempts at it."""
        return self.root / stage / key

    def artefact(self, stage: str, key: str) -> Artefact | None:
        """The committed artefact, or None while there is none."""
        return Artefact.at(self.place(stage, key))

    def artefacts(self, stage: str) -> list[Artefact]:
        """All committed artefacts of a stage, oldest first."""
        found = in_parallel(lambda key: self.artefact(stage, key), (self.root / stage).directories())
        return sorted((a for a in found if a is not None), key=lambda a: a.manifest["committed"])

    def attempt(self, stage: str, key: str, fence: int = 1) -> Location:
        """The directory to work in, with what an earlier attempt can be resumed from. fence: number of the root's holder."""
        return begin(self.place(stage, key), fence)

    def commit(self, attempt: Location, manifest: Manifest, check: Callable[[], None] | None = None) -> Artefact:
        """Make the attempt visible; returns the artefact, which is another attempt's where that was faster.

        check: called before the manifest is written; raises where the root is no longer held.
        Raises WorkError where a shard's file is not what its record says.
        """
        manifest.files, manifest.attempt, manifest.committed = describe(attempt), attempt.name, time.time()
        if check is not None:
            check()
        data = json.dumps(asdict(manifest), indent=1, sort_keys=True, ensure_ascii=False).encode()
        if create(attempt.parent / MANIFEST, data):
            artefact = Artefact(attempt, asdict(manifest))
            self.tidy(artefact, int(attempt.name))
            return artefact
        committed = self.artefact(manifest.stage, manifest.key)
        if committed is None:
            raise WorkError(f"{attempt.parent}: its manifest was written and deleted by another process meanwhile; run again")
        if committed.location != attempt:
            attempt.delete()
        return committed

    def tidy(self, artefact: Artefact, fence: int) -> int:
        """Delete what is left beside a committed artefact's files, for the root's holder of this number: the state that its
        attempt resumed from, other attempts, manifests that killed writers left. Returns how many went.

        Attempts of later holders stay: one that lost the root between its last look and its manifest must not take its
        successor's files away.
        """
        attempt, place = artefact.location, artefact.place
        gone = [attempt / WORK] if WORK in attempt.directories() else []
        gone += [place / name for name in attempts_in(place) if name != attempt.name and int(name) <= fence]
        if place.is_local:
            gone += [place / name for name in place.own_files() if is_unfinished(name)]
        for each in gone:
            each.delete()
        return len(gone)

    def discard(self, stage: str, key: str) -> None:
        """Delete an artefact and all attempts at it, for holders of the root. The manifest first: nobody sees half of it."""
        place = self.place(stage, key)
        (place / MANIFEST).delete()
        place.delete()


def describe(attempt: Location) -> list[dict[str, Any]]:
    """What a manifest says of an attempt's files: [{path, bytes, digest}], all of them on the disk when it returns.

    Deletes what killed writers left. Raises WorkError where a shard's file is not what its record says.
    """
    sizes = attempt.sizes()
    records = {record["path"]: record for record in read_records(attempt, list(sizes)).values()}
    for record in records.values():
        if missing_or_cut(record, sizes):
            raise WorkError(
                f"{attempt / record['path']}: {sizes.get(record['path'], 'no')} bytes where {record['bytes']} were written; "
                "something else changes the root; run again"
            )
    made = [name for name in sizes if not name.startswith(f"{WORK}/")]
    for name in filter(is_unfinished, made):
        (attempt / name).delete()

    def told(name: str) -> dict[str, Any]:
        if name in records:
            size, digest = records[name]["bytes"], records[name]["digest"]
        else:
            size, digest = digest_file(attempt / name)
            if attempt.is_local:  # the shards are already
                settle(Path(attempt.path, name))
        return {"path": name, "bytes": size, "digest": digest}

    files = in_parallel(told, [name for name in made if not is_unfinished(name)])
    if attempt.is_local:
        for directory in {parent for name in made for parent in Path(name).parents}:
            settle(Path(attempt.path, directory))
    return files


def first_words(error: OSError) -> str:
    return " ".join(str(error).split())[:200]


def printable(path: str) -> str:
    """A path whose bytes that are no UTF-8 are written as `\\xe9`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
