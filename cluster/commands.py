"""Commands that look at a root, a recipe or this machine."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cluster.annotated import annotated
from cluster.line import Line, opened
from cluster.lock import current_holder
from cluster.options import InputOption, JsonOption, RecipeArgument, RootOption, SetOption, UntilOption
from cluster.recipe import DEFAULT, recipe_text
from cluster.run import write_report
from cluster.terminal import out, say_json

app = typer.Typer()
recipes = typer.Typer(no_args_is_help=True, help="Show or check recipes.")
app.add_typer(recipes, name="recipe")


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
    if as_json:
        rows = [{"stage": each.stage.name, "key": each.key, "state": each.state, "why": each.why} for each in planned]
        say_json({"recipe": chosen.name, "root": str(store.root), "stages": rows, **remark.values})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "state", "key", "what changed"):
        table.add_column(column)
    for each in planned:
        table.add_row(each.stage.name, each.state, each.key, each.why)
    out.print(table)
    for shown in remark.shown:
        out.print(shown)
    missing = sum(each.state != "done" for each in planned)
    would = f"{missing} of {len(planned)} stages would run; `pageloom run` runs them" if missing else "nothing to run"
    out.print(f"recipe {chosen.name} → {store.root}: {would}", soft_wrap=True)


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
    store = opened(line.load(recipe, set, root, looking=True))
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
        say_json({"root": str(store.root), "holder": holder, "stages": rows})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "key", "committed", "seconds", "MB"):
        table.add_column(column, justify="right" if column in ("seconds", "MB") else "left")
    for row in rows:
        table.add_row(row["stage"], row["key"], row["committed"], str(row["seconds"]), f"{row['bytes'] / 1e6:.1f}")
    out.print(table if rows else f"{store.root}: nothing yet; `pageloom run` starts", soft_wrap=not rows)
    if holder:
        out.print(f"being written by pid {holder['pid']} on {holder['host']} since {holder['since']}")


@app.command()
def report(ctx: typer.Context, recipe: RecipeArgument = None, root: RootOption = None, set: SetOption = None) -> None:
    """Write the run's report again from what the artefacts tell of themselves."""
    line: Line = ctx.obj
    chosen = line.load(recipe, set, root, looking=True)
    store = opened(chosen)
    out.print(f"report  {write_report(chosen, store, line.plan(chosen, store))}", soft_wrap=True)


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
    checks = run_checks(chosen.root_uri, ports)
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
