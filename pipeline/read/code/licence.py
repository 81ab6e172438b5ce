"""Which licences a text is, as SPDX ids, and which of them permit training without conditions on the result.

A licence is known by phrases that only its text has, and that every copy of it keeps. Where a file holds more
than one, all are named and all must be permitted: we cannot tell which of them holds for which file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

# The licences that The Stack takes for permissive (Kocetkov et al. 2022, after the Blue Oak Council's list)
# and that do occur: no copyleft, at most a notice to keep.
PERMISSIVE = (
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "PSF-2.0", "Python-2.0",
    "Unicode-3.0", "Unlicense", "WTFPL", "Zlib",
)  # fmt: skip
NAME = re.compile(r"^(?:un)?licen[cs]es?\b|^(?:un)?licen[cs]e[-._]|^copying\b|^copying[-._]", re.IGNORECASE)
DECLARED = re.compile(rb"SPDX-License-Identifier:[ \t]*([^\r\n*]{1,120})")
HEAD = 4096
LICENCE_BYTES = 1 << 18

PERMIT = "permission to use copy modify and or distribute this software for any purpose with or without fee is hereby granted"
BSD = "redistributions of source code must retain the above copyright notice"
MIT = "permission is hereby granted free of charge to any person obtaining a copy of this software"
PHRASES = (
    ("Unlicense", "this is free and unencumbered software released into the public domain"),
    ("CC0-1.0", "cc0 1 0 universal"),
    ("BSL-1.0", "boost software license version 1 0"),
    ("Zlib", "altered source versions must be plainly marked as such"),
    ("PSF-2.0", "python software foundation license version 2"),
    ("WTFPL", "do what the fuck you want to"),
    ("Unicode-3.0", "unicode license v3"),
    ("MPL-2.0", "mozilla public license version 2 0"),
    ("EPL-2.0", "eclipse public license v 2 0"),
    ("EPL-1.0", "eclipse public license v 1 0"),
    ("CC-BY-SA-4.0", "creative commons attribution sharealike 4 0"),
    ("CC-BY-NC-4.0", "creative commons attribution noncommercial 4 0"),
    ("CC-BY-4.0", "creative commons attribution 4 0"),
    ("BUSL-1.1", "business source license 1 1"),
    ("SSPL-1.0", "server side public license"),
    ("Artistic-2.0", "the artistic license 2 0"),
)
GNU = (
    ("AGPL", "gnu affero general public license"),
    ("LGPL", "gnu lesser general public license"),
    ("LGPL", "gnu library general public license"),
    ("GPL", "gnu general public license"),
)
NAMING_GNU = {"MPL-2.0", "EPL-2.0", "EPL-1.0", "SSPL-1.0", "Artistic-2.0", "PSF-2.0"}  # their texts speak of GNU's


def is_licence_file(name: str) -> bool:
    """Whether a file of that name (LICENSE, COPYING.txt, LICENSE-MIT, ...) holds a tree's licence."""
    return NAME.search(name) is not None


def licences_in(text: str) -> list[str]:
    """SPDX ids of the licences whose text, or whose name in full, is in `text`; sorted, empty where it is none we know."""
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    found = {name for name, phrase in PHRASES if phrase in words}
    if MIT in words:
        found.add("MIT" if "shall be included in all copies or substantial portions" in words else "MIT-0")
    if "apache license version 2 0" in words:
        found.add("Apache-2.0")
    if BSD in words:
        advertising, neither = (
            "all advertising materials" in words,
            "neither the name" in words or "may not be used to" in words,
        )
        found.add("BSD-4-Clause" if advertising else "BSD-3-Clause" if neither else "BSD-2-Clause")
    if PERMIT.replace(" and or ", " and ") in words.replace(" and or distribute ", " and distribute "):
        found.add("ISC" if "provided that the above copyright notice" in words else "0BSD")
    gnu = [(words.find(phrase), name) for name, phrase in GNU if phrase in words]
    if gnu and not found & NAMING_GNU:
        at, name = min(gnu)  # each begins with its own name, and names the others later
        version = re.search(r"(?:version|v) ?(\d)(?: (1)\b)?", words[at : at + 200])
        found.add(f"{name}-{version[1]}.{version[2] or 0}" if version else name)
    return sorted(found)


def declared_licence(body: bytes) -> str:
    """What a source file says of itself in its `SPDX-License-Identifier` line; empty where it has none."""
    found = DECLARED.search(body[:HEAD])
    return found[1].decode("ascii", "replace").rstrip(" \t-/>").strip() if found else ""


def is_permitted(expression: str, permitted: Collection[str]) -> bool:
    """Whether an SPDX expression allows it: one side of an OR does, every side of an AND must."""
    words = re.findall(r"\(|\)|[^\s()]+", expression)

    def either() -> bool:
        result = both()
        while words and words[0].upper() == "OR":
            words.pop(0)
            result = both() or result
        return result

    def both() -> bool:
        result = one()
        while words and words[0].upper() == "AND":
            words.pop(0)
            result = one() and result
        return result

    def one() -> bool:
        if not words:
            return False
        word = words.pop(0)
        if word == "(":
            result = either()
            if words and words[0] == ")":
                words.pop(0)
        else:
            result = word in permitted
        if words and words[0].upper() == "WITH":  # an exception only ever permits more
            del words[:2]
        return result

    return either() and not words


def nearest_licences(paths: Iterable[str], licence_files: Mapping[str, list[str]]) -> dict[str, str]:
    """For each file the licences of the nearest directory above it that has any, as an SPDX expression.

    licence_files: directory -> SPDX ids in its licence files (empty: a licence nobody knows, which is then the nearest).
    """
    return {path: nearest(path, licence_files) for path in paths}


def nearest(path: str, licence_files: Mapping[str, list[str]]) -> str:
    directory = path
    while "/" in directory:
        directory = directory.rpartition("/")[0]
        if directory in licence_files:
            return " AND ".join(licence_files[directory])
    return ""
