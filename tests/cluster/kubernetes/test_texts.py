"""Durations, integers, versions, cron lines and names as Go, robfig/cron and apimachinery read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.kubernetes.cron import check_schedule, is_time_zone
from cluster.kubernetes.gates import gates
from cluster.kubernetes.go_values import duration, integer, version
from cluster.kubernetes.names import is_dns_label, is_dns_label_letter_first, is_label_key, is_label_value, is_subdomain

SECOND = 10**9


# Those of Go's own documentation and tests of time.ParseDuration, and what they say is refused.
@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("5s", 5 * SECOND),
        ("1478s", 1478 * SECOND),
        ("-5s", -5 * SECOND),
        ("+0", 0),
        (".5s", SECOND // 2),
        ("5.s", 5 * SECOND),
        ("1.004s", 1_004_000_000),
        ("10ns", 10),
        ("12µs", 12_000),
        ("12μs", 12_000),
        ("3h30m", 12_600 * SECOND),
        ("39h9m14.425s", 140_954_425_000_000),
        ("9223372036854775807ns", 2**63 - 1),
        ("-9223372036854775808ns", -(2**63)),
        ("9223372036854775808ns", None),
        ("3000000h", None),
        ("", None),
        ("3", None),
        ("-", None),
        ("s", None),
        (".s", None),
        ("+.s", None),
        ("1d", None),
        ("1 s", None),
        ("1s ", None),
        ("--1s", None),
        ("1h-5m", None),
        ("٣s", None),
        ("0" * 5000 + "s", None),
    ],
)
def test_a_duration_is_what_go_reads(text: str, nanoseconds: int | None) -> None:
    assert duration(text) == nanoseconds


@given(st.integers(0, 9999), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_a_duration_is_the_sum_of_its_parts(hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s{milliseconds}ms"
    assert duration(text) == ((hours * 60 + minutes) * 60 + seconds) * SECOND + milliseconds * 10**6


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12345", 12345),
        ("+7", 7),
        ("-0012", -12),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("", None),
        ("+", None),
        ("1_000", None),
        (" 1", None),
        ("1\n", None),
        ("0x1", None),
        ("1.0", None),
        ("٣", None),
        ("9" * 5000, None),
    ],
)
def test_an_integer_is_what_go_reads(text: str, number: int | None) -> None:
    assert integer(text) == number


def test_versions_compare_by_their_numbers() -> None:
    assert version("2.9.0") < version("2.52") == version("v2.52.0rc1") < version("2.100") < version("3.0")  # type: ignore[operator]
    assert [version(text) for text in ("", "2", "nightly", "latest-2.52.0", "2.", ".2", "v")] == [None] * 7


@pytest.mark.parametrize(
    "line",
    [
        "* * * * *",
        "*/5 0-23/2 1,15 JAN-mar Mon",
        "? ? ? ? ?",
        "59 23 31 12 6",
        "5/15 * * * *",
        "1,,2 * * * *",  # an empty part of a list is passed over
        "+5 * * * *",
        "\t0\n3 * * *",
        "@hourly",
        "@midnight",
        "@every 1h30m10s",
    ],
)
def test_a_schedule_that_robfig_reads(line: str) -> None:
    check_schedule(line)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("0 * * * * *", "6 fields"),
        ("60 * * * *", "minute: 60 is not within 0 to 59"),
        ("* 24 * * *", "hour: 24 is not within 0 to 23"),
        ("* * 0 * *", "day of the month: 0 is not within 1 to 31"),
        ("* * * 13 *", "month: 13 is not within 1 to 12"),
        ("* * * * 7", "day of the week: 7 is not within 0 to 6"),
        ("5-1 * * * *", "5-1 is not within"),
        ("*/0 * * * *", "a step of zero"),
        ("1/2/3 * * * *", "more than one step or range"),
        ("1-2-3 * * * *", "more than one step or range"),
        ("-1 * * * *", "'' is no minute"),
        ("* * L * *", "'L' is no day of the month"),
        ("* * * * mon#1", "'mon#1' is no day of the week"),
        ("* * mon * *", "'mon' is no day of the month"),
        ("@Daily", "is none of @yearly"),
        ("@every", "is none of @yearly"),
        ("@every 5", "is none of @yearly"),
        (" @daily", "1 fields"),
    ],
)
def test_a_schedule_that_robfig_refuses(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")) as refused:
        check_schedule(line)
    assert "\n" not in str(refused.value)


def test_a_time_zone_is_in_the_database() -> None:
    assert [is_time_zone(name) for name in ("UTC", "Local", "Asia/Tokyo", "Etc/GMT-14")] == [True] * 4
    assert not any(map(is_time_zone, ("", "utc+1", "../etc/passwd", "/etc/localtime", "Asia", "Asia/Tokyo\0", "posix/UTC/..")))


def test_names_are_in_the_syntax_of_their_kind() -> None:
    for takes, right, wrong in (
        (is_dns_label, ("7a", "a-b", "a" * 63), ("", "a" * 64, "a\n", "A", "a-", "a.b")),
        (is_dns_label_letter_first, ("a7", "a"), ("7a", "", "a.b")),
        (is_subdomain, ("a.b-c.1", ".".join(["a" * 63] * 3)), ("a..b", "a." * 127, "A", ".a", "a" * 254)),
        (is_label_key, ("a.b/C_d.e", "C"), ("", "/a", "a/", "a/b/c", "-a", "a ", "A/b", "a" * 64)),
        (is_label_value, ("", "A_1"), ("-", "a.", "a/b", "a" * 64)),
    ):
        assert [text for text in right if not takes(text)] == []
        assert [text for text in wrong if takes(text)] == []


def test_gates_are_the_defaults_and_what_is_asked_for() -> None:
    assert gates([])["RayCronJob"] is False
    assert gates(["RayCronJob=false", "RayCronJob=true"]) == {**gates([]), "RayCronJob": True}
