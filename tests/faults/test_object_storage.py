"""The same line with its root on S3 gives the same bytes as on a local disk."""

from pathlib import Path

import pytest

from cluster.store import Location
from tests.faults.conftest import Line, digests

pytestmark = pytest.mark.slow


def test_from_pages_to_a_trained_model_a_root_on_s3_holds_the_bytes_of_a_local_one(
    line: Line, undisturbed: Path, s3_root: str
) -> None:
    Location.of(s3_root + "/crawl").upload(undisturbed / "crawl")
    line.run(s3_root, "base")
    stages = ["pages", "dedup", "corpus", "tokenizer", "tokens", "base"]
    assert digests(s3_root, stages) == digests(undisturbed, stages)
