"""The actor that says how good an answer is: the judge."""

from __future__ import annotations

import numpy as np
import torch
from transformers import LlamaForSequenceClassification

from actors.model import load_model
from actors.rlhf.rollouts import Rollouts
from cluster.store import Location

ROWS = 16  # sequences a forward pass


class Reward:
    """Scores of whole conversations, read at their last token."""

    def __init__(self, judge: Location) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with judge.as_local() as directory:
            self.model = load_model(directory, LlamaForSequenceClassification).eval()
        self.model.to(self.device)

    @torch.inference_mode()
    def score(self, rollouts: Rollouts) -> np.ndarray:
        """float32 [B]: the judge's logit of each prompt with its answer.

        Found by length, not by looking for padding: a policy may sample the padding token itself.
        """
        scores = []
        for ids, lengths in zip(
            torch.tensor(rollouts.ids).split(ROWS), torch.tensor(rollouts.lengths).split(ROWS), strict=True
        ):
            hidden = self.model.base_model(input_ids=ids.to(self.device), use_cache=False).last_hidden_state
            last = hidden[torch.arange(len(ids)), lengths - 1]
            scores.append(self.model.score(last).squeeze(1).float().cpu())
        return torch.cat(scores).numpy()
