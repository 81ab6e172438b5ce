"""A recipe as Kubernetes manifests: an overlay of k8s/, and a patch that says what this recipe needs.

What is written is a directory of its own that `kubectl apply -k` takes as it is: the overlay with all that it builds on,
unchanged, and in kustomization.yaml whatever follows from the recipe.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from cluster.errors import RequestError
from cluster.kubernetes.cron import check_schedule
from cluster.kubernetes.pods import Group, cpu_group, gpu_group
from cluster.line import Line
from cluster.location import Location
from cluster.recipe import Recipe
from cluster.resources import Bundle

SOURCE = Path(__file__).resolve().parents[2] / "k8s"  # beside the packages, in a checkout and where a wheel is installed
PARTS = ("base", "components", "jobs", "overlays")
MARK = "# Written by `pageloom k8s render`; it writes over this file, and over base, components, jobs and overlays beside it."
STORES = ("s3://", "gs://")

APPLICATION = "serving.engine.app:build"
SERVING = "serving"  # what the front door calls the endpoint among the work that books room
HTTP_PORT = 8000  # that of the manifests' ports called `serve`; serve.port is the embedded endpoint's
OTHERS = {"host", "port", "question"}  # of the recipe's `serve`: for an endpoint of one's own machine

LAST_OF_PAGES, FIRST_OF_TRAINING = "tokens", "base"
LEAVING_SECONDS = 15  # for the word to get round that a node goes, before and after its last answer
ENDING_SECONDS = 30  # for Ray to end
DRIVER_CPUS = 1


@dataclass(frozen=True)
class Overlay:
    """What of an overlay of k8s/overlays decides how a recipe is fitted into it."""

    gpu: bool = False
    autoscaling: bool = False
    engines: int = 1


OVERLAYS = {
    "dev-cpu": Overlay(),
    "gpu": Overlay(gpu=True),
    "prod": Overlay(gpu=True, autoscaling=True, engines=2),
}


@dataclass(frozen=True)
class Request:
    """What to render besides the recipe. release: a ref, a key or a URI. schedule: cron line of the cycle; None: by hand."""

    overlay: str
    release: str = "latest"
    image: str | None = None
    schedule: str | None = None
    serving: bool = True

    def check(self) -> None:
        """Raises RequestError for an overlay that there is not and for an image that will be another one tomorrow."""
        if self.overlay not in OVERLAYS:
            raise RequestError(f"--overlay {self.overlay}: no such overlay; there are {', '.join(OVERLAYS)}")
        if self.image is not None:
            split_image(self.image)
        if self.schedule is not None:
            try:
                check_schedule(self.schedule)
            except ValueError as error:
                raise RequestError(
                    f"--schedule {self.schedule}: no cron line ({error}); write one such as '0 3 * * 0'"
                ) from error


def decided_by(overlay: str, recipe: Any) -> list[str]:
    """`key=value` for what an overlay decides: GPUs or none, how many engines, and the cluster, which is each job's own."""
    settings = ["cluster.address=null"] if recipe.cluster.address else []
    if OVERLAYS[overlay].gpu != bool(recipe.cluster.gpus_per_worker):
        settings.append(f"cluster.gpus_per_worker={int(OVERLAYS[overlay].gpu)}")
    if "replicas" not in recipe.serve.model_fields_set and OVERLAYS[overlay].engines > 1:
        settings.append(f"serve.replicas={OVERLAYS[overlay].engines}")
    return settings


def check_reach(recipe: Recipe, line: Line) -> None:
    """Refuse what pods cannot reach: a root or files of this machine. Raises RequestError."""
    if not recipe.root_uri.startswith(STORES):
        raise RequestError(
            f"root {recipe.root_uri}: a directory of this machine, and pods reach only object stores; "
            "give --root s3://BUCKET/PREFIX"
        )
    Location.of(recipe.root_uri)
    for stage in line.stages:
        for pattern in stage.external(getattr(recipe, stage.section)):
            if not pattern.startswith(STORES):
                raise RequestError(
                    f"{stage.section}: {pattern} is a file of this machine; put it into an object store and name it as s3://..."
                )


def files(recipe: Recipe, line: Line, request: Request) -> dict[str, str]:
    """What belongs beside the copied parts: file name -> content. Raises RequestError for a recipe that finds no room."""
    room = line.needs_room(recipe)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"overlays/{request.overlay}"],
        "images": [image_of(request)],
        "generatorOptions": {"disableNameSuffixHash": True},
        "configMapGenerator": [{"name": "pageloom-recipe", "behavior": "replace", "files": ["recipe.yaml"]}],
        "patches": [
            *(service_patches(recipe, room, request) if request.serving else without_service(request)),
            *job_patches(recipe, line, room, request),
            *cycle_patches(request),
        ],
    }
    said = recipe.model_dump(mode="json", exclude_unset=True) | {"root": recipe.root_uri}
    return {"kustomization.yaml": f"{MARK}\n{as_yaml(kustomization)}", "recipe.yaml": as_yaml(said)}


def write(directory: Path, content: Mapping[str, str]) -> None:
    """Put the files and a copy of k8s/ into a directory, over an earlier rendering. Raises RequestError for any other."""
    written = directory / "kustomization.yaml"
    if directory.exists() and any(directory.iterdir()) and not (written.is_file() and written.read_text().startswith(MARK)):
        raise RequestError(f"{directory}: something else is there; name a directory that is empty or not there yet")
    directory.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        shutil.rmtree(directory / part, ignore_errors=True)
        shutil.copytree(SOURCE / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in content.items():
        (directory / name).write_text(text)


def service_patches(recipe: Any, room: Mapping[str, Sequence[Bundle]], request: Request) -> list[dict[str, Any]]:
    """The application, the pods that hold it, and time for its longest answer wherever something ends."""
    overlay, cluster = OVERLAYS[request.overlay], "/spec/rayClusterConfig"
    # A pod for each engine: of a size that holds one and its ingress.
    one = [room[SERVING][: len(room[SERVING]) // recipe.serve.replicas]]
    pod = gpu_group(one, cpu=4) if overlay.gpu else cpu_group(one)
    group = Group(pod.name, recipe.serve.replicas, pod.cpu, pod.memory, pod.gpu)
    drained = round(recipe.serve.answer_seconds) + LEAVING_SECONDS
    pods = f"{cluster}/workerGroupSpecs/0/template/spec"
    leave = f"python -m cluster.session.drain {drained}; sleep {drained}"
    operations = [
        replacing("/spec/serveConfigV2", as_yaml(serve_config(recipe, request))),
        replacing("/spec/rayClusterDeletionDelaySeconds", drained + ENDING_SECONDS),
        *group_operations(f"{cluster}/workerGroupSpecs/0", group, group.replicas, group.replicas + overlay.autoscaling),
        replacing(f"{pods}/containers/0/lifecycle/preStop/exec/command", ["sh", "-c", leave]),
        replacing(f"{pods}/terminationGracePeriodSeconds", drained + ENDING_SECONDS),
    ]
    return [patch("RayService", operations), *disruption(request, group.replicas)]


def without_service(request: Request) -> list[dict[str, Any]]:
    deleted = {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "pageloom"}}
    return [{"target": {"kind": "RayService"}, "patch": as_yaml({"$patch": "delete", **deleted})}, *disruption(request, 1)]


def disruption(request: Request, replicas: int) -> list[dict[str, Any]]:
    """How many engines stay while nodes are drained. Of a single one nothing is said: its node could never be drained."""
    if request.overlay != "prod":
        return []
    if replicas > 1:
        return [patch("PodDisruptionBudget", [replacing("/spec/minAvailable", replicas - 1)])]
    deleted = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "pageloom"}}
    return [{"target": {"kind": "PodDisruptionBudget"}, "patch": as_yaml({"$patch": "delete", **deleted})}]


def serve_config(recipe: Any, request: Request) -> dict[str, Any]:
    """Ray Serve's configuration of the endpoint."""
    settings = recipe.serve.model_dump(mode="json", exclude_defaults=True, exclude=OTHERS)
    gpus = recipe.cluster.gpus_per_worker
    place = (
        {"model": request.release}
        if request.release.startswith(STORES)
        else {"root": recipe.root_uri, "release": request.release}
    )
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": HTTP_PORT, "request_timeout_s": recipe.serve.answer_seconds},
        "applications": [
            {
                "name": "pageloom",
                "route_prefix": "/",
                "import_path": APPLICATION,
                "args": {**place, **({"gpus": gpus} if gpus else {}), "serve": settings},
            }
        ],
    }


def job_patches(recipe: Any, line: Line, room: Mapping[str, Sequence[Bundle]], request: Request) -> list[dict[str, Any]]:
    """Each group of stages with workers that hold every stage of it."""
    overlay = OVERLAYS[request.overlay]
    first = line.names.index(FIRST_OF_TRAINING)
    pages = [room[name] for name in line.names[:first] if name in room]
    training = [room[name] for name in line.names[first:] if name in room]
    # The server of the standard library's pages answers on the loopback of the run's own node, so that has to be a worker.
    beside = bool(recipe.crawl.pydoc and not recipe.crawl.all_sources())
    driver = [Bundle(DRIVER_CPUS, holder="the run itself")] if beside else []
    held: dict[str, list[list[Bundle]]] = {
        "pageloom-pages": [[*bundles, *driver] for bundles in pages],
        "pageloom-train": [list(bundles) for bundles in training],
        "pageloom-cycle": [[*bundles, *driver] for bundles in [*pages, *training]],
    }
    patches = []
    for name, needs in held.items():
        groups = [cpu_group(needs)] if not overlay.gpu or name == "pageloom-pages" else mixed(needs)
        operations = [
            operation
            for number, group in enumerate(groups)
            for operation in group_operations(
                f"/spec/rayClusterSpec/workerGroupSpecs/{number}",
                group,
                0 if overlay.autoscaling else group.replicas,
                group.replicas,
            )
        ]
        if driver and name != "pageloom-train":
            operations.append({"op": "add", "path": "/spec/entrypointNumCpus", "value": DRIVER_CPUS})
        if name == "pageloom-cycle" and not recipe.crawl.all_sources():
            operations.append(replacing("/spec/entrypoint", crawling_cycle(recipe)))
        patches.append(patch("RayJob", operations, name))
    return patches


def mixed(needs: Sequence[Sequence[Bundle]]) -> list[Group]:
    """Stages without GPUs on workers without, all others whole on workers with GPUs."""
    plain = [bundles for bundles in needs if not any(each.gpu for each in bundles)]
    return [cpu_group(plain), gpu_group(needs)]


def crawling_cycle(recipe: Recipe) -> str:
    """A cycle that crawls has a root of its own, called as its job: a crawl that is done would not be done again there.

    `pageloom run --force crawl` would, and would take the release that is being served out of the root first.
    """
    root = shlex.quote(f"{recipe.root_uri}/cycles/@JOB_NAME@")
    return f"pageloom run /etc/pageloom/recipe.yaml --root {root} --no-serve --wait"


def cycle_patches(request: Request) -> list[dict[str, Any]]:
    if request.schedule is None:
        return []
    return [patch("CronJob", [replacing("/spec/schedule", request.schedule), replacing("/spec/suspend", False)])]


def group_operations(place: str, group: Group, least: int, most: int) -> list[dict[str, Any]]:
    amounts: dict[str, str] = {"cpu": str(group.cpu), "memory": f"{-(-group.memory // (1 << 20))}Mi"}
    if group.gpu:
        amounts["nvidia.com/gpu"] = str(group.gpu)
    return [
        replacing(f"{place}/replicas", least),
        replacing(f"{place}/minReplicas", least),
        replacing(f"{place}/maxReplicas", most),
        replacing(f"{place}/template/spec/containers/0/resources", {"requests": amounts, "limits": dict(amounts)}),
    ]


def image_of(request: Request) -> dict[str, str]:
    kind = "gpu" if OVERLAYS[request.overlay].gpu else "cpu"
    return {"name": "pageloom", **split_image(request.image or f"pageloom:{metadata.version('pageloom')}-{kind}")}


def split_image(image: str) -> dict[str, str]:
    """As kustomize wants it. Raises RequestError where nothing says which image it is."""
    name, at, digest = image.partition("@")
    if at and name and digest:
        return {"newName": name, "digest": digest}
    name, colon, tag = image.rpartition(":")
    if not (colon and name and tag) or "/" in tag or tag == "latest":
        raise RequestError(f"--image {image}: says not which; give NAME:TAG with a tag that stays, or NAME@sha256:...")
    return {"newName": name, "newTag": tag}


def replacing(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def patch(kind: str, operations: Sequence[Mapping[str, Any]], name: str | None = None) -> dict[str, Any]:
    """A JSON patch (RFC 6902) of the objects of a kind, or of one of them."""
    return {"target": {"kind": kind, **({"name": name} if name else {})}, "patch": as_yaml(list(operations))}


class Plain(yaml.SafeDumper):
    """YAML for people: texts of several lines as such, nothing referred to by an anchor."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def literal(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Plain.add_representer(str, literal)


def as_yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=Plain, sort_keys=False, allow_unicode=True, width=1000)
