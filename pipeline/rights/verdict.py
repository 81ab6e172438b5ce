"""Who asked not to be used: opt-outs in a page's headers and HTML, its licence, and the verdict over all signals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from pipeline.rights.creative_commons import licence_of, licence_type
from pipeline.rights.evidence import Evidence
from pipeline.rights.markup import as_ascii, meta_tags, without_comments
from pipeline.rights.settings import RightsSettings

if TYPE_CHECKING:
    from pipeline.rights.block_list import BlockList
    from pipeline.rights.host_rules import HostRules

Headers = Iterable[tuple[str, str]]

# Directives with a colon of their own: what stands before it is no crawler's name (Google's robots meta specification).
VALUED = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
FOR_EVERYBODY = {"", "robots", "*"}
NOT_FOR_A_NAMED_CRAWLER = {"noindex", "none"}
AGENT = re.compile(r"[a-z][\w.-]*(?: [a-z][\w.-]*)?|\*")
DIRECTIVE = re.compile(r"""[^\s,;"'\x7f-\U0010ffff]+""")  # between spaces too, which many take for the separator


class Verdict(NamedTuple):
    """reason: empty, or why the page may not be used. evidence: every opt-out found. licence: such as cc-by-nc-4.0."""

    reason: str
    evidence: tuple[str, ...]
    licence: str


class Rights:
    """Judges pages. `before` needs only the URL, `of_page` also what the server answered.

    Cost: 0.2 ms for a page of 150 kB, the search for `<meta` most of it (tests/benchmarks/rights.py); extraction takes
    7-80 ms.
    """

    def __init__(self, settings: RightsSettings, hosts: HostRules | None = None, blocked: BlockList | None = None) -> None:
        self.settings, self.hosts, self.blocked = settings, hosts, blocked
        self.directives = {directive.lower() for directive in settings.directives}
        self.agents = {agent.lower() for agent in settings.ai_agents}
        self.own_agent = settings.own_agent.lower()
        self.meta_names = {name.encode() for name in ("robots", "tdm-reservation", self.own_agent, *self.agents)}
        self.refused_licences = {licence.lower() for licence in settings.refuse_licences}

    def of_page(self, url: str, headers: Headers = (), body: bytes | str = b"") -> Verdict:
        """The verdict on one response; headers in any order and case, body as sent but without content encoding."""
        html = body.encode("utf-8", "replace") if isinstance(body, str) else as_ascii(body)
        said_by_headers, header_reserves = self.in_headers(headers)
        said_by_page, page_reserves = self.in_html(html)
        evidence = [*self.blocks(url), *said_by_headers, *said_by_page]
        hosts_reserve: bool | None = None
        if self.hosts is not None:
            evidence += self.hosts.opt_outs(url)
            hosts_reserve, where = self.hosts.reservation(url)
            if hosts_reserve:
                evidence.append(Evidence("tdm", where))
        # TDMRep: what the page says is nearer than its header, and the header nearer than the host's file.
        reserves = next((said for said in (page_reserves, header_reserves, hosts_reserve) if said is not None), False)
        licence = licence_of(html)
        deciding = {each.signal for each in evidence if each.signal != "tdm" or reserves}
        reason = next((f"rights_{signal}" for signal in self.settings.refuse if signal in deciding), "")
        if not reason and licence and not self.refused_licences.isdisjoint((licence, licence_type(licence))):
            reason = "rights_licence"
            evidence.append(Evidence("licence", f"licence: {licence}"))
        return Verdict(reason, tuple(each.text for each in evidence), licence)

    def blocks(self, url: str) -> list[Evidence]:
        entry = self.blocked.entry_for(url) if self.blocked is not None else ""
        return [Evidence("block_list", f"block list: {entry}")] if entry else []

    def in_headers(self, headers: Headers) -> tuple[list[Evidence], bool | None]:
        """Opt-outs of `X-Robots-Tag` and `TDM-Reservation`; and whether the latter reserves (None: not there)."""
        found, reserves = list[Evidence](), None
        for name, value in headers:
            lowered = name.lower()
            if lowered == "x-robots-tag":
                found += (
                    Evidence("header", f"X-Robots-Tag: {agent + ': ' if agent else ''}{directive}")
                    for agent, directive in robots_tag(value)
                    if self.opts_out(agent, directive)
                )
            elif lowered == "tdm-reservation" and value.strip() in ("0", "1"):
                reserves = value.strip() == "1"
                found += [Evidence("tdm", "TDM-Reservation: 1")] if reserves else []
        return found, reserves

    def in_html(self, html: bytes) -> tuple[list[Evidence], bool | None]:
        """Opt-outs of `<meta>` robots, crawlers' names and tdm-reservation; and whether the latter reserves."""
        html = html[: self.settings.scan_kb * 1000].lower()
        found, reserves = self.in_metas(html)
        if (found or reserves is not None) and b"<!--" in html:
            return self.in_metas(without_comments(html))
        return found, reserves

    def in_metas(self, html: bytes) -> tuple[list[Evidence], bool | None]:
        """The same of HTML in lower case, comments included."""
        found, reserves = dict[Evidence, None](), None
        for name, content in meta_tags(html, self.meta_names):
            if name == "tdm-reservation":
                if content.strip() in ("0", "1"):
                    reserves = content.strip() == "1"
                    found |= {Evidence("tdm", "meta tdm-reservation: 1"): None} if reserves else {}
                continue
            directives = DIRECTIVE.findall(content)
            found |= {Evidence("meta", f"meta {name}: {each}"): None for each in directives if self.opts_out(name, each)}
        return list(found), reserves

    def opts_out(self, agent: str, directive: str) -> bool:
        """Whether a directive for this agent (both in lower case, "": everybody) keeps a page from us."""
        if agent in FOR_EVERYBODY or agent == self.own_agent:
            return directive in self.directives
        return agent in self.agents and (directive in self.directives or directive in NOT_FOR_A_NAMED_CRAWLER)


def robots_tag(value: str) -> Iterator[tuple[str, str]]:
    """(agent, directive) of an `X-Robots-Tag` value, in lower case. An agent's name counts for all that follows it."""
    agent = ""
    for part in value.lower().split(","):
        before, colon, behind = (each.strip() for each in part.partition(":"))
        if colon and before not in VALUED and AGENT.fullmatch(before):
            agent, before = before, behind.partition(":")[0].strip()
        for directive in DIRECTIVE.findall(before):
            yield agent, directive
