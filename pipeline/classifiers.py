"""The classifiers stage: quality and toxicity, trained on files that the recipe names, and a score for every text."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.errors import RequestError
from cluster.report import Bars, Table
from cluster.stage import Context
from cluster.store import Artefact, Location, expand, parquet_bytes, write_shard
from cluster.tracking import Track
from pipeline.classifier import Classifier, area_under_curve, load, train
from pipeline.classifier_settings import LabelledFile, QualitySettings, ToxicitySettings
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
        classifier, area = trained_and_judged(*examples, getattr(ctx.settings, kind).model)
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
    good = list(read_texts(settings.positives, settings.field))
    if settings.negative_files:
        ordinary = list(read_texts(settings.negative_files, settings.field))
    else:
        ordinary = drawn_texts(shards, settings.negatives, settings.seed)
    if not good or not ordinary:
        raise RequestError("classifiers.quality: no text among the positives, or none to hold against them; check the files")
    return [*good, *ordinary], [True] * len(good) + [False] * len(ordinary)


def drawn_texts(shards: Sequence[Location], number: int, seed: int) -> list[str]:
    """Texts of the crawl drawn at random, whatever the number of shards. Memory: the texts that are drawn."""
    ids = [pq.read_table(place.open(), columns=["doc_id", "reason"]) for place in shards]
    usable = np.concatenate(
        [table.filter(pa.compute.equal(table["reason"], ""))["doc_id"].to_numpy() for table in ids] or [np.zeros(0, np.int64)]
    )
    chosen = np.random.default_rng(seed).permutation(usable)[:number]
    wanted = pa.array(np.sort(chosen))
    found: list[str] = []
    for place in shards:
        table = pq.read_table(place.open(), columns=["doc_id", "text"])
        found += table.filter(pa.compute.is_in(table["doc_id"], wanted))["text"].to_pylist()
    return found


def toxicity_examples(settings: ToxicitySettings) -> Examples | None:
    """(texts, whether each is abusive); None where the recipe names no labelled texts."""
    if not settings.labelled:
        return None
    texts, labels = list[str](), list[bool]()
    for file in settings.labelled:
        for text, bad in read_labelled(file):
            texts.append(text)
            labels.append(bad)
    ordinary = list(read_texts(settings.ordinary, "text"))
    return [*texts, *ordinary], labels + [False] * len(ordinary)


def trained_and_judged(texts: list[str], labels: list[bool], settings: Any) -> tuple[Classifier, float]:
    """The classifier of all texts, and the area under the ROC curve that one of four fifths reaches on the rest."""
    truth = np.array(labels)
    held = np.arange(len(texts)) % HELD_OUT == 0
    part = [text for text, out in zip(texts, held, strict=True) if not out]
    try:
        judged = train(part, truth[~held].tolist(), settings)
        scores = judged.score(text for text, out in zip(texts, held, strict=True) if out)
        return train(texts, labels, settings), area_under_curve(scores, truth[held])
    except ValueError as error:
        raise RequestError(f"classifiers: {error}; name files with more texts") from error


class ScoreWorker:
    """Scores the texts of a records shard. Memory: the shard's texts and 4 bytes a weight."""

    def __init__(self, trained: dict[str, bytes], output: Location, track: Track) -> None:
        self.classifiers = {kind: load(data) for kind, data in trained.items()}
        self.output, self.track = output, track

    def __call__(self, unit: dict[str, Any]) -> None:
        table = pq.read_table(Location.of(unit["uri"]).open(), columns=["doc_id", "text", "reason"])
        table = table.filter(pa.compute.equal(table["reason"], ""))
        texts = table["text"].to_pylist()
        scores = {
            kind: pa.array(self.classifiers[kind].score(texts), pa.float32())
            if kind in self.classifiers
            else pa.nulls(len(texts), pa.float32())
            for kind in KINDS
        }
        shard = unit["shard"]
        scored = pa.table({"doc_id": table["doc_id"], **scores}, schema=SCHEMA)
        write_shard(self.output, shard, f"part-{shard:06d}.parquet", parquet_bytes(scored), texts=len(texts))
        self.track.advance(len(texts), unit="texts")


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


# The user's files


def read_texts(patterns: Iterable[str], field: str) -> Iterator[str]:
    """Texts of JSONL, Parquet and plain text files; of the last, each paragraph between blank lines.

    Raises RequestError naming a file that cannot be read or has no such field.
    """
    for file in (file for pattern in patterns for file in expand(pattern)):
        if name_of(file["uri"]).endswith((".jsonl", ".ndjson", ".parquet", ".csv")):
            for row in rows_of(file["uri"]):
                if not isinstance(row.get(field), str):
                    raise RequestError(
                        f"{file['uri']}: a row has no text in the field {field!r}; name another one in the recipe"
                    )
                yield row[field]
        else:
            text = content(file["uri"]).decode("utf-8", "replace")
            yield from (part for part in (each.strip() for each in text.split("\n\n")) if part)


def read_labelled(file: LabelledFile) -> Iterator[tuple[str, bool]]:
    """(text, whether its label is a bad one). Raises RequestError naming a file without these fields."""
    bad = {str(label) for label in file.bad}
    for found in expand(file.file):
        for row in rows_of(found["uri"]):
            if file.text not in row or file.label not in row:
                raise RequestError(
                    f"{found['uri']}: a row has no {file.text!r} or no {file.label!r}; correct classifiers.toxicity"
                )
            label = row[file.label]
            yield str(row[file.text]), float(label) >= file.bad_from if file.bad_from is not None else str(label) in bad


def rows_of(uri: str) -> Iterator[dict[str, Any]]:
    name = name_of(uri)
    try:
        if name.endswith(".parquet"):
            yield from pq.read_table(Location.of(uri).open()).to_pylist()
        elif name.endswith(".csv"):
            yield from csv.DictReader(io.StringIO(content(uri).decode("utf-8", "replace"), newline=""))
        else:
            yield from map(json.loads, filter(bytes.strip, content(uri).split(b"\n")))
    except (ValueError, OSError, pa.ArrowException) as error:
        raise RequestError(f"{uri}: cannot be read ({str(error)[:100]}); give JSONL, Parquet or CSV") from error


def name_of(uri: str) -> str:
    return uri.lower().removesuffix(".gz")


def content(uri: str) -> bytes:
    place = Location.of(uri)
    codec = "gzip" if uri.lower().endswith(".gz") else None
    with place.filesystem.open_input_stream(place.path, compression=codec) as stream:
        data: bytes = stream.read()
    return data
