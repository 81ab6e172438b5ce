"""The stages from assistant to aligned on tiny random models, run for real in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from rich.console import Console

from actors.data.conversations import CONVERSATIONS
from actors.rl.settings import RlhfSettings
from actors.stages import STAGES as ACTORS
from cluster.errors import RequestError, WorkError
from cluster.lock import lock_root
from cluster.plan import make_plan
from cluster.recipe import Recipe
from cluster.run import Run, run_plan
from cluster.session import open_session
from cluster.settings import ClusterSettings
from cluster.stage import Context, Stage
from cluster.store import Location, Store, parquet_bytes
from cluster.track.console import RunConsole
from cluster.track.settings import TrackingSettings

PROMPTS = [f"What does function number {n} return?" for n in range(40)]


class Tiny(BaseModel):
    """tokenizer: a Hugging Face directory with a chat template."""

    tokenizer: str
    seed: int = 0


def assistant(ctx: Context) -> None:
    write_tiny_model(ctx.settings, ctx.output, "LlamaForCausalLM")
    write_conversations(ctx.output / CONVERSATIONS)


def judge(ctx: Context) -> None:
    write_tiny_model(ctx.settings.model_copy(update={"seed": 1}), ctx.output, "LlamaForSequenceClassification")


def write_conversations(place: Location) -> None:
    import pyarrow as pa

    table = {
        "prompt": PROMPTS,
        "response": ["The sum."] * len(PROMPTS),
        "split": ["train" if n < 32 else "heldout" for n in range(len(PROMPTS))],
        "source": ["synthetic"] * len(PROMPTS),
    }
    place.write_bytes(parquet_bytes(pa.table(table)))


def write_tiny_model(settings: Tiny, destination: Location, architecture: str) -> None:
    """A random Llama of 0.1M parameters with larger weights than usual, so that it prefers some tokens to others."""
    import torch
    import transformers

    from actors.models.export import export_model
    from actors.models.load import load_tokenizer

    config = transformers.LlamaConfig(
        architectures=[architecture],
        vocab_size=len(load_tokenizer(Path(settings.tokenizer))),
        num_hidden_layers=2,
        hidden_size=64,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        intermediate_size=128,
        max_position_embeddings=128,
        tie_word_embeddings=architecture == "LlamaForCausalLM",
        initializer_range=0.1,
        num_labels=1,
        dtype="float32",
    )
    torch.manual_seed(settings.seed)
    model: Any = getattr(transformers, architecture)(config)
    export_model(model.state_dict(), config, Location.of(settings.tokenizer), destination)


STAGES = (
    Stage("assistant", "sft", Tiny, "1", f"{__name__}:assistant"),
    Stage("judge", "reward", Tiny, "1", f"{__name__}:judge", needs=("assistant",)),
    next(stage for stage in ACTORS if stage.name == "aligned"),
)


class Line(Recipe):
    sft: Tiny
    reward: Tiny
    rlhf: RlhfSettings


def main(root: str, tokenizer: str, sections: dict[str, Any]) -> None:
    tiny = Tiny(tokenizer=tokenizer)
    recipe = Line(
        name="line",
        root=root,
        cluster=ClusterSettings(dashboard=False, **sections.get("cluster", {})),
        tracking=TrackingSettings(wandb="disabled"),
        sft=tiny,
        reward=tiny,
        rlhf=RlhfSettings(**sections["rlhf"]),
    )
    store = Store(root)
    session = open_session(recipe.cluster, store.root)
    try:
        session.check()
        run = Run(recipe, store, session, RunConsole(Console()), Path(root, "logs"))
        with lock_root(store.root) as held:
            run_plan(make_plan(recipe, STAGES, store), run, held)
    except (RequestError, WorkError) as error:
        sys.exit(str(error))
    finally:
        session.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], yaml.safe_load(sys.argv[3]))
