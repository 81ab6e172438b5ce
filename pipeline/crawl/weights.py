"""How much each source weighs in training: decimal numbers that people write, as exact ratios."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

# A mixture repeats after as many sequences as its whole-numbered weights add up to. Five digits are more than anyone
# can tell from the data, and keep the cycle below a megabyte and half a second.
LONGEST_CYCLE = 100_000


def whole_weights(weights: Mapping[str, float]) -> dict[str, int]:
    """The smallest whole numbers in the ratio of the weights as they are written: {a: 0.5, b: 2} gives {a: 1, b: 4}.

    A weight of 0 stays 0: its source is left out. Raises ValueError where none is above 0, and where the numbers add
    up to more than LONGEST_CYCLE, as those of 0.3333333 and 0.6666667 do.
    """
    if not any(weight > 0 for weight in weights.values()):
        raise ValueError("weights: none is above 0, so there is nothing to train on; give one at least")
    exact = {name: Fraction(str(weight)) for name, weight in weights.items()}
    scale = math.lcm(*(each.denominator for each in exact.values()))
    whole = {name: int(each * scale) for name, each in exact.items()}
    divisor = math.gcd(*whole.values())
    whole = {name: number // divisor for name, number in whole.items()}
    if sum(whole.values()) > LONGEST_CYCLE:
        raise ValueError(
            f"weights: {', '.join(f'{weight:g}' for weight in weights.values())} hold together only over "
            f"{sum(whole.values()):,} sequences (at most {LONGEST_CYCLE:,}); give ratios of smaller numbers, such as 1 and 2"
        )
    return whole
