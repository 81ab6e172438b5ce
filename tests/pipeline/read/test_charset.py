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

from pipeline.read.charset import decode, repaired

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


# Rows of the indexes of the WHATWG Encoding Standard (encoding.spec.whatwg.org), as browsers read these labels.
WHATWG = [
    (("shift_jis", "x-sjis", "ms932", "windows-31j"), b"\x87\x8a \x87\x40 \xfb\xfc \x81\x60 \xb1", "㈱ ① 髙 ～ ｱ"),
    (("euc-kr", "ks_c_5601-1987", "windows-949", "korean"), b"\x81\x41 \x8c\x63 \xc7\xd1", "갂 똠 한"),
    (("big5", "big5-hkscs", "x-x-big5"), b"\x87\x40 \x88\x56 \x89\x46 \xa4\xa4", "䏰 Ā 丽 中"),
    (("gb2312", "gbk", "gb18030", "chinese"), b"\xd6\xd0 \xe9\x46 \x81\x30\x84\x36", "中 镕 ¥"),
    (("iso-8859-9", "latin5", "windows-1254"), b"\x80 \xdd \xfe", "€ İ ş"),
    (("tis-620", "iso-8859-11", "windows-874"), b"\x80 \x85 \x93 \xa1", "€ … “ ก"),
    (("x-mac-cyrillic", "x-mac-ukrainian"), b"\x80 \xa2 \xb6 \xff", "А Ґ ґ €"),
    (("iso-8859-1", "us-ascii", "latin1"), b"\x80 \x93 \x9f \xe9", "€ “ Ÿ é"),
    (("euc-jp", "x-euc-jp"), b"\xad\xa1 \xad\xea \xc6\xfc", "① ㈱ 日"),
]


@pytest.mark.parametrize(("label", "body", "text"), [(label, body, text) for labels, body, text in WHATWG for label in labels])
def test_a_label_means_what_the_encoding_standard_says(label: str, body: bytes, text: str) -> None:
    found = decode(body, label.upper())
    assert (found.text, found.source, found.replaced) == (text, "http", 0.0)
    again = decode(body, found.charset)  # the readers declare for a document what they found the one before to be in
    assert (again.text, again.charset) == (text, found.charset)


def test_a_byte_that_a_windows_charset_leaves_undefined_is_a_control_character() -> None:
    page = "“Déjà vu”, a café où l’on était très bien.".encode("cp1252") * 4 + b" A typing error: \x81."
    for body, declared, source in ((b'<meta charset="iso-8859-1">' + page, None, "meta"), (page, "iso-8859-1", "http")):
        found = decode(body, declared)
        assert (found.charset, found.source, found.replaced) == ("cp1252", source, 0.0)
        assert found.text.count("“Déjà vu”, a café où l’on était très bien.") == 4
        assert found.text.endswith("A typing error: \x81.")


def test_many_undefined_bytes_show_that_a_declaration_is_wrong() -> None:
    japanese = "日本語の文章です。これは普通の文で、東京都に本社を置く企業の長い話が続きます。" * 5
    assert decode(japanese.encode("cp932"), "iso-8859-1").text == japanese


CHINESE = "<html><body>中文网页内容很长"


@pytest.mark.parametrize(("mark", "charset"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")])
@pytest.mark.parametrize("declared", [None, "utf-8", "gbk"])
def test_a_stray_byte_at_the_end_leaves_utf_16_what_it_is(mark: bytes, charset: str, declared: str | None) -> None:
    found = decode(mark + CHINESE.encode(charset) + b"\n", declared)
    assert (found.text, found.charset, found.source) == (CHINESE + "�", charset, "bom+replaced")
    assert found.replaced == 1 / len(found.text)
    whole = decode(mark + f"{CHINESE}�".encode(charset), declared)
    assert (whole.text, whole.source, whole.replaced) == (CHINESE + "�", "bom", 0.0)


@pytest.mark.parametrize(("mark", "charset"), [(codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")])
def test_utf_32_is_not_taken_for_utf_16(mark: bytes, charset: str) -> None:
    found = decode(mark + CHINESE.encode(charset))
    assert (found.text, found.charset, found.source, found.replaced) == (CHINESE, charset, "bom", 0.0)


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
