"""Rows of the small data files that a recipe names: benchmarks, labelled texts, texts that are known to be good."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.errors import RequestError
from cluster.inputs import expand
from cluster.store import Location

PASSAGE = 2000  # characters of whole paragraphs that one text of a plain text file has at least
csv.field_size_limit(1 << 27)
Item = TypeVar("Item")


def rows(uris: Sequence[str]) -> Iterator[tuple[str, int, Any]]:
    """(file name, item from 0, value) of JSONL, JSON, Parquet, CSV, TSV and text files, plain, gzip or bzip2.

    A value is what JSON says, a dict for a row of a table, a line of a text file. Memory: one file, unpacked.
    Raises RequestError naming a file that cannot be read.
    """
    for uri in uris:
        for file in expand(uri):
            name = file["uri"].rsplit("/", 1)[-1]
            try:
                for item, value in enumerate(unpacked(name, Location.of(file["uri"]).read_bytes())):
                    yield name, item, value
            except (ValueError, OSError, EOFError, csv.Error, pa.ArrowException) as error:
                raise RequestError(
                    f"{file['uri']}: cannot be read ({error}); give JSONL, JSON, Parquet, CSV, TSV or text in UTF-8"
                ) from error


def unpacked(name: str, data: bytes) -> Iterator[Any]:
    for suffix, unpack in ((".gz", gzip.decompress), (".bz2", bz2.decompress)):
        if name.endswith(suffix):
            name, data = name.removesuffix(suffix), unpack(data)
    if name.endswith(".parquet"):
        yield from pq.read_table(io.BytesIO(data)).to_pylist()
        return
    text = data.decode("utf-8-sig")
    if name.endswith((".jsonl", ".ndjson")):
        yield from map(json.loads, filter(str.strip, text.split("\n")))
    elif name.endswith(".json"):
        whole = json.loads(text)
        yield from whole if isinstance(whole, list) else [whole]
    elif name.endswith((".csv", ".tsv")):
        yield from csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if name.endswith(".tsv") else ",")
    else:
        yield from filter(str.strip, text.split("\n"))


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def field(name: str, item: int, value: Any, key: str) -> Any:
    """One field of a row. Raises RequestError naming the file, the item and the fields that there are."""
    if isinstance(value, dict) and key in value:
        return value[key]
    there = ", ".join(value) if isinstance(value, dict) else type(value).__name__
    raise RequestError(f"{name}, item {item}: no field {key!r} (there: {there}); name the field in the recipe")


def texts(uris: Sequence[str], key: str) -> Iterator[str]:
    """The texts of files: field `key` of every row; lines of a text file joined to passages of 2,000 characters."""
    passage: list[str] = []
    before = None
    for name, item, value in rows(uris):
        if passage and (name != before or sum(map(len, passage)) >= PASSAGE):
            yield "\n".join(passage)
            passage = []
        before = name
        if isinstance(value, str) and re.search(r"\.txt(\.gz|\.bz2)?$", name):
            passage.append(value)
        else:
            yield str(field(name, item, value, key))
    if passage:
        yield "\n".join(passage)


def sample(items: Iterable[Item], number: int, seed: int) -> list[Item]:
    """`number` of the items at random, or all where there are fewer, in their order; the same for the same seed.

    Vitter 1985, algorithm R. Memory: `number` items.
    """
    draw = random.Random(seed)
    chosen: list[tuple[int, Item]] = []
    for place, item in enumerate(items):
        if len(chosen) < number:
            chosen.append((place, item))
        elif (at := draw.randrange(place + 1)) < number:
            chosen[at] = (place, item)
    return [item for _, item in sorted(chosen, key=lambda each: each[0])]
