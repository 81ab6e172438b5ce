from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from actors.data.conversations import from_files, from_page, synthetic, to_table
from actors.data.split import ASSISTANT, held_out
from actors.settings import SftSettings
from cluster.errors import RequestError
from cluster.inputs import expand
from cluster.store import Artefact, Location, parquet_bytes

DOCUMENTATION = """\
Functions

quantise(values, levels=4, *, mode='round (half) up') -> list
Map each value to the nearest
of a few levels. The levels are
spread evenly.

The result is a list.
_hidden(x)
Not for the public eyes.

class Scale(builtins.object)
 Methods defined here:
fit(self, values)
Remember the range of some values.
transform(self, values)
"""
ARTICLE = """\
How bread rises overnight

Yeast eats the sugar in the flour and gives off gas. The gas is caught in the dough. It rises.

short line
"""
SETTINGS = SftSettings()


def pairs_of(text: str, url: str, **changes) -> dict[str, str]:
    return {each.prompt: each.response for each in from_page(text, url, SETTINGS.model_copy(update=changes))}


def test_documentation_answers_what_its_public_names_do():
    assert pairs_of(DOCUMENTATION, "http://host/signal.html") == {
        "What does signal.quantise do?": "Map each value to the nearest of a few levels. The levels are spread evenly.",
        "What does Scale.fit do?": "Remember the range of some values.",
    }


def test_an_article_answers_what_it_is_about_and_how_it_goes_on():
    assert pairs_of(ARTICLE, "http://host/2024/bread") == {
        "What is How bread rises overnight about?": (
            "Yeast eats the sugar in the flour and gives off gas. The gas is caught in the dough. It rises."
        ),
        "Continue: Yeast eats the sugar in the flour and gives off gas.": "The gas is caught in the dough. It rises.",
    }


def test_an_article_without_a_headline_is_named_by_its_address():
    text = ARTICLE.partition("\n")[2]
    assert "What is rising bread about?" in pairs_of(text, "http://host/2024/rising-bread.html")


def test_answers_are_cut_at_a_whole_sentence():
    found = pairs_of(ARTICLE, "http://host/bread", answer_characters=90)
    assert found["What is How bread rises overnight about?"] == (
        "Yeast eats the sugar in the flour and gives off gas. The gas is caught in the dough."
    )


def test_a_page_gives_no_more_pairs_than_asked_for():
    assert len(from_page(ARTICLE, "http://host/bread", SETTINGS.model_copy(update={"pairs_per_page": 1}))) == 1


@pytest.fixture
def corpus(tmp_path: Path) -> Artefact:
    place = Location.of(tmp_path / "corpus")
    pages = [{"doc_id": n, "url": f"http://host/{n}", "text": ARTICLE.replace("bread", f"bread {n}")} for n in range(40)]
    (place / "train-000000.parquet").write_bytes(parquet_bytes(pa.Table.from_pylist(pages[:30])))
    (place / "train-000001.parquet").write_bytes(parquet_bytes(pa.Table.from_pylist(pages[30:38])))
    (place / "heldout-000000.parquet").write_bytes(parquet_bytes(pa.Table.from_pylist(pages[38:])))
    return Artefact(place, {"files": [{"path": name} for name in place.files()]})


def test_pairs_come_from_all_training_pages_and_from_no_held_out_page(corpus):
    found = {each.prompt for each in synthetic(corpus, SETTINGS)}
    about = {f"What is How bread {n} rises overnight about?" for n in range(38)}
    assert about < found
    assert len(found) == 39  # all articles go on in the same way, which is asked once
    assert {each.source for each in synthetic(corpus, SETTINGS)} == {"synthetic"}


def test_a_smaller_number_of_pairs_is_an_even_sample_that_never_depends_on_page_order(corpus):
    few = [each.prompt for each in synthetic(corpus, SETTINGS.model_copy(update={"pairs": 10}))]
    turned = Artefact(corpus.location, {"files": corpus.manifest["files"][::-1]})
    assert len(few) == 10
    assert few == [each.prompt for each in synthetic(turned, SETTINGS.model_copy(update={"pairs": 10}))]
    assert few == [each.prompt for each in synthetic(corpus, SETTINGS)][:10]


def test_the_table_splits_by_prompt_and_keeps_whole_conversations(corpus):
    table = to_table(synthetic(corpus, SETTINGS), share=0.3)
    assert table.column_names == ["prompt", "response", "split", "source", "messages"]
    rows = table.to_pylist()
    assert all((row["split"] == "heldout") == held_out(row["prompt"], 0.3, ASSISTANT) for row in rows)
    assert rows[0]["messages"] == [
        {"role": "user", "content": rows[0]["prompt"]},
        {"role": "assistant", "content": rows[0]["response"]},
    ]


def test_files_give_both_accepted_forms_and_bad_lines_are_counted(tmp_path: Path):
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    lines = [
        json.dumps({"prompt": "Why?", "response": "Because."}),
        json.dumps({"messages": chat}),
        json.dumps({"messages": chat[:2]}),
        json.dumps({"prompt": "no answer", "response": ""}),
        json.dumps(["not", "a", "mapping"]),
        "{broken",
        "",
    ]
    (tmp_path / "talk.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    found, unusable = from_files(expand(str(tmp_path / "talk.jsonl.gz")))
    assert [(each.prompt, each.response, each.source) for each in found] == [
        ("Why?", "Because.", "talk.jsonl.gz"),
        ("q", "a", "talk.jsonl.gz"),
    ]
    assert len(found[1].messages) == 3
    assert unusable == 4


def test_a_file_without_any_conversation_is_refused_by_name(tmp_path: Path):
    (tmp_path / "other.jsonl").write_text('{"question": "?"}\n')
    with pytest.raises(RequestError, match=r"other\.jsonl: no conversation there"):
        from_files(expand(str(tmp_path / "other.jsonl")))


def articles(tmp_path: Path, number: int, paragraphs: int) -> Artefact:
    """Pages that give `paragraphs` continuations each."""
    texts = [
        "\n\n".join(
            f"The {page} boats of row {row} lay at the long quay. They were {page + row} years old then."
            for row in range(paragraphs)
        )
        for page in range(number)
    ]
    place = Location.of(tmp_path / "corpus")
    table = pa.table({"text": texts, "url": [f"http://host/{page}" for page in range(number)]})
    (place / "train-000000.parquet").write_bytes(parquet_bytes(table))
    return Artefact(place, {"files": [{"path": "train-000000.parquet"}]})


@pytest.mark.parametrize(("pairs", "pairs_per_page"), [(1_000, 12), (100_000, 3)], ids=["of the corpus", "of each page"])
def test_a_sample_is_held_out_to_the_share_that_was_asked_for(tmp_path: Path, pairs: int, pairs_per_page: int) -> None:
    settings = SftSettings(pairs=pairs, pairs_per_page=pairs_per_page)
    found = synthetic(articles(tmp_path, 600, 24), settings)
    assert len(found) == min(pairs, 600 * pairs_per_page)
    for part in (found, found[: len(found) // 2]):  # in whatever order: the split says nothing of it
        share = sum(held_out(each.prompt, 0.1, ASSISTANT) for each in part) / len(part)
        assert 0.07 < share < 0.13
