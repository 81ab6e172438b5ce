"""The head of a cluster as jobs see it, with an end to every request and one line for whatever is wrong with it."""

from __future__ import annotations

import logging
import os
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient

from cluster.errors import RequestError, first_line
from cluster.session.environment import Environment
from cluster.session.token import token_mode, token_trouble

ADDRESS = "RAY_API_SERVER_ADDRESS"
DEFAULT = "http://127.0.0.1:8265"
CONNECT_SECONDS = 5
REQUEST_SECONDS = 30  # Ray's head itself waits 10 s for an agent


for _module in ("dashboard_sdk", "job.sdk"):  # Ray's words on what it uploads
    logging.getLogger(f"ray.dashboard.modules.{_module}").setLevel(logging.WARNING)


class Client(JobSubmissionClient):
    """Ray's client; whatever it asks for comes to an end. named: the head, for people."""

    def __init__(self, address: str, named: str) -> None:
        self.named = named
        super().__init__(address)

    def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
        return super()._do_request(method, endpoint, **{"timeout": (CONNECT_SECONDS, REQUEST_SECONDS), **options})

    def told(self, endpoint: str) -> Any:
        """What the head answers to a GET. Raises OSError for an answer that is no success."""
        answer = self._do_request("GET", endpoint)
        answer.raise_for_status()
        return answer.json()

    def ours(self) -> list[JobDetails]:
        """The runs among the cluster's jobs, newest first."""
        found = [job for job in self.list_jobs() if job.submission_id and "pageloom" in (job.metadata or {})]
        return sorted(found, key=lambda job: job.start_time or 0, reverse=True)

    def node_state(self, identity: str) -> str:
        """ALIVE, DEAD, or nothing for a node that the cluster does not know."""
        nodes = self.told("/api/v0/nodes?detail=1")["data"]["result"]["result"]
        return next((node["state"] for node in nodes if node["node_id"] == identity), "")


@contextmanager
def connected(address: str | None) -> Iterator[Client]:
    """The head's client. address: the dashboard's URL; None: RAY_API_SERVER_ADDRESS, RAY_ADDRESS where it is one, loopback.

    Raises RequestError, also for what goes wrong in the block.
    """
    url, named = chosen_address(address)
    refuse_silence(url, named)
    environment = Environment({ADDRESS: url, **token_mode()})  # the variable outweighs what Ray's client is told
    try:
        with in_one_line(named):
            client = Client(url, named)
            check_versions(client)
            yield client
    finally:
        environment.restore()


def chosen_address(address: str | None) -> tuple[str, str]:
    """The URL, and how people know it."""
    variables = {name: os.environ.get(name, "") for name in (ADDRESS, "RAY_ADDRESS")}
    if not variables["RAY_ADDRESS"].startswith(("http://", "https://")):
        del variables["RAY_ADDRESS"]  # a run's, which joins the head's GCS
    source, url = next(((name, value) for name, value in {"--address": address, **variables}.items() if value), ("", DEFAULT))
    named = f"{source} {url}".strip()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RequestError(
            f"{named}: jobs are submitted to the dashboard of the cluster's head; write its URL, http://HOST:8265"
        )
    return url.rstrip("/"), named


def refuse_silence(url: str, named: str) -> None:
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{named}: nobody answers there ({error}); start the cluster, forward its dashboard's port, or correct the address"
        ) from error


@contextmanager
def in_one_line(named: str) -> Iterator[None]:
    try:
        yield
    except AuthenticationError as error:
        raise RequestError(f"{named}: {token_trouble()}") from error
    except OSError as error:  # of `requests` too
        raise RequestError(f"{named}: the cluster's head did not answer ({first_line(error)}); try again") from error


def check_versions(client: Client) -> None:
    """The driver starts with the cluster's Python and Ray; others than those that this was tried with here are refused."""
    try:
        theirs = {"Ray": client.told("/api/version")["ray_version"]}
        theirs["Python"] = minor(client.told("/api/v0/cluster_metadata")["data"]["pythonVersion"])
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise RequestError(f"{client.named}: what answers there is no dashboard of Ray's ({first_line(error)})") from error
    ours = {"Ray": metadata.version("ray"), "Python": minor(platform.python_version())}
    if ours != theirs:
        told = ", ".join(f"{name} {theirs[name]} there, {ours[name]} here" for name in ours if theirs[name] != ours[name])
        raise RequestError(f"{client.named}: {told}; both sides need the same")


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
