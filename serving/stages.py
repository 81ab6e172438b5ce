"""The stage of this folder: a release. Serving it is no stage, for it makes no artefact."""

from __future__ import annotations

from cluster.stage import Stage
from serving.release import ReleaseSettings

STAGES: tuple[Stage, ...] = (
    Stage(
        name="release",
        section="release",
        settings=ReleaseSettings,
        version="1",
        run="serving.release:publish",
        # every ancestor, so that the release can name each by key and digest.
        needs=(
            "crawl",
            "pages",
            "dedup",
            "corpus",
            "tokenizer",
            "tokens",
            "base",
            "assistant",
            "judge",
            "aligned",
            "evaluation",
        ),
        deterministic=False,  # it carries its date
    ),
)
