"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.recipe import DEFAULT, FOR_INPUT, shipped_recipes


def recipes_beginning(incomplete: str) -> list[str]:
    """What a shell offers for RECIPE besides files."""
    return [name for name in shipped_recipes() if name.startswith(incomplete)]


def stages_beginning(ctx: typer.Context, incomplete: str) -> list[str]:
    """What a shell offers for a stage."""
    return [name for name in ctx.find_root().obj.names if name.startswith(incomplete)]


RecipeArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE",
        help=f"a recipe file or a shipped name ({', '.join(shipped_recipes())}); default {DEFAULT}, with --input {FOR_INPUT}",
        autocompletion=recipes_beginning,
    ),
]
RootOption = Annotated[str | None, typer.Option("--root", metavar="DIR|URI", help="where artefacts live")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override a recipe key; may be repeated")
]
InputOption = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="FILE|GLOB|URI", help="existing pages instead of a crawl; may be repeated"),
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", metavar="STAGE", help="stop when this stage is done", autocompletion=stages_beginning),
]
WaitOption = Annotated[bool, typer.Option("--wait", help="wait while another run holds the root")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]
