"""Pages with gold main text, split by registered domain, and the word F1 they are judged by."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from resiliparse.extract.html2text import extract_plain_text

from pipeline.read.charset import decode

SETS = ("wcxb", "scrapinghub", "fundus", "readability")
WORD = re.compile(r"\w+")
# Second-level labels under which countries register domains: co.uk, com.au, ac.jp. The public suffix list has more;
# a rare one that is missing here only puts several sites on one side of the split together, which is harmless.
SHARED_LABELS = frozenset("ac co com edu gob gov gouv govt ltd me ne net nhs nom or org plc sch".split())  # noqa: SIM905
HELD_OUT = 0.3  # of the domains


@dataclass(frozen=True)
class GoldPage:
    """kind: WCXB's page type, `article` for the sets that have only those."""

    source: str
    file: str
    domain: str
    kind: str
    html: str
    gold: str

    @property
    def held_out(self) -> bool:
        """Whether the page is for evaluation only: by a hash of its domain, so that a domain is on one side."""
        number = int.from_bytes(hashlib.blake2b(self.domain.encode(), digest_size=4).digest())
        return number < HELD_OUT * 2**32


def gold_pages(data: Path, sources: tuple[str, ...] = SETS) -> Iterator[GoldPage]:
    """The pages of `data`/SET/gold.jsonl.gz that have gold text. Memory: one page at a time."""
    for source in sources:
        with gzip.open(data / source / "gold.jsonl.gz", "rt") as lines:
            for line in lines:
                entry = json.loads(line)
                with gzip.open(data / source / entry["file"]) as file:
                    html = decode(file.read()).text
                if (gold := gold_text(source, entry["gold"])).strip():
                    kind = entry["gold"].get("page_type") or "article"
                    yield GoldPage(source, entry["file"], domain(entry.get("url") or "") or entry["file"], kind, html, gold)


def gold_text(source: str, gold: dict[str, Any]) -> str:
    if source == "wcxb":
        return gold["main_content"] or ""
    if source == "scrapinghub":
        return gold["articleBody"] or ""
    if source == "readability":
        return extract_plain_text(gold["expected_html"])
    body = gold.get("body") or {}
    sections = [text for section in body.get("sections", []) for text in (*section["headline"], *section["paragraphs"])]
    return "\n".join([*(body.get("summary") or []), *sections])


def domain(url: str) -> str:
    """The registered domain of a URL, by a rule of thumb: two labels, three under co.uk and its like."""
    labels = (urlsplit(url).hostname or "").lower().split(".")
    under_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SHARED_LABELS
    return ".".join(labels[-3 if under_country else -2 :])


def word_f1(found: str, gold: str) -> float:
    """Harmonic mean of precision and recall over the multisets of lower-case words, as WCXB's evaluation defines it."""
    one, other = Counter(WORD.findall(found.lower())), Counter(WORD.findall(gold.lower()))
    if not one or not other:
        return float(not one and not other)
    return 2 * (one & other).total() / (one.total() + other.total())
