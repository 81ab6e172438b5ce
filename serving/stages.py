"""The stage of this folder: a release. Serving it is no stage, for it makes no artefact."""

from __future__ import annotations

from cluster.stage import Stage
from serving.release import ReleaseSettings

STAGES: tuple[Stage, ...] = (
    Stage(
        name="release",
        section="release",
        settings=ReleaseSettings,
        version="2",
        run="serving.release:publish",
        needs=("aligned", "evaluation"),  # and so all that they come from, each by its key
        deterministic=False,  # it carries its date
    ),
)
