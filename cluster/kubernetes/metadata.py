"""What an API server asks of any object's metadata beyond its schema: a name, and keys and values that are written as such."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.names import is_dns_label, is_dns_label_letter_first, is_label_key, is_label_value, is_subdomain

NAMELESS = ("authentication.k8s.io", "authorization.k8s.io", "admission.k8s.io")  # questions, not things that stay
PATH_SEGMENTS = ("rbac.authorization.k8s.io", "certificates.k8s.io", "internal.apiserver.k8s.io")  # `system:node` is a name


def check_name(root: Field, group: str) -> Iterator[Fault]:
    """An object has a name, or the beginning of one, in the syntax of its kind."""
    metadata = root["metadata"]
    if group in NAMELESS or metadata["generateName"].text:
        return
    text = metadata["name"].text
    if not text:
        yield metadata["name"].fault("is missing")
    elif group in PATH_SEGMENTS:
        if text in (".", "..") or "/" in text or "%" in text:
            yield metadata["name"].fault(f"{text!r} is no name: neither . nor .., without / and %")
    elif root["kind"].text == "Namespace" and not is_dns_label(text):
        yield metadata["name"].fault(f"{text!r} is no name: lower-case letters, digits and dashes, at most 63")
    elif root["kind"].text == "Service" and not is_dns_label_letter_first(text):
        yield metadata["name"].fault(f"{text!r} is no name: lower-case letters, digits and dashes, a letter first, at most 63")
    elif not is_subdomain(text):
        yield metadata["name"].fault(f"{text!r} is no name: lower-case letters, digits, dashes and dots, at most 253")


def check_namespace(root: Field) -> Iterator[Fault]:
    """A namespace is named by a DNS label."""
    text = root["metadata"]["namespace"]
    if text.text and not is_dns_label(text.text):
        yield text.fault(f"{text.text!r} is no namespace: lower-case letters, digits and dashes, at most 63")


def check_labels(root: Field) -> Iterator[Fault]:
    """Labels have qualified keys and short values."""
    for key in root["metadata"]["labels"].keys:
        label = root["metadata"]["labels"][key]
        if not is_label_key(key):
            yield label.fault(f"{key!r} is no label key")
        if not is_label_value(label.text):
            yield label.fault(f"{label.text!r} is no label value: at most 63 of letters, digits, -_.")


def check_annotations(root: Field) -> Iterator[Fault]:
    """Annotations have qualified keys, in any case; values are free."""
    for key in root["metadata"]["annotations"].keys:
        if not is_label_key(key.lower()):
            yield root["metadata"]["annotations"][key].fault(f"{key!r} is no key of an annotation")


def check(root: Field, group: str) -> list[Fault]:
    return [*check_name(root, group), *check_namespace(root), *check_labels(root), *check_annotations(root)]
