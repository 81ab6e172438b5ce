import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cluster.errors import RequestError
from serving.client.chat import talk
from serving.engine.settings import ServeSettings

MODEL = "model\x1b[2J"
ANSWER = ["red \x1b[31m", "hidden \r", "\u202eturned", " two\nlines"]


class Endpoint(BaseHTTPRequestHandler):
    """One model, one answer, streamed in pieces."""

    def do_GET(self) -> None:
        self.answer("application/json", json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}))

    def do_POST(self) -> None:
        pieces = [{"id": "1", "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in ANSWER]
        self.answer("text/event-stream", "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + "data: [DONE]\n\n")

    def answer(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None: ...


class Page(Endpoint):
    """A server of another kind."""

    def do_GET(self) -> None:
        self.answer("text/html", "<p>hello")


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), request.param) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("url", [Endpoint], indirect=True)
def test_what_a_model_says_is_shown_and_not_obeyed(url: str) -> None:
    lines, out = iter(["hello"]), io.StringIO()

    def read(_: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    talk(url, ServeSettings(), read, out)
    first, said, second = out.getvalue().rstrip("\n").split("\n")
    assert first.startswith("talking to model␛[2J at ")
    assert said == "model␛[2J> red ␛[31mhidden ␍\N{REPLACEMENT CHARACTER}turned two"
    assert second == "lines"


@pytest.mark.parametrize("url", [Page], indirect=True)
def test_a_server_of_another_kind_is_no_endpoint(url: str) -> None:
    with pytest.raises(RequestError, match=r"^no endpoint at http://127.0.0.1:\d+/v1: start one with `pageloom run`$"):
        talk(url, ServeSettings(), lambda _: "", io.StringIO())
