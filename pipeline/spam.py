"""Signs of pages that nobody wrote to be read: nearly all links, or a parked domain.

Keyword stuffing shows in the text's words: `spam_top_word` of pipeline.signals.
"""

from __future__ import annotations

import re

# Each reads on from one "<" to the next, so that a hostile page costs time in proportion to its length.
HIDDEN = re.compile(
    r"<!--[^-]*(?:-(?!->)[^-]*)*(?:-->)?|<(script|style|noscript|template|svg|head)\b[^<]*(?:<(?!/\1)[^<]*)*(?:</\1[^>]*>)?",
    re.IGNORECASE,
)
LINK = re.compile(r"<a\b[^<>]*>([^<]*(?:<(?!/?a\b)[^<]*)*)", re.IGNORECASE)
TAG = re.compile(r"<[^<>]*>")

PARKED_TEXT = 2000  # characters: a longer text is about parked domains, not one of them
PARKED = re.compile(
    "|".join(
        (
            r"(?:this |the )?(?:domain|website)(?: name)?(?: \S+)? (?:is|may be) (?:available )?for sale",
            r"buy this domain",
            r"make (?:us )?an offer (?:on|for) this domain",
            r"inquire about this domain",
            r"this (?:domain|web ?page|website) is parked",
            r"(?:is|was) parked (?:free|by the owner)",
            r"parked (?:free,? )?courtesy of",
            r"domain (?:name )?(?:has )?(?:recently )?expired",
            r"this domain has been (?:registered|suspended)",
            r"renew your domain",
            r"sponsored listings displayed above",
            r"this account has been suspended",
            r"apache2? (?:ubuntu |debian )?default page",
            r"welcome to nginx",
            r"index of /\s",
            r"site (?:is )?under construction",
        )
    ),
    re.IGNORECASE,
)


def link_density(html: str) -> float:
    """Characters inside links / characters of the page, blanks, scripts, styles and comments not counted. No text: 0.

    Kohlschuetter et al. 2010 take it for single blocks; here it is the whole page's. Memory: twice the page.
    """
    shown = HIDDEN.sub(" ", html)
    whole = characters(shown)
    return min(characters(" ".join(LINK.findall(shown))) / whole, 1.0) if whole else 0.0


def characters(html: str) -> int:
    return sum(map(len, TAG.sub(" ", html).split()))


def parked_phrases(text: str) -> int:
    """How many phrases of domain sellers and of servers without a site a short text holds; 0 for a longer one."""
    return len(PARKED.findall(text)) if len(text) < PARKED_TEXT else 0
