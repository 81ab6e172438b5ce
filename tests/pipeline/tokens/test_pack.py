from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tokens.pack import pack

END = 0
documents = st.lists(st.lists(st.integers(1, 9), max_size=12), min_size=0, max_size=8)


@given(documents=documents, length=st.integers(1, 9))
def test_packed_sequences_are_the_documents_end_to_end(documents: list[list[int]], length: int) -> None:
    packed = pack([np.array(each, dtype=np.uint16) for each in documents], range(len(documents)), length, END, np.dtype("<u2"))
    stream = [token for document in documents for token in [*document, END]]
    assert packed.sequences.shape == (len(stream) // length, length)
    assert packed.sequences.ravel().tolist() == stream[: len(stream) // length * length]
    assert packed.dropped == len(stream) % length


@given(documents=documents, length=st.integers(1, 9))
def test_spans_cover_every_token_once_and_lead_back_to_its_document(documents: list[list[int]], length: int) -> None:
    ids = [100 + number for number in range(len(documents))]
    packed = pack([np.array(each, dtype=np.uint16) for each in documents], ids, length, END, np.dtype("<u2"))
    owners = [doc_id for doc_id, document in zip(ids, documents, strict=True) for _ in range(len(document) + 1)]
    found = np.full(packed.sequences.shape, -1)
    for sequence, start, end, doc_id in zip(packed.sequence, packed.start, packed.end, packed.doc_id, strict=True):
        assert start < end
        assert (found[sequence, start:end] == -1).all()
        found[sequence, start:end] = doc_id
    assert found.ravel().tolist() == owners[: packed.sequences.size]


def test_a_known_case() -> None:
    packed = pack([np.array([5, 6, 7]), np.array([8])], [10, 11], 4, END, np.dtype("<u4"))
    assert packed.sequences.tolist() == [[5, 6, 7, 0]]
    assert packed.sequences.dtype == np.uint32
    assert (packed.doc_id.tolist(), packed.start.tolist(), packed.end.tolist(), packed.dropped) == ([10], [0], [4], 2)
