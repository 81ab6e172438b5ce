"""Bodies as servers send them and crawlers archive them: chunked, compressed, both, or neither but said to be."""

from __future__ import annotations

import gzip
import http.client
import io
import random
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import brotli
import pyarrow as pa
import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.capture_http import capture_http

from pipeline.read import Record
from pipeline.read.warc.http_body import decoded

ReadFile = Callable[..., list[Record]]
PAGE = b"<html><p>" + " ".join(f"wort{number} Grüße" for number in range(700)).encode()


def chunked(body: bytes, size: int = 1000) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def zstd(body: bytes) -> bytes:
    packed: bytes = pa.compress(body, "zstd", asbytes=True)
    return packed


ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd,
    "identity": bytes,
    "none": bytes,
    "UTF-8": bytes,
    "": bytes,
}


def response(
    url: str, body: bytes, *headers: str, kind: str = "response", line_end: bytes = b"\r\n", before: bytes = b""
) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/html; charset=utf-8", *headers, "", ""]
    http = before + line_end.join(line.encode() for line in lines) + body
    given = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{url}>",
        "WARC-Date": "2026-01-01T00:00:00Z",
        "WARC-Target-URI": url,
        "Content-Type": "application/http; msgtype=" + ("request" if kind == "request" else "response"),
        "Content-Length": str(len(http)),
    }
    return (
        b"WARC/1.0\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in given.items()).encode()
        + b"\r\n"
        + http
        + b"\r\n\r\n"
    )


PACK: dict[str, Callable[[list[bytes]], bytes]] = {
    "plain": b"".join,
    "gzip": lambda records: b"".join(map(gzip.compress, records)),
    "zstd": lambda records: b"".join(map(zstd, records)),
    "one gzip member": lambda records: gzip.compress(b"".join(records)),
}


@pytest.fixture
def read_between(tmp_path: Path, read_file: ReadFile) -> Callable[..., Record]:
    """Read a record that stands between two others, which must come through too; returns it."""

    def read(record: bytes, packing: str = "gzip", limit: int = 10**6) -> Record:
        path = tmp_path / "x"
        path.write_bytes(PACK[packing]([response("http://h/1", b"<p>1"), record, response("http://h/3", b"<p>3")]))
        first, found, last = read_file(path, limit=limit)
        assert [(each.url, each.body, each.problem) for each in (first, last)] == [
            ("http://h/1", b"<p>1", ""),
            ("http://h/3", b"<p>3", ""),
        ]
        return found

    return read


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("encoding", ENCODE)
def test_a_chunked_body_in_an_encoding_is_decoded_and_costs_no_record_behind_it(
    read_between: Callable[..., Record], encoding: str, packing: str
) -> None:
    body = chunked(ENCODE[encoding](PAGE))
    record = response("http://h/2", body, f"Content-Encoding: {encoding}", "Transfer-Encoding: chunked")
    assert read_between(record, packing).body == PAGE


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Encoding: deflate"], raw_deflate(PAGE)),
        (["Content-Encoding: gzip, br"], brotli.compress(gzip.compress(PAGE))),
        (["Content-Encoding: gzip", "Content-Encoding: gzip"], gzip.compress(gzip.compress(PAGE))),
        (["Transfer-Encoding: gzip, chunked"], chunked(gzip.compress(PAGE))),
        (["Transfer-Encoding: chunked, chunked"], chunked(chunked(PAGE))),
        (["Content-Encoding: gzip"], gzip.compress(PAGE[:900]) + gzip.compress(PAGE[900:]) + b"\0\0"),
        (["Transfer-Encoding: Chunked"], chunked(PAGE).replace(b"3e8\r\n", b"003E8 ; name=value\r\n")),
        (["Transfer-Encoding: chunked"], chunked(PAGE)[:-2] + b"Trailer: x\r\n\r\n"),
    ],
    ids=["raw deflate", "br over gzip", "gzip twice", "transfer", "chunked twice", "members", "extensions", "trailer"],
)
def test_encodings_are_undone_as_browsers_do(read_between: Callable[..., Record], headers: list[str], body: bytes) -> None:
    assert read_between(response("http://h/2", body, *headers)).body == PAGE


@pytest.mark.parametrize("transfer", [[], ["Transfer-Encoding: chunked"]])
@pytest.mark.parametrize("encoding", [*ENCODE, "gzip, br"])
@pytest.mark.parametrize(
    "text",
    [PAGE, b"Disallow: /x\n", b"x^2 is a square", "<p>Größe".encode("latin-1"), b"hello " * 99, b""],
    ids=["page", "rule", "square", "latin-1", "hello", "nothing"],
)
def test_a_body_that_its_headers_wrongly_call_encoded_is_taken_as_it_is(
    read_between: Callable[..., Record], encoding: str, transfer: list[str], text: bytes
) -> None:
    found = read_between(response("http://h/2", text, f"Content-Encoding: {encoding}", *transfer))
    assert (found.body, found.problem) == (text, "")


NOISE = b"<html>" + random.Random(1).randbytes(300_000).hex().encode()


@pytest.mark.parametrize("encoding", ["chunked", "gzip", "deflate", "br", "zstd"])
def test_of_a_body_that_is_cut_off_comes_what_is_there(read_between: Callable[..., Record], encoding: str) -> None:
    sent = chunked(NOISE) if encoding == "chunked" else ENCODE[encoding](NOISE)
    header = "Transfer-Encoding" if encoding == "chunked" else "Content-Encoding"
    found = read_between(response("http://h/2", sent[: len(sent) * 3 // 4], f"{header}: {encoding}"))
    assert NOISE.startswith(found.body)
    assert len(NOISE) * 3 // 4 - 150_000 < len(found.body) < len(NOISE)  # a block of zstd holds 128 KiB
    assert (found.problem, found.note) == ("", f"cut off inside its {encoding} encoding")


@pytest.mark.parametrize("encoding", ["chunked", "gzip", "deflate", "br", "zstd"])
def test_a_body_that_is_damaged_inside_its_encoding_is_unreadable(read_between: Callable[..., Record], encoding: str) -> None:
    sent = chunked(NOISE) if encoding == "chunked" else ENCODE[encoding](NOISE)
    header = "Transfer-Encoding" if encoding == "chunked" else "Content-Encoding"
    damage = b"\xff" * 300_000 if encoding == "br" else random.Random(2).randbytes(50_000)  # brotli has no checksum
    found = read_between(response("http://h/2", sent[: len(sent) // 2] + damage, f"{header}: {encoding}"))
    assert (found.problem, found.body) == ("unreadable", b"")
    assert found.note.startswith(f"damaged inside its {encoding} encoding: ")


def test_a_body_that_is_cut_off_before_anything_can_be_decoded_is_unreadable(read_between: Callable[..., Record]) -> None:
    found = read_between(response("http://h/2", gzip.compress(PAGE)[:9], "Content-Encoding: gzip"))
    assert (found.problem, found.note) == ("unreadable", "cut off at the beginning of its gzip encoding")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_in_any_encoding_stops_at_the_limit(encoding: str) -> None:
    bomb = ENCODE[encoding](bytes(30_000_000))
    tracemalloc.start()
    found, _ = decoded(bomb, [encoding], 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 1_000_001
    assert peak < 8_000_000


def test_a_bomb_of_encodings_is_unreadable(read_between: Callable[..., Record]) -> None:
    found = read_between(response("http://h/2", gzip.compress(PAGE), "Content-Encoding: " + "gzip, " * 1000 + "gzip"))
    assert found.problem == "unreadable"
    assert "1001 encodings" in found.note


def test_headers_with_bare_line_feeds_are_headers(read_between: Callable[..., Record]) -> None:
    found = read_between(response("http://h/2", gzip.compress(PAGE), "Content-Encoding: gzip", line_end=b"\n"))
    assert (found.status, found.mime, found.charset, found.body) == (200, "text/html", "utf-8", PAGE)


def test_an_interim_answer_is_not_the_answer(read_between: Callable[..., Record]) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    sent = response(
        "http://h/2", chunked(gzip.compress(PAGE)), "Content-Encoding: gzip", "Transfer-Encoding: chunked", before=interim
    )
    found = read_between(sent)
    assert (found.status, found.mime, found.charset, found.body) == (200, "text/html", "utf-8", PAGE)


@pytest.mark.parametrize("packing", PACK)
def test_iterating_gives_as_many_records_as_another_library_whatever_the_bodies_are(
    tmp_path: Path, read_file: ReadFile, packing: str
) -> None:
    chance, path = random.Random(packing), tmp_path / "x"
    for _ in range(60):
        records = []
        for number in range(chance.randrange(2, 9)):
            body = chance.choice([PAGE, b"", b"<p>x", chance.randbytes(chance.randrange(5000))])
            applied = [chance.choice(list(ENCODE)) for _ in range(chance.randrange(3))]
            for encoding in applied:
                body = ENCODE[encoding](body)
            claimed = applied if chance.random() < 0.6 else [chance.choice(list(ENCODE)) for _ in range(2)]
            headers = [f"Content-Encoding: {', '.join(claimed)}"] * bool(claimed)
            if chance.random() < 0.5:
                body = chunked(body, chance.choice([7, 1000, 4096])) if chance.random() < 0.8 else body
                headers.append("Transfer-Encoding: chunked")
            body = body[: chance.randrange(len(body) + 1)] if chance.random() < 0.2 else body
            kind = chance.choice(["response", "response", "request", "resource", "revisit", "metadata", "conversion"])
            line_end = chance.choice([b"\r\n", b"\r\n", b"\n"])
            records.append(response(f"http://h/{number}", body, *headers, kind=kind, line_end=line_end))
        data = PACK[packing](records)
        path.write_bytes(data)
        plain = b"".join(records) if packing in ("zstd", "one gzip member") else data  # which warcio does not read
        theirs = [each.rec_headers["WARC-Target-URI"] for each in ArchiveIterator(io.BytesIO(plain), no_record_parse=True)]
        assert [record.url for record in read_file(path)] == theirs
        assert [record.url for record in read_file(path, task_bytes=chance.randrange(300, 9000))] == theirs


class CompressingServer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in (("Content-Type", "text/html"), ("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(chunked(gzip.compress(self.path.encode() + PAGE), 300))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), CompressingServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_what_warcio_captured_from_a_server_that_compresses_comes_through(
    server: int, tmp_path: Path, read_file: ReadFile
) -> None:
    path = tmp_path / "captured.warc.gz"
    with capture_http(str(path)):
        for number in range(5):
            connection = http.client.HTTPConnection("127.0.0.1", server)
            connection.request("GET", f"/{number}")
            connection.getresponse().read()
            connection.close()
    pages = [record for record in read_file(path) if not record.about]
    assert [record.body for record in pages] == [f"/{number}".encode() + PAGE for number in range(5)]
