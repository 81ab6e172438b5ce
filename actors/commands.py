"""Commands that compare models."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from actors.stages import MEASUREMENT
from cluster.line import Line, as_overrides, opened
from cluster.lock import lock_root
from cluster.options import InputOption, JsonOption, RootOption, SetOption, WaitOption
from cluster.run import heading, running
from cluster.terminal import out, say_json

app = typer.Typer()


@app.command()
def ablate(
    ctx: typer.Context,
    ablation: Annotated[
        str, typer.Argument(metavar="ABLATION", help="a YAML file: the variants, and what they are measured on")
    ],
    input: InputOption = None,
    root: RootOption = None,
    set: SetOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what settings do to the model: train variants of a recipe and measure each on the same text."""
    from actors.ablation.compare import publish
    from actors.ablation.settings import read_ablation
    from actors.ablation.variants import plan_models, recipes, run_all

    line: Line = ctx.obj.with_stages(MEASUREMENT)
    asked = read_ablation(ablation)
    chosen = recipes(asked, line, as_overrides(set, root, input))
    store = opened(chosen[0][1])
    models = plan_models(chosen, line, store)
    with (
        running(chosen[0][1], store, asked.name, descriptor=2 if as_json else 1) as run,
        lock_root(store.root, wait, run.console.print) as held,
    ):
        count = f"{sum(each.done for each in models)} of {len(models)} models already measured"
        run.console.print(heading(asked.name, store.root, count))
        found = run_all(models, run, held)
        measured = [(each.variant, artefacts) for each, artefacts in zip(models, found, strict=True)]
        rows, place = publish(asked.name, measured, store)
    if as_json:
        say_json({"name": asked.name, "report": place, "variants": rows})
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
