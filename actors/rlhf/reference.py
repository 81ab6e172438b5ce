"""The actor that holds the model the policy must stay near to: the assistant, never trained."""

from __future__ import annotations

import numpy as np
import torch

from actors.model import load_model
from actors.rlhf.logprobs import token_logprobs
from actors.rlhf.rollouts import Rollouts
from cluster.store import Location

ROWS = 16  # sequences a forward pass: bounds the logits, rows x tokens x vocabulary x 4 bytes


class Reference:
    """Log-probabilities by a frozen model."""

    def __init__(self, model: Location, temperature: float) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.temperature = temperature
        with model.as_local() as directory:
            self.model = load_model(directory).eval()
        self.model.to(self.device)

    @torch.inference_mode()
    def logprobs(self, rollouts: Rollouts) -> np.ndarray:
        """float32 [B, T]: log p(x_t | x_<t) of the answers' tokens, 0 elsewhere."""
        parts = []
        for rows in torch.tensor(rollouts.ids).split(ROWS):
            ids = rows.to(self.device)
            parts.append(token_logprobs(self.model(input_ids=ids, use_cache=False).logits, ids, self.temperature).cpu())
        return np.where(rollouts.mask, torch.cat(parts).numpy(), 0).astype(np.float32)
