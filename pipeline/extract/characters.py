"""What kinds of characters lines are made of: counted for all lines of a page at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LETTER, UNDERSCORE, BLANK, COMMA, STOP, DIGIT, CAPITAL, TAB, PIPE, COPYRIGHT, MONEY, COLON, QUESTION = (
    1 << place for place in range(13)
)
SIGNS = {
    "_": UNDERSCORE, " ": BLANK, ",": COMMA, ";": COMMA, ".": STOP, "!": STOP, "?": STOP | QUESTION, "\t": TAB, "|": PIPE,
    "©": COPYRIGHT, "$": MONEY, "€": MONEY, "£": MONEY, "¥": MONEY, ":": COLON,
}  # fmt: skip
PLANE = 1 << 16  # characters beyond the first plane are looked at one by one: a table of all would be a megabyte


def kind(character: str) -> int:
    """The kinds of one character, as bits. Digits are letters too, as in `\\w`; the underscore is apart."""
    return SIGNS.get(character, 0) | LETTER * character.isalnum() | DIGIT * character.isdigit() | CAPITAL * character.isupper()


KINDS = np.fromiter(map(kind, map(chr, range(PLANE))), dtype=np.uint16, count=PLANE)


def code_points(text: str) -> np.ndarray:
    """uint32 [characters]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def kinds_of(codes: np.ndarray) -> np.ndarray:
    """uint16 [characters]: the kinds of each code point."""
    kinds = KINDS[np.minimum(codes, PLANE - 1)]  # the plane's last one is no character
    beyond = np.flatnonzero(codes >= PLANE)
    if len(beyond):
        distinct, where = np.unique(codes[beyond], return_inverse=True)
        kinds[beyond] = np.array([kind(chr(code)) for code in distinct], dtype=np.uint16)[where]
    return kinds


class LineCharacters:
    """Characters of lines by kind. lines: one at least, none empty, none with a line feed. Memory: 16 bytes a character."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lengths = np.fromiter(map(len, lines), dtype=np.int64, count=len(lines))
        self.starts = np.cumsum(self.lengths + 1) - self.lengths - 1
        self.codes = code_points("\n".join(lines))
        self.kinds = kinds_of(self.codes)

    def count(self, wanted: int, beginning: int | None = None) -> np.ndarray:
        """int64 [lines]: how many characters of a kind each line has, in its `beginning` or altogether."""
        found = (self.kinds & wanted) > 0
        if beginning is not None and (self.lengths > beginning).any():
            place = np.arange(len(found)) - np.repeat(self.starts, np.diff(np.append(self.starts, len(found))))
            found &= place < beginning
        return np.add.reduceat(found, self.starts, dtype=np.int64)

    def holds(self) -> np.ndarray:
        """uint16 [lines]: the kinds that occur in each line."""
        return np.bitwise_or.reduceat(self.kinds, self.starts)

    def words(self) -> tuple[list[str], np.ndarray]:
        """All matches of `\\w+` in lower case, and how many there are in each line: int32 [lines]."""
        inside = (self.kinds & (LETTER | UNDERSCORE)) > 0
        words = text_of(np.where(inside, self.codes, ord(" "))).lower().split()
        inside[1:] &= ~inside[:-1]
        return words, np.add.reduceat(inside, self.starts, dtype=np.int32)

    def letters(self, skipped: Sequence[int]) -> list[str]:
        """Of each line only letters and digits, without its first `skipped` characters."""
        wanted = ((self.kinds & LETTER) > 0) | (self.codes == ord("\n"))
        for start, characters in zip(self.starts.tolist(), skipped, strict=True):
            if characters:
                wanted[start : start + characters] = False
        return text_of(self.codes[wanted]).split("\n")


def text_of(codes: np.ndarray) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
