"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

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
WaitOption = Annotated[bool, typer.Option("--wait", help="wait while another run holds the root")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]
