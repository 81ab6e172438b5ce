from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawl.weights import whole_weights
from pipeline.tokens.mixture import MixtureOrder, cycle
from pipeline.tokens.order import SequenceOrder

seeds, batches = st.integers(0, 2**31), st.integers(1, 12)
weight = st.one_of(st.integers(1, 30).map(float), st.integers(1, 400).map(lambda hundredths: hundredths / 100))


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[tuple[str, int]], dict[str, float]]:
    """Runs of up to five sources in any order, and a weight for each source; some weights are 0, never all."""
    names = "abcde"[: draw(st.integers(1, 5))]
    runs = draw(st.lists(st.tuples(st.sampled_from(names), st.integers(0, 9)), max_size=6))
    runs += [(name, draw(st.integers(1, 9))) for name in names]
    weights = {name: draw(st.one_of(st.just(0.0), weight)) for name in names}
    weights[draw(st.sampled_from(names))] = draw(weight)
    return runs, weights


def sources_of(runs: list[tuple[str, int]]) -> np.ndarray:
    """The source of every sequence."""
    return np.array([name for name, number in runs for _ in range(number)])


def exact_shares(weights: dict[str, float]) -> dict[str, Fraction]:
    total = sum(Fraction(str(each)) for each in weights.values())
    return {name: Fraction(str(each)) / total for name, each in weights.items()}


@pytest.mark.slow
@given(mixture=mixtures(), seed=seeds, batch=batches)
def test_after_every_step_each_source_has_its_exact_share_within_one_sequence(mixture, seed, batch) -> None:
    runs, weights = mixture
    order, owner, shares = MixtureOrder(runs, weights, seed), sources_of(runs), exact_shares(weights)
    seen = dict.fromkeys(weights, 0)
    for step in range(20):
        drawn = owner[order.sequence_ids(step, batch)]
        for name in weights:
            seen[name] += int((drawn == name).sum())
            assert abs(seen[name] - shares[name] * batch * (step + 1)) < 1
            assert order.drawn(name, batch * (step + 1)) == seen[name]


@pytest.mark.slow
@given(weights=st.lists(weight, min_size=2, max_size=8))
def test_a_cycle_strays_from_the_shares_no_further_than_tijdemans_bound_and_ends_even(weights) -> None:
    named = dict(zip("abcdefgh", weights, strict=False))
    turns, names = cycle(named)
    shares, whole = exact_shares(named), whole_weights(named)
    bound, counts = 1 - Fraction(1, 2 * len(weights) - 2), dict.fromkeys(names, 0)
    for place, turn in enumerate(turns.tolist(), start=1):
        counts[names[turn]] += 1
        if place < 500:
            assert all(abs(counts[name] - shares[name] * place) <= bound for name in names)
    assert counts == whole


def test_known_cycles() -> None:
    turns, names = cycle({"a": 3.0, "b": 1.0})
    assert "".join(names[turn] for turn in turns) == "aaba"
    assert len(cycle({"a": 0.5, "b": 0.25, "c": 0.25})[0]) == 4
    assert cycle({"a": 7.0, "b": 0.0})[0].tolist() == [0]


@pytest.mark.slow
@given(mixture=mixtures(), seed=seeds, batch=batches)
def test_every_epoch_of_a_source_sees_each_of_its_sequences_once(mixture, seed, batch) -> None:
    runs, weights = mixture
    order, owner = MixtureOrder(runs, weights, seed), sources_of(runs)
    seen = np.concatenate([order.sequence_ids(step, batch) for step in range(60)])
    for name in weights:
        own = np.flatnonzero(owner == name)
        walked = seen[owner[seen] == name]
        assert len(walked) == 0 or weights[name] > 0
        for start in range(0, len(walked) - len(own) + 1, len(own)):
            assert sorted(walked[start : start + len(own)]) == own.tolist()


@pytest.mark.slow
@given(mixture=mixtures(), seed=seeds, batch=batches, steps=st.integers(0, 50))
def test_steps_of_a_sequence_are_those_that_ask_for_it(mixture, seed, batch, steps) -> None:
    runs, weights = mixture
    order = MixtureOrder(runs, weights, seed)
    asked = [order.sequence_ids(step, batch) for step in range(steps)]
    for sequence in range(len(sources_of(runs))):
        expected = [step for step, ids in enumerate(asked) for each in ids if each == sequence]
        assert order.steps_of(sequence, steps, batch) == expected


@pytest.mark.slow
@given(mixture=mixtures(), seed=seeds, batch=batches, steps=st.integers(1, 30))
def test_the_sequences_do_not_depend_on_how_they_are_cut_into_steps(mixture, seed, batch, steps) -> None:
    runs, weights = mixture
    order = MixtureOrder(runs, weights, seed)
    whole = order.sequence_ids(0, batch * steps)
    # Asked last step first, by another object: what a resumed training and one after another batch size see.
    parts = [MixtureOrder(runs, weights, seed).sequence_ids(step, batch) for step in reversed(range(steps))]
    assert np.concatenate(parts[::-1]).tolist() == whole.tolist()


@pytest.mark.slow
@given(count=st.integers(1, 50), seed=seeds, batch=batches, weight=weight)
def test_one_source_is_ordered_as_without_weights_whatever_its_weight(count, seed, batch, weight) -> None:
    mixture, plain = MixtureOrder([("web", count)], {"web": weight}, seed), SequenceOrder(count, seed)
    for step in range(20):
        assert mixture.sequence_ids(step, batch).tolist() == plain.sequence_ids(step, batch).tolist()


def test_two_sources_of_one_size_have_different_orders() -> None:
    ids = MixtureOrder([("a", 1000), ("b", 1000)], {"a": 1.0, "b": 1.0}, 5).sequence_ids(0, 2000)
    assert ids[ids < 1000].tolist() != (ids[ids >= 1000] - 1000).tolist()


def test_leaving_a_source_out_does_not_change_the_order_of_the_others() -> None:
    runs = [("a", 40), ("b", 30), ("c", 20)]
    all_three, two = (MixtureOrder(runs, {"a": weight, "b": 1.0, "c": 1.0}, 9).sequence_ids(0, 60) for weight in (1.0, 0.0))
    assert [each for each in two if each >= 70][:20] == [each for each in all_three if each >= 70][:20]


@given(weights=st.lists(weight, min_size=1, max_size=6))
def test_whole_weights_have_the_ratios_of_the_written_ones_and_no_common_divisor(weights) -> None:
    named = dict(zip("abcdef", weights, strict=False))
    whole = whole_weights(named)
    assert exact_shares({name: float(number) for name, number in whole.items()}) == exact_shares(named)
    assert np.gcd.reduce(list(whole.values())) == 1


def test_weights_that_cannot_be_kept_are_refused_with_the_remedy() -> None:
    assert whole_weights({"a": 0.5, "b": 2, "c": 0}) == {"a": 1, "b": 4, "c": 0}
    with pytest.raises(ValueError, match="none is above 0"):
        whole_weights({"a": 0, "b": 0})
    with pytest.raises(
        ValueError, match=r"0\.333333, 0\.666667 hold together only over 1,000,000 sequences .* such as 1 and 2"
    ):
        whole_weights({"a": 0.333333, "b": 0.666667})
    with pytest.raises(ValueError, match="source b has a weight and no sequence"):
        MixtureOrder([("a", 3), ("b", 0)], {"a": 1.0, "b": 1.0}, 0)
