"""A release: the aligned model with its lineage, its figures and a model card, ready to be served or copied away."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pyarrow.fs as pafs
from pydantic import BaseModel, ConfigDict, Field

from cluster.report.blocks import Table
from cluster.stage import Context
from cluster.store import METRICS, Artefact, Location
from serving.card import model_card


class ReleaseSettings(BaseModel):
    """The recipe's `release` section."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("pageloom-model", pattern=r"^[\w.-]+$", description="what the model card calls the model")
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
        "summary": ctx.settings.summary,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "lineage": lineage(ctx.inputs),
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
            note="Equal digests mean equal bytes; release.json also holds every stage's settings.",
        )
    )
    ctx.track.worked(began, time.time())


def copy(source: Location, target: Location) -> None:
    """Copy one file between any two filesystems, in blocks."""
    target.filesystem.create_dir(target.path.rpartition("/")[0])
    pafs.copy_files(source.path, target.path, source_filesystem=source.filesystem, destination_filesystem=target.filesystem)


def lineage(ancestors: Mapping[str, Artefact]) -> list[dict[str, Any]]:
    """Where a model comes from, parents before children: what identifies each stage's result and how it was made."""
    return [
        {
            "stage": name,
            "key": artefact.key,
            "digest": artefact.digest,
            "version": artefact.manifest["version"],
            "pageloom": artefact.manifest["pageloom"],
            "settings": artefact.manifest["settings"],
            "parents": artefact.manifest["parents"],
            "external": artefact.manifest["external"],
            "counts": artefact.counts,
        }
        for name, artefact in ancestors.items()
    ]
