"""Texts as numbers: every word of a text once looked up, then only numpy.

What a word is decides every share that is measured "per word", and the thresholds of FineWeb are used with the tokens
of spaCy's rules for English: punctuation apart, "don't" as two, "e.g.", "3.5" and addresses whole. `split_chunk`
follows these rules as far as measurements show them; what lies between two blanks is split once and then remembered.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, filterfalse

import numpy as np

STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))  # Gopher
# Signs that make no word by themselves: Unicode's terminal punctuation and the signs that datatrove takes for symbols.
TERMINAL = frozenset(
    ".!?։؝؞؟۔܀܁܂߹࠷࠹࠽࠾।॥၊။።፧፨᙮᜵᜶។៕៖៙៚᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᭽᭾᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼⹓⹔。꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫﹒﹖﹗！．？｡"
    "\U00010a56\U00010a57\U00010f55\U00010f56\U00010f57\U00010f58\U00010f59\U00010f86\U00010f87\U00010f88\U00010f89"
    "\U00011047\U00011048\U000110be\U000110bf\U000110c0\U000110c1\U00011141\U00011142\U00011143\U000111c5\U000111c6"
    "\U000111cd\U000111de\U000111df\U00011238\U00011239\U0001123b\U0001123c\U000112a9\U0001144b\U0001144c\U000115c2"
    "\U000115c3\U000115c9\U000115ca\U000115cb\U000115cc\U000115cd\U000115ce\U000115cf\U000115d0\U000115d1\U000115d2"
    "\U000115d3\U000115d4\U000115d5\U000115d6\U000115d7\U00011641\U00011642\U0001173c\U0001173d\U0001173e\U00011944"
    "\U00011946\U00011a42\U00011a43\U00011a9b\U00011a9c\U00011c41\U00011c42\U00011ef7\U00011ef8\U00011f43\U00011f44"
    "\U00016a6e\U00016a6f\U00016af5\U00016b37\U00016b38\U00016b44\U00016e98\U0001bc9f\U0001da88"
)
SYMBOLS = (
    TERMINAL
    | frozenset("—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*（–：$～«〉,><》)）…@_\"}►»/")
    | set(map(chr, chain(range(9), range(11, 32), range(127, 160))))
)

QUOTES = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉"
MARKS = "…,:;!?¿؟¡()\\[\\]{}<>_#*&。？！，、；：～·।،۔؛٪"
ICONS = (  # what Unicode calls other symbols, as far as pages use them
    "¦©®°™\u2195-\u219f\u21d5-\u21f3\u2300-\u23ff\u2500-\u25b6\u25b8-\u25c0\u25c2-\u25f7\u2600-\u266e\u2670-\u2767"
    "\u2794-\u27bf\u2b00-\u2b2f\U0001f000-\U0001faff"
)
MONEY = "$£€¥฿₽₩₴₺₹"
PREFIX = re.compile(rf"\.\.+|[§%=—–]|\+(?![0-9])|[{MARKS}{QUOTES}{MONEY}{ICONS}]")
UNITS = (
    "km|km²|km³|m|m²|m³|dm|cm|mm|µm|nm|ha|in|ft|yd|mi|kg|g|mg|µg|t|lb|oz|m/s|km/h|mph|hPa|Pa|mbar"
    "|mb|MB|kb|KB|gb|GB|tb|TB|T|G|M|K|%"
)
SUFFIX = re.compile(
    rf"(?:\.\.+|[—–]|['’][sS]|[{MARKS}{QUOTES}{ICONS}]|(?<=[0-9])\+|(?<=°[FfCcKk])\.|(?<=[0-9])[{MONEY}]|(?<=[0-9])(?:{UNITS})"
    rf"|(?<=[^\W0-9A-Z_%²+\-{QUOTES}])\.|(?<=[0-9%²+\-{MARKS}{QUOTES}])\.|(?<=[A-Z][A-Z])\.)$"
)
INFIX = re.compile(
    rf"(\.\.+|…|[{ICONS}]|(?<=[0-9])[+\-*^](?=[0-9\-])|(?<=[a-z{QUOTES}])\.(?=[A-Z{QUOTES}])|(?<=[^\W\d_]),(?=[^\W\d_])"
    r"|(?<=[^\W_])(?:-{1,3}|–|—|——|~)(?=[^\W\d_])|(?<=[^\W_])[:<>=/](?=[^\W\d_]))"
)
ADDRESS = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://\S+|[\w.+-]+@[\w-]+\.[\w.-]+|(?:[A-Za-z0-9][\w-]*\.)+[a-z]{2,}(?:[:/?#]\S*)?|\d+(?:[.,]\d+)+)$"
)
CONTRACTION = re.compile(r"(?<=\w)(?:n['’]t|['’](?:ll|re|ve|d|m|LL|RE|VE|D|M))$")
LONGEST_SUFFIX, LONGEST_WHOLE = 8, 8  # characters
# Abbreviations whose point stays with them.
ABBREVIATIONS = (
    "a.m. p.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. "
    "Mont. Mt. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. Jan. Feb. Mar. Apr. Jun. Jul. Aug. Sep. Sept. Oct. "
    "Nov. Dec. Ala. Ariz. Ark. Calif. Colo. Conn. Del. Fla. Ga. Ia. Id. Ill. Ind. Kan. Kans. Ky. La. Mass. Mich. Minn. "
    "Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Okla. Ore. Pa. S.C. Tenn. Va. Wash. Wis. "
    "a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. :) :( :-) ;) :D :P ;-) <3 -_- :/ and/or"
)
WHOLE = frozenset(ABBREVIATIONS.split())
PLAIN_ENDS = frozenset(",;:!?")
AVERAGE = 64  # characters of a chunk: beyond that in the mean, what is remembered is not words
TWO = {"cannot": ("can", "not"), "Cannot": ("Can", "not"), "gonna": ("gon", "na"), "gotta": ("got", "ta")}


def split_chunk(chunk: str) -> Sequence[str]:
    """The words of what stands between two blanks; joined they are the chunk again. Time: linear in its length."""
    if chunk.isalpha():
        return TWO.get(chunk) or (chunk,)
    last, rest = chunk[-1], chunk[:-1]
    if rest.isalpha() and (last in PLAIN_ENDS or (last == "." and rest[-1].islower() and chunk not in WHOLE)):
        return *(TWO.get(rest) or (rest,)), last  # what the rules below come to, for most of what is more than letters
    head: list[str] = []
    tail: list[str] = []
    begin, end = 0, len(chunk)
    while begin < end:
        if end - begin <= LONGEST_WHOLE and chunk[begin:end] in WHOLE:
            break
        near = max(begin, end - LONGEST_SUFFIX)  # looking at the whole chunk for each sign would be quadratic
        if found := PREFIX.match(chunk, begin, end):
            head.append(found.group())
            begin = found.end()
        elif found := CONTRACTION.search(chunk, max(begin + 1, end - LONGEST_SUFFIX), end):
            tail.append(found.group())
            end = found.start()
        elif chunk.endswith("..", begin, end):
            kept = end - 2
            while kept > begin and chunk[kept - 1] == ".":
                kept -= 1
            tail.append(chunk[kept:end])
            end = kept
        elif found := SUFFIX.search(chunk, near, end):
            tail.append(found.group())
            end = found.start()
        elif ADDRESS.match(chunk, begin, end):
            break
        else:
            middle = chunk[begin:end]
            head += TWO.get(middle) or [part for part in INFIX.split(middle) if part]
            begin = end
    return [*head, *([chunk[begin:end]] if begin < end else []), *reversed(tail)]


class Chunks(dict[str, int]):
    """What stands between two blanks -> its number, and what is known of its words. Memory: some 300 bytes a chunk."""

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        self.lengths, self.alphabetic, self.symbol, self.mark, self.end, self.stop = (array("q") for _ in range(6))
        self.first, self.count, self.members, self.longest = (array("q") for _ in range(4))
        self.characters = 0

    def learn(self, chunks: Sequence[str]) -> None:
        """Split chunks, distinct and not known yet, and note their words."""
        split = list(map(split_chunk, chunks))
        self.note(list(dict.fromkeys(word for words in split for word in words if word not in self.words)))
        lengths, counts = list(map(len, chunks)), list(map(len, split))
        self.update(zip(chunks, range(len(self), len(self) + len(chunks)), strict=True))
        self.first.extend(accumulate(counts[:-1], initial=len(self.members)))
        self.count.extend(counts)
        self.longest.extend(lengths)
        self.characters += sum(lengths)
        self.members.extend(map(self.words.__getitem__, chain.from_iterable(split)))

    def note(self, words: Sequence[str]) -> None:
        """What is to be known of words, distinct and new."""
        plain = list(map(str.isalpha, words))  # nearly all are: nothing more to ask
        self.words.update(zip(words, range(len(self.words), len(self.words) + len(words)), strict=True))
        self.lengths.extend(map(len, words))
        self.alphabetic.extend(all_ or any(map(str.isalpha, word)) for all_, word in zip(plain, words, strict=True))
        self.symbol.extend(not all_ and SYMBOLS.issuperset(word) for all_, word in zip(plain, words, strict=True))
        self.mark.extend(not all_ and is_mark(word) for all_, word in zip(plain, words, strict=True))
        self.end.extend(map(TERMINAL.__contains__, words))
        self.stop.extend(map(STOP_WORDS.__contains__, words))


def is_mark(word: str) -> bool:
    return all(unicodedata.category(sign)[0] == "P" for sign in word)


@dataclass(frozen=True)
class Words:
    """The words of a text in order. numbers: int64 [n], equal for equal words; the others describe each: [n].

    line: which line a word stands in; lengths: characters; alphabetic: holds a letter; symbol: made of signs only;
    mark: made of Unicode punctuation only; end: may end a sentence; stop: one of Gopher's eight.
    chunks: blank-separated words of each line [lines]; longest: the longest of these in characters [lines].
    """

    numbers: np.ndarray
    line: np.ndarray
    lengths: np.ndarray
    alphabetic: np.ndarray
    symbol: np.ndarray
    mark: np.ndarray
    end: np.ndarray
    stop: np.ndarray
    chunks: np.ndarray
    longest: np.ndarray


class Vocabulary:
    """Turns lines into numbers. What it has seen only makes it faster; no value depends on it.

    Memory: about 300 bytes for each distinct chunk it remembers; it starts anew beyond `limit` of them, or when they are
    long.
    """

    def __init__(self, limit: int = 300_000) -> None:
        self.limit, self.known = limit, Chunks()

    def __call__(self, lines: Sequence[str]) -> Words:
        """lines: none of them blank. Memory: about 100 bytes a word."""
        if len(self.known) > self.limit or self.known.characters > AVERAGE * self.limit:
            self.known = Chunks()
        known = self.known
        split = list(map(str.split, lines))
        chunks = np.fromiter(map(len, split), dtype=np.int64, count=len(split))
        every = list(chain.from_iterable(split))
        if new := sorted(filterfalse(known.__contains__, set(every))):  # `set - keys` would go through all that is known
            known.learn(new)
        seen = np.fromiter(map(known.__getitem__, every), dtype=np.int64, count=len(every))
        first, count = view(known.first)[seen], view(known.count)[seen]
        ends = np.cumsum(count)
        total = int(ends[-1]) if len(ends) else 0
        numbers = view(known.members)[np.repeat(first - ends + count, count) + np.arange(total)]
        in_line = np.repeat(np.arange(len(split)), chunks)
        starts = np.cumsum(chunks) - chunks
        return Words(
            numbers=numbers,
            line=np.repeat(in_line, count),
            lengths=view(known.lengths)[numbers],
            **{name: view(getattr(known, name))[numbers] > 0 for name in ("alphabetic", "symbol", "mark", "end", "stop")},
            chunks=chunks,
            longest=np.maximum.reduceat(view(known.longest)[seen], starts) if len(starts) else starts,
        )


def view(values: array[int]) -> np.ndarray:
    """An array's memory as int64. Only for the moment: the array cannot grow while somebody holds this."""
    return np.frombuffer(values, dtype=np.int64) if len(values) else np.zeros(0, dtype=np.int64)
