"""Signs of pages that nobody wrote to be read: nearly all links, or a parked domain.

Keyword stuffing shows in the text's words: `spam_top_word` of pipeline.measure.signals.
"""

from __future__ import annotations

import re

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


def parked_phrases(text: str) -> int:
    """How many phrases of domain sellers and of servers without a site a short text holds; 0 for a longer one."""
    return len(PARKED.findall(text)) if len(text) < PARKED_TEXT else 0
