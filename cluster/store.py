"""Where a run's work lives: one root, local or object storage, of immutable artefacts.

An artefact is a directory ROOT/<stage>/<key>/ whose `artefact.json` is written last. A directory
without it does not exist for readers. Files are put in place whole (rename locally, a single PUT on
object stores), so a kill at any moment leaves either the old state or the new one.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import xxhash

from cluster import temporary
from cluster.errors import RequestError

MANIFEST = "artefact.json"
WORK = "_work"  # resumable state inside an attempt: never part of the artefact
METRICS = "metrics.jsonl"  # measured, not derived: outside the artefact's digest


def digest_bytes(data: bytes) -> str:
    """xxh3-128 of `data`, as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(data)


@dataclass(frozen=True)
class Location:
    """A place in a filesystem. Picklable, so that tasks on other machines can write to it."""

    filesystem: pafs.FileSystem
    path: str

    @classmethod
    def of(cls, uri: str | Path) -> Location:
        """Open a local path or an `s3://`, `gs://` URI.

        S3 reads the usual AWS variables and files: credentials, AWS_REGION, AWS_ENDPOINT_URL.
        Raises RequestError for a scheme nobody serves.
        """
        text = str(uri)
        if "://" not in text:
            return cls(pafs.LocalFileSystem(), os.path.abspath(os.path.expanduser(text)))
        try:
            if text.startswith("s3://"):
                options: dict[str, Any] = {}
                if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
                    scheme, _, host = endpoint.rpartition("://")
                    options = {"endpoint_override": host, "scheme": scheme or "https"}
                if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
                    options["region"] = region
                elif options:
                    options["region"] = "us-east-1"
                return cls(pafs.S3FileSystem(**options), text.removeprefix("s3://").rstrip("/"))
            filesystem, path = pafs.FileSystem.from_uri(text)
            return cls(filesystem, path)
        except (ValueError, OSError) as error:
            raise RequestError(f"{text}: cannot open this location ({error}); use a local path, s3:// or gs://") from error

    def __truediv__(self, name: str) -> Location:
        return Location(self.filesystem, f"{self.path}/{name}")

    def __str__(self) -> str:
        return self.path if self.is_local else f"{self.filesystem.type_name}://{self.path}"

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_local(self) -> bool:
        return isinstance(self.filesystem, pafs.LocalFileSystem)

    def exists(self) -> bool:
        return self.filesystem.get_file_info(self.path).type != pafs.FileType.NotFound

    def read_bytes(self) -> bytes:
        with self.filesystem.open_input_stream(self.path, compression=None) as stream:
            return stream.read()

    def read_json(self) -> Any:
        return json.loads(self.read_bytes())

    def open(self) -> Any:
        """A seekable pyarrow NativeFile, for Parquet readers and random access."""
        return self.filesystem.open_input_file(self.path)

    def write_bytes(self, data: bytes) -> None:
        """Put a whole file in place: readers see all of it or nothing."""
        if not self.is_local:
            with self.filesystem.open_output_stream(self.path, compression=None) as stream:
                stream.write(data)
            return
        target = Path(self.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with open(unfinished, "xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(unfinished, target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def write_json(self, value: Any) -> None:
        self.write_bytes(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode())

    def files(self) -> list[str]:
        """Every file below, as sorted relative paths. Empty where nothing exists."""
        selector = pafs.FileSelector(self.path, recursive=True, allow_not_found=True)
        return sorted(
            info.path[len(self.path) + 1 :]
            for info in self.filesystem.get_file_info(selector)
            if info.type == pafs.FileType.File
        )

    def directories(self) -> list[str]:
        """Names of the immediate sub-directories, sorted."""
        selector = pafs.FileSelector(self.path, allow_not_found=True)
        return sorted(
            info.base_name for info in self.filesystem.get_file_info(selector) if info.type == pafs.FileType.Directory
        )

    def delete(self) -> None:
        """Remove this file or directory tree; nothing to do where it is absent."""
        info = self.filesystem.get_file_info(self.path)
        if info.type == pafs.FileType.Directory:
            self.filesystem.delete_dir(self.path)
        elif info.type == pafs.FileType.File:
            self.filesystem.delete_file(self.path)

    def upload(self, directory: Path) -> None:
        """Copy every file of a local directory to below this location."""
        self.filesystem.create_dir(self.path, recursive=True)
        pafs.copy_files(str(directory), self.path, pafs.LocalFileSystem(), self.filesystem)

    @contextmanager
    def as_local(self) -> Iterator[Path]:
        """This directory as a local path: itself where it is local, else a temporary copy."""
        if self.is_local:
            yield Path(self.path)
            return
        with temporary.directory("copy") as copy:
            pafs.copy_files(self.path, copy, self.filesystem, pafs.LocalFileSystem())
            yield Path(copy)


@dataclass(frozen=True)
class Artefact:
    """A committed result of a stage: where it is and what it says of itself."""

    location: Location
    manifest: Mapping[str, Any]

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
    """What `artefact.json` holds. Field names are the file's keys."""

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

    def artefact(self, stage: str, key: str) -> Artefact | None:
        """The committed artefact, or None while there is none."""
        place = self.root / stage / key
        manifest = place / MANIFEST
        return Artefact(place, manifest.read_json()) if manifest.exists() else None

    def artefacts(self, stage: str) -> list[Artefact]:
        """All committed artefacts of a stage, oldest first."""
        found = [self.artefact(stage, key) for key in (self.root / stage).directories()]
        return sorted((a for a in found if a is not None), key=lambda a: a.manifest["committed"])

    def discard(self, stage: str, key: str) -> None:
        """Take an artefact out of the root, its manifest first: from then on it is not there for anybody."""
        place = self.root / stage / key
        (place / MANIFEST).delete()
        place.delete()

    def attempt(self, stage: str, key: str) -> Location:
        """The directory to work in. Keeps what an earlier attempt can resume from, clears the rest."""
        place = self.root / stage / key
        resumable = {record["path"] for record in shard_records(place).values()}
        for name in place.files():
            if name not in resumable and not name.startswith(f"{WORK}/"):
                (place / name).delete()
        return place

    def commit(self, place: Location, manifest: Manifest) -> Artefact:
        """Make the attempt visible: digest its files, drop its working state, write the manifest last."""
        known = {record["path"]: record for record in shard_records(place).values()}
        for name in place.files():
            if name.startswith(f"{WORK}/"):
                continue
            if name in known:
                size, digest = known[name]["bytes"], known[name]["digest"]
            else:
                size, digest = digest_file(place / name)
            manifest.files.append({"path": name, "bytes": size, "digest": digest})
        manifest.committed = time.time()
        (place / MANIFEST).write_json(asdict(manifest))
        (place / WORK).delete()
        return Artefact(place, asdict(manifest))


def digest_file(place: Location, block: int = 1 << 22) -> tuple[int, str]:
    """Size in bytes and xxh3-128 of a file, read in blocks of `block` bytes."""
    state, size = xxhash.xxh3_128(), 0
    with place.filesystem.open_input_stream(place.path, compression=None) as stream:
        while chunk := stream.read(block):
            state.update(chunk)
            size += len(chunk)
    return size, state.hexdigest()


# Shards: how a long stage resumes inside itself.


def write_shard(place: Location, index: int, name: str, data: bytes, **counts: Any) -> None:
    """Commit one shard of an attempt: the file, then its record. A shard with a record is never redone.

    place: the attempt's directory (`ctx.output`); name: file name inside it, the same at every attempt.
    counts: JSON values that the stage wants back from `shard_records`.
    """
    (place / name).write_bytes(data)
    record = {"path": name, "bytes": len(data), "digest": digest_bytes(data), "counts": counts}
    (place / WORK / "shards" / f"{index:06d}.json").write_json(record)


def shard_records(place: Location) -> dict[int, dict[str, Any]]:
    """The shards that an attempt has finished: index -> {path, bytes, digest, counts}."""
    records = place / WORK / "shards"
    return {int(name.removesuffix(".json")): (records / name).read_json() for name in records.files() if name.endswith(".json")}


def parquet_bytes(table: pa.Table) -> bytes:
    """A pyarrow Table as one Parquet file (zstd), the same bytes for the same rows."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=True)
    return sink.getvalue()


# External inputs


def first_words(error: OSError) -> str:
    return " ".join(str(error).split())[:200]


def printable(path: str) -> str:
    """A path whose bytes that are no UTF-8 are written as `\\xe9`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
