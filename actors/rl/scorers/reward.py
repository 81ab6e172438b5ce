"""The actor that says how good an answer is: the judge.

Who holds an actor's handle imports its module, so this one imports torch only where it is used.
"""

from __future__ import annotations

import numpy as np

from actors.rl.rollouts import ROWS, Rollouts
from cluster.store import Location


class Reward:
    """Scores of whole conversations, read at their last token."""

    def __init__(self, judge: Location) -> None:
        import torch
        from transformers import LlamaForSequenceClassification

        from actors.models.load import load_model

        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with judge.as_local() as directory:
            self.model = load_model(directory, LlamaForSequenceClassification).eval()
        self.model.to(self.device)

    def score(self, rollouts: Rollouts) -> np.ndarray:
        """float32 [B]: the judge's logit of each prompt with its answer.

        Found by length, not by looking for padding: a policy may sample the padding token itself.
        """
        import torch

        ids, ends = (torch.tensor(each, device=self.device) for each in (rollouts.ids, rollouts.lengths - 1))
        scores = []
        with torch.inference_mode():
            for rows, last in zip(ids.split(ROWS), ends.split(ROWS), strict=True):
                hidden = self.model.base_model(input_ids=rows, use_cache=False).last_hidden_state
                scores.append(self.model.score(hidden[torch.arange(len(rows)), last]).squeeze(1).float().cpu())
        return torch.cat(scores).numpy()
