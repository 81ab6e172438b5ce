from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load

from actors.rl.engines.rollout import WEIGHTS, weights_at
from actors.rl.engines.sync import verify, write_weights
from cluster.errors import WorkError
from cluster.store import Location, digest_bytes


def test_only_the_newest_version_and_the_one_before_it_stay_published(tmp_path):
    place = Location.of(tmp_path)
    for version in (0, 1, 2, 3):
        digest = write_weights(place, version, {"w": torch.full((2, 3), float(version))})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000002", "00000003"]
    data = (weights_at(place, 3) / WEIGHTS).read_bytes()
    assert digest_bytes(data) == digest
    torch.testing.assert_close(load(data)["w"], torch.full((2, 3), 3.0))


def test_going_back_to_a_checkpoint_drops_the_versions_that_were_ahead(tmp_path):
    place = Location.of(tmp_path)
    for version in (8, 9, 5):
        write_weights(place, version, {"w": torch.zeros(1)})
    assert [path.name for path in tmp_path.iterdir()] == ["00000005"]


def test_verification_measures_nats_a_token_over_all_probes():
    expected = [np.array([-1.0, -2.0]), np.array([-3.0])]
    served = [np.array([-1.1, -2.0]), np.array([-2.8])]
    assert verify(4, expected, served, tolerance=0.2) == pytest.approx(0.1)
    with pytest.raises(WorkError, match=r"weights 4: engine and trainer differ by 0\.1 nats"):
        verify(4, expected, served, tolerance=0.05)


def test_probabilities_that_are_no_numbers_never_pass():
    with pytest.raises(WorkError, match="weights 1"):
        verify(1, [np.array([-1.0])], [np.array([np.nan])], tolerance=100.0)
