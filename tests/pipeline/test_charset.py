from __future__ import annotations

import codecs
import gzip
import json
from pathlib import Path

import ftfy
import pytest
from ftfy.badness import is_bad
from hypothesis import given
from hypothesis import strategies as st

from pipeline.charset import decode, repaired

GERMAN = "Größe, Fuß und Übermut: schöne Wörter für einen Test."


@pytest.mark.parametrize(
    ("body", "declared", "charset", "source"),
    [
        (codecs.BOM_UTF8 + GERMAN.encode(), "iso-8859-1", "utf-8", "bom"),
        (codecs.BOM_UTF16_LE + GERMAN.encode("utf-16-le"), None, "utf-16-le", "bom"),
        (GERMAN.encode("iso-8859-15"), "ISO-8859-15", "iso8859-15", "http"),
        (b'<meta charset="windows-1252">' + GERMAN.encode("cp1252"), None, "cp1252", "meta"),
        (b'<meta http-equiv=x content="text/html; charset=utf-8">' + GERMAN.encode(), None, "utf-8", "meta"),
        (GERMAN.encode(), None, "utf-8", "detected"),
    ],
)
def test_the_charset_is_found_where_the_standard_says(body: bytes, declared: str | None, charset: str, source: str) -> None:
    found = decode(body, declared)
    assert (found.charset, found.source, found.replaced) == (charset, source, 0.0)
    assert found.text.endswith(GERMAN)


def test_a_wrong_declaration_gives_way_to_one_that_fits() -> None:
    body = b'<meta charset="cp1252">' + GERMAN.encode("cp1252")
    found = decode(body, "utf-8")
    assert (found.charset, found.source) == ("cp1252", "meta")
    assert found.text.endswith(GERMAN)


def test_iso_8859_1_means_what_browsers_take_it_for() -> None:
    assert decode("“quoted” – 5 €".encode("cp1252"), "iso-8859-1").text == "“quoted” – 5 €"


def test_a_meta_tag_that_claims_utf_16_means_utf_8() -> None:
    assert decode(b'<meta charset="utf-16">' + GERMAN.encode()).charset == "utf-8"


def test_an_unknown_label_is_ignored() -> None:
    assert decode(GERMAN.encode(), "no-such-charset").text == GERMAN


def test_bytes_that_fit_no_charset_are_counted() -> None:
    found = decode(b"abcdef\xff\xfe\x81gh\xc3(" + bytes(range(128, 160)) * 3, "utf-8")
    if found.source.endswith("+replaced"):
        assert found.replaced == found.text.count("�") / len(found.text) > 0
    else:  # the detector knows a charset in which every byte has a meaning
        assert found.source == "detected"
        assert "�" not in found.text


def test_no_bytes_are_no_text() -> None:
    assert decode(b"").text == ""


def test_ascii_is_utf_8_whatever_a_detector_takes_it_for() -> None:
    found = decode(b"plain words")
    assert (found.charset, found.source) == ("utf-8", "detected")


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
def test_utf_16_that_says_so_nowhere_is_found(charset: str) -> None:
    page = f"<html><p>{GERMAN}</p></html>"
    found = decode(page.encode(charset))
    assert (found.text, found.charset, found.source) == (page, charset, "detected")


def test_a_page_with_some_null_bytes_is_no_utf_16() -> None:
    page = "<p>har\0bour</p>" + "\0" * 30 + "<p>words and more words</p>" * 5
    assert decode(page.encode()).text == page


@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1252", "koi8-r"])
def test_bytes_that_are_utf_8_show_that_a_one_byte_declaration_is_wrong(declared: str) -> None:
    found = decode(GERMAN.encode(), declared)
    assert (found.text, found.charset, found.source) == (GERMAN, "utf-8", "detected")


def test_a_declared_multibyte_charset_needs_more_than_a_few_bytes_to_be_shown_wrong() -> None:
    # The two characters whose GBK bytes happen to be valid UTF-8: a well-known trap.
    assert decode("联通".encode("gbk"), "gbk").text == "联通"
    chinese = "这是一个用来测试的句子"
    assert decode(chinese.encode(), "gbk").text == chinese
    assert decode(chinese.encode("gbk"), "gbk").text == chinese


@pytest.mark.parametrize("declared", ["utf-8", None])
def test_a_few_broken_bytes_do_not_make_mojibake_of_the_rest(declared: str | None) -> None:
    found = decode(GERMAN.encode() * 5 + b"\xe9 and \xff" + GERMAN.encode()[:-30] + b"\xc3", declared)
    assert found.text.count(GERMAN) == 5
    assert found.text.count("�") == 3
    assert (found.charset, found.source) == ("utf-8", "http+replaced" if declared else "detected+replaced")
    assert found.replaced == 3 / len(found.text)


@pytest.mark.parametrize("charset", ["cp1252", "latin-1"])
def test_mojibake_is_repaired_line_by_line(charset: str) -> None:
    broken = "schöne Größe – für alle".encode().decode(charset, "replace") if charset == "latin-1" else "schÃ¶ne GrÃ¶ÃŸe"
    whole = "schöne Größe – für alle" if charset == "latin-1" else "schöne Größe"
    text = f"A line of its own: Übermut.\n{broken}\nplain"
    assert repaired(text) == (f"A line of its own: Übermut.\n{whole}\nplain", True)


@pytest.mark.parametrize(
    "text", ["plain", "", GERMAN, "C’est déjà l’été à Nîmes", "Привет, мир", "日本語の文章です", "½ × ¾ ° ©"]
)
def test_text_without_mojibake_stays_as_it_is(text: str) -> None:
    assert repaired(text) == (text, False)


WORDS = st.sampled_from(["plain", "Größe", "“quoted”", "–", "l’été", "Привет", "日本", "Â", "ã", "½", " ", "\u00a0"])
SCARS = st.sampled_from(["cp1252", "latin-1", "cp1251", "koi8-r", "cp437"])


@given(st.lists(WORDS, max_size=8), SCARS)
def test_looking_for_suspect_pairs_first_changes_nothing_of_what_ftfy_does(words: list[str], charset: str) -> None:
    for text in (" ".join(words), " ".join(words).encode().decode(charset, "replace")):
        by_ftfy = ftfy.fix_encoding(text) if is_bad(text) else text
        assert repaired(text)[0] == by_ftfy


def test_real_pages_decode_as_well_as_by_the_decoders_of_two_extractors(shared: Path) -> None:
    """Pages whose declaration, if any, was checked by those who gathered them; see the data's README."""
    lost, pages = 0, 0
    for gold in sorted((shared / "data/html").glob("*/gold.jsonl.gz")):
        described = [json.loads(line) for line in gzip.decompress(gold.read_bytes()).splitlines()]
        for page in described[::10]:
            body = gzip.decompress((gold.parent / page["file"]).read_bytes())
            found = decode(body)
            pages += 1
            if page["valid_utf8"]:
                assert found.text == body.decode("utf-8-sig"), page["file"]
            lost += "�" in found.text and "�".encode() not in body
    assert pages > 190
    assert lost == 0
