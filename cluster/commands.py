"""Commands that look at a root, a recipe or this machine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cluster.amounts import human_bytes, human_seconds
from cluster.annotated import annotated
from cluster.errors import RequestError, WorkError
from cluster.garbage import garbage, keys_in
from cluster.holder import Held
from cluster.kubernetes.commands import app as kubernetes
from cluster.line import Line, Seen, opened
from cluster.lock import current_holder, lock_root
from cluster.logs import newest_logs
from cluster.named import absent, committed, made_by, named_artefacts, refuse_nothing
from cluster.options import InputOption, JsonOption, RecipeArgument, RootOption, SetOption, UntilOption, WaitOption
from cluster.plan import Planned, room_to_do
from cluster.recipe import DEFAULT, Recipe, recipe_text
from cluster.resources import shortages
from cluster.run import write_report
from cluster.runs import compared, read_run, refs, run_ids
from cluster.session import open_session
from cluster.store import Store
from cluster.terminal import err, out, say_json
from cluster.verify import Fault, faults, strangers

app = typer.Typer()
recipes = typer.Typer(no_args_is_help=True, help="Show or check recipes.")
app.add_typer(recipes, name="recipe")
app.add_typer(kubernetes, name="k8s")


@app.command()
def plan(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    until: UntilOption = None,
    set: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say for every stage whether it is done, stale (and what changed) or to do. Runs nothing."""
    line: Line = ctx.obj
    if until:
        line.stage(until, "--until")
    chosen = line.load(recipe, set, root, input)
    store = opened(chosen)
    planned, remark = line.plan(chosen, store, until), line.remark(store, line.names)
    short = room_short(chosen, store, planned)
    if as_json:
        rows = [
            {"stage": each.stage.name, "key": each.key, "state": each.state, "why": each.why, "note": each.note}
            for each in planned
        ]
        told = {"recipe": chosen.name, "root": str(store.root), "stages": rows, "room": short, **remark.values}
        say_json(told)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "state", "key", "what changed"):
        table.add_column(column, overflow="fold")
    for each in planned:
        table.add_row(each.stage.name, each.state, each.key, Text(each.why or each.note))
    out.print(table)
    for shown in remark.shown:
        out.print(shown)
    for shortage in short:
        out.print(shortage, style="yellow", soft_wrap=True)
    missing = sum(each.state != "done" for each in planned)
    would = f"{missing} of {len(planned)} stages would run; `pageloom run` runs them" if missing else "nothing to run"
    out.print(f"recipe {chosen.name} → {store.root}: {would}", soft_wrap=True)


def room_short(recipe: Recipe, store: Store, planned: Sequence[Planned]) -> list[str]:
    """What stages that would run could only wait for, a line each; or why the cluster cannot be asked."""
    try:
        return shortages(room_to_do(planned, recipe), open_session(recipe.cluster, store.root).nodes())
    except RequestError as error:
        return [str(error)]


@app.command()
def status(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    root: RootOption = None,
    set: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a root holds: the newest artefact of every stage, its size, and who is writing."""
    line: Line = ctx.obj
    seen = line.look(recipe, set, root)
    store = seen.store
    newest = [found[-1] for name in line.names if (found := store.artefacts(name))]
    holder = current_holder(store.root)
    rows: list[dict[str, Any]] = [
        {
            "stage": each.stage,
            "key": each.key,
            "committed": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.manifest["committed"])),
            "seconds": round(each.manifest["seconds"], 1),
            "bytes": sum(file["bytes"] for file in each.manifest["files"]),
        }
        for each in newest
    ]
    if as_json:
        told = {"id", "outcome", "message"}
        last = seen.run.model_dump(mode="json", include=told) | {"alive": holder is not None} if seen.run else None
        say_json({"root": str(store.root), "holder": holder, "run": last, "stages": rows})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "key", "committed", "seconds", "MB"):
        table.add_column(column, justify="right" if column in ("seconds", "MB") else "left")
    for row in rows:
        table.add_row(row["stage"], row["key"], row["committed"], str(row["seconds"]), f"{row['bytes'] / 1e6:.1f}")
    out.print(table if rows else f"{store.root}: nothing yet; `pageloom run` starts")
    if seen.run:
        said = f": {seen.run.message}" if seen.run.message else ""
        out.print(f"last run {seen.run.id}: {seen.run.said_outcome(holder is not None)}{said}", soft_wrap=True)
    if holder:
        renewed = f", last heard of {holder['renewed']}" if "renewed" in holder else ""
        out.print(f"being written by pid {holder['pid']} on {holder['host']} since {holder['since']}{renewed}")


@app.command()
def report(ctx: typer.Context, recipe: RecipeArgument = None, root: RootOption = None, set: SetOption = None) -> None:
    """Write the run's report again from what the artefacts tell of themselves."""
    seen = ctx.obj.look(recipe, set, root)
    tell_which(seen)
    out.print(f"report  {write_report(seen.recipe.name, seen.artefacts.values(), seen.store)}", soft_wrap=True)


def tell_which(seen: Seen) -> None:
    """Say whose results these are, where the reader did not."""
    if seen.which:
        err.print(f"pageloom: {seen.which}; name a recipe for another", style="dim", soft_wrap=True)


@app.command()
def runs(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    root: RootOption = None,
    set: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of a root, newest first, and the names of its releases."""
    store = opened(ctx.obj.load(recipe, set, root, looking=True))
    found = [read_run(store.root, run) for run in reversed(run_ids(store.root))]
    named, held = refs(store.root), current_holder(store.root) is not None
    if as_json:
        say_json({"runs": [run.model_dump(mode="json") for run in found], "refs": named})
        return
    if not found:
        out.print(f"{store.root}: no run yet; `pageloom run` starts one", soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("run", "recipe", "started", "took", "outcome", "release", "settings"):
        table.add_column(column, overflow="fold", no_wrap=column == "run")  # an id is copied from here
    for run in found:
        key = run.stages.get("release", "")
        names = [name for name, ref in named.items() if ref["key"] == key and ref["run"] == run.id]
        table.add_row(
            run.id,
            Text(run.source or run.name),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started)),
            human_seconds(run.seconds()) if run.ended else "",
            Text(f"{run.outcome}: {run.message}" if run.message else run.said_outcome(held)),
            " ".join([key, *names]),
            Text(" ".join(run.settings)),
        )
    out.print(table)
    out.print("next    `pageloom diff RUN RUN` says what differs; `pageloom serve --release NAME` serves one")


@app.command()
def diff(
    ctx: typer.Context,
    one: Annotated[str, typer.Argument(metavar="RUN", help="a run's id, or its beginning")],
    other: Annotated[str, typer.Argument(metavar="RUN", help="another's")],
    root: RootOption = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="the recipe whose root they are of")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what differs between two runs of a root: settings, inputs, versions and figures."""
    store = opened(ctx.obj.load(recipe, None, root, looking=True))
    found = compared(read_run(store.root, one), read_run(store.root, other), store)
    if as_json:
        say_json(found)
        return
    for kind, differences in found.items():
        if not differences:
            out.print(f"{kind}: nothing differs")
            continue
        table = Table(box=None, pad_edge=False, title=f"{kind}: {len(differences)} differ", title_justify="left")
        for column in ("", one, other):
            table.add_column(column, overflow="fold")
        for name, values in differences.items():
            table.add_row(Text(name), *(Text("" if value is None else str(value)) for value in values))
        out.print(table)


@app.command()
def doctor(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    root: RootOption = None,
    set: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what will not work here, and the remedy."""
    from cluster.doctor import run_checks

    chosen: Any = ctx.obj.load(recipe, set, root)
    ports = {"serve.port": chosen.serve.port, "cluster.dashboard_port": chosen.cluster.dashboard_port}
    if chosen.crawl.pydoc and not chosen.crawl.all_sources():
        ports["crawl.pydoc.port"] = chosen.crawl.pydoc.port
    checks = run_checks(chosen.root_uri, ports, chosen.cluster, ctx.obj.needs_room(chosen))
    if as_json:
        say_json([check.__dict__ for check in checks])
    else:
        marks = {"ok": Text("✓", "green"), "warn": Text("!", "yellow"), "fail": Text("✗", "red")}
        table = Table(box=None, show_header=False, pad_edge=False)
        for check in checks:
            table.add_row(marks[check.state], check.name, check.value, check.remedy)
        out.print(table)
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(1)


@app.command()
def verify(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    root: RootOption = None,
    set: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read every file of a root's artefacts and compare it with what was committed."""
    line: Line = ctx.obj
    store = opened(line.load(recipe, set, root, looking=True))
    names = keys_in(store)
    refuse_nothing(store, names)
    artefacts, found = committed(store, names)
    unreadable = {(each.stage, each.key) for each in found}
    found += [each for each in absent(store, artefacts) if (each.stage, each.key) not in unreadable]
    found += [fault for each in artefacts for fault in faults(each)]
    unnamed = sum(len(strangers(each)) for each in artefacts)
    files = [file["bytes"] for each in artefacts for file in each.manifest["files"]]
    if as_json:
        rows = [{"stage": each.stage, "key": each.key, "path": each.path, "what": each.what} for each in found]
        counts = {"artefacts": len(artefacts), "files": len(files), "bytes": sum(files), "unnamed": unnamed}
        say_json({"root": str(store.root), **counts, "faults": rows})
    for fault in () if as_json else found:
        out.print(str(fault), soft_wrap=True)
    told = f"{len(artefacts)} artefacts, {len(files):,} files, {human_bytes(sum(files))}"
    if found:
        raise WorkError(
            f"{store.root}: {len(found)} files are not as they were committed ({told}); {remedy(store, line, found)}"
        )
    if not as_json:
        beside = f"; {unnamed} files beside them that no manifest names, `pageloom gc` deletes them" if unnamed else ""
        out.print(f"{told}: all as committed{beside}", soft_wrap=True)


def remedy(store: Store, line: Line, found: Sequence[Fault]) -> str:
    """What helps: copies, and where stages can be made again, the command that does."""
    damaged = [each for each in found if each.stage in line.names]
    if not damaged:
        return "put back copies of them"
    force = [word for name in dict.fromkeys(each.stage for each in damaged) for word in ("--force", name)]
    run = made_by(store, damaged[0].stage, damaged[0].key)
    again = f"`{run.again(*force)}`" if run else f"run again what made them, with {' '.join(force)}"
    return f"put back copies of them, or {again}"


@app.command()
def gc(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    root: RootOption = None,
    set: SetOption = None,
    wait: WaitOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
    logs: Annotated[float, typer.Option(metavar="DAYS", min=0, help="logs not written to for so long go too")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Delete what no run and no ref names, what failed attempts left, and old logs."""
    line: Line = ctx.obj
    store = opened(line.load(recipe, set, root, looking=True))
    say = partial(err.print, soft_wrap=True)
    hold: AbstractContextManager[Held | None] = nullcontext() if dry_run else lock_root(store.root, wait, say)
    with hold as held:
        named = named_artefacts(store)
        found = garbage(store, named, logs)
        if held:
            for each in found:
                held.check()
                each.delete(store)
    total = sum(each.bytes for each in found)
    if as_json:
        rows = [{"place": str(each.place), "what": each.what, "bytes": each.bytes, "files": each.files} for each in found]
        told = {"root": str(store.root), "deleted": not dry_run, "all_kept": named is None, "bytes": total, "garbage": rows}
        say_json(told)
        return
    for each in found:
        out.print(f"{human_bytes(each.bytes):>9}  {each.place}  ({each.what})", soft_wrap=True)
    if named is None:
        out.print(f"{store.root}: no records of runs there, so every artefact stays", soft_wrap=True)
    verb = "would go; `pageloom gc` deletes it" if dry_run else "deleted"
    out.print(f"{human_bytes(total)} in {sum(each.files for each in found):,} files {verb}" if found else "nothing to delete")


@recipes.command("default")
def recipe_default(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    full: Annotated[bool, typer.Option("--full", help="every key, with what it means")] = False,
) -> None:
    """Print a shipped recipe with the comments that explain it, to start one's own from."""
    text = annotated(ctx.obj.load(recipe)) if full else recipe_text(recipe or DEFAULT).decode("utf-8", "backslashreplace")
    out.print(text, end="", soft_wrap=True)


@recipes.command("schema")
def recipe_schema(ctx: typer.Context) -> None:
    """Print the recipe's JSON schema."""
    say_json(ctx.obj.model.model_json_schema())


@recipes.command("check")
def recipe_check(ctx: typer.Context, recipe: RecipeArgument = None, set: SetOption = None) -> None:
    """Check a recipe without running anything."""
    line: Line = ctx.obj
    line.load(recipe, set)
    words = f"a valid recipe of {len(line.stages)} stages; `pageloom plan` says what would run"
    out.print(f"{recipe or DEFAULT}: {words}", soft_wrap=True)


@app.command()
def sync(
    ctx: typer.Context,
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="a run's id; default: all that are recorded")] = None,
    recipe: RecipeArgument = None,
    root: RootOption = None,
    set: SetOption = None,
) -> None:
    """Send to W&B what runs have recorded under the root and W&B lacks; sending twice changes nothing."""
    from cluster.track.sync import groups, send_group
    from cluster.track.wandb import RECORDS

    line: Line = ctx.obj
    store = opened(line.load(recipe, set, root, looking=True))
    known = groups(store.root)
    if run and run not in known:
        raise RequestError(f"{run}: no such run recorded in {store.root / RECORDS}; there are {', '.join(known) or 'none'}")
    running = current_holder(store.root) is not None
    sent = 0
    for name in [run] if run else known:
        found = send_group(store.root / RECORDS / name, running)
        sent += len(found)
        for stage, rows in found.items():
            out.print(f"{name}  {stage}   {rows} rows", markup=False)
    out.print(f"{sent} stages sent; twice changes nothing" if sent else "nothing to send: W&B has all that is recorded")
    if running:
        out.print("a run is writing here: what it has not ended is left for later")


@app.command()
def logs(
    ctx: typer.Context,
    recipe: RecipeArgument = None,
    root: RootOption = None,
    set: SetOption = None,
    stage: Annotated[str | None, typer.Option("--stage", metavar="STAGE", help="the traceback of this stage")] = None,
    lines: Annotated[int, typer.Option("-n", min=1, help="lines from the end of each file")] = 20,
) -> None:
    """Show the ends of the newest run's logs: what the engines said, and tracebacks."""
    line: Line = ctx.obj
    if stage:
        line.stage(stage, "--stage")
    chosen = line.load(recipe, set, root, looking=True)
    store = opened(chosen)
    place = newest_logs(store.root, chosen.name)
    if place is None:
        raise RequestError(f"{store.root}: no logs yet; `pageloom run` writes some")
    with place.as_local() as directory:
        found = sorted(directory.glob(f"{stage}.*.log" if stage else "*.log"))
        if not found:
            raise RequestError(f"{place}: no log of {stage}; leave --stage out")
        for file in found:
            out.print(str(place / file.name), style="bold", markup=False, soft_wrap=True)
            with open(file, errors="replace") as text:
                for each in deque(text, lines):
                    out.print(each.rstrip("\n"), markup=False, soft_wrap=True)
