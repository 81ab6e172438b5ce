"""The `measurement` stage: one model of an ablation on the text that all its models are measured on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import ray

from actors.ablation.passages import Passage, read_passages
from actors.ablation.settings import RESULT, VerbatimSettings
from actors.ablation.verbatim import Continued, continue_passages, copies_in
from actors.data.bits import bits_per_byte
from actors.evaluation.evaluator import Likelihood, loaded, text_likelihood
from actors.room import EVALUATOR_CPUS
from cluster.report.blocks import Table
from cluster.stage import Context
from cluster.store import Artefact, Location
from cluster.track.events import Track
from pipeline.read.data_files import texts
from pipeline.tokens.tokenizer import documents


@dataclass(frozen=True)
class Repeated:
    """Of each passage: how a model goes on behind its prompt, and how many training documents hold it."""

    passages: list[Passage]
    continued: list[Continued]
    trained_on: list[int]


def measure(ctx: Context) -> None:
    """Bits per byte of clean text and verbatim continuations, side by side in two tasks; write `measurement.json`."""
    base, settings = ctx.inputs["base"].location, ctx.settings
    jobs: dict[str, Any] = {}
    if settings.clean:
        jobs["clean"] = task(ctx, likelihood_of_files).remote(base, settings.clean, ctx.track)
    if settings.verbatim:
        jobs["verbatim"] = task(ctx, repeated).remote(base, ctx.inputs["corpus"], settings.verbatim, ctx.track)
    found = dict(zip(jobs, ray.get(list(jobs.values())), strict=True))
    clean, verbatim = clean_figures(found.get("clean")), groups(found.get("verbatim"))
    passages = each_passage(found.get("verbatim"))
    (ctx.output / RESULT).write_json({"clean": clean, "verbatim": verbatim, "passages": passages})
    if clean:
        ctx.count(**{f"clean_{name}": value for name, value in clean.items()})
    if verbatim:
        ctx.tell(group_table(verbatim))


def task(ctx: Context, work: Callable[..., Any]) -> Any:
    return ray.remote(work).options(
        num_cpus=EVALUATOR_CPUS,
        num_gpus=ctx.cluster.gpus_per_worker,
        max_retries=ctx.cluster.max_failures,
        retry_exceptions=False,
    )


def likelihood_of_files(base: Location, files: Sequence[str], track: Track) -> Likelihood:
    model, tokenizer = loaded(base)
    began = time.time()
    found = text_likelihood(model, tokenizer, list(texts(files, "text")))
    track.worked(began, time.time())
    return found


def repeated(base: Location, corpus: Artefact, settings: VerbatimSettings, track: Track) -> Repeated:
    model, tokenizer = loaded(base)
    began = time.time()
    passages = read_passages(settings)
    continued = continue_passages(model, tokenizer, passages)
    found = Repeated(passages, continued, copies_in(documents(corpus, "train", sys.maxsize), passages))
    track.worked(began, time.time())
    return found


def clean_figures(clean: Likelihood | None) -> dict[str, Any] | None:
    if clean is None:
        return None
    return {"bits_per_byte": bits_per_byte(clean.nats, clean.bytes), "bytes": clean.bytes, "tokens": clean.symbols}


def groups(found: Repeated | None) -> list[dict[str, Any]]:
    """A row for all passages of so many copies and one kind: shares and means over them."""
    if found is None:
        return []
    names = sorted({(each.copies, each.kind) for each in found.passages})
    rows = []
    for copies, kind in names:
        at = [row for row, each in enumerate(found.passages) if (each.copies, each.kind) == (copies, kind)]
        rows.append(
            {
                "copies": copies,
                "kind": kind,
                "passages": len(at),
                "trained_on": fmean(found.trained_on[row] for row in at),
                "verbatim": fmean(found.continued[row].exact for row in at),
                "matching_characters": fmean(found.continued[row].matching for row in at),
            }
        )
    return rows


def each_passage(found: Repeated | None) -> list[dict[str, Any]]:
    if found is None:
        return []
    return [
        {
            "copies": passage.copies,
            "kind": passage.kind,
            "trained_on": trained_on,
            "prompt": passage.prompt,
            "continuation": passage.continuation,
            "said": continued.text,
            "matching_characters": continued.matching,
            "verbatim": continued.exact,
        }
        for passage, continued, trained_on in zip(found.passages, found.continued, found.trained_on, strict=True)
    ]


def group_table(rows: Sequence[dict[str, Any]]) -> Table:
    columns = {
        "planted copies": "copies",
        "kind": "kind",
        "passages": "passages",
        "copies trained on": "trained_on",
        "continued verbatim": "verbatim",
        "characters that match": "matching_characters",
    }
    return Table(
        title="Passages continued word for word",
        columns=list(columns),
        rows=[[row[name] for name in columns.values()] for row in rows],
    )
