"""Commands that run recipes as jobs of a cluster."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cluster.amounts import human_bytes, human_seconds
from cluster.errors import RequestError, WorkError
from cluster.line import Line, opened
from cluster.location import Location
from cluster.options import InputOption, JsonOption, RecipeArgument, RootOption, SetOption, UntilOption
from cluster.terminal import err, out, say_json

if TYPE_CHECKING:
    from ray.job_submission import JobDetails

    from cluster.jobs.client import Client

STOPPED = 130  # as Ctrl-C on the run itself
STOP_SECONDS = 60  # for a stopped job to have ended: its driver is given half of them

app = typer.Typer()
jobs = typer.Typer(no_args_is_help=True, help="List, follow or stop what was submitted.")
app.add_typer(jobs, name="jobs")

AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="dashboard of the cluster's head; default RAY_API_SERVER_ADDRESS, else http://127.0.0.1:8265",
    ),
]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="a job's id, or a beginning that only it has")]


@app.command()
def submit(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    address: AddressOption = None,
    input: InputOption = None,
    root: RootOption = None,
    until: UntilOption = None,
    set: SetOption = None,
    serve: Annotated[bool, typer.Option("--serve", help="go on as the endpoint until the job is stopped")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="show the job's log until it has ended")] = True,
) -> None:
    """Run a recipe on a cluster, with the code that is here; the same again follows the job, or goes on where it ended."""
    from cluster.jobs.client import connected
    from cluster.jobs.submission import attempts, hand_over, next_id, refuse_local, submission

    line: Line = ctx.obj
    last = line.stage(until, "--until").name if until else line.names[-1]
    chosen = line.load(recipe, set, root, input)
    stages = line.stages[: line.names.index(last) + 1]
    refuse_local(chosen, stages, Location.of(chosen.root_uri))
    store = opened(chosen)
    plan = line.plan(chosen, store, until)
    serving = serve and not until
    todo = [each.stage.name for each in plan if each.state != "done"]
    if not todo and not serving:
        out.print(f"{store.root}: nothing to do, all {len(plan)} stages are done; `pageloom status` says what is there")
        return
    what = submission(chosen, store, plan, until, serving)
    with connected(address) as client:
        before = attempts(client, what.base)
        if before and not before[0].status.is_terminal():
            identity = str(before[0].submission_id)
            out.print(f"{identity}: this work is {before[0].status.lower()} already", soft_wrap=True)
        else:
            if before:
                out.print(f"{before[0].submission_id} {ended(before[0])}; {len(todo)} of {len(plan)} stages are left to do")
            identity = next_id(what.base, before)
            taken = hand_over(client, what, identity, say)
            sent = f"{human_bytes(len(what.package))} of code; {', '.join(what.variables)}"
            out.print(f"{identity}: {f'submitted ({sent})' if taken else 'submitted already'}", soft_wrap=True)
            if chosen.tracking.wandb == "online":
                say("no key of W&B is sent: give the nodes WANDB_API_KEY, or send with `pageloom sync` what is recorded")
        if wait:
            to_the_end(client, identity)
        else:
            out.print(f"next    `pageloom jobs wait {identity}` follows it, `pageloom jobs stop {identity}` ends it")


@jobs.command("list")
def list_jobs(address: AddressOption = None, as_json: JsonOption = False) -> None:
    """The runs among a cluster's jobs, newest first."""
    from cluster.jobs.client import connected

    with connected(address) as client:
        rows = [row(job) for job in client.ours()]
    if as_json:
        say_json(rows)
        return
    if not rows:
        out.print("no run was submitted there; `pageloom submit` does")
        return
    table = Table(box=None, pad_edge=False)
    columns = ("id", "state", "recipe", "root", "started", "seconds")
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column == "seconds" else "left")
    for each in rows:
        table.add_row(*(str(each[column]) for column in columns))
    out.print(table)


@jobs.command("logs")
def job_logs(job: JobArgument, address: AddressOption = None) -> None:
    """Show what a job said so far."""
    from cluster.jobs.client import connected
    from cluster.jobs.follow import Log

    with connected(address) as client:
        found = named(client, job)
        Log(client, str(found.submission_id), show).more(ended=True)


@jobs.command("wait")
def wait_for(job: JobArgument, address: AddressOption = None) -> None:
    """Show a job's log until it has ended; exits as the run did."""
    from cluster.jobs.client import connected

    with connected(address) as client:
        to_the_end(client, str(named(client, job).submission_id))


@jobs.command("stop")
def stop(job: JobArgument, address: AddressOption = None) -> None:
    """End a job as Ctrl-C ends a run: what is finished stays."""
    from cluster.jobs.client import connected

    with connected(address) as client:
        found = named(client, job)
        identity = str(found.submission_id)
        if found.status.is_terminal():
            out.print(f"{identity}: {ended(found)} already")
            return
        client.stop_job(identity)
        deadline = time.monotonic() + STOP_SECONDS
        while not (found := client.get_job_info(identity)).status.is_terminal():
            if time.monotonic() > deadline:
                raise WorkError(
                    f"{identity}: still {found.status.lower()} {STOP_SECONDS} s after it was stopped; look at its node"
                )
            time.sleep(0.5)
        out.print(f"{identity}: {ended(found)}; finished stages stay, submitting it again goes on from there", soft_wrap=True)


def to_the_end(client: Client, identity: str) -> None:
    """Follow a job and end as it did: WorkError or RequestError where it failed, exit code 130 where it was stopped."""
    from cluster.jobs.follow import follow

    try:
        job = follow(client, identity, show, say)
    except KeyboardInterrupt:
        say(f"the job goes on; `pageloom jobs wait {identity}` follows it, `pageloom jobs stop {identity}` ends it")
        raise
    if job.status == "SUCCEEDED":
        out.print(f"{identity}: done in {human_seconds(seconds(job))} → {(job.metadata or {}).get('root')}", soft_wrap=True)
    elif job.status == "STOPPED":
        say(f"{identity}: it was stopped; finished stages stay, submitting it again goes on from there")
        raise typer.Exit(STOPPED)
    elif job.driver_exit_code == 2:
        raise RequestError(f"{identity}: cannot be done as asked; its last line says why")
    else:
        raise WorkError(f"{identity}: {why_failed(job)}; finished stages stay, submitting it again goes on from there")


def why_failed(job: JobDetails) -> str:
    if job.driver_exit_code == 1:
        return "failed; its last lines say why"
    said = [line.strip() for line in (job.message or "").splitlines() if line.strip()]
    return f"failed ({said[0][:300] if said else 'without a word'})"


def ended(job: JobDetails) -> str:
    return {"SUCCEEDED": "is done", "STOPPED": "was stopped", "FAILED": "failed"}.get(str(job.status), "runs")


def row(job: JobDetails) -> dict[str, str | int]:
    told = job.metadata or {}
    return {
        "id": job.submission_id or "",
        "state": str(job.status),
        "recipe": told.get("recipe", ""),
        "root": told.get("root", ""),
        "until": told.get("until", ""),
        "started": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime((job.start_time or 0) / 1000)),
        "seconds": round(seconds(job)),
    }


def seconds(job: JobDetails) -> float:
    began = (job.start_time or 0) / 1000
    return ((job.end_time or 0) / 1000 or time.time()) - began


def named(client: Client, job: str) -> JobDetails:
    """Raises RequestError, naming those there are, unless exactly one is or begins so."""
    there = client.ours()
    found = [each for each in there if each.submission_id == job] or [
        each for each in there if str(each.submission_id).startswith(job)
    ]
    if len(found) != 1:
        names = ", ".join(str(each.submission_id) for each in (found or there)[:5]) or "none"
        raise RequestError(f"job {job}: {'several begin so' if found else 'no such run there'}; there are {names}")
    return found[0]


def show(line: str) -> None:
    out.print(line, soft_wrap=True)


def say(text: str) -> None:
    err.print(f"pageloom: {text}", style="dim", soft_wrap=True)
