"""moto's S3 server, one request at a time, which loses requests or answers when told to.

One at a time: moto looks whether an object exists and stores it in two steps, and a real store's conditional writes are atomic.
PUT /-faults {"at": n, "count": k, "answer": bool} loses requests n to n + k - 1 from now on, with `answer` only their answers.
GET /-requests lists [method, path] of those since.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

moto = DomainDispatcherApplication(create_backend_app)
one_at_a_time = threading.Lock()
faults: dict[str, Any] = {"at": 0, "count": 0, "answer": False}
requests: list[list[str]] = []


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/-requests":
        start_response("200 OK", [])
        return [json.dumps(requests).encode()]
    if path == "/-faults":
        requests.clear()
        faults.update(json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
        start_response("200 OK", [])
        return []
    with one_at_a_time:
        requests.append([environ["REQUEST_METHOD"], f"{path}?{environ['QUERY_STRING']}"])
        lost = 0 < faults["at"] <= len(requests) < faults["at"] + faults["count"]
        answer = [] if lost and not faults["answer"] else list(moto(environ, start_response))
    if lost:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return answer


if __name__ == "__main__":
    port, host = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    run_simple(host, port, application, threaded=True)
