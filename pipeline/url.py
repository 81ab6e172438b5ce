"""URLs and hosts in the one form under which everything here knows them. No string whatever makes these functions raise."""

from __future__ import annotations

import re
from urllib.parse import unquote, urljoin

from yarl import URL

# Nearly every URL, at a tenth of the cost of parsing it. What stands before an `@` is no part of the host.
PLAIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#\\]*@)?([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?=[/?#]|\Z)", re.ASCII | re.IGNORECASE)
PORT = re.compile(r":\d+\Z")
REMAINDER = re.compile(r"[^/?#]*://[^/?#]*([^#]*)")


def canonical_url(link: str, base: str = "") -> str | None:
    """An absolute http(s) URL without fragment, or None for anything else.

    Scheme and host in lower case, default port dropped, percent-encoding normalised (RFC 3986, section 6.2.2); the host
    as in `host_of`.
    """
    url = parsed(link, base)
    if url is None or url.scheme not in ("http", "https") or not url.raw_host:
        return None
    url = url.with_path(url.raw_path, encoded=True, keep_query=True)  # yarl shows an empty path as /, but prints none
    return str(url.with_port(None) if url.explicit_port == {"http": 80, "https": 443}[url.scheme] else url)


def parsed(link: str, base: str = "") -> URL | None:
    """An absolute URL with its host in the one spelling, or None for what nobody can parse."""
    try:
        url = URL(urljoin(base, link.strip()).partition("#")[0])
        spelled = url.raw_host or ""  # `host` would decode punycode, and not every label that looks like it is
        if not spelled:
            return url
        host = (spelled if ":" in spelled else unquote(spelled, errors="strict")).rstrip(".")
        if not host or ("%" in host and ":" not in host):
            return None
        url = url.with_host(host)  # which refuses what the parser lets through, such as a colon of another alphabet
        return url if url.host_port_subcomponent else None
    except (ValueError, TypeError, IndexError):  # yarl raises the last for `http://[::1][@`
        return None


def host_of(url: str) -> str:
    """`host` or `host:port`: what politeness is kept with and a host's rules are found by. Empty where there is none.

    In lower case, other alphabets in punycode, IPv6 in brackets; no default port, user name or dot at the end.
    """
    if plain := PLAIN.match(url):
        return plain[1].lower()
    found = parsed(url)
    return (found.host_port_subcomponent or "") if found and found.raw_host else ""


def host_name(url: str) -> str:
    """The host alone, as in `host_of`."""
    return without_port(host_of(url))


def without_port(host: str) -> str:
    return PORT.sub("", host)


def path_of(url: str) -> str:
    """Path and query as they are spelled; of an empty path `/`."""
    found = REMAINDER.match(url)
    path = found[1] if found else ""
    return path if path.startswith("/") else f"/{path}"


def without_scheme(url: str) -> str:
    """What a list names a page by: a canonical URL without scheme and user name."""
    authority, slash, path = url.partition("://")[2].partition("/")
    return f"{authority.rpartition('@')[2]}{slash}{path}"
