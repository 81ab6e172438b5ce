"""What can be measured of a text itself: Gopher's, C4's and FineWeb's signals, one number each.

Nothing is decided here (pipeline.pages.thresholds does that, from the numbers and a recipe's thresholds). Every definition is
datatrove 0.10.1's, because its thresholds are the field's, but for these, tested in test_datatrove_parity.py:

- Words are split as spaCy's English rules do, which differs for one chunk in three thousand (pipeline.measure.words).
- Lines are those with something in them, and line breaks are counted between such lines. datatrove counts blank lines
  too, and its own extractor writes none; ours keeps the blank line between paragraphs.
- Bullets are more signs than "-" and "•".
- Nothing is measured as 0, where datatrove drops an empty text before it measures.
- C4's rules for lines only count here: no text is changed (pipeline.measure.line_rules does that where a recipe asks for it).

Sources: Gopher: Rae et al. 2021, tables A1 and A2; C4: Raffel et al. 2020 and its published code; FineWeb: Penedo et
al. 2024.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from pipeline.measure.words import TERMINAL, Vocabulary, Words

BULLETS = ("-", "*", "•", "‣", "●", "○", "■", "□", "▪", "▫", "–")
ELLIPSES = ("...", "…")
SHORT_LINE = 30  # characters (FineWeb)
POLICY = re.compile("terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies")  # C4
CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")  # C4
LONGEST_CHUNK, FEWEST_CHUNKS = 1000, 3  # of a line that C4 keeps: characters of a word, words
REPETITION_WORDS = 150_000  # a text beyond Gopher's 100,000 words is judged by its beginning
PARAGRAPHS = re.compile(r"\n{2,}")
TOP, DUPLICATE = (2, 3, 4), (5, 6, 7, 8, 9, 10)

SIGNALS = (
    "gopher_word_count",  # words with more than signs in them
    "gopher_mean_word_length",  # characters of such a word on average
    "gopher_hashes",  # '#' for each word
    "gopher_ellipses",  # '...' and '…' for each word
    "gopher_bullet_lines",  # share of lines that begin with a bullet
    "gopher_ellipsis_lines",  # share of lines that end with an ellipsis
    "gopher_alphabetic_words",  # share of words and signs with a letter in them
    "gopher_stop_words",  # how many of Gopher's eight stop words occur, in lower case
    "gopher_duplicate_lines",  # share of lines that stand above already
    "gopher_duplicate_line_characters",  # their characters / characters of the text
    "gopher_duplicate_paragraphs",  # the same for what blank lines separate
    "gopher_duplicate_paragraph_characters",
    *(f"gopher_top_{n}_gram" for n in TOP),  # characters in the most frequent n-gram / characters of the text
    *(f"gopher_duplicate_{n}_grams" for n in DUPLICATE),  # characters in repeated n-grams / characters of the text
    "c4_sentences",  # in the lines that C4 keeps
    "c4_curly_brackets",  # how many '{'
    "c4_lorem_ipsum",  # how often
    "c4_javascript_lines",  # share of lines with the word
    "c4_policy_lines",  # share of lines about cookies and terms of use
    "fineweb_punctuated_lines",  # share of lines that end in terminal punctuation
    "fineweb_short_lines",  # share of lines of 30 characters or less
    "fineweb_duplicate_line_characters",  # characters in repeated lines / characters without line breaks
    "fineweb_newlines_per_word",
    "spam_top_word",  # share of the words of three letters and more, stop words left out, that are the same word
)


def signals(text: str, vocabulary: Vocabulary) -> dict[str, float]:
    """Every signal of a text, by the names and in the order of SIGNALS.

    vocabulary: one for a process, which makes the next text faster. Memory: about 200 bytes a word.
    """
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    if not lines:
        return dict.fromkeys(SIGNALS, 0.0)
    words = vocabulary(lines)
    return (
        of_words(text, words)
        | of_lines(text, lines, len(words.numbers))
        | of_ngrams(words.numbers[:REPETITION_WORDS], words.lengths[:REPETITION_WORDS], len(text))
        | of_c4(text, lines, words, vocabulary)
    )


def of_words(text: str, words: Words) -> dict[str, float]:
    number = len(words.numbers)
    lengths = words.lengths[~words.symbol]
    plain = words.numbers[~(words.stop | words.symbol) & (words.lengths > 2)]
    return {
        "gopher_word_count": float(len(lengths)),
        "gopher_mean_word_length": float(lengths.mean()) if len(lengths) else 0.0,
        "gopher_hashes": text.count("#") / number,
        "gopher_ellipses": (text.count("...") + text.count("…")) / number,
        "gopher_alphabetic_words": np.count_nonzero(words.alphabetic) / number,
        "gopher_stop_words": float(len(set(words.numbers[words.stop].tolist()))),
        "spam_top_word": most_frequent(plain) / len(plain) if len(plain) else 0.0,
    }


def most_frequent(numbers: np.ndarray) -> int:
    ordered = np.sort(numbers)
    edges = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    return int(np.diff(edges).max())


def of_lines(text: str, lines: Sequence[str], words: int) -> dict[str, float]:
    number = len(lines)
    characters = sum(map(len, lines))
    distinct = set(lines)
    repeated = characters - sum(map(len, distinct))
    paragraphs = PARAGRAPHS.split(text.strip())
    once = set(paragraphs)
    repeated_paragraphs = sum(map(len, paragraphs)) - sum(map(len, once)) if len(once) < len(paragraphs) else 0
    return {
        "gopher_bullet_lines": sum(line.lstrip().startswith(BULLETS) for line in lines) / number,
        "gopher_ellipsis_lines": sum(line.rstrip().endswith(ELLIPSES) for line in lines) / number,
        "gopher_duplicate_lines": (number - len(distinct)) / number,
        "gopher_duplicate_line_characters": repeated / len(text),
        "gopher_duplicate_paragraphs": (len(paragraphs) - len(once)) / len(paragraphs),
        "gopher_duplicate_paragraph_characters": repeated_paragraphs / len(text),
        "fineweb_punctuated_lines": sum(line[-1] in TERMINAL for line in lines) / number,
        "fineweb_short_lines": sum(len(line) <= SHORT_LINE for line in lines) / number,
        "fineweb_duplicate_line_characters": repeated / (len(text) - text.count("\n")),
        "fineweb_newlines_per_word": (number - 1) / words,
    }


def of_c4(text: str, lines: Sequence[str], words: Words, vocabulary: Vocabulary) -> dict[str, float]:
    lower = text.lower()
    kept = (words.chunks >= FEWEST_CHUNKS) & (words.longest <= LONGEST_CHUNK)
    script, policy = 0, 0
    if "javascript" in lower or POLICY.search(lower):
        for place in np.flatnonzero(kept).tolist():
            line = lines[place].lower()
            if "javascript" in line:
                script += 1
            elif POLICY.search(line):
                policy += 1
            else:
                continue
            kept[place] = False
    sentences = np.count_nonzero(kept)
    if sentences and CITATION.search(text):  # C4 takes marks such as [1] out, which may hide a sentence's end
        bare = [line for place in np.flatnonzero(kept).tolist() if (line := CITATION.sub("", lines[place])).strip()]
        sentences += len(sentence_starts(vocabulary(bare))) if bare else 0
    else:
        sentences += np.count_nonzero(kept[words.line[sentence_starts(words)]])
    return {
        "c4_sentences": float(sentences),
        "c4_curly_brackets": float(text.count("{")),
        "c4_lorem_ipsum": float(lower.count("lorem ipsum")),
        "c4_javascript_lines": script / len(lines),
        "c4_policy_lines": policy / len(lines),
    }


def sentence_starts(words: Words) -> np.ndarray:
    """Where a sentence begins inside a line: at the first real word after one that may end a sentence."""
    real = np.flatnonzero(~words.mark)
    ends = np.cumsum(words.end)[real]
    follows = np.diff(ends, prepend=0) > 0
    follows[1:] &= words.line[real[1:]] == words.line[real[:-1]]
    return real[follows]


def of_ngrams(numbers: np.ndarray, lengths: np.ndarray, characters: int) -> dict[str, float]:
    """Shares of the text's characters in the most frequent and in repeated word n-grams.

    An n-gram occurs twice only where the (n-1)-gram at its place does: each order looks at what the last one left,
    which is next to nothing in prose. Numbers stay exact, there is no hashing.
    """
    found = dict.fromkeys((*(f"gopher_top_{n}_gram" for n in TOP), *(f"gopher_duplicate_{n}_grams" for n in DUPLICATE)), 0.0)
    before = np.concatenate(([0], np.cumsum(lengths)))
    places, grams = np.arange(len(numbers)), numbers
    for order in range(2, DUPLICATE[-1] + 1):
        inside = places + order <= len(numbers)
        places, grams = places[inside], grams[inside]
        if len(places):
            places, grams, counts, first = repeated_grams(places, grams, numbers[places + order - 1])
        if order in TOP and len(numbers) >= order:
            # Where none occurs twice, the first n-gram is the most frequent one, as in datatrove.
            most = int(counts.max()) if len(places) else 1
            place = int(first[counts == most].min()) if len(places) else 0
            width = int(before[place + order] - before[place]) + order - 1  # with the blanks between the words
            found[f"gopher_top_{order}_gram"] = most * width / characters
        if order in DUPLICATE and len(places):
            found[f"gopher_duplicate_{order}_grams"] = duplicate_characters(places, grams, order, before) / characters
        if order > TOP[-1] and not len(places):
            break
    return found


def repeated_grams(places: np.ndarray, grams: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, ...]:
    """The n-grams that occur more than once: places, their numbers; and for each number how often and where first.

    places [m]: ascending; grams [m]: numbers of the (n-1)-grams there; last [m]: the words that make n of them.
    """
    keys = grams * (int(last.max()) + 1) + last
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    edges = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    counts = np.diff(edges)
    many = counts > 1
    chosen = order[np.repeat(many, counts)]
    numbers = np.repeat(np.arange(np.count_nonzero(many)), counts[many])
    back = np.argsort(chosen)
    return places[chosen[back]], numbers[back], counts[many], places[order[edges[:-1][many]]]


def duplicate_characters(places: np.ndarray, grams: np.ndarray, order: int, before: np.ndarray) -> int:
    """Characters, without blanks, of n-grams seen before, read from left to right without overlap.

    datatrove's reading: after a repetition it goes on behind it, and what lies inside was never seen by itself.
    places, grams: of the n-grams that occur more than once, ascending; all others change nothing.
    """
    seen: set[int] = set()
    total, free = 0, 0
    for place, gram in zip(places.tolist(), grams.tolist(), strict=True):
        if place < free:
            continue
        if gram in seen:
            total += int(before[place + order] - before[place])
            free = place + order
        else:
            seen.add(gram)
    return total
