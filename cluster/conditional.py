"""Writing where nobody else has written: what two writers of one root agree by."""

from __future__ import annotations

import configparser
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.errors import RequestError
from cluster.location import Location, make_directory, s3_options, settle, unfinished

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ObjectStore

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)  # filesystems without hard links: FAT, some of FUSE
TIMEOUT = timedelta(seconds=8)  # of a request; pageloom's own are small


class Taken(Exception):
    """Somebody else wrote first."""


def create(place: Location, data: bytes) -> bool:
    """Put a whole file in place if there is none; False where there is one with other content.

    An answer that got lost is not an error: a file that holds `data` was written by this call.
    """
    if not place.is_local:
        try:
            Cell(place, retries=4).create(data)
        except Taken:
            return False
        return True
    target = Path(place.path)
    make_directory(target.parent)
    try:
        link(target, data)
    except FileExistsError:
        return target.read_bytes() == data
    settle(target.parent)
    return True


def move(place: Location, data: bytes, held: Callable[[], None]) -> None:
    """Put a small file in place of the one there is, for a holder of the root. held: raises where it no longer is one.

    On object stores it is called between look and write, so that a holder that is paused after it changes nothing that its
    successor wrote. Raises Taken then.
    """
    if place.is_local:
        place.write_bytes(data)
        return
    cell = Cell(place, retries=4)
    found = cell.read()
    held()
    if found:
        cell.replace(data, found[1])
    else:
        cell.create(data)


def link(target: Path, data: bytes) -> None:
    """Raises FileExistsError where `target` exists."""
    finished = target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(8).hex()}")
    try:
        finished.write_bytes(data)
        settle(finished)
        os.link(finished, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if target.exists():  # what excludes others here is the root's lock
            raise FileExistsError(target) from error
        with unfinished(target) as beside:
            beside.write_bytes(data)
    finally:
        finished.unlink(missing_ok=True)


class Cell:
    """One small object of an object store, written only as the version that the writer has seen.

    Raises OSError where the store does not answer, after `retries` more tries of a request.
    """

    def __init__(self, place: Location, retries: int = 0) -> None:
        bucket, _, self.key = place.path.partition("/")
        self.store = open_store(place, bucket, retries)

    def read(self) -> tuple[bytes, UpdateVersion] | None:
        """Content and version, None while there is no object."""
        import obstore

        with store_errors():
            try:
                found = obstore.get(self.store, self.key)
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise OSError("there is no such bucket") from error
                return None
            return bytes(found.bytes()), version_of(found.meta)

    def create(self, data: bytes) -> UpdateVersion:
        """Write the object if there is none; returns its version. Raises Taken where there is another."""
        return self._put(data, "create")

    def replace(self, data: bytes, seen: UpdateVersion) -> UpdateVersion:
        """Write the object if it still is the version `seen`; returns its new version. Raises Taken where it is not."""
        return self._put(data, seen)

    def _put(self, data: bytes, mode: Any) -> UpdateVersion:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with store_errors():
            try:
                return version_of(obstore.put(self.store, self.key, data, mode=mode))
            except (AlreadyExistsError, PreconditionError):
                found = self.read()  # our own, where the answer to an earlier try got lost
        if found is None or found[0] != data:
            raise Taken
        return found[1]


def version_of(told: Any) -> UpdateVersion:
    return {name: told[name] for name in ("e_tag", "version") if told.get(name)}  # type: ignore[return-value]


@contextmanager
def store_errors() -> Iterator[None]:
    """What obstore raises for a store that does not answer, as the OSError of one line that pyarrow would raise."""
    from obstore.exceptions import BaseError

    try:
        yield
    except BaseError as error:
        raise OSError(str(error).partition("\n")[0]) from error


def open_store(place: Location, bucket: str, retries: int) -> ObjectStore:
    """The client for conditional requests, with the credentials and endpoint that `place` was opened with.

    Raises RequestError for stores that have no conditional writes.
    """
    from obstore.store import GCSStore, S3Store

    common: dict[str, Any] = {"retry_config": {"max_retries": retries}}
    if place.filesystem.type_name == "s3":
        options = s3_options() | s3_profile()
        plain = options.get("endpoint", "").startswith("http://")
        return S3Store(bucket, **options, client_options={"allow_http": plain, "timeout": TIMEOUT}, **common)  # type: ignore[arg-type]
    if place.filesystem.type_name == "gcs":
        return GCSStore(bucket, client_options={"timeout": TIMEOUT}, **common)
    raise RequestError(
        f"{place}: two runs could destroy each other's work in a store of this kind; use a local path, s3:// or gs://"
    )


def s3_profile() -> dict[str, str]:
    """The keys of ~/.aws/credentials, which obstore does not read; {} where variables have some or there is no such file."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    file = configparser.ConfigParser(interpolation=None)
    file.read(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws" / "credentials")
    profile = os.environ.get("AWS_PROFILE") or "default"
    wanted = {
        "access_key_id": "aws_access_key_id",
        "secret_access_key": "aws_secret_access_key",
        "session_token": "aws_session_token",
    }
    return {ours: file[profile][theirs] for ours, theirs in wanted.items() if file.has_option(profile, theirs)}
