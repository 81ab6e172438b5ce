"""The pages that models are measured on, and the ones that baselines count."""

from __future__ import annotations

import pyarrow.parquet as pq

from cluster.errors import WorkError
from cluster.store import Artefact


def read_texts(corpus: Artefact, split: str, size: int) -> list[str]:
    """Whole pages of a split ('train' or 'heldout') in file order, until they hold `size` bytes of UTF-8.

    Raises WorkError where there is none.
    """
    texts: list[str] = []
    for place in corpus.paths(".parquet"):
        if not place.name.startswith(f"{split}-"):
            continue
        with place.open() as file:
            for text in pq.read_table(file, columns=["text"])["text"].to_pylist():
                if size <= 0:
                    return texts
                texts.append(text)
                size -= len(text.encode())
    if not texts:
        raise WorkError(f"the corpus has no {split} pages; raise corpus' share of them or give it more pages")
    return texts
