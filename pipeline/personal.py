"""Personal data: found by form, believed only when its check digits or plan hold, replaced by a placeholder."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from phonenumbers import Leniency, PhoneNumberMatcher
from stdnum import iban, luhn

PLACEHOLDERS = {"email": "<EMAIL>", "phone": "<PHONE>", "card": "<CARD>", "iban": "<IBAN>", "ip": "<IP>"}

EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,62}[A-Za-z0-9_])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}\b"
)
CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){11,18}(?![\w-]|\.\d)")
# First digits and lengths that the schemes use (ISO/IEC 7812); other numbers that pass Luhn are ids of something else.
CARD_SCHEMES = re.compile(
    r"4\d{12}(?:\d{3}){0,2}"  # Visa
    r"|5[1-5]\d{14}|2[2-7]\d{14}"  # Mastercard
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"  # Maestro
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[68]\d)\d{11}|6\d{15}"  # Diners, Discover, UnionPay
    r"|35\d{14}|(?:2131|1800)\d{11}"  # JCB
)
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
IPV4 = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
# A run that could be a telephone number: digits with the usual signs between, 7 to 15 of them (ITU-T E.164).
# Only these go to the library, which takes milliseconds for each.
PHONE_RUN = re.compile(r"(?<![\w.,/:=#-])(?:\+|\(|\d)[\d()+ ./-]{5,40}\d(?![\w%]|[.,:/-]\d)")
PHONE_DIGITS = range(7, 16)

Span = tuple[int, int, str]


def emails(text: str) -> Iterator[Span]:
    for found in EMAIL.finditer(text):
        yield *found.span(), "email"


def cards(text: str) -> Iterator[Span]:
    for found in CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        if CARD_SCHEMES.fullmatch(digits) and luhn.is_valid(digits):
            yield *found.span(), "card"


def ibans(text: str) -> Iterator[Span]:
    for found in IBAN.finditer(text):
        # The last group may be a word of the sentence: try without it.
        for end in (len(found[0]), found[0].rfind(" ")):
            if end > 0 and iban.is_valid(found[0][:end]):
                yield found.start(), found.start() + end, "iban"
                break


def public_addresses(text: str) -> Iterator[Span]:
    """IP addresses that name somebody's machine: not private, documentation or other reserved ones."""
    for pattern in (IPV4, IPV6):
        for found in pattern.finditer(text):
            try:
                address = ipaddress.ip_address(found[0])
            except ValueError:
                continue
            if address.is_global and not address.is_multicast:
                yield *found.span(), "ip"


def phones(text: str, regions: Sequence[str]) -> Iterator[Span]:
    """Numbers that exist in their country's plan, written internationally or as that country groups them."""
    for run in PHONE_RUN.finditer(text):
        if sum(map(str.isdigit, run[0])) not in PHONE_DIGITS:
            continue
        international = "+" in run[0]
        for region in (None,) if international else regions:
            leniency = Leniency.VALID if international else Leniency.STRICT_GROUPING
            found = [
                (run.start() + match.start, run.start() + match.end, "phone")
                for match in PhoneNumberMatcher(run[0], region, leniency=leniency)
                if international or not match.raw_string.isdigit()
            ]
            if found:
                yield from found
                break


def redact(text: str, kinds: Sequence[str], regions: Sequence[str]) -> tuple[str, Counter[str]]:
    """Replace every span of personal data by its placeholder; returns the text and the number of spans of each kind.

    Where spans overlap, the first by position, then the longer one, is taken.
    """
    finders: dict[str, Callable[[str], Iterator[Span]]] = {
        "email": emails,
        "card": cards,
        "iban": ibans,
        "ip": public_addresses,
        "phone": lambda each: phones(each, regions),
    }
    spans = sorted((span for kind in kinds for span in finders[kind](text)), key=lambda span: (span[0], -span[1]))
    pieces, reached, counts = [], 0, Counter[str]()
    for start, end, kind in spans:
        if start >= reached:
            pieces += [text[reached:start], PLACEHOLDERS[kind]]
            reached = end
            counts[kind] += 1
    return "".join([*pieces, text[reached:]]), counts
