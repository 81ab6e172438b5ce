"""The classifiers stage: quality and toxicity, trained on files that the recipe names, and a score for every text."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster.errors import RequestError
from cluster.report.blocks import Bars, Table
from cluster.stage import Context
from cluster.store import Location, parquet_bytes, write_shard
from cluster.track.events import Track
from pipeline.classifiers.examples import labelled
from pipeline.classifiers.linear import Classifier, area_under_curve, load, train
from pipeline.classifiers.settings import LinearSettings, QualitySettings, ToxicitySettings
from pipeline.pool import run_shards
from pipeline.read.data_files import texts
from pipeline.records.shard import record_shards
from pipeline.records.source_code import is_code
from pipeline.shards import part_name

KINDS = ("quality", "toxicity")
SCHEMA = pa.schema([("doc_id", pa.int64()), ("source", pa.string()), *((kind, pa.float32()) for kind in KINDS)])
HELD_OUT = 5  # each fifth training text tells how good the classifier is; it is then trained on all


def run_classifiers(ctx: Context) -> None:
    """Train what the recipe has files for; score every text but source code. Without files there is nothing to do."""
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
    """Texts of the crawl but source code, drawn at random, whatever the number of shards. Memory: the drawn texts."""
    usable = [np.zeros(0, np.int64)]
    for place in shards:
        table = pq.read_table(place.open(), columns=["doc_id", "reason", "code_language"])
        usable.append(table["doc_id"].to_numpy()[pc.equal(table["reason"], "").to_numpy() & ~is_code(table)])
    chosen = np.random.default_rng(seed).permutation(np.concatenate(usable))[:number]
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
    """Scores the texts of a records shard; source code gets null. Memory: the shard's texts and 4 bytes a weight."""

    def __init__(self, trained: dict[str, bytes], output: Location, track: Track) -> None:
        self.classifiers = {kind: load(data) for kind, data in trained.items()}
        self.output, self.track = output, track

    def __call__(self, unit: dict[str, Any]) -> None:
        table = pq.read_table(Location.of(unit["uri"]).open(), columns=["doc_id", "source", "text", "reason", "code_language"])
        table = table.filter(pc.equal(table["reason"], ""))
        prose = ~is_code(table)
        found = table["text"].filter(pa.array(prose)).to_pylist()
        scores = np.full((len(KINDS), table.num_rows), np.nan, dtype=np.float32)
        for kind, classifier in self.classifiers.items():
            scores[KINDS.index(kind), prose] = classifier.score(found)
        columns = {kind: pa.array(values, from_pandas=True) for kind, values in zip(KINDS, scores, strict=True)}
        shard = unit["shard"]
        scored = pa.table({"doc_id": table["doc_id"], "source": table["source"], **columns}, schema=SCHEMA)
        write_shard(self.output, shard, part_name(shard), parquet_bytes(scored), texts=len(found))
        self.track.advance(len(found), unit="texts")


def scores_of(places: Sequence[Location], kind: str, apart: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Scores of a kind: of each source in `apart` and, under "", of all others. float32 [texts]; a source without is left out.

    Memory: 4 bytes a text.
    """
    found = defaultdict[str, list[np.ndarray]](list)
    for place in places:
        table = pq.read_table(place.open(), columns=["source", kind])
        table = table.filter(pc.is_valid(table[kind]))
        others = np.ones(table.num_rows, dtype=bool)
        for name in apart:
            own = pc.equal(table["source"], name).to_numpy()
            found[name].append(table[kind].to_numpy()[own])
            others &= ~own
        found[""].append(table[kind].to_numpy()[others])
    scores = {name: np.concatenate(parts) for name, parts in found.items()}
    return {name: each for name, each in scores.items() if len(each)}


def tell_scores(ctx: Context, kinds: list[str]) -> None:
    places = [place for place in (ctx.output / name for name in ctx.output.files()) if place.name.startswith("part-")]
    for kind in kinds:
        scores = scores_of(places, kind).get("", np.zeros(0))
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
