"""Labelled texts that a classifier learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.errors import RequestError
from pipeline.classifiers.settings import LabelledFile
from pipeline.read.data_files import field, rows


def labelled(files: Sequence[LabelledFile]) -> Iterator[tuple[str, bool]]:
    """(text, whether it is bad) of every row of labelled files. CSV has only strings: labels are compared as such."""
    for file in files:
        bad = set(map(str, file.bad))
        for name, item, value in rows([file.file]):
            label = field(name, item, value, file.label)
            if file.bad_from is None:
                yield str(field(name, item, value, file.text)), str(label) in bad
                continue
            try:
                score = float(label)
            except (TypeError, ValueError) as error:
                raise RequestError(
                    f"{name}, item {item}: {file.label} is {label!r}, not a score; give `bad` labels instead of `bad_from`"
                ) from error
            yield str(field(name, item, value, file.text)), score >= file.bad_from
