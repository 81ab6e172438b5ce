from __future__ import annotations

import io
import random

import pyarrow as pa
import pytest

from pipeline.read.streams import WINDOW
from pipeline.read.warc.boundaries import FIRST_BLOCK, frame_end, search

MARK = b"WARC/1."


@pytest.mark.parametrize("end", [1 << 62, 2 * WINDOW, 2 * WINDOW + 1])
def test_marks_at_the_edges_of_windows_are_found(end: int) -> None:
    data = bytearray(3 * WINDOW + 5000)
    edges = (WINDOW, WINDOW + 1, 2 * WINDOW - FIRST_BLOCK, 2 * WINDOW, 3 * WINDOW - 2 * FIRST_BLOCK, 3 * WINDOW + 4000)
    marks = sorted({edge + shift for edge in edges for shift in (-20, -3, 0)})
    for mark in marks:
        data[mark : mark + len(MARK)] = MARK
    whole = [mark for mark in marks if data[mark : mark + len(MARK)] == MARK]
    for start in [0, *[mark + shift for mark in whole for shift in (-1, 0, 1)]]:
        found = search(io.BytesIO(bytes(data)), MARK, start, end, lambda window, at: True)
        assert found == next((mark for mark in whole if start <= mark < end), None)


class Sized(io.BytesIO):
    def size(self) -> int:
        return len(self.getbuffer())


@pytest.mark.parametrize("size", [0, 1, 100, 70_000, 300_000])
@pytest.mark.parametrize("repeated", [False, True])
def test_a_zstd_frame_ends_where_its_blocks_end(size: int, repeated: bool) -> None:
    content = bytes(size) if repeated else random.Random(size).randbytes(size)
    frame = pa.compress(content, "zstd", asbytes=True)
    data = Sized(b"before" + frame + b"behind")
    assert frame_end(data, 6) == 6 + len(frame)
    assert frame_end(Sized(data.getvalue()[: 5 + len(frame)]), 6) is None
    assert frame_end(data, 5) is None
