"""Our signals against datatrove's own filters: on 65 fixed documents always, on real pages where datatrove is installed.

The fixed documents (tests/benchmarks/peers/documents.jsonl) are passages of novels from before 1930, of presidents'
speeches and of the World English Bible, all in the public domain, and edge cases written for this test. What datatrove
measures of them was recorded by datatrove_values.py in the same folder.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from pipeline.measure.signals import signals
from pipeline.measure.words import Vocabulary
from tests.benchmarks.peers import environment

PEERS = Path(environment.__file__).parent

# Every disagreement on the fixed documents, and why.
BLANK_LINES = "datatrove counts blank lines among the lines; its extractor writes none, ours keeps them"
ENDS = "datatrove counts what an empty last line leaves as a line"
BULLETS = "datatrove knows the bullets '-' and '•' only"
HANT = "spaCy splits n't off the words it lists; han't, which Dickens writes, is not one of them"
YALL = "spaCy splits y'all as y' and all"
NOTHING = "datatrove measures nothing here: no n-gram, or no word that is more than signs"
EXPLAINED = {
    ("edge: one word", "gopher_top_2_gram"): NOTHING,
    ("edge: one word", "gopher_top_3_gram"): NOTHING,
    ("edge: one word", "gopher_top_4_gram"): NOTHING,
    ("edge: signs only", "gopher_mean_word_length"): NOTHING,
    ("edge: signs only", "gopher_bullet_lines"): BULLETS,
    ("edge: list of bullets and stars", "gopher_bullet_lines"): BULLETS,
    ("edge: paragraphs repeated", "fineweb_newlines_per_word"): BLANK_LINES,
    ("edge: blank lines between paragraphs", "gopher_bullet_lines"): BLANK_LINES,
    ("edge: blank lines between paragraphs", "gopher_ellipsis_lines"): BLANK_LINES,
    ("edge: blank lines between paragraphs", "fineweb_newlines_per_word"): BLANK_LINES,
    ("edge: spaces and tabs", "fineweb_newlines_per_word"): BLANK_LINES,
    ("edge: code with braces", "gopher_duplicate_lines"): ENDS,
    ("edge: code with braces", "fineweb_newlines_per_word"): ENDS,
    ("novel: Dickens_Expectations_1861.txt.gz", "gopher_word_count"): HANT,
    ("novel: Dickens_Expectations_1861.txt.gz", "gopher_mean_word_length"): HANT,
    ("novel: Dickens_Expectations_1861.txt.gz", "gopher_alphabetic_words"): HANT,
    ("novel: Dickens_Expectations_1861.txt.gz", "fineweb_newlines_per_word"): HANT,
    ("edge: contractions", "gopher_word_count"): YALL,
    ("edge: contractions", "gopher_mean_word_length"): YALL,
    ("edge: contractions", "gopher_alphabetic_words"): YALL,
}


def lines(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as file:  # not splitlines(): some documents hold other line separators
        return [json.loads(line) for line in file]


def test_every_value_is_datatroves_but_for_the_explained_ones() -> None:
    vocabulary = Vocabulary()
    different = set()
    for document, recorded in zip(lines(PEERS / "documents.jsonl"), lines(PEERS / "datatrove_values.jsonl"), strict=True):
        assert document["name"] == recorded["name"]
        ours = signals(document["text"], vocabulary)
        different |= {
            (document["name"], signal)
            for signal, value in recorded["values"].items()
            if value is None or ours[signal] != pytest.approx(value, rel=1e-9)
        }
    assert different == set(EXPLAINED)


def test_real_pages_measure_as_in_datatrove(shared: Path, tmp_path: Path) -> None:
    python = environment.python(environment.directory())
    if python is None:
        pytest.skip("needs datatrove's environment: python tests/benchmarks/peers/environment.py")
    pages = lines(shared / "data/quality/dclm_human_quality.jsonl")[:80]
    # Without blank lines, whose count is the one difference of definition that every page shows.
    texts = [re.sub(r"\n\s*\n", "\n", page["text"]).strip() for page in pages]
    documents, values = tmp_path / "documents.jsonl", tmp_path / "values.jsonl"
    documents.write_text("".join(json.dumps({"name": str(at), "text": text}) + "\n" for at, text in enumerate(texts)))
    subprocess.run([python, PEERS / "datatrove_values.py", documents, values], check=True, capture_output=True)
    vocabulary = Vocabulary()
    compared = apart = 0
    for text, recorded in zip(texts, lines(values), strict=True):
        ours = signals(text, vocabulary)
        for signal, value in recorded["values"].items():
            if value is not None and signal != "gopher_bullet_lines":
                compared += 1
                apart += ours[signal] != pytest.approx(value, rel=0.01, abs=0.002)
    assert compared > 2000
    assert apart / compared < 0.005
