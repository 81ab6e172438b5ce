"""Input on S3: read as local files are, and refused in one line where it is not there or not permitted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cluster.errors import RequestError
from cluster.inputs import expand
from cluster.store import Location
from pipeline.crawl.inventory import inventory
from pipeline.crawl.settings import Source
from pipeline.read import Part, plan_units, read_part


def test_files_on_s3_are_listed_cut_and_read_as_local_ones_are(
    s3_root: str, make_warc: Callable[..., Path], tmp_path: Path
) -> None:
    pages = [(f"http://h/{number}", f"<p>{number} {'x' * number * 37}") for number in range(40)]
    local = make_warc(*pages)
    Location.of(f"{s3_root}/a/made.warc.gz").write_bytes(local.read_bytes())
    Location.of(f"{s3_root}/b/book.txt").write_bytes(b"A book.")
    sources = [Source(name="web", input=[f"{s3_root}/a/*.gz"]), Source(name="books", input=[f"{s3_root}/b"], priority=1)]
    files, unreadable = inventory([file for source in sources for one in source.input for file in expand(one)], sources)
    assert unreadable == []
    assert [(file["uri"], file["source"], file["format"]) for file in files] == [
        (f"{s3_root}/a/made.warc.gz", "web", "warc"),
        (f"{s3_root}/b/book.txt", "books", "text"),
    ]
    units = plan_units([{**file, "name": file["uri"]} for file in files], 1000)
    assert len(units) > 2
    records = [record for unit in units for part in unit for record in read_part(part, 10**6) if not record.about]
    assert [(record.url, record.body.decode()) for record in records[:-1]] == pages  # type: ignore[union-attr]
    assert (records[-1].body, records[-1].url) == ("A book.", f"{s3_root}/b/book.txt")


def test_a_path_on_s3_that_does_not_exist_is_one_line(s3_root: str) -> None:
    for path in (f"{s3_root}/gone/*.warc.gz", f"{s3_root}/gone", "s3://no-such-bucket-here/x"):
        with pytest.raises(RequestError, match="no file there; check the path"):
            expand(path)
    [record] = read_part(Part(f"{s3_root}/gone.warc.gz", "gone", "warc"), 10**6)
    assert (record.problem, bool(record.note)) == ("unreadable", True)


class Denying(BaseHTTPRequestHandler):
    """Answers as S3 does where a policy denies the request."""

    def answer(self) -> None:
        body = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def denying(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Denying)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    yield "s3://private"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_path_on_s3_without_permission_is_one_line_that_says_so(denying: str) -> None:
    for path in (f"{denying}/crawl/*.warc.gz", f"{denying}/crawl/a.warc.gz"):
        with pytest.raises(RequestError) as raised:
            expand(path)
        message = str(raised.value)
        assert message.startswith(f"{path}: cannot be listed (")
        assert "ACCESS_DENIED" in message
        assert message.endswith("check the credentials and what they permit")
        assert "\n" not in message


def test_a_file_whose_permission_went_after_listing_is_one_unreadable_record(denying: str) -> None:
    for kind in ("warc", "html", "jsonl", "text", "code", "stackexchange", "parquet"):
        [record] = read_part(Part(f"{denying}/crawl/a", "a", kind), 10**6)
        assert (record.problem, record.file) == ("unreadable", "a")
        assert "ACCESS_DENIED" in record.note
