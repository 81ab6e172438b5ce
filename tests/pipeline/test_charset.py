from __future__ import annotations

import codecs

import pytest

from pipeline.charset import decode

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
