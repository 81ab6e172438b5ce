"""A release: the aligned model with its lineage, its figures and a model card, ready to be served or copied away."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow.fs as pafs
from pydantic import BaseModel, ConfigDict, Field

from actors.stages import STAGES as ACTORS
from cluster.errors import WorkError
from cluster.fields import publishable
from cluster.report.blocks import Table
from cluster.stage import Context
from cluster.store import METRICS, Artefact, Location, Store
from pipeline.stages import STAGES as PIPELINE
from serving.card import model_card

SETTINGS = {stage.name: stage.settings for stage in (*PIPELINE, *ACTORS)}


class ReleaseSettings(BaseModel):
    """The recipe's `release` section."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("pageloom-model", pattern=r"^[\w.-]+$", description="what the model card calls the model")
    licence: str | None = Field(None, description="of the model, by its id on model hubs (apache-2.0, ...); null: unknown")
    datasets: list[str] = Field(default_factory=list, description="ids of public data sets that it was made from, for the card")
    summary: str = Field("", description="what the model is for, in a sentence: opens the model card")


def publish(ctx: Context) -> None:
    """Copy the aligned model and write beside it `release.json` and the model card `README.md`."""
    began = time.time()
    aligned = ctx.inputs["aligned"]
    files = [file for file in aligned.manifest["files"] if file["path"] != METRICS]
    for done, file in enumerate(files, start=1):
        copy(aligned.location / file["path"], ctx.output / file["path"])
        ctx.track.progress(done, len(files), "files")
    record = {
        "name": ctx.settings.name,
        "licence": ctx.settings.licence,
        "datasets": ctx.settings.datasets,
        "summary": ctx.settings.summary,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "lineage": lineage(ctx.inputs.values(), Store(str(ctx.root))),
        "evaluation": (ctx.inputs["evaluation"].location / "evaluation.json").read_json(),
    }
    (ctx.output / "release.json").write_json(record)
    (ctx.output / "README.md").write_bytes(model_card(record).encode())
    ctx.count(files=len(files), bytes=sum(file["bytes"] for file in files), ancestors=len(record["lineage"]))
    ctx.tell(
        Table(
            title="Lineage",
            columns=["stage", "key", "digest of its files", "from"],
            rows=[[each["stage"], each["key"], each["digest"], ", ".join(each["parents"])] for each in record["lineage"]],
            note="Equal digests mean equal bytes; release.json also holds the settings of every stage that are not private.",
        )
    )
    ctx.track.worked(began, time.time())


def copy(source: Location, target: Location) -> None:
    """Copy one file between any two filesystems, in blocks."""
    target.filesystem.create_dir(target.path.rpartition("/")[0])
    pafs.copy_files(source.path, target.path, source_filesystem=source.filesystem, destination_filesystem=target.filesystem)


def lineage(parents: Iterable[Artefact], store: Store) -> list[dict[str, Any]]:
    """Where a model comes from, ancestors before descendants: what identifies each result and how it was made.

    Nothing private: see `publishable`; of files the names, of counts the numbers.
    """
    return [
        {
            "stage": artefact.stage,
            "key": artefact.key,
            "digest": artefact.digest,
            "version": artefact.manifest["version"],
            "pageloom": artefact.manifest["pageloom"],
            "commit": artefact.manifest.get("commit"),
            "versions": artefact.manifest.get("versions", {}),
            "settings": publishable(SETTINGS[artefact.stage].model_validate(artefact.manifest["settings"])),
            "parents": artefact.manifest["parents"],
            "external": [named_only(each) for each in artefact.manifest["external"]],
            "counts": numbers(artefact.counts),
        }
        for artefact in ancestors(parents, store)
    ]


def ancestors(parents: Iterable[Artefact], store: Store) -> list[Artefact]:
    """Artefacts and all that they come from, each once and after its own parents. Raises WorkError where one is not there."""
    found: dict[tuple[str, str], Artefact] = {}

    def add(artefact: Artefact) -> None:
        for name, key in artefact.manifest["parents"].items():
            if (name, key) in found:
                continue
            parent = store.artefact(name, key)
            if parent is None:
                raise WorkError(f"{store.root}: {name} {key}, which {artefact.stage} comes from, is not there; run again")
            add(parent)
        found.setdefault((artefact.stage, artefact.key), artefact)

    for each in parents:
        add(each)
    return list(found.values())


def named_only(external: Mapping[str, Any]) -> dict[str, Any]:
    """An external input without where it is."""
    known = {name: external[name] for name in ("bytes", "digest", "entries") if name in external}
    return {"name": external["uri"].rstrip("/").rpartition("/")[2], **known}


def numbers(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Counts at any depth, without what is no number."""
    found: dict[str, Any] = {}
    for name, value in counts.items():
        if isinstance(value, Mapping):
            found[name] = numbers(value)
        elif isinstance(value, int | float):
            found[name] = value
    return found
