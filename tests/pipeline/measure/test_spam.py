from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pipeline.measure.spam import parked_phrases


@pytest.mark.parametrize(
    "text",
    [
        "example.org\nThis domain is for sale! Buy this domain",
        "The domain example.org may be for sale. Click here to inquire about this domain.",
        "This Web page is parked FREE, courtesy of a registrar.",
        "Welcome to nginx! If you see this page, the server is installed.",
        "This Account has been suspended.",
    ],
)
def test_parked_domains_are_recognised(text: str) -> None:
    assert parked_phrases(text) >= 1


@pytest.mark.parametrize(
    "text",
    [
        "The house is for sale.",
        "He parked the car. The domain of a function is a set.",
        "This domain is for sale. " + "x" * 2000,
    ],
)
def test_pages_about_other_things_are_not_parked(text: str) -> None:
    assert parked_phrases(text) == 0


def test_no_real_page_is_taken_for_a_parked_domain(shared: Path) -> None:
    with gzip.open(shared / "data/html/wcxb/gold.jsonl.gz", "rt") as lines:
        texts = [json.loads(line)["gold"]["main_content"] for line in lines]
    assert sum(map(bool, map(parked_phrases, filter(None, texts)))) == 0
