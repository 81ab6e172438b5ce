"""Training checkpoints: torch.distributed.checkpoint, kept and found again by Ray Train.

Every rank writes its shards, Ray merges them into one directory under the run's storage. Loading
reshards, so a run may continue on another number of ranks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray.train
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

from cluster import temporary

PROGRESS = "progress.json"


def save(model: torch.nn.Module, optimiser: torch.optim.Optimizer, progress: Mapping[str, Any]) -> None:
    """Save weights, optimiser state and `progress` (JSON values; `step` names the checkpoint). Every rank must call it."""
    with temporary.directory("checkpoint") as directory:
        weights, moments = get_state_dict(model, optimiser)
        dcp.save({"model": weights, "optimiser": moments}, checkpoint_id=directory)
        if ray.train.get_context().get_world_rank() == 0:
            Path(directory, PROGRESS).write_text(json.dumps(progress))
        ray.train.report(
            {"step": progress["step"]},
            checkpoint=ray.train.Checkpoint.from_directory(directory),
            checkpoint_dir_name=f"step-{progress['step']:08d}",
        )


def restore(model: torch.nn.Module, optimiser: torch.optim.Optimizer) -> Mapping[str, Any] | None:
    """Load the newest checkpoint into model and optimiser; returns its progress, None where there is none."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return None
    with checkpoint.as_directory() as directory:
        weights, moments = get_state_dict(model, optimiser)
        state: dict[str, Any] = {"model": weights, "optimiser": moments}
        dcp.load(state, checkpoint_id=directory)
        set_state_dict(model, optimiser, model_state_dict=state["model"], optim_state_dict=state["optimiser"])
        return json.loads(Path(directory, PROGRESS).read_text())
