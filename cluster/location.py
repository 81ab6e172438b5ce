"""A place in a filesystem, local or an object store, and what may be done with a file there.

Files are put in place whole (written beside and renamed locally, a single PUT on object stores), so a kill at any moment
leaves either the old state or the new one. What is local is on the disk, names included, when a call returns.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.fs as pafs
import xxhash

from cluster import temporary
from cluster.errors import RequestError

BLOCK = 1 << 22  # bytes read at a time from files of any size
REQUESTS = 16  # requests to an object store under way at once

Each = TypeVar("Each")
Result = TypeVar("Result")


def digest_bytes(data: bytes) -> str:
    """xxh3-128 of `data`, as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(data)


def s3_options() -> dict[str, str]:
    """Endpoint URL and region of S3 as the usual AWS variables say; {} where they say nothing.

    A store behind an endpoint of its own is not asked for its region, which most do not know: us-east-1 is what they sign with.
    """
    options = {}
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        options["endpoint"] = endpoint if "://" in endpoint else f"https://{endpoint}"
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        options["region"] = region
    elif options:
        options["region"] = "us-east-1"
    return options


def s3_filesystem() -> pafs.S3FileSystem:
    """S3 as the usual AWS variables and files say. A small file is one request instead of a multipart upload's three."""
    options: dict[str, Any] = s3_options()
    if endpoint := options.pop("endpoint", None):
        options["scheme"], _, options["endpoint_override"] = endpoint.partition("://")
    return pafs.S3FileSystem(allow_delayed_open=True, **options)


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
                if not text.removeprefix("s3://").strip("/"):
                    raise ValueError("it names no bucket")
                return cls(s3_filesystem(), text.removeprefix("s3://").rstrip("/"))
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
    def parent(self) -> Location:
        return Location(self.filesystem, self.path.rsplit("/", 1)[0])

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
        whole = memoryview(data)  # a stream that is closed after a wrong type has put an empty object in place
        if not self.is_local:
            with self.filesystem.open_output_stream(self.path, compression=None) as stream:
                stream.write(data)
            return
        with unfinished(Path(self.path)) as beside, open(beside, "xb") as file:
            file.write(whole)

    def write_json(self, value: Any) -> None:
        self.write_bytes(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode())

    def sizes(self) -> dict[str, int]:
        """Every file below, as relative path -> bytes, in name order. Empty where nothing exists. One listing."""
        selector = pafs.FileSelector(self.path, recursive=True, allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        inside = len(self.path) + 1
        return dict(sorted((info.path[inside:], info.size) for info in found if info.type == pafs.FileType.File))

    def files(self) -> list[str]:
        """Every file below, as sorted relative paths. Empty where nothing exists."""
        return list(self.sizes())

    def directories(self) -> list[str]:
        """Names of the immediate sub-directories, sorted."""
        return self._names(pafs.FileType.Directory)

    def own_files(self) -> list[str]:
        """Names of the files right in this directory, sorted."""
        return self._names(pafs.FileType.File)

    def _names(self, kind: pafs.FileType) -> list[str]:
        selector = pafs.FileSelector(self.path, allow_not_found=True)
        return sorted(info.base_name for info in self.filesystem.get_file_info(selector) if info.type == kind)

    def delete(self) -> None:
        """Remove this file or directory tree; nothing to do where it is absent."""
        info = self.filesystem.get_file_info(self.path)
        if info.type == pafs.FileType.Directory:
            self.filesystem.delete_dir(self.path)
        elif info.type == pafs.FileType.File:
            self.filesystem.delete_file(self.path)

    def upload(self, directory: Path) -> None:
        """Copy every file of a local directory to below this location, each put in place whole."""
        sources = sorted(path for path in directory.rglob("*") if path.is_file())
        in_parallel(lambda path: self._receive(path, self / path.relative_to(directory).as_posix()), sources)

    def _receive(self, source: Path, target: Location) -> None:
        with open(source, "rb") as reading:
            if self.is_local:
                with unfinished(Path(target.path)) as beside, open(beside, "xb") as writing:
                    shutil.copyfileobj(reading, writing, BLOCK)
                return
            with self.filesystem.open_output_stream(target.path, compression=None) as stream:
                while block := reading.read(BLOCK):
                    stream.write(block)

    @contextmanager
    def as_local(self) -> Iterator[Path]:
        """This directory as a local path: itself where it is local, else a temporary copy, one for all processes of a machine.

        To read only. Raises OSError where the store or the disk fails.
        """
        if self.is_local:
            yield Path(self.path)
            return
        found = self.filesystem.get_file_info(pafs.FileSelector(self.path, recursive=True))
        files = sorted((info.path, info.size, info.mtime_ns) for info in found)
        name = digest_bytes(pickle.dumps((self.filesystem, self.path, files)))

        def download(copy: Path) -> None:
            pafs.copy_files(self.path, str(copy), self.filesystem, pafs.LocalFileSystem())

        with temporary.shared("copy", name, download) as copy:
            yield copy


def in_parallel(call: Callable[[Each], Result], over: Iterable[Each]) -> list[Result]:
    """`call` of each, REQUESTS at once, results in order. Raises what the first that failed raised."""
    with ThreadPoolExecutor(REQUESTS) as pool:
        return list(pool.map(call, over))


def digest_file(place: Location) -> tuple[int, str]:
    """Size in bytes and xxh3-128 of a file, read in blocks."""
    state, size = xxhash.xxh3_128(), 0
    with place.filesystem.open_input_stream(place.path, compression=None) as stream:
        while block := stream.read(BLOCK):
            state.update(block)
            size += len(block)
    return size, state.hexdigest()


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """A name beside `target` to write its content to; at the end of the block that file is `target`, on the disk.

    The name begins with a dot: whoever finds it later knows that its writer was killed. Gone after an error.
    """
    make_directory(target.parent)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        yield beside
        settle(beside)
        os.replace(beside, target)
        settle(target.parent)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def is_unfinished(path: str) -> bool:
    """Whether a file's path says that its writer was killed (see `unfinished`)."""
    return path.rsplit("/", 1)[-1].startswith(".")


def make_directory(place: Path) -> None:
    """Make a directory and those above it, each of them on the disk."""
    missing = []
    while not place.is_dir():
        missing.append(place)
        place = place.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        settle(each.parent)


def settle(place: Path) -> None:
    """Wait until a file's content, or a directory's names, are on the disk."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
