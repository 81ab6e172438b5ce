"""Texts that Go reads: durations, integers, and versions as Kubernetes' own library compares them."""

from __future__ import annotations

import re
from fractions import Fraction

LARGEST = 2**63 - 1  # int64; a duration counts nanoseconds
UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}

SPAN = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
INTEGER = re.compile(r"[+-]?[0-9]+")
VERSION = re.compile(r"\s*v?([0-9]+(?:\.[0-9]+)+)")
LONGEST = 100  # signs: nobody means more, and Python reads no number of 4,300 digits

Version = tuple[int, ...]


def duration(text: str) -> int | None:
    """Nanoseconds of a text such as `1h30m` or `-1.5s`; None where time.ParseDuration refuses it."""
    if len(text) > LONGEST:
        return None
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    total, end = Fraction(), 0
    while end < len(rest):
        span = SPAN.match(rest, end)
        if span is None or not (span[1] or span[2]):
            return None
        total += Fraction(f"{span[1] or 0}.{span[2] or 0}") * UNITS[span[3]]
        end = span.end()
    if not rest or total > LARGEST + (sign < 0):
        return None
    return sign * int(total)


def integer(text: str) -> int | None:
    """The number that strconv.Atoi reads, None where it refuses the text: no blanks, no underscores, 64 bits."""
    if len(text) > LONGEST or not INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -LARGEST - 1 <= number <= LARGEST else None


def version(text: str) -> Version | None:
    """Numbers of a version, None where version.ParseGeneric refuses the text.

    It wants at least two numbers at the beginning, after blanks and a `v`, and takes no notice of what follows: `2.52.0rc1` is
    2.52.0. Zeros at the end count for nothing: 2.52 is 2.52.0.
    """
    found = VERSION.match(text)
    if found is None or len(text) > LONGEST:
        return None
    numbers = [int(number) for number in found[1].split(".")]
    while numbers[-1:] == [0]:
        numbers.pop()
    return tuple(numbers)
