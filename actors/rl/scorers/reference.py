"""The actor that holds the model the policy must stay near to: the assistant, never trained.

Who holds an actor's handle imports its module, so this one imports torch only where it is used.
"""

from __future__ import annotations

import numpy as np

from actors.rl.rollouts import ROWS, Rollouts
from cluster.store import Location


class Reference:
    """Log-probabilities by a frozen model, at the temperature that the policy samples with."""

    def __init__(self, model: Location, temperature: float) -> None:
        import torch

        from actors.models.load import load_model

        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.temperature = temperature
        with model.as_local() as directory:
            self.model = load_model(directory).eval()
        self.model.to(self.device)

    def logprobs(self, rollouts: Rollouts) -> np.ndarray:
        """float32 [B, T]: log p(x_t | x_<t) of the answers' tokens, 0 elsewhere."""
        import torch

        from actors.rl.logprobs import token_logprobs

        parts = []
        with torch.inference_mode():
            for rows in torch.tensor(rollouts.ids, device=self.device).split(ROWS):
                logits = self.model(input_ids=rows, use_cache=False).logits
                parts.append(token_logprobs(logits, rows, self.temperature).cpu())
        return np.where(rollouts.mask, torch.cat(parts).numpy(), 0).astype(np.float32)
