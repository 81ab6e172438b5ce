"""The classifiers stage: quality and toxicity, trained on files that the recipe names, and a score for every text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.errors import RequestError
from cluster.report import Bars, Table
from cluster.stage import Context
from cluster.store import Artefact, Location, parquet_bytes, write_shard
from cluster.tracking import Track
from pipeline.classifier import Classifier, area_under_curve, load, train
from pipeline.classifier_settings import LinearSettings, QualitySettings, ToxicitySettings
from pipeline.rows import labelled, texts
from pipeline.shards import run_shards

KINDS = ("quality", "toxicity")
SCHEMA = pa.schema([("doc_id", pa.int64()), *((kind, pa.float32()) for kind in KINDS)])
HELD_OUT = 5  # each fifth training text tells how good the classifier is; it is then trained on all


def record_shards(records: Artefact) -> list[Location]:
    return [place for place in records.paths(".parquet") if place.name.startswith("part-")]


def run_classifiers(ctx: Context) -> None:
    """Train what the recipe has files for; score every text in a pool of actors. Without files there is nothing to do."""
    shards = record_shards(ctx.inputs["records"])
    trained: dict[str, bytes] = {}
    for kind, examples in (
        ("quality", quality_examples(ctx.settings.quality, shards)),
        ("toxicity", toxicity_examples(ctx.settings.toxicity)),
    ):
        if examples is None:
            continue
        started = time.time()
        classifier, area = trained_and_judged(examples, getattr(ctx.settings, kind).model)
        ctx.track.worked(started, time.time())
        trained[kind] = classifier.to_bytes()
        (ctx.output / f"{kind}.safetensors").write_bytes(trained[kind])
        ctx.count(**{f"{kind}_texts": len(examples[0]), f"{kind}_auc": round(area, 4)})
    if not trained:
        return
    units = [{"shard": shard, "uri": str(place)} for shard, place in enumerate(shards)]
    run_shards(ctx, units, ScoreWorker, trained, ctx.output, ctx.track)
    tell_scores(ctx, list(trained))


Examples = tuple[list[str], list[bool]]


def quality_examples(settings: QualitySettings, shards: Sequence[Location]) -> Examples | None:
    """(texts, whether each is one of the good ones); None where the recipe names none."""
    if not settings.positives:
        return None
    good = list(texts(settings.positives, settings.field))
    if settings.negative_files:
        ordinary = list(texts(settings.negative_files, settings.field))
    else:
        ordinary = drawn_texts(shards, settings.negatives, settings.seed)
    if not good or not ordinary:
        raise RequestError("classifiers.quality: no text among the positives, or none to hold against them; check the files")
    return [*good, *ordinary], [True] * len(good) + [False] * len(ordinary)


def drawn_texts(shards: Sequence[Location], number: int, seed: int) -> list[str]:
    """Texts of the crawl drawn at random, whatever the number of shards. Memory: the texts that are drawn."""
    ids = [pq.read_table(place.open(), columns=["doc_id", "reason"]) for place in shards]
    usable = np.concatenate(
        [table.filter(pc.equal(table["reason"], ""))["doc_id"].to_numpy() for table in ids] or [np.zeros(0, np.int64)]
    )
    chosen = np.random.default_rng(seed).permutation(usable)[:number]
    wanted = pa.array(np.sort(chosen))
    found: list[str] = []
    for place in shards:
        table = pq.read_table(place.open(), columns=["doc_id", "text"])
        found += table.filter(pc.is_in(table["doc_id"], wanted))["text"].to_pylist()
    return found


def toxicity_examples(settings: ToxicitySettings) -> Examples | None:
    """(texts, whether each is abusive); None where the recipe names no labelled texts."""
    if not settings.labelled:
        return None
    judged = list(labelled(settings.labelled))
    ordinary = list(texts(settings.ordinary, "text"))
    return [*(text for text, _ in judged), *ordinary], [bad for _, bad in judged] + [False] * len(ordinary)


def trained_and_judged(examples: Examples, settings: LinearSettings) -> tuple[Classifier, float]:
    """The classifier of all texts, and the area under the ROC curve that one of four fifths reaches on the rest."""
    every, labels = examples
    truth = np.array(labels)
    held = np.arange(len(every)) % HELD_OUT == 0
    part = [text for text, out in zip(every, held, strict=True) if not out]
    try:
        judged = train(part, truth[~held].tolist(), settings)
        scores = judged.score(text for text, out in zip(every, held, strict=True) if out)
        return train(every, labels, settings), area_under_curve(scores, truth[held])
    except ValueError as error:
        raise RequestError(f"classifiers: {error}; name files with more texts") from error


class ScoreWorker:
    """Scores the texts of a records shard. Memory: the shard's texts and 4 bytes a weight."""

    def __init__(self, trained: dict[str, bytes], output: Location, track: Track) -> None:
        self.classifiers = {kind: load(data) for kind, data in trained.items()}
        self.output, self.track = output, track

    def __call__(self, unit: dict[str, Any]) -> None:
        table = pq.read_table(Location.of(unit["uri"]).open(), columns=["doc_id", "text", "reason"])
        table = table.filter(pc.equal(table["reason"], ""))
        found = table["text"].to_pylist()
        scores = {
            kind: pa.array(self.classifiers[kind].score(found), pa.float32())
            if kind in self.classifiers
            else pa.nulls(len(found), pa.float32())
            for kind in KINDS
        }
        shard = unit["shard"]
        scored = pa.table({"doc_id": table["doc_id"], **scores}, schema=SCHEMA)
        write_shard(self.output, shard, f"part-{shard:06d}.parquet", parquet_bytes(scored), texts=len(found))
        self.track.advance(len(found), unit="texts")


def scores_of(classifiers: Artefact, kind: str) -> np.ndarray:
    """All scores of a kind: float32 [texts], empty where there is no such classifier. Memory: 4 bytes a text."""
    columns = [pq.read_table(place.open(), columns=[kind])[kind] for place in classifiers.paths(".parquet")]
    found = [column.drop_null().to_numpy() for column in columns]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.float32)


def tell_scores(ctx: Context, kinds: list[str]) -> None:
    places = [place for place in (ctx.output / name for name in ctx.output.files()) if place.name.startswith("part-")]
    for kind in kinds:
        scores = np.concatenate([pq.read_table(place.open(), columns=[kind])[kind].to_numpy() for place in places])
        numbers, edges = np.histogram(scores, bins=10, range=(0, 1))
        ctx.tell(
            Bars(
                title=f"Texts by {kind}",
                labels=[f"{low:.1f}-{low + 0.1:.1f}" for low in edges[:-1]],
                values=list(map(float, numbers)),
                unit="texts",
            )
        )
    ctx.tell(
        Table(
            title="Classifiers",
            columns=["classifier", "training texts", "ROC area on the fifth held out"],
            rows=[[kind, ctx.counts[f"{kind}_texts"], ctx.counts[f"{kind}_auc"]] for kind in kinds],
        )
    )
