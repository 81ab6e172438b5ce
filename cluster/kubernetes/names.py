"""What Kubernetes takes as names, label keys and label values (apimachinery's `validation`)."""

from __future__ import annotations

import re

LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
LETTER_FIRST = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
QUALIFIED = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")

LONGEST_LABEL, LONGEST_SUBDOMAIN = 63, 253


def is_dns_label(text: str) -> bool:
    """RFC 1123: lower case, digits, dashes within; at most 63."""
    return len(text) <= LONGEST_LABEL and LABEL.fullmatch(text) is not None


def is_dns_label_letter_first(text: str) -> bool:
    """RFC 1035: the same with a letter first."""
    return len(text) <= LONGEST_LABEL and LETTER_FIRST.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """RFC 1123 labels parted by dots; at most 253."""
    return len(text) <= LONGEST_SUBDOMAIN and SUBDOMAIN.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """`name` or `sub.domain/name`."""
    prefix, slash, name = text.rpartition("/")
    return (not slash or is_subdomain(prefix)) and len(name) <= LONGEST_LABEL and QUALIFIED.fullmatch(name) is not None


def is_label_value(text: str) -> bool:
    return not text or (len(text) <= LONGEST_LABEL and QUALIFIED.fullmatch(text) is not None)
