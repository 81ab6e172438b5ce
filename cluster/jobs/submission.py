"""What a run is as a job: its id, its command, what it is given; and how it is handed over once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ray.job_submission import JobDetails

from cluster.errors import RequestError, WorkError, first_line
from cluster.inputs import named_place
from cluster.jobs.client import Client
from cluster.jobs.package import RECIPES, package
from cluster.plan import Planned
from cluster.recipe import Recipe, recipe_text, shipped_recipes
from cluster.stage import Stage
from cluster.store import Store
from cluster.versions import COMMIT, commit

AGENT_SECONDS = 90  # for the head's agent to come up after the head did: 5 to 20 s, more on a busy machine
RETRY_SECONDS = 2
# Seconds that Ray leaves a driver after SIGTERM, of which it needs 2 to 5; its own 3 are too few to give the root back.
STOP_SECONDS = 30
# What reaches an object store. No files (they are this machine's), no token of the cluster (its nodes have it), nothing of
# W&B's: a key would stand in the job's description, which every holder of the token reads for as long as the cluster lives.
SENT = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)


@dataclass(frozen=True)
class Submission:
    """A run, ready to be sent. base: its id, but for the number of the attempt. package: see cluster.jobs.package."""

    base: str
    command: str
    package: bytes
    variables: dict[str, str]
    metadata: dict[str, str]
    driver_cpus: float = 0
    driver_labels: dict[str, str] | None = None


def submission(recipe: Recipe, store: Store, plan: Sequence[Planned], until: str | None, serving: bool) -> Submission:
    """The run that brings `plan` about. until: as asked for. serving: it goes on as the endpoint until it is stopped."""
    shipped = recipe.source in shipped_recipes()
    name = recipe.source if shipped else f"{RECIPES}/{PurePath(recipe.source).name}"
    text = None if shipped else (PurePath(recipe.source).name, recipe_text(recipe.source))
    words = ["python", "-P", "-m", "pageloom", "run", name]
    settings = list(recipe.settings)
    if store.root.is_local:
        settings.append(f"root={json.dumps(store.root.path)}")  # the job starts in a directory of its own
    if recipe.cluster.address:
        settings.append("cluster.address=null")  # Ray tells a job which cluster is its own
    words += [part for setting in settings for part in ("--set", setting)]
    words += ["--until", until] if until else [] if serving else ["--no-serve"]
    told = {"pageloom": recipe.name, "recipe": recipe.source, "root": str(store.root), "until": until or ""}
    variables = {name: os.environ[name] for name in SENT if os.environ.get(name)}
    variables |= {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)} | ({COMMIT: known} if (known := commit()) else {})
    return Submission(
        base=base_id(store, plan, serving),
        command=shlex.join(words),
        package=package(text),
        variables=variables,
        metadata=told,
        driver_cpus=recipe.cluster.driver_cpus,
        driver_labels=recipe.cluster.driver_labels or None,
    )


def base_id(store: Store, plan: Sequence[Planned], serving: bool) -> str:
    """The same for the same work on the same root."""
    content = [str(store.root), {each.stage.name: each.key for each in plan}, serving]
    return f"pageloom-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]}"


def refuse_local(recipe: Recipe, stages: Sequence[Stage], root: Any) -> None:
    """Raises RequestError for a root or an input that only this machine has."""
    if recipe.cluster.shared_paths:
        return
    if root.is_local:
        raise RequestError(
            f"root {root}: a path on this machine; give --root s3://BUCKET/PREFIX, "
            "or --set cluster.shared_paths=true where every node mounts the same disk there"
        )
    for stage in stages:
        for pattern in stage.external(getattr(recipe, stage.section)):
            if named_place(pattern).is_local:
                raise RequestError(
                    f"{stage.section}: {pattern} is a path on this machine; copy it into the object store and name it there, "
                    "or --set cluster.shared_paths=true where every node mounts the same disk"
                )


def attempts(client: Client, base: str) -> list[JobDetails]:
    """The jobs of this work so far, the last attempt first."""
    found = {number: job for job in client.ours() if (number := attempt(job.submission_id or "", base))}
    return [found[number] for number in sorted(found, reverse=True)]


def attempt(identity: str, base: str) -> int:
    """The number of an attempt at `base`, 0 for another work's job."""
    found = re.fullmatch(rf"{re.escape(base)}(?:-(\d+))?", identity)
    return int(found[1] or 1) if found else 0


def next_id(base: str, before: Sequence[JobDetails]) -> str:
    """Ray takes no id twice, so a further attempt has a number."""
    number = max((attempt(job.submission_id or "", base) for job in before), default=0) + 1
    return base if number == 1 else f"{base}-{number}"


def hand_over(client: Client, what: Submission, identity: str, say: Callable[[str], None]) -> bool:
    """Submit a job; False where another submission of the same id was faster.

    Raises RequestError where no agent takes it within AGENT_SECONDS, WorkError for what Ray says otherwise.
    """
    deadline, waiting = time.monotonic() + AGENT_SECONDS, False
    with tempfile.TemporaryDirectory(prefix="pageloom-package-") as directory:
        place = Path(directory, "code.zip")
        place.write_bytes(what.package)
        while True:
            try:
                client.submit_job(
                    entrypoint=what.command,
                    submission_id=identity,
                    runtime_env={"working_dir": str(place), "env_vars": what.variables},
                    metadata=dict(what.metadata),
                    entrypoint_num_cpus=what.driver_cpus or None,
                    entrypoint_label_selector=what.driver_labels,
                )
            except RuntimeError as error:
                if "already exists" in str(error):
                    return False
                if "No available agent" not in str(error):
                    raise WorkError(f"{client.named}: the job was not taken ({last_line(error)})") from error
                if time.monotonic() > deadline:
                    raise RequestError(
                        f"{client.named}: the agent of the head ({heads(client)}) takes no jobs for {AGENT_SECONDS} s; "
                        "look at dashboard_agent.log there"
                    ) from error
                if not waiting:
                    say("the head's agent is not up yet; waiting for it")
                waiting = True
                time.sleep(RETRY_SECONDS)
            else:
                return True


def heads(client: Client) -> str:
    """The nodes on which the cluster's head runs or ran, for people."""
    nodes = client.told("/api/v0/nodes?detail=1")["data"]["result"]["result"]
    return ", ".join(f"{node['node_ip']}, {node['state'].lower()}" for node in nodes if node.get("is_head_node")) or "no node"


def last_line(error: Exception) -> str:
    lines = [line for line in str(error).replace("\\n", "\n").strip().splitlines() if line.strip(" .")]
    return lines[-1].strip()[:300] if lines else first_line(error)
