"""How well languages are told apart: python -m tests.benchmarks.language DATA_DIR

DATA_DIR: the folder of real data. The Universal Declaration of Human Rights in the languages that have an ISO 639-1 code,
each translation as one text and paragraph by paragraph. Prints Markdown: recall, also of those with a score of 0.65 and
more (the default of `pages.language.min_score`), and the languages that are never told.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections import Counter
from pathlib import Path

from babel.core import get_global

from pipeline.measure.language import LanguageDetector
from pipeline.pages.settings import LanguageSettings
from pipeline.records.settings import RecordsSettings


def two_letters(code: str) -> str:
    """ISO 639-1 of the Unicode project's file name (ISO 639-3, sometimes with a variant), empty where there is none.

    CLDR's aliases take the members of a macrolanguage for it, as lid.176 does with Arabic, Malay and Chinese.
    """
    alias = get_global("language_aliases").get(code.split("_")[0], "").split("_")[0]
    return alias if len(alias) == 2 else ""


def main(data: Path) -> None:
    detector = LanguageDetector(RecordsSettings().language_characters)
    least = LanguageSettings().min_score
    right, sure, paragraphs = Counter[str](), Counter[str](), Counter[str]()
    whole = 0
    with gzip.open(data / "langid/udhr2.jsonl.gz", "rt", encoding="utf-8") as lines:
        given = [(two_letters(text["lang"]), text["paragraphs"]) for text in map(json.loads, lines)]
    texts = [(language, parts) for language, parts in given if language and parts]
    began = time.process_time()
    for language, parts in texts:
        whole += detector("\n".join(parts))[0] == language
        for part in parts:
            found, score = detector(part)
            paragraphs[language] += 1
            right[language] += found == language
            sure[language] += found == language and score >= least
    seconds = time.process_time() - began
    never = sorted(language for language in paragraphs if not right[language])
    number, calls = sum(paragraphs.values()), sum(paragraphs.values()) + len(texts)
    print("| | number | recall | recall at the default score |\n|---|---:|---:|---:|")
    print(f"| whole translations | {len(texts)} | {whole / len(texts):.3f} | |")
    print(f"| paragraphs | {number} | {sum(right.values()) / number:.3f} | {sum(sure.values()) / number:.3f} |")
    english = paragraphs["en"]
    print(f"| English paragraphs | {english} | {right['en'] / english:.3f} | {sure['en'] / english:.3f} |")
    print(f"\n{len(paragraphs)} languages; never told: {', '.join(never) or 'none'}. {seconds / calls * 1000:.2f} ms a text.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
