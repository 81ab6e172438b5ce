"""URLs in the one form under which the crawler and the trace know a page."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from yarl import URL


def canonical_url(link: str, base: str = "") -> str | None:
    """An absolute http(s) URL without fragment, or None for anything else.

    Scheme and host in lower case, default port dropped, percent-encoding normalised (RFC 3986, section 6.2.2).
    """
    try:
        url = URL(urljoin(base, link.strip()).partition("#")[0])
    except (ValueError, TypeError):
        return None
    if url.scheme not in ("http", "https") or not url.host:
        return None
    url = url.with_path(url.raw_path, encoded=True, keep_query=True)  # yarl shows an empty path as /, but prints none
    return str(url.with_port(None) if url.explicit_port == {"http": 80, "https": 443}[url.scheme] else url)


def host_of(url: str) -> str:
    """`host` or `host:port` of a canonical URL: what politeness is kept with."""
    return urlsplit(url).netloc.rpartition("@")[2]
