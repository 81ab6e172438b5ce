"""What datatrove's own filters measure of documents, read off by thresholds that note what they are compared with.

Runs in the peers' environment (environment.py), not in pageloom's:
    python datatrove_values.py DOCUMENTS VALUES
DOCUMENTS: a JSON object a line with `name` and `text`. VALUES: a line each with `name`, `values` by the names of
pipeline.measure.signals, and `verdicts`: what each filter says with its defaults (C4 without the rule of terminal
punctuation, as FineWeb runs it). Prints one JSON object: documents, characters, and CPU seconds of the verdicts.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter


class Noted:
    """A threshold that nothing exceeds and nothing is below; it keeps the values it was compared with."""

    __array_ufunc__ = None  # numpy's scalars then leave the comparison to this class
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.values: list[float] = []

    def compared(self, value: float) -> bool:
        self.values.append(float(value))
        return False

    __lt__ = __gt__ = compared


def noted(names: dict[str, Noted]) -> dict[str, float | None]:
    """What each was compared with; null where the filter measured nothing, or the mean of nothing."""
    return {
        name: threshold.values[0] if threshold.values and not math.isnan(threshold.values[0]) else None
        for name, threshold in names.items()
    }


def gopher_quality(text: str) -> dict[str, float | None]:
    least, mean, bullets, ellipses, letters, stops, symbols = (Noted() for _ in range(7))
    GopherQualityFilter(
        min_doc_words=least,
        max_doc_words=None,
        min_avg_word_length=mean,
        max_avg_word_length=None,
        max_symbol_word_ratio=symbols,
        max_bullet_lines_ratio=bullets,
        max_ellipsis_lines_ratio=ellipses,
        max_non_alpha_words_ratio=letters,
        min_stop_words=stops,
    ).filter(Document(text=text, id=""))
    return noted(
        {
            "gopher_word_count": least,
            "gopher_mean_word_length": mean,
            "gopher_bullet_lines": bullets,
            "gopher_ellipsis_lines": ellipses,
            "gopher_alphabetic_words": letters,
            "gopher_stop_words": stops,
        }
    ) | {"gopher_hashes": symbols.values[0], "gopher_ellipses": symbols.values[1]}


def gopher_repetition(text: str) -> dict[str, float | None]:
    line, line_characters, paragraph, paragraph_characters = (Noted() for _ in range(4))
    top, duplicate = {n: Noted() for n in (2, 3, 4)}, {n: Noted() for n in range(5, 11)}
    GopherRepetitionFilter(
        dup_line_frac=line,
        dup_para_frac=paragraph,
        dup_line_char_frac=line_characters,
        dup_para_char_frac=paragraph_characters,
        top_n_grams=tuple(top.items()),
        dup_n_grams=tuple(duplicate.items()),
    ).filter(Document(text=text, id=""))
    return noted(
        {
            "gopher_duplicate_lines": line,
            "gopher_duplicate_line_characters": line_characters,
            "gopher_duplicate_paragraphs": paragraph,
            "gopher_duplicate_paragraph_characters": paragraph_characters,
            **{f"gopher_top_{n}_gram": threshold for n, threshold in top.items()},
            **{f"gopher_duplicate_{n}_grams": threshold for n, threshold in duplicate.items()},
        }
    )


def c4(text: str) -> dict[str, float | None]:
    sentences, counts = Noted(), Counter[str]()
    asked = C4QualityFilter(
        filter_no_terminal_punct=False, min_num_sentences=sentences, filter_curly_bracket=False, filter_lorem_ipsum=False
    )
    asked.stat_update = lambda label: counts.update([label])
    asked.filter(Document(text=text, id=""))
    lines = counts["line-total"] or 1
    return noted({"c4_sentences": sentences}) | {
        "c4_javascript_lines": counts["line-filter-javascript"] / lines,
        "c4_policy_lines": counts["line-filter-policy"] / lines,
    }


def fineweb(text: str) -> dict[str, float | None]:
    punctuated, short, repeated, breaks = (Noted() for _ in range(4))
    FineWebQualityFilter(
        line_punct_thr=punctuated, short_line_thr=short, char_duplicates_ratio=repeated, new_line_ratio=breaks
    ).filter(Document(text=text, id=""))
    return noted(
        {
            "fineweb_punctuated_lines": punctuated,
            "fineweb_short_lines": short,
            "fineweb_duplicate_line_characters": repeated,
            "fineweb_newlines_per_word": breaks,
        }
    )


def main(documents: Path, values: Path) -> None:
    with documents.open(encoding="utf-8") as lines:
        read = [json.loads(line) for line in lines]
    filters = [
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]
    for each in filters:
        each.filter(Document(text="Once, so that what is loaded on first use is there.", id=""))
    began = time.process_time()
    # A copy each, because C4's filter changes the text that it keeps.
    verdicts = [
        {type(each).__name__: each.filter(Document(text=document["text"], id="")) for each in filters} for document in read
    ]
    seconds = time.process_time() - began
    with values.open("w", encoding="utf-8") as file:
        for document, verdict in zip(read, verdicts, strict=True):
            text = document["text"]
            measured = gopher_quality(text) | gopher_repetition(text) | c4(text) | fineweb(text)
            plain = {name: said if said is True else said[1] for name, said in verdict.items()}
            line = {"name": document["name"], "values": measured, "verdicts": plain}
            print(json.dumps(line), file=file)
    print(json.dumps({"documents": len(read), "characters": sum(len(d["text"]) for d in read), "seconds": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
