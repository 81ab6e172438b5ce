"""The verdict on one text, until the pages stage decides on columns (pipeline.decide)."""

from pipeline.decide import Verdict, judge

__all__ = ["Verdict", "judge"]
