"""Archives and parts of them that several tests read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.crawl.archive import WarcFile
from pipeline.read import Part

PROSE = (
    "The harbour lay quiet under the first snow of that winter, and the boats that had not been brought ashore "
    "moved with the tide. A woman walked along the quay to the house of the pilot, and she had a letter to give to him. "
    "It was about the light on the outer rock, which had been dark for two nights, and nobody could say why that was. "
    "The pilot read it twice. Then he took his coat, and they went down to the water together. "
)


@pytest.fixture
def prose() -> str:
    return PROSE


@pytest.fixture
def make_warc(tmp_path: Path) -> Callable[..., Path]:
    """Write a WARC of (url, html) or (url, html, status, content type) exchanges; returns its path."""

    def make(*pages: tuple, name: str = "made.warc.gz") -> Path:
        file = WarcFile(name, "test", "test")
        for page in pages:
            url, body, status, mime = (*page, 200, "text/html; charset=utf-8")[:4] if len(page) == 2 else page
            data = body if isinstance(body, bytes) else body.encode()
            headers = [("Content-Type", mime), ("Content-Length", str(len(data)))]
            file.add(url, "2026-01-02T03:04:05Z", ("GET / HTTP/1.1", [("Host", "x")]), f"HTTP/1.1 {status} X", headers, data)
        path = tmp_path / name
        path.write_bytes(file.close())
        return path

    return make


@pytest.fixture
def whole() -> Callable[[Path, str], Part]:
    return lambda path, kind: Part(str(path), path.name, kind)
