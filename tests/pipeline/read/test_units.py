from __future__ import annotations

import gzip
import io
import itertools
from pathlib import Path

import pytest
from fastwarc.stream_io import ZstdWriter, zstd_train_dictionary_from_samples
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.read import plan_units, read_part
from pipeline.read.units import fine_task

from .conftest import PACKINGS, Archive


@pytest.mark.parametrize(
    ("total", "setting", "task"),
    [
        (25_000_000, 64_000_000, 1_562_500),  # a sixteenth
        (3_000_000, 64_000_000, 1_000_000),  # no task below 1 MB
        (10**12, 64_000_000, 64_000_000),
        (25_000_000, 20_000, 20_000),  # unless the recipe says so
    ],
)
def test_the_size_of_a_task_follows_from_the_total_and_the_setting_alone(total: int, setting: int, task: int) -> None:
    assert fine_task(total, setting) == task


def units_of(path: Path, task_bytes: int) -> list[list[tuple[str, int, str, bytes | str]]]:
    """(url, offset, problem, body) of each record of each unit; records about records have their place among them."""
    file = {"uri": str(path), "name": "x", "format": "warc", "bytes": path.stat().st_size}
    return [
        [(record.url, record.offset, record.problem, record.body) for part in unit for record in read_part(part, 10**6)]
        for unit in plan_units([file], task_bytes)
    ]


@pytest.mark.parametrize("packing", PACKINGS)
@given(task_bytes=st.integers(50, 40_000))
@settings(max_examples=25)
def test_the_records_are_the_same_and_in_the_same_order_for_any_task_size(
    archive: Archive, tmp_path_factory: pytest.TempPathFactory, packing: str, task_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / packing.replace(" ", "-")
    path.write_bytes(archive.data[packing])
    units = units_of(path, task_bytes)
    records = [record for unit in units for record in unit]
    assert [record[0] for record in records] == archive_urls(archive)
    assert {url: body for url, _, _, body in records if body} == archive.pages
    if packing in archive.edges:
        assert [record[1] for record in records] == archive.edges[packing][:-1]
        assert len(units) > 1 or path.stat().st_size <= task_bytes * 3 // 2
    else:
        assert len(units) == 1


def archive_urls(archive: Archive) -> list[str]:
    """The URL of every record: the request behind a response has its URL too."""
    return [url or before for before, url in zip(["", *archive.urls], archive.urls, strict=False)]


def test_members_of_several_records_are_read_as_one_stream(archive: Archive, tmp_path: Path) -> None:

    edges, plain = archive.edges["plain"], archive.data["plain"]
    path = tmp_path / "x.warc.gz"
    groups = [plain[edges[at] : edges[min(at + 5, len(edges) - 1)]] for at in range(0, len(edges) - 1, 5)]
    path.write_bytes(b"".join(map(gzip.compress, groups)))
    for task_bytes in (300, 10**9):
        records = [record for unit in units_of(path, task_bytes) for record in unit]
        assert {url: body for url, _, _, body in records if body} == archive.pages
        assert len(records) == 81


def test_a_real_archive_of_25_mb_is_sixteen_units_of_even_size(shared: Path) -> None:
    path = shared / "data/warc/pages.warc.gz"
    file = {"uri": str(path), "name": "x", "format": "warc", "bytes": path.stat().st_size}
    units = plan_units([file], 64_000_000)
    assert len(units) == 16
    # What a unit has to read: from its first record to the next unit's.
    starts = [next(read_part(unit[0], 1)).offset for unit in units] + [path.stat().st_size]
    sizes = [end - start for start, end in itertools.pairwise(starts)]
    assert sum(sizes) == path.stat().st_size
    assert max(sizes) < 1.2 * min(sizes)
    # Dealt out to two workers as they become free, neither waits longer than a unit: under a tenth of the work.
    assert max(sizes) < sum(sizes) / 10


def test_an_archive_with_a_zstd_dictionary_is_read_whole_and_up_to_damage(archive: Archive, tmp_path: Path) -> None:
    edges, plain = archive.edges["plain"], archive.data["plain"]
    records = [plain[start:end] for start, end in itertools.pairwise(edges)]
    packed = io.BytesIO()
    writer = ZstdWriter(packed, dictionary=zstd_train_dictionary_from_samples(records, 4000))
    for record in records:
        writer.write(record)
        writer.finish()
    writer.close()
    path, data = tmp_path / "x.warc.zst", packed.getvalue()
    path.write_bytes(data)
    for task_bytes in (500, 10**9):
        [unit] = units_of(path, task_bytes)
        assert {url: body for url, _, _, body in unit if body} == archive.pages
        assert len(unit) == len(records)
    path.write_bytes(data[: len(data) // 2])
    [unit] = units_of(path, 10**9)
    read = [url for url, _, problem, _ in unit if not problem]
    assert read == archive_urls(archive)[: len(read)]
    assert len(read) > 20
    assert [problem for _, _, problem, _ in unit[len(read) :]] == ["unreadable"]
