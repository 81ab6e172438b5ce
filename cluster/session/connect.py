"""What starting and joining have in common: `ray.init`, in one line where it fails."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from cluster.errors import RequestError, first_line


def refuse_another_ray() -> None:
    """A process holds one Ray. Raises RequestError where the caller's own program, a notebook say, has one already."""
    ray = sys.modules.get("ray")
    if ray is not None and getattr(ray, "is_initialized", bool)():
        raise RequestError(
            "Ray is already running in this program and a process holds one; call ray.shutdown() first, "
            "or run `pageloom` as a process of its own"
        )


def connect(where: str, **options: Any) -> Any:
    """`ray.init` with what every session has in common; returns its context. where: for people.

    SIGTERM keeps doing what it did: Ray's own handler ends the driver by abort(). Raises RequestError.
    """
    refuse_another_ray()
    import ray

    from cluster.session.job import Job

    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        with safe_path():
            context = ray.init(
                job_config=Job(),
                log_to_driver=False,
                logging_level=logging.ERROR,
                namespace=f"pageloom-{os.getpid()}",
                **options,
            )
    except Exception as error:  # a node that is late on a busy machine is a bare Exception in Ray
        said = first_line(error).rstrip(".")
        raise RequestError(f"{where}: {said}; `pageloom doctor` says what is wrong here") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)
    return context


def leaving() -> threading.Thread:
    """A thread in which Ray is left: `ray.shutdown` may hang where the other side is busy or gone."""
    import ray

    thread = threading.Thread(target=ray.shutdown, daemon=True, name="ray-shutdown")
    thread.start()
    return thread


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """What is started here, and all that it starts, does not import from the directory that the user stands in."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before
