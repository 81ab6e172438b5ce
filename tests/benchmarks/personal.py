"""Precision and recall of personal data on labelled texts, and its speed: `python -m tests.benchmarks.personal DATA_DIR`.

DATA_DIR holds `pii/presidio_*.json` (presidio-research: invented identities, spans labelled by type) and, for false
positives and speed, `prose/` and `html/`. A gold span counts as found when one of its type covers it; a span of ours
is right when it lies on a gold one of its type. `checkable` counts only gold whose own check digits or plan hold:
a number that no country has given out can be told by its surroundings alone.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import phonenumbers
from rich.console import Console
from rich.table import Table
from stdnum import iban, luhn
from stdnum.us import ssn

from pipeline.corpus.personal import PersonalData
from pipeline.corpus.settings import CorpusSettings

SETS = ("presidio_synth_dataset_v2", "presidio_generated_large")
TYPES = {
    "EMAIL_ADDRESS": "email",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "US_SSN": "national_id",
    "PHONE_NUMBER": "phone",
}
# Where the identities of the two sets say they live.
REGIONS = [
    "US", "GB", "AU", "NZ", "ZA", "CA", "DE", "AT", "CH", "FR", "BE", "NL", "IT", "ES", "PT",
    "DK", "SE", "NO", "FI", "IS", "PL", "CZ", "SI", "HU", "GR", "CY", "BR", "UY", "IL",
]  # fmt: skip


def is_telephone(value: str) -> bool:
    for region in REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(value, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


CHECKS: dict[str, Callable[[str], bool]] = {
    "email": lambda _: True,
    "card": luhn.is_valid,
    "iban": iban.is_valid,
    "national_id": ssn.is_valid,
    "phone": is_telephone,
}


@dataclass
class Score:
    """Counts of one type. missed, wrong: the values, with what stands around them."""

    gold: int = 0
    found: int = 0
    checkable: int = 0
    checkable_found: int = 0
    ours: int = 0
    right: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.right / self.ours if self.ours else 1.0

    @property
    def recall(self) -> float:
        return self.found / self.gold if self.gold else 1.0

    @property
    def checkable_recall(self) -> float:
        return self.checkable_found / self.checkable if self.checkable else 1.0


def score(texts: Iterable[dict], finder: PersonalData) -> dict[str, Score]:
    """By our type, over texts of {full_text, spans: [{entity_type, entity_value, start_position, end_position}]}."""
    scores = {kind: Score() for kind in TYPES.values()}
    for text in texts:
        content = text["full_text"]
        ours = [span for span in finder.spans(content) if span[2] in scores]
        gold = [
            (span["start_position"], span["end_position"], TYPES[span["entity_type"]], span["entity_value"])
            for span in text["spans"]
            if span["entity_type"] in TYPES
        ]
        for start, end, kind, value in gold:
            line = scores[kind]
            covered = any(s <= start and e >= end and k == kind for s, e, k in ours)
            checkable = CHECKS[kind](value)
            line.gold, line.found = line.gold + 1, line.found + covered
            line.checkable, line.checkable_found = line.checkable + checkable, line.checkable_found + (covered and checkable)
            if not covered:
                line.missed.append(f"{'' if checkable else 'invalid '}{around(content, start, end)}")
        for start, end, kind in ours:
            line = scores[kind]
            right = any(s < end and e > start and k == kind for s, e, k, _ in gold)
            line.ours, line.right = line.ours + 1, line.right + right
            if not right:
                line.wrong.append(around(content, start, end))
    return scores


def around(text: str, start: int, end: int) -> str:
    return f"{text[max(0, start - 20) : start]}[{text[start:end]}]{text[end : end + 12]}".replace("\n", "|")


def finder(phone_regions: list[str]) -> PersonalData:
    settings = CorpusSettings()
    return PersonalData(settings.redact, phone_regions, settings.id_regions)


def ordinary(data: Path) -> Iterator[str]:
    """Prose without labels: novels, speeches, encyclopedia, and the gold text of web pages."""
    for path in sorted((data / "prose/novels").iterdir()):
        yield path.read_text("utf-8", "replace")
    for name in ("state_union.txt.gz", "wikipedia_sample.txt.gz"):
        with gzip.open(data / "prose" / name, "rt") as stream:
            yield stream.read()


def web_texts(data: Path) -> Iterator[str]:
    with gzip.open(data / "html/wcxb/gold.jsonl.gz", "rt") as stream:
        for line in stream:
            gold = json.loads(line)["gold"]
            yield next((value for name, value in gold.items() if "text" in name or name == "main_content"), "") or ""


def speed(texts: list[str], finder: PersonalData) -> float:
    """Characters a second of this process' own time."""
    began = time.process_time()
    for text in texts:
        finder.spans(text)
    return sum(map(len, texts)) / (time.process_time() - began)


def main(data: Path) -> None:
    console = Console(width=130)
    texts = [text for name in SETS for text in json.loads((data / "pii" / f"{name}.json").read_text())]
    for title, regions in (("telephone regions as by default", CorpusSettings().phone_regions), ("of the identities", REGIONS)):
        table = Table(title=f"{len(texts):,} labelled texts, {title}")
        for column in ("type", "gold", "precision", "recall", "checkable gold", "recall of it"):
            table.add_column(column, justify="left" if column == "type" else "right")
        scores = score(texts, finder(list(regions)))
        for kind, line in scores.items():
            shares = (f"{share:.3f}" for share in (line.precision, line.recall, line.checkable_recall))
            precision, recall, checkable_recall = shares
            table.add_row(kind, str(line.gold), precision, recall, str(line.checkable), checkable_recall)
        console.print(table)
    for kind, line in scores.items():
        for name, examples in (("missed", line.missed), ("wrong", line.wrong)):
            if examples:
                console.print(f"{kind}: {len(examples)} {name}, such as", *examples[:12], sep="\n  ", markup=False)
    table = Table(title="Ordinary text")
    for column in ("text", "million characters", "spans by kind", "million characters a second"):
        table.add_column(column)
    chosen = finder(CorpusSettings().phone_regions)
    for name, read in (("prose", ordinary), ("web pages", web_texts)):
        pages = list(read(data))
        counts: dict[str, int] = {}
        for page in pages:
            for _, _, kind in chosen.spans(page):
                counts[kind] = counts.get(kind, 0) + 1
        table.add_row(name, f"{sum(map(len, pages)) / 1e6:.1f}", str(counts), f"{speed(pages, chosen) / 1e6:.1f}")
    console.print(table)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m tests.benchmarks.personal DATA_DIR: give the folder that holds pii/ and prose/")
    main(Path(sys.argv[1]))
