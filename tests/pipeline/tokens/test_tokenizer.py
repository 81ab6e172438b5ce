from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.store import Location, shard_records
from pipeline.tokens.tokenizer import SPECIAL_TOKENS, train, with_chat_template
from pipeline.tokens.worker import TokenWorker, token_dtype

REPOSITORY = Path(__file__).parents[3]
TEXTS = [
    "The harbour lay quiet under the first snow, and the boats moved with the tide.\n\n    def f(x):\n        return x + 123\n",
    "Größe und Übermut — 漢字かな交じり文 🙂\r\n\ttabs\tand   blanks   \n",
] * 30


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tokenizer")
    with_chat_template(train(TEXTS, 380, 2)).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def tokenizer(directory: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory)


def test_it_has_the_vocabulary_that_was_asked_for(tokenizer: Any) -> None:
    assert len(tokenizer) == 380
    assert tokenizer.convert_tokens_to_ids(SPECIAL_TOKENS) == list(range(len(SPECIAL_TOKENS)))
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.bos_token) == ("<|endoftext|>", "<|pad|>", None)


@given(text=st.text(max_size=60))
def test_every_text_comes_back_as_it_was(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, split_special_tokens=True)["input_ids"]
    assert tokenizer.decode(ids) == text


def test_text_it_was_trained_on_is_shorter_in_tokens(tokenizer: Any) -> None:
    assert len(tokenizer(TEXTS[0])["input_ids"]) < len(TEXTS[0]) / 2


def test_numbers_are_cut_into_three_digits_at_most(tokenizer: Any) -> None:
    pieces = [tokenizer.decode([each]) for each in tokenizer("1234567")["input_ids"]]
    assert "".join(pieces) == "1234567"
    assert max(map(len, pieces)) <= 3


CHAT = [{"role": "user", "content": "What is a tide?"}, {"role": "assistant", "content": "Water that comes and goes."}]


def test_the_chat_template_writes_turns_and_marks_what_the_assistant_says(tokenizer: Any) -> None:
    assert tokenizer.apply_chat_template(CHAT, tokenize=False) == (
        "<|user|>What is a tide?<|end|><|assistant|>Water that comes and goes.<|end|>"
    )
    assert tokenizer.apply_chat_template(CHAT[:1], tokenize=False, add_generation_prompt=True) == (
        "<|user|>What is a tide?<|end|><|assistant|>"
    )
    encoded = tokenizer.apply_chat_template(CHAT, return_assistant_tokens_mask=True, return_dict=True)
    said = [token for token, mine in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if mine]
    assert tokenizer.decode(said) == "Water that comes and goes.<|end|>"


def test_the_same_texts_give_the_same_bytes_in_another_process_on_all_cores() -> None:
    program = "from tests.pipeline.tokens.test_tokenizer import *; print(train(TEXTS, 380, 2).to_str())"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TOKENIZERS_PARALLELISM": "true", "PYTHONPATH": str(REPOSITORY)}
    other = subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY, env=environment, capture_output=True)
    assert other.stdout.decode().strip() == train(TEXTS, 380, 2).to_str()


class Counting:
    def __init__(self) -> None:
        self.tokens = 0

    def advance(self, by: float, total: float | None = None, unit: str = "") -> None:
        self.tokens += int(by)


def test_a_shard_of_documents_becomes_sequences_that_lead_back_to_them(directory: Path, tokenizer: Any, tmp_path: Path) -> None:
    texts = [*TEXTS[:4], "", "a <|endoftext|> that somebody wrote"]
    data, spans, counts, counted = token_shard(directory, tmp_path, texts, ["web"] * 6)
    figures = counts["sources"]["web"]
    assert figures["tokens"] + figures["dropped"] == counted
    assert (figures["sequences"], figures["tokens"], figures["documents"]) == (len(data), data.size, 6)
    back = tokens_back(data, spans)
    end = tokenizer.eos_token_id
    for doc_id, text in zip(range(70, 75), texts, strict=False):
        assert back[doc_id][-1] == end
        assert tokenizer.decode(back[doc_id][:-1]) == text
    assert end not in back[75][:-1]  # what only looks like a special token is text


def test_a_sequence_holds_documents_of_one_source(directory: Path, tokenizer: Any, tmp_path: Path) -> None:
    texts = [TEXTS[number % len(TEXTS)] + f" {number}" for number in range(40)]
    sources = ["web", "books", "web", "code"] * 10
    data, spans, counts, counted = token_shard(directory, tmp_path, texts, sources)
    assert list(counts["sources"]) == ["books", "code", "web"]
    assert sum(each["tokens"] + each["dropped"] for each in counts["sources"].values()) == counted
    expected = [name for name, each in counts["sources"].items() for _ in range(each["sequences"])]
    assert len(expected) == len(data)
    found: list[set[str]] = [set() for _ in range(len(data))]
    for span in spans:
        found[span["sequence"]].add(sources[span["doc_id"] - 70])
    assert found == [{name} for name in expected]
    for doc_id, ids in tokens_back(data, spans).items():
        assert (texts[doc_id - 70] + "<|endoftext|>").startswith(tokenizer.decode(ids))


def test_each_source_is_packed_as_it_is_alone(directory: Path, tmp_path: Path) -> None:
    texts = [TEXTS[number % len(TEXTS)] + f" {number}" for number in range(40)]
    sources = ["web", "books"] * 20
    data, _, _, _ = token_shard(directory, tmp_path / "both", texts, sources)
    alone = [
        token_shard(directory, tmp_path / name, texts[first::2], [name] * 20)[0] for name, first in (("books", 1), ("web", 0))
    ]
    assert (data == np.concatenate(alone)).all()


def token_shard(
    directory: Path, tmp_path: Path, texts: list[str], sources: list[str]
) -> tuple[np.ndarray, list[dict[str, Any]], dict[str, Any], int]:
    """What the worker makes of documents 70, 71, ...: sequences [n, 32], spans, counts, tokens it counted aloud."""
    tmp_path.mkdir(exist_ok=True)
    ids = [70 + number for number in range(len(texts))]
    documents = pa.table({"doc_id": ids, "source": sources, "text": pa.array(texts, pa.large_string())})
    pq.write_table(documents, tmp_path / "t.parquet")
    output, counting = Location.of(tmp_path / "out"), Counting()
    worker = TokenWorker(Location.of(directory), 32, output, counting)  # type: ignore[arg-type]
    worker({"shard": 3, "split": "train", "name": "train-00000", "uri": str(tmp_path / "t.parquet")})
    data = np.fromfile(tmp_path / "out/train-00000.bin", token_dtype(380)).reshape(-1, 32)
    spans = pq.read_table(tmp_path / "out/_work/spans/000003.parquet").to_pylist()
    assert {span["shard"] for span in spans} == {"train-00000"}
    return data, spans, shard_records(output)[3]["counts"], counting.tokens


def tokens_back(data: np.ndarray, spans: list[dict[str, Any]]) -> dict[int, list[int]]:
    """The tokens of each document, by its spans."""
    back: dict[int, list[int]] = {}
    for span in spans:
        back.setdefault(span["doc_id"], []).extend(data[span["sequence"], span["start"] : span["end"]].tolist())
    return back


def test_ids_take_two_bytes_where_they_fit() -> None:
    assert (token_dtype(65_536).itemsize, token_dtype(65_537).itemsize) == (2, 4)
