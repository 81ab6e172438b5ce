"""What the crawler fetched, as WARC records in memory until a file of them is complete."""

from __future__ import annotations

import io
from collections.abc import Sequence

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

Headers = Sequence[tuple[str, str]]


class WarcFile:
    """One growing `.warc.gz`: a gzip member a record (WARC 1.1), opened by a warcinfo record.

    Memory: the compressed file itself; the crawler closes it at `crawl.warc_mb`.
    """

    def __init__(self, name: str, software: str, operator: str) -> None:
        self.name = name
        self.buffer = io.BytesIO()
        self.writer = WARCWriter(self.buffer, gzip=True, warc_version="1.1")
        info = {"software": software, "operator": operator, "format": "WARC File Format 1.1", "robots": "classic"}
        self.writer.write_record(self.writer.create_warcinfo_record(name, info))

    @property
    def size(self) -> int:
        return self.buffer.tell()

    def add(self, url: str, date: str, request: tuple[str, Headers], status: str, headers: Headers, body: bytes) -> None:
        """Write an exchange as a request and a response record that point at each other.

        date: ISO 8601 UTC. request: request line and headers. status: status line. body: as sent (still
        content-encoded) but without chunking, so `headers` may not announce any.
        """
        line, sent = request
        target = {"WARC-Date": date}
        response = self.writer.create_warc_record(
            url,
            "response",
            payload=io.BytesIO(body),
            length=len(body),
            http_headers=StatusAndHeaders(status.split(" ", 1)[1], list(headers), protocol=status.split(" ", 1)[0]),
            warc_headers_dict=dict(target),
        )
        asked = self.writer.create_warc_record(
            url,
            "request",
            http_headers=StatusAndHeaders(line, list(sent), is_http_request=True),
            warc_headers_dict=dict(target),
        )
        self.writer.write_request_response_pair(asked, response)

    def close(self) -> bytes:
        return self.buffer.getvalue()
