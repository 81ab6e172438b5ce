"""The command line: from crawled pages to an answering endpoint."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.stages import MEASUREMENT, check_recipe
from actors.stages import STAGES as ACTORS
from cluster.amounts import human_seconds
from cluster.errors import RequestError, WorkError
from cluster.lock import current_holder, lock_root
from cluster.plan import Planned, make_plan
from cluster.recipe import Recipe, load_recipe, read_recipe, recipe_model
from cluster.run import logs_directory, run_plan
from cluster.session import Session
from cluster.store import Artefact, Store
from cluster.track.console import RunConsole, noise_to
from pipeline.stages import STAGES as PIPELINE
from serving.engine.settings import ServeSettings
from serving.stages import STAGES as SERVING

if TYPE_CHECKING:
    from pipeline.provenance.holders import Held

STAGES = (*PIPELINE, *ACTORS, *SERVING)
MODEL = recipe_model(STAGES, serve=ServeSettings)
ABLATED = recipe_model((*STAGES, MEASUREMENT), serve=ServeSettings)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
recipes = typer.Typer(no_args_is_help=True, help="Show or check recipes.")
app.add_typer(recipes, name="recipe")

SHOWN_CHARACTERS = 200  # of a page's text
INTERRUPTED = 130  # 128 + SIGINT, as shells have it

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

RecipeArgument = Annotated[
    str | None, typer.Argument(metavar="[RECIPE]", help="a recipe file or shipped name; default quickstart")
]
RootOption = Annotated[str | None, typer.Option("--root", metavar="DIR|URI", help="where artefacts live")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override a recipe key; may be repeated")
]
InputOption = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="FILE|GLOB|URI", help="existing pages instead of a crawl; may be repeated"),
]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="STAGE", help="stop when this stage is done")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]


def main() -> None:
    """Entry point: every failure a user can cause is one line and an exit code (1 work failed, 2 request wrong)."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = None
    try:
        code = app(standalone_mode=False)  # what a command exits with; 130 after Ctrl-C
    except RequestError as error:
        tell(error)
        sys.exit(2)
    except WorkError as error:
        tell(error)
        sys.exit(1)
    except typer.Abort:
        code = INTERRUPTED
    except Exception as error:
        if hasattr(error, "format_message"):  # click's own words for a wrong option
            err.print(f"pageloom: {error.format_message()}", style="red", markup=False, soft_wrap=True)
            sys.exit(2)
        raise
    if code == INTERRUPTED:
        err.print("pageloom: stopped; finished stages stay, and running again goes on from there")
        os._exit(code)  # everything is stopped; the interpreter would take seconds to take torch and Ray apart
    sys.exit(code)


def tell(error: Exception) -> None:
    words = str(error).encode("utf-8", "backslashreplace").decode()  # names of files may hold bytes that no terminal takes
    err.print(f"pageloom: {words}", style="red", markup=False, soft_wrap=True)


def load(recipe: str | None, root: str | None, settings: list[str] | None, inputs: list[str] | None = None) -> Recipe:
    chosen = load_recipe(MODEL, recipe, as_overrides(root, settings, inputs))
    check_recipe(chosen)
    return chosen


def opened(chosen: Recipe) -> Store:
    """The recipe's root, to be read."""
    store = Store(chosen.root_uri)
    store.check(writing=False)
    return store


def as_overrides(root: str | None, settings: list[str] | None, inputs: list[str] | None) -> list[str]:
    """The command line's `key=value`, with what other options stand for."""
    overrides = list(settings or [])
    if inputs:
        overrides.append(f"crawl.input={json.dumps(inputs)}")
    if root:
        overrides.append(f"root={json.dumps(root)}")
    return overrides


def known_stage(name: str | None) -> str | None:
    """A stage by its artefact's or section's name. Raises RequestError for any other."""
    if name and name not in {name for stage in STAGES for name in (stage.name, stage.section)}:
        raise RequestError(f"--until {name}: no such stage; there are {', '.join(stage.name for stage in STAGES)}")
    return name


@app.command()
def run(
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    until: UntilOption = None,
    set: SetOption = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="end when the release and the report are written")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="wait while another run holds the root")] = False,
) -> None:
    """Take a recipe from pages to a served model; what is already done is not done again."""
    began = time.time()
    chosen = load(recipe, root, set, input)
    serve: ServeSettings = chosen.serve  # type: ignore[attr-defined]
    serving = not (no_serve or known_stage(until))
    session, store = Session(chosen.cluster), Store(chosen.root_uri)
    session.check()
    if serving:
        from serving.engine.app import check_port

        check_port(serve)
    store.check(writing=True)
    logs = logs_directory(store.root, chosen.name)
    with running(session, logs) as console:
        with lock_root(store.root, wait):
            plan = make_plan(chosen, STAGES, store, until)
            done = sum(planned.state == "done" for planned in plan)
            console.print(f"[bold]pageloom {chosen.name}[/bold] → {store.root}   {done} of {len(plan)} stages already done")
            artefacts = run_plan(plan, chosen, store, session, console, logs)
            place = write_report(chosen, store, plan)
        console.print(f"report  {place}   ({human_seconds(time.time() - began)} so far)")
        if serving:
            serve_release(chosen, artefacts["release"], session, console, logs, began)
            wait_for_interrupt(console)
        else:
            console.print("next    `pageloom run` " + ("takes it on from here" if until else "serves it"))


@contextmanager
def running(session: Session, logs: Path, descriptor: int = 1) -> Iterator[RunConsole]:
    """A console for people while engines' noise goes to a log; at the end, also after Ctrl-C, the session stops.

    descriptor: as in `noise_to`.
    """
    log = logs / "driver.log"
    try:
        with noise_to(log, descriptor) as terminal:
            try:
                yield RunConsole(terminal)
            except (WorkError, RequestError):
                session.keep_logs = True
                raise
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
                session.stop()
    except WorkError:
        err.print(f"pageloom: what the engines said: {log}, {session.temporary}", markup=False, soft_wrap=True)
        raise


def serve_release(chosen: Recipe, release: Artefact, session: Session, console: RunConsole, logs: Path, began: float) -> None:
    """Start the endpoint, ask it one question, say how to repeat it."""
    from serving.client.ask import ask, curl_line
    from serving.engine.app import start, warm

    settings: ServeSettings = chosen.serve  # type: ignore[attr-defined]
    started = time.time()
    with console.busy("serving"):
        warm()
        session.start()
        endpoint = start(release, chosen.name, settings, chosen.cluster, logs)
        answer = ask(endpoint, settings.question, settings)
    console.print(f"  [green]✓[/green] serving     {human_seconds(time.time() - started):>12}   {endpoint.url}")
    console.print(f"\nyou  {settings.question}", markup=False)
    console.print(f"{endpoint.model}  {answer.text}\n", markup=False)
    console.print(curl_line(endpoint, settings.question, settings), markup=False)
    if session.dashboard_url:
        token = f"   (token in {session.token_file})" if session.token_file else ""
        console.print(f"dashboard  {session.dashboard_url}{token}")
    console.print(f"answered {human_seconds(time.time() - began)} after the start; `pageloom chat` talks to it; Ctrl-C ends it")


def wait_for_interrupt(console: RunConsole) -> None:
    """Serve until Ctrl-C or SIGTERM, which end a serving run well."""
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        console.print("stopping")


@app.command()
def plan(
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    until: UntilOption = None,
    set: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say for every stage whether it is done, stale (and what changed) or to do. Runs nothing."""
    chosen = load(recipe, root, set, input)
    store = opened(chosen)
    planned = make_plan(chosen, STAGES, store, known_stage(until))
    held = held_pages(store)
    if as_json:
        rows = [{"stage": each.stage.name, "key": each.key, "state": each.state, "why": each.why} for each in planned]
        holding = [asdict(each) for each in held.holders]
        print(json.dumps({"recipe": chosen.name, "root": str(store.root), "stages": rows, "forgotten_in": holding}, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "state", "key", "what changed"):
        table.add_column(column)
    for each in planned:
        table.add_row(each.stage.name, each.state, each.key, each.why)
    out.print(table)
    tell_held(held)
    missing = sum(each.state != "done" for each in planned)
    out.print(f"{missing} of {len(planned)} stages would run; `pageloom run` runs them" if missing else "nothing to run")


@app.command()
def ablate(
    ablation: Annotated[
        str, typer.Argument(metavar="ABLATION", help="a YAML file: the variants, and what they are measured on")
    ],
    input: InputOption = None,
    root: RootOption = None,
    set: SetOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="wait while another run holds the root")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what settings do to the model: train variants of a recipe and measure each on the same text."""
    from actors.ablation.compare import publish
    from actors.ablation.settings import read_ablation
    from actors.ablation.variants import plan_runs, recipes, run_all

    asked = read_ablation(ablation)
    chosen = recipes(asked, ABLATED, as_overrides(root, set, input))
    store, session = opened(chosen[0][1]), Session(chosen[0][1].cluster)
    runs = plan_runs(chosen, store)
    session.check()
    store.check(writing=True)
    logs = logs_directory(store.root, asked.name)
    with running(session, logs, 2 if as_json else 1) as console, lock_root(store.root, wait):
        done = sum(run.done for run in runs)
        console.print(f"[bold]pageloom {asked.name}[/bold] → {store.root}   {done} of {len(runs)} models already measured")
        found = run_all(runs, store, session, console, logs)
        models = [(run.variant, artefacts) for run, artefacts in zip(runs, found, strict=True)]
        rows, place = publish(asked.name, models, store)
    if as_json:
        print(json.dumps({"name": asked.name, "report": place, "variants": rows}, indent=1))
        return
    out.print(variants_table(rows))
    out.print(f"report  {place}", soft_wrap=True)


def variants_table(rows: list[dict[str, Any]]) -> Table:
    """Variants side by side, one a row; of planted passages the share that is continued word for word."""
    from actors.ablation.compare import label

    table = Table(box=None, pad_edge=False)
    groups = rows[0]["verbatim"]
    for column in ("variant", "documents", "tokens", "epochs", *(["bits per byte"] if rows[0]["clean"] else [])):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for group in groups:
        table.add_column(f"verbatim, {label(group)} (n={group['passages']})", justify="right", max_width=16)
    for row in rows:
        bits = [f"{row['clean']['bits_per_byte']:.3f}"] if row["clean"] else []
        shares = [f"{group['verbatim']:.0%}" for group in row["verbatim"]]
        table.add_row(row["variant"], f"{row['documents']:,}", f"{row['tokens']:,}", f"{row['epochs']:.1f}", *bits, *shares)
    return table


@app.command()
def status(recipe: RecipeArgument = None, root: RootOption = None, set: SetOption = None, as_json: JsonOption = False) -> None:
    """Say what a root holds: the newest artefact of every stage, its size, and who is writing."""
    chosen = load(recipe, root, set)
    store = opened(chosen)
    newest = [found[-1] for stage in STAGES if (found := store.artefacts(stage.name))]
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
        print(json.dumps({"root": str(store.root), "holder": holder, "stages": rows}, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "key", "committed", "seconds", "MB"):
        table.add_column(column, justify="right" if column in ("seconds", "MB") else "left")
    for row in rows:
        table.add_row(row["stage"], row["key"], row["committed"], str(row["seconds"]), f"{row['bytes'] / 1e6:.1f}")
    out.print(table if rows else f"{store.root}: nothing yet; `pageloom run` starts")
    if holder:
        out.print(f"being written by pid {holder['pid']} on {holder['host']} since {holder['since']}")


def line_of(chosen: Recipe, store: Store) -> dict[str, Artefact | None]:
    """The artefact of every stage as the recipe is now; None where it is not made yet."""
    return {each.stage.name: store.artefact(each.stage.name, each.key) for each in make_plan(chosen, STAGES, store)}


@app.command()
def report(recipe: RecipeArgument = None, root: RootOption = None, set: SetOption = None) -> None:
    """Write the run's report again from what the artefacts tell of themselves."""
    chosen = load(recipe, root, set)
    store = opened(chosen)
    out.print(f"report  {write_report(chosen, store, make_plan(chosen, STAGES, store))}", soft_wrap=True)


def write_report(chosen: Recipe, store: Store, planned: list[Planned]) -> str:
    from cluster.report.render import render

    found = [artefact for each in planned if (artefact := store.artefact(each.stage.name, each.key))]
    if not found:
        raise RequestError(f"{store.root}: no finished stage to report on yet; `pageloom run` makes some")
    place = store.root / "report.html"
    place.write_bytes(render(chosen.name, [artefact.manifest for artefact in found]).encode())
    return str(place)


show = typer.Typer(no_args_is_help=True, help="Show single pages of a root.")
app.add_typer(show, name="show")


@show.command("pages")
def show_pages(
    reason: Annotated[str, typer.Option("--reason", help="why, or a family such as gopher_repetition; none: kept pages")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="how many pages")] = 5,
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    set: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print pages that a reason rejected: value and threshold side by side, where from, and how the text begins."""
    from pipeline.pages.rejected import reasons_named, rejected_pages

    chosen = load(recipe, root, set, input)
    store = opened(chosen)
    made = line_of(chosen, store)
    pages, records = made["pages"], made["records"]
    if pages is None or records is None:
        raise RequestError(f"{store.root}: no pages of this recipe yet; `pageloom run --until pages` makes them")
    reasons = reasons_named(pages, reason) if reason else [""]
    found = list(rejected_pages(records, pages.paths(".parquet"), reasons, limit))
    if as_json:
        print(json.dumps([page.model_dump() for page in found], indent=1))
        return
    table = Table(box=None, pad_edge=False, show_lines=False)
    for column, width in (("reason", 28), ("value and limit", 22), ("page", 40), ("text", None)):
        table.add_column(column, max_width=width, overflow="fold")
    for page in found:
        table.add_row(
            page.reason or "kept", page.measured(), Text(page.url), Text(page.text[:SHOWN_CHARACTERS].replace("\n", " "))
        )
    out.print(table)


@show.command("dedup")
def show_dedup(
    cluster: Annotated[int | None, typer.Option("--cluster", metavar="ID", help="the cluster of this document")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="how many clusters, or pages of one")] = 10,
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    set: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a cluster of duplicates: its pages, how similar they are and where they differ; or list the largest ones."""
    from pipeline.dedup.clusters import cluster_of, largest_clusters

    chosen = load(recipe, root, set, input)
    store = opened(chosen)
    made = line_of(chosen, store)
    dedup, pages = made["dedup"], made["pages"]
    if dedup is None or pages is None:
        raise RequestError(f"{store.root}: no dedup of this recipe yet; `pageloom run --until dedup` makes it")
    if cluster is None:
        largest = largest_clusters(dedup, limit)
        if as_json:
            print(json.dumps([{"doc_id": doc_id, "pages": size} for doc_id, size in largest], indent=1))
            return
        for doc_id, size in largest:
            out.print(f"{doc_id}   {size} pages", markup=False)
        out.print(f"{len(largest)} clusters; `pageloom show dedup --cluster ID` prints one")
        return
    members = cluster_of(dedup, pages, cluster, limit)
    if as_json:
        print(json.dumps([member.model_dump() for member in members], indent=1))
        return
    for member in members:
        alike = "" if member.similarity is None else f" {member.similarity:.3f}"
        out.print(f"{member.doc_id}   {member.reason or 'stays'}{alike}   {member.url}", markup=False, soft_wrap=True)
        for line in member.differences:
            out.print(f"    {line[:SHOWN_CHARACTERS]}", markup=False, highlight=False)


@app.command()
def forget(
    url: Annotated[list[str] | None, typer.Option("--url", help="a page, in any spelling; may be repeated")] = None,
    host: Annotated[list[str] | None, typer.Option("--host", help="a host and its sub-domains; may be repeated")] = None,
    warc_record: Annotated[
        list[str] | None, typer.Option("--warc-record", metavar="FILE@OFFSET", help="one archived record; may be repeated")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="who asked and why; kept with the entry")] = "",
    recipe: RecipeArgument = None,
    root: RootOption = None,
) -> None:
    """Leave pages out of every later run of this root, and say what already holds them. Deletes nothing."""
    from pipeline.provenance.holders import find_holders
    from pipeline.rights.forget import Forgotten, Kind, entry, remember

    asked: list[tuple[Kind, list[str] | None]] = [("url", url), ("host", host), ("warc_record", warc_record)]
    named = [entry(kind, value, reason) for kind, values in asked for value in values or ()]
    if not named:
        raise RequestError("forget: nothing named; give --url, --host or --warc-record")
    store = opened(load(recipe, root, None))
    store.check(writing=True)
    held = find_holders(store, [stage.name for stage in STAGES], Forgotten(named))
    for each in named:
        new = remember(store.root, each)
        out.print(f"{'forgotten from now on' if new else 'on the list already'}  {each}", markup=False, soft_wrap=True)
    if not held.holders:
        out.print("no artefact here holds it; later runs leave it out")
        return
    tell_held(held)
    out.print("next    `pageloom run` makes them anew without; `pageloom trace URL` names shards and steps", markup=False)


def held_pages(store: Store) -> Held:
    """What the artefacts of a root still hold of the pages to be forgotten."""
    from pipeline.provenance.holders import Held, find_holders
    from pipeline.rights.forget import Forgotten, entries

    listed = entries(store.root)
    return find_holders(store, [stage.name for stage in STAGES], Forgotten(listed)) if listed else Held([], [])


def tell_held(held: Held) -> None:
    if held.holders:
        out.print("hold pages that are to be forgotten, or come from them:")
        table = Table(box=None, pad_edge=False)
        for column in ("artefact", "key", "holds", "delete, once nothing uses it"):
            table.add_column(column, overflow="fold")
        for each in held.holders:
            table.add_row(each.stage, each.key, each.holds, each.place)
        out.print(table)
    for twin in held.twins[:10]:
        out.print(f"the same text stands at {twin} too; forget it as well if it is meant", markup=False, soft_wrap=True)
    if len(held.twins) > 10:
        out.print(f"and at {len(held.twins) - 10} other addresses")


@app.command()
def trace(
    url: Annotated[str, typer.Argument(help="the page's URL as crawled")],
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    set: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a page: crawled or not, kept or dropped and why, in which token shards, at which training steps."""
    from pipeline.provenance.holders import newest_line
    from pipeline.provenance.trace import Training, describe, trace_page

    chosen = load(recipe, root, set, input)
    store = opened(chosen)
    artefacts = line_of(chosen, store)
    if artefacts["pages"] is None:  # stale, perhaps because the page was just forgotten: the last line that is whole
        artefacts = newest_line(store, [stage.name for stage in STAGES], "pages") or artefacts
    if artefacts["crawl"] is None:
        raise RequestError(f"{store.root}: nothing crawled yet; `pageloom run` starts")
    base = artefacts["base"]
    settings = base.manifest["settings"] if base else {}
    trained = Training(settings["steps"], settings["batch"], settings["seed"], settings.get("weights")) if base else None
    traced = trace_page(url, artefacts, trained)
    print(traced.model_dump_json(indent=1) if as_json else describe(traced))


@app.command()
def serve(recipe: RecipeArgument = None, input: InputOption = None, root: RootOption = None, set: SetOption = None) -> None:
    """Serve the released model of a root without running anything else."""
    from serving.engine.app import check_port

    began = time.time()
    chosen = load(recipe, root, set, input)
    check_port(chosen.serve)  # type: ignore[attr-defined]
    store, session = opened(chosen), Session(chosen.cluster)
    session.check()
    last = make_plan(chosen, STAGES, store)[-1]
    release = store.artefact(last.stage.name, last.key)
    if release is None:
        raise RequestError(f"{store.root}: no release of this recipe yet; `pageloom run` makes it")
    logs = logs_directory(store.root, chosen.name)
    with running(session, logs) as console:
        serve_release(chosen, release, session, console, logs, began)
        wait_for_interrupt(console)


@app.command()
def chat(
    url: Annotated[str | None, typer.Option("--url", help="endpoint; default: where this recipe serves")] = None,
    recipe: RecipeArgument = None,
    set: SetOption = None,
) -> None:
    """Talk to a served model in the terminal."""
    from serving.client.chat import talk

    chosen = load(recipe, None, set)
    settings: ServeSettings = chosen.serve  # type: ignore[attr-defined]
    talk(url or f"http://{settings.host}:{settings.port}/v1", settings)


@app.command()
def doctor(recipe: RecipeArgument = None, root: RootOption = None, set: SetOption = None, as_json: JsonOption = False) -> None:
    """Say what will not work here, and the remedy."""
    from cluster.doctor import run_checks

    chosen = load(recipe, root, set)
    ports = {
        "serve.port": chosen.serve.port,  # type: ignore[attr-defined]
        "cluster.dashboard_port": chosen.cluster.dashboard_port,
    }
    if chosen.crawl.pydoc and not chosen.crawl.all_sources():  # type: ignore[attr-defined]
        ports["crawl.pydoc.port"] = chosen.crawl.pydoc.port  # type: ignore[attr-defined]
    checks = run_checks(chosen.root_uri, ports)
    if as_json:
        print(json.dumps([check.__dict__ for check in checks], indent=1))
    else:
        marks = {"ok": "[green]✓[/green]", "warn": "[yellow]![/yellow]", "fail": "[red]✗[/red]"}
        table = Table(box=None, show_header=False, pad_edge=False)
        for check in checks:
            table.add_row(marks[check.state], check.name, check.value, check.remedy)
        out.print(table)
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(1)


@recipes.command("default")
def recipe_default(
    recipe: RecipeArgument = None, full: Annotated[bool, typer.Option(help="every key with its default")] = False
) -> None:
    """Print a shipped recipe, to start one's own from."""
    values = load(recipe, None, None).model_dump(mode="json") if full else read_recipe(recipe or "quickstart")
    print(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), end="")


@recipes.command("schema")
def recipe_schema() -> None:
    """Print the recipe's JSON schema."""
    print(json.dumps(MODEL.model_json_schema(), indent=1))


@recipes.command("check")
def recipe_check(recipe: RecipeArgument = None, set: SetOption = None) -> None:
    """Check a recipe without running anything."""
    load(recipe, None, set)
    out.print(f"{recipe or 'quickstart'}: a valid recipe of {len(STAGES)} stages; `pageloom plan` says what would run")


if __name__ == "__main__":
    main()
