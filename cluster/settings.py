"""The recipe's `cluster` section: where the work runs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ClusterSettings(BaseModel):
    """Where the work runs. Nothing here changes an artefact's bytes, so nothing here enters a key."""

    model_config = ConfigDict(extra="forbid")

    address: str | None = Field(None, description="Ray cluster to join; None: RAY_ADDRESS if set, else embedded Ray")
    shared_paths: bool = Field(
        False, description="every node of the cluster mounts the same disk, so a path may be the root and name input files"
    )
    driver_cpus: float = Field(
        0, ge=0, description="CPUs booked for the driver of a submitted run, on any node that has them; 0: none, on the head"
    )
    driver_labels: dict[str, str] = Field({}, description="labels that the node of a submitted run's driver must carry")
    cpus: int = Field(8, ge=4, description="logical CPUs of the embedded Ray: actors book fractions, so more than the cores")
    object_store_mb: int = Field(512, ge=80, description="object store of the embedded Ray, MiB")
    data_workers: int = Field(2, ge=1, description="Ray Data actors that work on pages at the same time")
    train_workers: int = Field(2, ge=1, description="ranks of a training job (FSDP2 shards over them)")
    max_failures: int = Field(3, ge=0, description="times that a training job restarts after losing a rank")
    checkpoint_seconds: float = Field(60, gt=0, description="seconds of training between checkpoints: what a lost rank costs")
    gpus_per_worker: float = Field(0, ge=0, description="GPUs of each training rank and rollout engine; 0: CPU and gloo")
    dashboard: bool = Field(True, description="start Ray's dashboard on loopback with the embedded Ray")
    dashboard_port: int = Field(8265, ge=1, le=65535, description="its port; the next free one where it is taken")
