"""Metrics to Weights & Biases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cluster.track.settings import TrackingSettings


class WandbRun:
    """One W&B run for one `pageloom run`, started when the first metric arrives."""

    def __init__(self, settings: TrackingSettings, name: str, directory: Path) -> None:
        self.settings, self.name, self.directory = settings, name, directory
        self.run: Any = None

    def __call__(self) -> Any:
        if self.run is None and self.settings.wandb != "disabled":
            import wandb

            self.directory.mkdir(parents=True, exist_ok=True)
            self.run = wandb.init(
                project=self.settings.project,
                name=self.name,
                dir=str(self.directory),
                mode=self.settings.wandb,
                settings=wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True, save_code=False),
            )
        return self.run

    def finish(self) -> None:
        if self.run is not None:
            self.run.finish()
            self.run = None
