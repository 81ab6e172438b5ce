"""National identification numbers: the form each country writes them in, and the check that a wrong one fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module

Cue = re.Pattern[str]


@dataclass(frozen=True)
class NationalId:
    """module: python-stdnum's, whose `is_valid` decides. form: as written, without what may not stand around it.

    cue: words that must come before (within 60 characters) where the form alone is also that of other numbers.
    """

    module: str
    form: str
    cue: str = ""


SOCIAL_SECURITY = r"social security|\bssn\b"

# By ISO country. A form stands here without a cue only if it is distinctive or its check leaves at most one number in
# a hundred; the figures for ordinary pages are in tests/benchmarks/personal.py. Countries whose number is plain digits
# with a weak check (PT nif, DK cpr, AU tfn, JP) are left out: no form of theirs could be believed.
NATIONAL_IDS: dict[str, tuple[NationalId, ...]] = {
    "US": (
        NationalId("us.ssn", r"\d{3}-\d{2}-\d{4}"),
        NationalId("us.ssn", r"\d{3} ?\d{2} ?\d{4}", SOCIAL_SECURITY),
        NationalId("us.itin", r"9\d{2}-\d{2}-\d{4}"),
    ),
    "GB": (NationalId("gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", r"\bnhs\b"),),
    "CA": (NationalId("ca.sin", r"\d{3}[ -]\d{3}[ -]\d{3}", r"social insurance|\bsin\b|\bnas\b"),),
    "ES": (NationalId("es.dni", r"\d{8}-?[A-Z]"), NationalId("es.nie", r"[XYZ]-?\d{7}-?[A-Z]")),
    "IT": (NationalId("it.codicefiscale", r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]"),),
    "FR": (NationalId("fr.nir", r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}"),),
    "DE": (NationalId("de.idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", r"steuer.{0,3}id|identifikationsnummer"),),
    "NL": (NationalId("nl.bsn", r"\d{4}[ .]?\d{2}[ .]?\d{3}", r"\bbsn\b|burgerservicenummer|sofi"),),
    "BE": (NationalId("be.nn", r"\d{2}\.\d{2}\.\d{2}[- ]\d{3}[.-]\d{2}"),),
    "CH": (NationalId("ch.ssn", r"756\.\d{4}\.\d{4}\.\d{2}"),),
    "SE": (NationalId("se.personnummer", r"(?:19|20)?\d{6}[-+]\d{4}"),),
    "FI": (NationalId("fi.hetu", r"\d{6}[-+A]\d{3}[0-9A-Y]"),),
    "NO": (NationalId("no.fodselsnummer", r"\d{6} ?\d{5}"),),
    "PL": (NationalId("pl.pesel", r"\d{11}", r"pesel"),),
    "CZ": (NationalId("cz.rc", r"\d{6}/\d{4}"),),
    "RO": (NationalId("ro.cnp", r"[1-8]\d{12}", r"\bcnp\b"),),
    "BG": (NationalId("bg.egn", r"\d{10}", r"егн|\begn\b"),),
    "TR": (NationalId("tr.tckimlik", r"[1-9]\d{10}", r"kimlik|\btckn\b"),),
    "BR": (NationalId("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}"), NationalId("br.cpf", r"\d{11}", r"\bcpf\b")),
    "MX": (NationalId("mx.curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d"),),
    "CL": (NationalId("cl.rut", r"\d{1,2}\.\d{3}\.\d{3}-[\dkK]"),),
    "AR": (NationalId("ar.cuit", r"\d{2}-\d{8}-\d"),),
    "ZA": (NationalId("za.idnr", r"\d{6} ?\d{4} ?\d{2} ?\d", r"identity|\bid\b"),),
    "IN": (
        NationalId("in_.aadhaar", r"[2-9]\d{3} \d{4} \d{4}", r"aadha+r|\buid(?:ai)?\b"),
        NationalId("in_.pan", r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", r"\bpan\b|permanent account"),
    ),
    "CN": (NationalId("cn.ric", r"[1-9]\d{5}(?:19|20)\d{2}[01]\d[0-3]\d{4}[\dX]"),),
    "KR": (NationalId("kr.rrn", r"\d{6}-\d{7}"),),
    "IE": (NationalId("ie.pps", r"\d{7}[A-W][AHWTX]?", r"\bpps"),),
}
CUE_REACH = 60


class NationalIdFinder:
    """Finds the numbers of some countries. digits: forms that hold a run of digits; letters: those that do not."""

    def __init__(self, regions: Iterable[str]) -> None:
        chosen = [each for region in regions for each in NATIONAL_IDS.get(region, ())]
        self.digits = [Form(each) for each in chosen if not each.form.startswith(r"[A-Z]")]
        self.letters = [Form(each) for each in chosen if each.form.startswith(r"[A-Z]")]

    def in_digits(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Spans between `start` and `end`, where a run of digits was seen."""
        for form in self.digits:
            yield from form.spans(text, start, end)

    def in_letters(self, text: str) -> Iterator[tuple[int, int]]:
        for form in self.letters:
            yield from form.spans(text, 0, len(text))


class Form:
    """A number's form, compiled."""

    def __init__(self, number: NationalId) -> None:
        # No look-behind at the beginning: it would cost the regular expression engine its fast search.
        self.pattern = re.compile(rf"{number.form}(?![\w-]|[.,]\d)")
        self.cue = re.compile(number.cue, re.I) if number.cue else None
        self.is_valid: Callable[[str], bool] = import_module(f"stdnum.{number.module}").is_valid

    def spans(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        for found in self.pattern.finditer(text, start, end):
            before = text[max(0, found.start() - 1) : found.start()]
            if before.isalnum() or before in ("-", ".", "_", "/", "+", "#", "="):
                continue
            if self.cue and not self.cue.search(text, max(0, found.start() - CUE_REACH), found.start()):
                continue
            if self.is_valid(found[0].replace(" ", "")):
                yield found.span()
