"""Commands about Kubernetes manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.errors import RequestError
from cluster.kubernetes.gates import gates
from cluster.line import Line
from cluster.options import InputOption, JsonOption, RecipeArgument, RootOption, SetOption
from cluster.terminal import ONE_LINE, err, out, say_json

MISSING = "`k8s check` needs packages that are not installed; pip install 'pageloom[k8s]'"

app = typer.Typer(no_args_is_help=True, help="Write and check Kubernetes manifests, without a cluster.")


@app.callback()
def begin() -> None:
    """Write and check Kubernetes manifests, without a cluster."""


@app.command()
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="manifests; - is stdin")],
    crds: Annotated[
        str | None,
        typer.Option(metavar="DIR", envvar="PAGELOOM_CRDS", help="custom resource definitions, *.yaml or *.yaml.gz"),
    ] = None,
    gate: Annotated[
        list[str] | None, typer.Option(metavar="NAME=true|false", help="a feature gate of the operator; may be repeated")
    ] = None,
    previous: Annotated[
        str | None, typer.Option(metavar="FILE", help="the objects as they are now, for rules about what may change")
    ] = None,
    kubernetes: Annotated[str, typer.Option(metavar="VERSION", help="the release whose kinds and fields count")] = "1.36",
    as_json: JsonOption = False,
) -> None:
    """Say what Kubernetes and KubeRay would refuse: schemas, rules in CEL, and the operator's own rules. A line a fault."""
    chosen = gates(gate or [])
    try:
        from cluster.kubernetes.check import Checker
        from cluster.kubernetes.core import Core
        from cluster.kubernetes.custom import Definitions
    except ImportError as error:
        raise RequestError(MISSING) from error
    from cluster.kubernetes.manifests import manifests

    before = manifests(previous) if previous else []
    core = Core(kubernetes)
    checker = Checker(core, Definitions(crds, core) if crds else None, chosen, before)
    found = [finding for file in files for finding in checker.check_file(file)]
    remarks = checker.remarks()
    if as_json:
        say_json({"objects": checker.objects, "faults": [finding.values() for finding in found], "remarks": remarks})
    else:
        for finding in found:
            out.print(str(finding).translate(ONE_LINE), soft_wrap=True)
        for remark in remarks:
            err.print(f"pageloom: {remark}".translate(ONE_LINE), style="dim", soft_wrap=True)
    if found:
        raise RequestError(f"{len(found)} faults in {checker.objects} objects")
    if not as_json:
        out.print(f"{checker.objects} objects: nothing that would be refused")


@app.command()
def render(
    ctx: typer.Context,
    overlay: Annotated[str, typer.Option(metavar="NAME", help="dev-cpu, gpu or prod")],
    recipe: RecipeArgument = None,
    input: InputOption = None,
    root: RootOption = None,
    set: SetOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="where to; default: k8s-NAME-OVERLAY")
    ] = None,
    release: Annotated[
        str, typer.Option(metavar="REF|KEY|URI", help="which release is served: of the root, or the URI of one")
    ] = "latest",
    image: Annotated[
        str | None, typer.Option(metavar="NAME:TAG", help="made from k8s/image; default: pageloom:VERSION-cpu or -gpu")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="CRON", help="start the cycle by itself, in UTC; default: by hand")
    ] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="jobs alone: before there is a release")] = False,
) -> None:
    """Write what runs and serves a recipe on Kubernetes: a directory for `kubectl apply -k`."""
    from cluster.kubernetes.render import Request, check_reach, decided_by, files, write

    line: Line = ctx.obj
    request = Request(overlay, release, image, schedule, not no_serve)
    request.check()
    settings = list(set or [])
    decided = decided_by(overlay, line.load(recipe, settings, root, input))
    chosen: Any = line.load(recipe, settings + decided, root, input)
    check_reach(chosen, line)
    place = output or Path(f"k8s-{chosen.name}-{overlay}")
    write(place, files(chosen, line, request))
    for setting in decided:
        out.print(f"overlay {overlay}: {setting}", soft_wrap=True)
    out.print(
        f"{chosen.name} → {place}: `kubectl apply -k {place}` applies it; k8s/README.md says what comes before", soft_wrap=True
    )
