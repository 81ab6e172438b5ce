"""What a host's robots.txt, /.well-known/tdmrep.json and /ai.txt say of a URL."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
from protego import Protego

from pipeline.rights.evidence import Evidence
from pipeline.rights.settings import RightsSettings
from pipeline.url import host_of, path_of

USER_AGENT = re.compile(r"^[ \t]*user-?agent[ \t]*:[ \t]*([^\r\n#]+)", re.I | re.M)


class HostRules:
    """Answers for a URL from its host's rules; parses each host once (the last 4,096 are kept parsed).

    rules: table of `pipeline.rights.host_files.SCHEMA`. Memory: the texts and about ten times those of the parsed hosts.
    """

    def __init__(self, rules: pa.Table, settings: RightsSettings) -> None:
        self.rules, self.settings = rules, settings
        self.agents = {agent.lower(): agent for agent in settings.ai_agents}
        self.own = settings.own_agent.lower()
        self.rows: dict[str, list[int]] = {}
        for row, host in enumerate(rules["host"].to_pylist()):
            self.rows.setdefault(host, []).append(row)
        self.parsed = lru_cache(maxsize=4096)(self.parse)

    def __reduce__(self) -> tuple[type[HostRules], tuple[pa.Table, RightsSettings]]:
        return HostRules, (self.rules, self.settings)

    def parse(self, host: str) -> dict[str, Any]:
        """{robots or ai_txt: AgentRules, tdmrep: [TdmRule]}."""
        found: dict[str, Any] = {}
        for row in self.rows[host]:
            kind, text = self.rules["kind"][row].as_py(), self.rules["text"][row].as_py()
            found[kind] = tdm_rules(text) if kind == "tdmrep" else AgentRules(text, self.agents, self.own)
        return found

    def of(self, url: str) -> dict[str, Any]:
        host = host_of(url)
        return self.parsed(host) if host in self.rows else {}

    def opt_outs(self, url: str) -> list[Evidence]:
        """What robots.txt and ai.txt of the URL's host say against its use."""
        rules, path, found = self.of(url), path_of(url), []
        if (robots := rules.get("robots")) and (agent := robots.forbids(path)):
            found.append(Evidence("robots", f"robots.txt: {agent}"))
        if ai_txt := rules.get("ai_txt"):
            # The lists of ai.txt are of file types; a page whose address names none is HTML.
            plain = path.partition("?")[0]
            typed = () if "." in plain.rpartition("/")[2] else (f"{plain.removesuffix('/')}/index.html",)
            if agent := next(filter(None, map(ai_txt.forbids, (path, *typed))), ""):
                found.append(Evidence("ai_txt", f"ai.txt: {agent}"))
        return found

    def reservation(self, url: str) -> tuple[bool | None, str]:
        """Whether tdmrep.json reserves the URL (None: it says nothing), and the evidence."""
        rules: list[TdmRule] = self.of(url).get("tdmrep", [])
        if not rules:
            return None, ""
        path = path_of(url)
        # The longest location counts, as RFC 9309 has it for robots.txt; of two as long the one that reserves.
        best = max(
            (rule for rule in rules if rule.matches(path)), key=lambda rule: (len(rule.location), rule.reserves), default=None
        )
        return (best.reserves, f"tdmrep.json: {best.location[:100]}") if best else (None, "")


class AgentRules:
    """A file in the form of robots.txt, asked for the agents it names and, for our own, what it says to everybody."""

    def __init__(self, text: str, agents: dict[str, str], own: str) -> None:
        # Only a group that names a crawler speaks of it. Protego alone would let `User-agent: Google` speak of
        # Google-Extended; so it is asked with the names as the file spells them.
        self.asked: dict[str, str] = {}  # what Protego is asked with -> what the evidence says
        everybody = False
        text = "\n".join(text.splitlines())  # a CR alone ends a line as well (RFC 9309, section 2.2)
        for found in USER_AGENT.finditer(text):
            spelled = found[1].strip().lower()
            name = spelled.partition("/")[0].rstrip("* ")
            everybody |= spelled == "*"
            if name in agents or (own and name == own):
                self.asked[spelled] = agents.get(name, name)
        if own and own not in self.asked and everybody:
            self.asked[own] = "*"
        self.rules = Protego.parse(text) if self.asked else None

    def forbids(self, path: str) -> str:
        """The first agent that may not fetch the path, or an empty string."""
        if self.rules is None:
            return ""
        # Rules speak of paths alone; before a host of ours no path is taken for a host, or for something to be refused.
        url = f"http://host{path}".encode("utf-8", "replace").decode()
        return next((name for agent, name in self.asked.items() if not self.rules.can_fetch(url, agent)), "")


@dataclass(frozen=True)
class TdmRule:
    """A rule of a tdmrep.json. location: the beginning of a path, with `*` and `$` as in RFC 9309."""

    location: str
    reserves: bool

    def matches(self, path: str) -> bool:
        """Takes the first place for each part between wildcards: enough, and unlike a pattern of `re` it cannot hang."""
        anchored = self.location.endswith("$")
        first, *rest = self.location.removesuffix("$").split("*")
        if not path.startswith(first):
            return False
        position, last = len(first), rest.pop() if rest else None
        for part in rest:
            position = path.find(part, position) + len(part)
            if position < len(part):
                return False
        if last is None:
            return not anchored or position == len(path)
        if anchored:
            return len(path) - len(last) >= position and path.endswith(last)
        return path.find(last, position) >= 0


def tdm_rules(text: str) -> list[TdmRule]:
    """The rules of a tdmrep.json; what is none is left out. Source: W3C community group report TDMRep, 2024."""
    try:
        rules = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [
        TdmRule(rule["location"], str(rule.get("tdm-reservation")) == "1")
        for rule in (rules if isinstance(rules, list) else [rules])
        if isinstance(rule, dict) and isinstance(rule.get("location"), str) and str(rule.get("tdm-reservation")) in ("0", "1")
    ]
