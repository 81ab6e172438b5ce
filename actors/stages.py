"""The stages of this folder: tokens to models."""

from __future__ import annotations

from actors.settings import PretrainSettings
from cluster.stage import Context, Stage


def base(ctx: Context) -> None:
    from actors.pretrain import pretrain

    pretrain(ctx)


STAGES: tuple[Stage, ...] = (Stage("base", "pretrain", PretrainSettings, "1", base, needs=("tokenizer", "tokens")),)
