"""Files as streams of their content: plain, gzip or zstd, told apart by how they begin."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from cluster.store import Location

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
WINDOW = 1 << 20
AT_ONCE = 16  # files that the driver looks into at the same time: an object store takes 50 ms to answer for each
END_OF_FILE = 1 << 62
PIECE = 1 << 14  # what is lost in front of damage, at most: a block is decompressed whole or not at all


def compression(head: bytes) -> str | None:
    """`gzip`, `zstd` or None, by the first four bytes."""
    return "gzip" if head[:2] == GZIP else "zstd" if head[:4] == ZSTD else None


class Slice(io.RawIOBase):
    """The bytes from `start` to `end` of an open file, as a file of their own, which can be closed alone."""

    def __init__(self, stream: Any, start: int = 0, end: int = END_OF_FILE) -> None:
        self.stream, self.start, self.length, self.at = stream, start, end - start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.length)[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def read(self, size: int | None = -1) -> bytes:
        left = self.length - self.at
        self.stream.seek(self.start + self.at)
        data: bytes = self.stream.read(left if size is None or size < 0 else min(size, left))
        self.at += len(data)
        return data


class Inflated(io.RawIOBase):
    """The content of a compressed file as a plain one. Seeking back decompresses again from the beginning.

    What stands before damage or a cut comes out; only the next read raises the OSError.
    """

    def __init__(self, file: Any, kind: str) -> None:
        self.file, self.kind = file, kind
        self.begin()

    def begin(self) -> None:
        # It closes what it reads from, and the file is to be read again.
        self.stream, self.at, self.failure = pa.CompressedInputStream(Slice(self.file), self.kind), 0, ""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 1:
            offset += self.at
        elif whence == 2:
            raise io.UnsupportedOperation("the length of a compressed file is not known")
        if offset < self.at:
            self.begin()
        while self.at < offset and self.read(min(WINDOW, offset - self.at)):
            pass
        return self.at

    def read(self, size: int | None = -1) -> bytes:
        wanted = END_OF_FILE if size is None or size < 0 else size
        pieces: list[bytes] = []
        while wanted > 0 and not self.failure:
            try:
                piece = self.stream.read(min(PIECE, wanted))
            except OSError as error:
                self.failure = str(error) or "damaged"
                break
            if not piece:
                break
            pieces.append(piece)
            wanted -= len(piece)
        data = b"".join(pieces)
        if self.failure and not data and size != 0:
            raise OSError(self.failure)
        self.at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def open_content(place: Location, start: int = 0) -> io.BufferedReader:
    """The file's content from `start` on, decompressed. A compressed file is read from its beginning only."""
    file = place.open()
    kind = compression(file.read(4))
    file.seek(0 if kind else start)  # Inflated begins where the file does, whatever it stands at
    return io.BufferedReader(Inflated(file, kind) if kind else file, WINDOW >> 4)


def lines(stream: io.BufferedReader, limit: int) -> Iterator[tuple[bytes, int]]:
    """Lines with their lengths in bytes. Of a line longer than `limit` only the first `limit` + 1 bytes are kept."""
    while line := stream.readline(limit + 1):
        length = len(line)
        if length > limit and not line.endswith(b"\n"):
            while more := stream.readline(WINDOW):
                length += len(more)
                if more.endswith(b"\n"):
                    break
        yield line, length
