from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.extract import route
from pipeline.extract.lines import page_lines
from pipeline.extract.training import Network, labels


def networks_of(network: Network) -> list[dict[str, np.ndarray]]:
    return [route.scaled({name: array.astype(np.float32) for name, array in network.arrays().items()})]


@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_forward_pass_is_torchs(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    import torch

    torch.manual_seed(1)
    network = Network(torch.rand(7), torch.rand(7) + 0.5).eval()
    features = torch.randn(count, 7)
    with torch.no_grad():
        expected = torch.sigmoid(network(features[None], torch.ones(1, count)))[0].numpy()
    monkeypatch.setattr(route, "networks", lambda: networks_of(network))
    assert route.probabilities(features.numpy()) == pytest.approx(expected, abs=2e-3)  # weights have half precision


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_lines_without_words_follow_the_lines_around_them(lines: list[tuple[bool, bool]]) -> None:
    kept = np.array([keep for keep, _ in lines], dtype=bool)
    words = np.array([int(worded) for _, worded in lines], dtype=np.int32)
    found = route.between(kept, words)
    for number, (keep, worded) in enumerate(lines):
        before = next((one for one in reversed(lines[:number]) if one[1]), None)
        after = next((one for one in lines[number + 1 :] if one[1]), None)
        around = [one[0] for one in (before, after) if one is not None]
        assert found[number] == (keep if worded else bool(around) and all(around))


def test_a_table_is_kept_or_left_as_a_whole() -> None:
    rows = "".join(f"<tr><td>Boat {number}</td><td>{number} metres, log in to share</td></tr>" for number in range(30))
    paragraph = "<p>The boats in this harbour were measured, one after the other, when the ice had gone in spring.</p>"
    lines = page_lines(f"<html><body>{paragraph * 3}<table>{rows}</table>{paragraph * 3}</body></html>", ())
    choice = route.choose(lines)
    table = np.array(["\t" in line for line in lines.text])
    assert table.sum() == 30
    assert len(set(choice.kept[table].tolist())) == 1
    assert 0 < choice.expected <= 1


def test_labels_are_the_share_of_words_in_the_golds_ngrams() -> None:
    text = ["The tide came in", "Log in now please friends", "The tide came in twice today already", "Menu", "came", ""]
    share, words = labels(text, "The tide came in. And the boats left, twice today, and menu.")
    assert words == 12
    # Line 1 and the first four words of line 3 claim the same n-gram of the gold, which has it once.
    assert share == pytest.approx([0.5, 0, 4 * 0.5 / 7, 1, 1, 0], abs=1e-6)


def test_the_weights_are_read_without_pickle_and_fit_the_features() -> None:
    width = page_lines("<p>One line of text.</p>", ()).features.shape[1] + 2
    assert len(route.networks()) >= 1
    assert all(network["in"].shape[0] == width for network in route.networks())
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for n in route.networks() for array in n.values())
