"""Personal data: found by form, believed only when its check digits or plan hold, replaced by a placeholder."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence

import phonenumbers
from phonenumbers import Leniency, NumberParseException, PhoneNumberMatcher
from stdnum import iban, luhn

from pipeline.corpus.national_ids import NationalIdFinder

# In the order in which they are believed where two overlap.
PLACEHOLDERS = {
    "email": "<EMAIL>",
    "iban": "<IBAN>",
    "card": "<CARD>",
    "national_id": "<NATIONAL_ID>",
    "ip": "<IP>",
    "phone": "<PHONE>",
}

# The two sides of an @, at most as long as RFC 5321 (section 4.5.3.1) allows.
LOCAL_PART = re.compile(r"(?<![\w.+-])[^\W_](?:[\w.%+'-]{0,62}[\w+-])?\Z")
DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w@])")
LOCAL_REACH = 66

# Six digits with at most three signs between two: whatever holds a number of a person holds this.
DIGITS = re.compile(r"\d(?:[ ()./:+\xa0\u2009\u2011\u2013-]{0,3}\d){5}")
RUN = re.compile(r"[\w ()./:+\xa0\u2009\u2011\u2013-]*")
AROUND = 12  # characters before a run that belong to what is looked for: (+, [, IBAN's letters, ...
BEHIND = 24

CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){11,18}(?![\w-]|\.\d)")
# First digits and lengths that the schemes use (ISO/IEC 7812); other numbers that pass Luhn are ids of something else.
CARD_SCHEMES = re.compile(
    r"4\d{12}(?:\d{3}){0,2}"  # Visa
    r"|5[1-5]\d{14}|2[2-7]\d{14}"  # Mastercard
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"  # Maestro
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}|6\d{15}"  # Diners, Discover, UnionPay
    r"|35\d{14}|(?:2131|1800)\d{11}"  # JCB
)
CARD_CUE = re.compile(r"\b(?:card|cc|credit|debit|visa|master ?card|maestro|amex|carte|karte|tarjeta|carta)\b", re.I)
IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
# Sections and versions have four numbers too; hardly any has two of two digits. Of 13 found by form alone on real web
# pages 8 were such.
IPV4_CUE = re.compile(r"\b(?:ips?|ipv4|address(?:es)?|addr|dns|servers?|hosts?|clients?|from|ping)\b", re.I)
IPV6_HINT = re.compile(r":[0-9A-Fa-f]{0,4}:")
# Only 2000::/3 is given out (IANA), so a public address begins with four digits of which the first is 2 or 3.
IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")

# A run that could be a telephone number: digits with the usual signs between, 7 to 15 of them (ITU-T E.164).
PHONE = re.compile(
    r"(?<![\w./:=#-])(?<!\d,)(?:\+|\(\+?|\d)[\d()+ ./\xa0\u2011\u2013-]{5,40}\d(?: ?(?:x|ext\.?) ?\d{1,6})?(?![\w%]|[.,:/-]\d)"
)
PHONE_DIGITS = range(7, 16)
LOCAL_DIGITS = 6  # of short local numbers, which only their surroundings tell
EXTENSION = re.compile(r" ?(?:x|ext).*")
PHONE_CUE = re.compile(
    r"\b(?:tele(?:ph|f)on\w*|t[ée]l[ée]ph\w+|tel[ée]fono|tele?|t[ée]l|phones?|mobiles?|mobil|m[óo]vil|handy|cell(?:phone|ular)?"
    r"|fax|whats ?app|sms|hotline|call(?:ing)?(?: (?:me|us|him|her|them))?(?: (?:at|on))?|dial|ring|answering at"
    r"|reach \w+ (?:at|on))"
    r"(?: (?:number|no|nr|is))*[\s.:#*()-]{0,4}$",
    re.I,
)
PHONE_CUE_BEHIND = re.compile(r"[\s,(-]{0,3}(?:office|fax|mobile|cell|home|work|tel|direct|main)\b", re.I)
DATE = re.compile(r"(?:19|20)\d\d[-./ ][01]?\d[-./ ][0-3]?\d\b|[0-3]?\d[-./][0-3]?\d[-./](?:\d\d)?\d\d\b")

Span = tuple[int, int, str]


class PersonalData:
    """Finds spans of the kinds that are asked for.

    Digits are looked for once; only around them, around an @ and behind capitals anything is matched.
    Speed: 17-20 million characters a second and core on prose and web pages (tests/benchmarks/personal.py).
    """

    def __init__(self, kinds: Sequence[str], phone_regions: Sequence[str] = (), id_regions: Sequence[str] = ()) -> None:
        self.kinds, self.phone_regions = frozenset(kinds), tuple(phone_regions)
        self.ids = NationalIdFinder(id_regions if "national_id" in self.kinds else ())

    def spans(self, text: str) -> list[Span]:
        """(start, end, kind) in `text`, in order, without overlaps: the kind that is checked better wins."""
        found = sorted(self.candidates(text), key=lambda span: (PRIORITY[span[2]], span[0], -span[1]))
        if len(found) < 2:
            return found
        taken, chosen = bytearray(len(text)), list[Span]()
        for start, end, kind in found:
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                chosen.append((start, end, kind))
        return sorted(chosen)

    def candidates(self, text: str) -> Iterator[Span]:
        kinds = self.kinds
        if "email" in kinds:
            yield from emails(text)
        if "iban" in kinds:
            yield from ibans(text)
        if "ip" in kinds:
            yield from ipv4_addresses(text)
            yield from ipv6_addresses(text)
        yield from ((*span, "national_id") for span in self.ids.in_letters(text))
        for start, end in digit_runs(text):
            if "card" in kinds:
                yield from cards(text, start, end)
            yield from ((*span, "national_id") for span in self.ids.in_digits(text, start, end))
            if "phone" in kinds:
                yield from phones(text, start, end, self.phone_regions)


PRIORITY = {kind: rank for rank, kind in enumerate(PLACEHOLDERS)}


def redact(text: str, spans: Iterable[Span]) -> str:
    """The text with each span (in order, not overlapping) replaced by the placeholder of its kind."""
    pieces, reached = [], 0
    for start, end, kind in spans:
        pieces += [text[reached:start], PLACEHOLDERS[kind]]
        reached = end
    return "".join([*pieces, text[reached:]])


def digit_runs(text: str) -> Iterator[tuple[int, int]]:
    """Stretches of the text around six digits and more, not overlapping."""
    position = 0
    while found := DIGITS.search(text, position):
        run = RUN.match(text, found.end(), found.end() + 2000)
        end = run.end() if run else found.end()
        yield max(position, found.start() - AROUND), min(end + BEHIND, len(text))
        position = end


def emails(text: str) -> Iterator[Span]:
    at, reached = text.find("@"), 0
    while at >= 0:
        domain = DOMAIN.match(text, at + 1)
        if domain and (local := LOCAL_PART.search(text, max(reached, at - LOCAL_REACH), at)):
            reached = domain.end()
            yield local.start(), reached, "email"
        at = text.find("@", max(at + 1, reached))


def cards(text: str, start: int, end: int) -> Iterator[Span]:
    """Numbers that pass Luhn and begin as a scheme's do, or that the text calls a card's."""
    for found in CARD.finditer(text, start, end):
        digits = re.sub(r"\D", "", found[0])
        if luhn.is_valid(digits) and (
            CARD_SCHEMES.fullmatch(digits) or CARD_CUE.search(text, max(0, found.start() - 40), found.start())
        ):
            yield *found.span(), "card"


def ibans(text: str) -> Iterator[Span]:
    for found in IBAN.finditer(text):
        if text[max(0, found.start() - 1) : found.start()].isalnum():
            continue
        # The last groups may be words of the sentence: try without them.
        end = len(found[0])
        while end > 14:
            if iban.is_valid(found[0][:end]):
                yield found.start(), found.start() + end, "iban"
                break
            end = found[0].rfind(" ", 0, end)


def ipv4_addresses(text: str) -> Iterator[Span]:
    for found in IPV4.finditer(text):
        before = text[max(0, found.start() - 2) : found.start()]
        if before[-1:].isalnum() or before.endswith(("_", ".", "-")) or (before.endswith("/") and before != "//"):
            continue
        two_digits = sum(len(number) > 1 for number in found[0].split("."))
        if two_digits > 1 or IPV4_CUE.search(text, max(0, found.start() - 30), found.start()):
            yield from public(found)


def ipv6_addresses(text: str) -> Iterator[Span]:
    reached = 0
    for hint in IPV6_HINT.finditer(text):
        if hint.start() >= reached and (found := IPV6.search(text, max(reached, hint.start() - 5), hint.start() + 45)):
            yield from public(found)
            reached = found.end()


def public(found: re.Match[str]) -> Iterator[Span]:
    """IP addresses that name somebody's machine: not private, documentation or other reserved ones."""
    try:
        address = ipaddress.ip_address(found[0])
    except ValueError:
        return
    if address.is_global and not address.is_multicast:
        yield *found.span(), "ip"


def phones(text: str, start: int, end: int, regions: Sequence[str]) -> Iterator[Span]:
    """Numbers that exist in their country's plan and are written as there, or that the text calls a telephone's."""
    for run in PHONE.finditer(text, start, end):
        digits = sum(map(str.isdigit, EXTENSION.sub("", run[0])))
        if digits not in (LOCAL_DIGITS, *PHONE_DIGITS) or DATE.fullmatch(run[0]):
            continue
        valid = list(valid_phones(run, regions)) if digits in PHONE_DIGITS else []
        if valid:
            yield from valid
        elif PHONE_CUE.search(text, max(0, run.start() - 40), run.start()) or PHONE_CUE_BEHIND.match(text, run.end()):
            yield *run.span(), "phone"


def valid_phones(run: re.Match[str], regions: Sequence[str]) -> Iterator[Span]:
    international = "+" in run[0]
    for region in (None,) if international else regions:
        if not international and not is_number(run[0], region):
            continue  # the matcher takes ten times as long
        leniency = Leniency.VALID if international else Leniency.STRICT_GROUPING
        found = [
            (run.start() + match.start, run.start() + match.end, "phone")
            for match in PhoneNumberMatcher(run[0], region, leniency=leniency)
            if international or not match.raw_string.isdigit()
        ]
        if found:
            yield from found
            return


def is_number(run: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(run, region))
    except NumberParseException:
        return False
