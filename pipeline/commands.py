"""Commands that look at single pages: shown, traced, forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cluster.commands import tell_which
from cluster.errors import RequestError
from cluster.line import Line, Remark, opened
from cluster.lock import current_holder
from cluster.options import InputOption, JsonOption, RecipeArgument, RootOption, SetOption
from cluster.store import Store
from cluster.terminal import out, say_json
from cluster.verify import refuse_changed

if TYPE_CHECKING:
    from pipeline.provenance.holders import Held

SHOWN_CHARACTERS = 200  # of a page's text
SHOWN_TWINS = 10

app = typer.Typer()
show = typer.Typer(no_args_is_help=True, help="Show single pages of a root.")
app.add_typer(show, name="show")


@show.command("pages")
def show_pages(
    ctx: typer.Context,
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

    seen = ctx.obj.look(recipe, set, root, input)
    store, made = seen.store, seen.artefacts
    tell_which(seen)
    pages, records = made["pages"], made["records"]
    if pages is None or records is None:
        raise RequestError(f"{store.root}: no pages of this recipe yet; `pageloom run --until pages` makes them")
    for each in (pages, records):
        refuse_changed(each)
    reasons = reasons_named(pages, reason) if reason else [""]
    found = list(rejected_pages(records, pages.paths(".parquet"), reasons, limit))
    if as_json:
        say_json([page.model_dump() for page in found])
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
    ctx: typer.Context,
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

    seen = ctx.obj.look(recipe, set, root, input)
    store, made = seen.store, seen.artefacts
    tell_which(seen)
    dedup, pages = made["dedup"], made["pages"]
    if dedup is None or pages is None:
        raise RequestError(f"{store.root}: no dedup of this recipe yet; `pageloom run --until dedup` makes it")
    for each in (dedup, pages):
        refuse_changed(each)
    if cluster is None:
        largest = largest_clusters(dedup, limit)
        if as_json:
            say_json([{"doc_id": doc_id, "pages": size} for doc_id, size in largest])
            return
        for doc_id, size in largest:
            out.print(f"{doc_id}   {size} pages")
        out.print(f"{len(largest)} clusters; `pageloom show dedup --cluster ID` prints one")
        return
    members = cluster_of(dedup, pages, cluster, limit)
    if as_json:
        say_json([member.model_dump() for member in members])
        return
    for member in members:
        alike = "" if member.similarity is None else f" {member.similarity:.3f}"
        out.print(f"{member.doc_id}   {member.reason or 'stays'}{alike}   {member.url}", soft_wrap=True)
        for difference in member.differences:
            out.print(f"    {difference[:SHOWN_CHARACTERS]}")


@app.command()
def trace(
    ctx: typer.Context,
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

    line: Line = ctx.obj
    seen = line.look(recipe, set, root, input)
    store, artefacts = seen.store, seen.artefacts
    tell_which(seen)
    if artefacts["pages"] is None:  # stale, perhaps because the page was just forgotten: the last line that is whole
        artefacts = newest_line(store, line.names, "pages") or artefacts
    if artefacts["crawl"] is None:
        raise RequestError(f"{store.root}: nothing crawled yet; `pageloom run` starts")
    for name in ("crawl", "pages", "dedup", "corpus", "tokens"):
        if (found := artefacts.get(name)) is not None:
            refuse_changed(found)
    base = artefacts["base"]
    settings = base.manifest["settings"] if base else {}
    trained = Training(settings["steps"], settings["batch"], settings["seed"], settings.get("weights")) if base else None
    traced = trace_page(url, artefacts, trained)
    if as_json:
        say_json(traced.model_dump(mode="json"))
    else:
        out.print(describe(traced), soft_wrap=True)


@app.command()
def forget(
    ctx: typer.Context,
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

    line: Line = ctx.obj
    asked: list[tuple[Kind, list[str] | None]] = [("url", url), ("host", host), ("warc_record", warc_record)]
    named = [entry(kind, value, reason) for kind, values in asked for value in values or ()]
    if not named:
        raise RequestError("forget: nothing named; give --url, --host or --warc-record")
    store = opened(line.load(recipe, None, root, looking=True))
    store.check(writing=True)
    held = find_holders(store, line.names, Forgotten(named))
    for each in named:
        new = remember(store.root, each)
        out.print(f"{'forgotten from now on' if new else 'on the list already'}  {each}", soft_wrap=True)
    if holder := current_holder(store.root):
        who = f"pid {holder.get('pid')} on {holder.get('host')}"
        out.print(f"a run is under way here ({who}): it began without this and stops before its next stage; run it again")
    if not held.holders:
        out.print("no artefact here holds it; later runs leave it out")
        return
    for shown in told(held):
        out.print(shown)
    out.print("next    `pageloom run` makes them anew without; `pageloom trace URL` names shards and steps")


def still_held(store: Store, stages: Sequence[str]) -> Remark:
    """What the artefacts of a root still hold of the pages to be forgotten."""
    from pipeline.provenance.holders import Held, find_holders
    from pipeline.rights.forget import Forgotten, entries

    listed = entries(store.root)
    held = find_holders(store, stages, Forgotten(listed)) if listed else Held([], [])
    return Remark({"forgotten_in": [asdict(each) for each in held.holders]}, list(told(held)))


def told(held: Held) -> Iterator[Any]:
    """The holders for a terminal."""
    if held.holders:
        table = Table(box=None, pad_edge=False, title="hold pages that are to be forgotten, or come from them:")
        table.title_justify, table.title_style = "left", ""
        for column in ("artefact", "key", "holds", "delete, once nothing uses it"):
            table.add_column(column, overflow="fold")
        for each in held.holders:
            table.add_row(each.stage, each.key, each.holds, Text(each.place))
        yield table
    for twin in held.twins[:SHOWN_TWINS]:
        yield Text(f"the same text stands at {twin} too; forget it as well if it is meant")
    if len(held.twins) > SHOWN_TWINS:
        yield Text(f"and at {len(held.twins) - SHOWN_TWINS} other addresses")
