"""Sharding a model over ranks with FSDP2. The model knows nothing of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from transformers import PreTrainedModel


def data_mesh(device: torch.device) -> DeviceMesh:
    """One dimension over all ranks of the process group."""
    return init_device_mesh(device.type, (torch.distributed.get_world_size(),))


def shard(model: PreTrainedModel, mesh: DeviceMesh, precision: Literal["fp32", "bf16"] = "fp32") -> PreTrainedModel:
    """Shard parameters, gradients and optimiser state: a unit a decoder layer, the rest with the root.

    Gradients are averaged over the ranks. bf16 computes in bfloat16 and reduces in fp32.
    Memory a rank: 16 bytes x parameters / ranks, and one layer and the embeddings whole.
    """
    half = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    policy = half if precision == "bf16" else MixedPrecisionPolicy()
    for layer in cast(Iterable[torch.nn.Module], model.base_model.layers):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    return model


def full_state_dict(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Whole weights on the CPU of rank 0, nothing on the others. Every rank must call it."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return cast(dict[str, torch.Tensor], get_model_state_dict(model, options=options))
