from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap

import httpx
import psutil
import pytest

from cluster.errors import RequestError
from pipeline.crawl.pydoc_server import UNSAFE_PAGES, PydocServer, PydocSettings

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def test_it_documents_the_standard_library_and_nothing_else(free_port: int) -> None:
    with PydocServer(PydocSettings(port=free_port)) as server:
        index = httpx.get(server.url, timeout=30).text
        assert 'href="textwrap.html"' in index
        assert 'href="ray.html"' not in index
        page = httpx.get(server.url + "textwrap.html", timeout=30).text
        assert "Collection&nbsp;of&nbsp;functions" in page or "Text&nbsp;wrapping&nbsp;and&nbsp;filling" in page
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_a_module_that_opens_a_browser_does_no_harm(free_port: int, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = tmp_path / "www-browser"
    browser.write_text(f"#!/bin/sh\ntouch {tmp_path}/opened\n")
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":0")
    with PydocServer(PydocSettings(port=free_port)) as server:
        assert "antigravity" in httpx.get(server.url + "antigravity.html", timeout=30).text
        assert httpx.get(server.url + "bisect.html", timeout=30).status_code == 200
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(
    "page",
    [
        *("antigravity.html", "idlelib.html", "test.html", "test.support.html", "asyncio.__main__.html", "turtledemo.html"),
        *("lib2to3.tests.html", "_testcapi.html", "distutils.tests.test_core.html", "unittest.test.html"),
        *("get?key=os", "search?key=x"),
    ],
)
def test_pages_that_would_run_something_are_not_asked_for(page: str) -> None:
    assert any(re.search(pattern, f"http://127.0.0.1:7464/{page}") for pattern in UNSAFE_PAGES)


@pytest.mark.parametrize(
    "page", ["", "unittest.html", "topic?key=ASSERTION", "doctest.html", "this.html", "site.html", "xml.dom.html"]
)
def test_pages_that_only_define_things_are_asked_for(page: str) -> None:
    assert not any(re.search(pattern, f"http://127.0.0.1:7464/{page}") for pattern in UNSAFE_PAGES)


def test_a_taken_port_is_named_with_the_remedy(free_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        with (
            pytest.raises(RequestError, match=rf"port {free_port} is taken.*--set crawl\.pydoc\.port="),
            PydocServer(PydocSettings(port=free_port)),
        ):
            pass


@pytest.mark.slow
def test_it_dies_with_its_parent_even_when_that_is_killed(free_port: int) -> None:
    program = textwrap.dedent(f"""
        import time
        from pipeline.crawl.pydoc_server import PydocServer, PydocSettings
        with PydocServer(PydocSettings(port={free_port})) as server:
            print(server.process.pid, flush=True)
            time.sleep(60)
    """)
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    assert server.is_running()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    gone, alive = psutil.wait_procs([server], timeout=10)
    assert (gone, alive) == ([server], [])
