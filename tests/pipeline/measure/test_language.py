from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pipeline.measure.language import LanguageDetector


@pytest.fixture(scope="module")
def detect() -> LanguageDetector:
    return LanguageDetector(2000)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The woman walked along the quay to the house of the pilot.", "en"),
        ("Die Frau ging am Kai entlang zum Haus des Lotsen.\nEs war kalt.", "de"),
        ("La femme marchait le long du quai vers la maison du pilote.", "fr"),
        ("Жінка йшла набережною до будинку лоцмана.", "uk"),
        ("人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。", "zh"),
    ],
)
def test_languages_are_told_apart(detect: LanguageDetector, text: str, language: str) -> None:
    found, score = detect(text)
    assert found == language
    assert 0.65 < score <= 1


def test_only_the_beginning_is_looked_at(detect: LanguageDetector) -> None:
    english = "The woman walked along the quay. " * 100
    assert detect(english[:2000] + "Die Frau ging am Kai entlang. " * 1000) == detect(english[:2000])


def test_empty_text_has_no_language(detect: LanguageDetector) -> None:
    assert detect("  \n ") == ("", 0.0)


def test_declarations_of_human_rights_are_recognised(shared: Path, detect: LanguageDetector) -> None:
    codes = {"eng": "en", "deu_1901": "de", "fra": "fr", "spa": "es", "rus": "ru", "jpn": "ja", "arb": "ar", "nld": "nl"}
    with gzip.open(shared / "data/langid/udhr2.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    right = total = 0
    for row in rows:
        if row["lang"] in codes:
            for paragraph in row["paragraphs"]:
                right += detect(paragraph)[0] == codes[row["lang"]]
                total += 1
    assert total > 100
    assert right / total > 0.95
