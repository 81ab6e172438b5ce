from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from pipeline.personal import redact

ALL = ["email", "phone", "card", "iban", "ip"]


def redacted(text: str) -> str:
    return redact(text, ALL, ["US", "GB"])[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to Jane.Doe+news@mail.example.co.uk, please.", "Write to <EMAIL>, please."),
        ("<a.b@example.org>", "<<EMAIL>>"),
        ("Call +49 30 901820 today", "Call <PHONE> today"),
        ("Call (212) 736-5000.", "Call <PHONE>."),
        ("Tel. 020 7946 0018 or +44 20 7946 0018", "Tel. <PHONE> or <PHONE>"),
        ("card 4111 1111 1111 1111, exp 12/29", "card <CARD>, exp 12/29"),  # the schemes' published test numbers
        ("card 5500-0000-0000-0004", "card <CARD>"),
        ("card 378282246310005", "card <CARD>"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN <IBAN> please"),  # ISO 13616's own examples
        ("GB29NWBK60161331926819", "<IBAN>"),
        ("from 8.8.8.8 and 2001:4860:4860::8888.", "from <IP> and <IP>."),
    ],
)
def test_personal_data_becomes_a_typed_placeholder(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112 fails the Luhn check",
        "DE89 3704 0044 0532 0130 01 fails the IBAN check",
        "8273 1232 7352 0569 passes Luhn in no card scheme",
        "10.0.0.1, 192.168.1.20, 127.0.0.1, 203.0.113.9 and fe80::1 are nobody's",
        "section 1.2.3.4.5 and 999.1.1.1",
        "at 12:30:45 on 2024-01-02, 2024-01-02T03:04:05",
        "2147483647 and 4294967296 and 1234567 and 0.30000000000000004",
        "x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]",
        "pi is 3.141592653589793, e 2.718281828",
        "ISBN 978-3-16-148410-0, RFC 2822, pages 123-130 (1999)",
        "@decorator and user@localhost and a @ b.c and x@y",
        "0x7f3e8c720f90 and id 550e8400-e29b-41d4-a716-446655440000",
        "range(1000000, 2000000)  (1 + 2) * 3456789",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert redacted(text) == text


def test_spans_are_counted_by_kind_and_kinds_can_be_left_out() -> None:
    text = "a@example.org b@example.org 8.8.8.8"
    assert redact(text, ALL, [])[1] == {"email": 2, "ip": 1}
    assert redact(text, ["ip"], []) == ("a@example.org b@example.org <IP>", {"ip": 1})


def test_national_numbers_count_in_the_regions_that_are_asked_for() -> None:
    assert redact("Tel. 030 901820", ["phone"], ["DE"])[0] == "Tel. <PHONE>"
    assert redact("Tel. 030 901820", ["phone"], ["US"])[0] == "Tel. 030 901820"


def test_recall_on_labelled_texts(shared: Path) -> None:
    """Invented identities (presidio-research). Their card numbers and IBANs hold; many of their phone numbers exist nowhere."""
    texts = json.loads((shared / "data/pii/presidio_synth_dataset_v2.json").read_text())
    kinds = {"EMAIL_ADDRESS": "email", "CREDIT_CARD": "card", "IBAN_CODE": "iban"}
    found, total = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0)
    for text in texts:
        clean = redacted(text["full_text"])
        for span in text["spans"]:
            if span["entity_type"] in kinds:
                total[span["entity_type"]] += 1
                found[span["entity_type"]] += span["entity_value"] not in clean
    assert total["EMAIL_ADDRESS"] == found["EMAIL_ADDRESS"] == 36
    assert found["CREDIT_CARD"] / total["CREDIT_CARD"] > 0.9
    assert found["IBAN_CODE"] / total["IBAN_CODE"] > 0.9


def test_a_page_of_digits_takes_little_time() -> None:
    text = "\n".join(" ".join(str(number * 7919 % 99991) for number in range(line, line + 12)) for line in range(4000))
    started = time.process_time()
    redacted(text)
    assert time.process_time() - started < 5
