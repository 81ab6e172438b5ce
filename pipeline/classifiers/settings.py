"""The recipe's `classifiers` section: linear classifiers that are trained where they are used."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.fields import Files


class LinearSettings(BaseModel):
    """A logistic regression on hashed n-grams. Defaults as fastText's supervised mode where it has the same dial."""

    model_config = ConfigDict(extra="forbid")

    words: int = Field(2, ge=0, le=5, description="orders of word n-grams, 1 to this (DCLM's classifier: 2); 0: none")
    least_letters: int = Field(3, ge=1, le=8, description="order of the shortest character n-gram (fastText: 3)")
    most_letters: int = Field(0, ge=0, le=8, description="order of the longest character n-gram; 0: none")
    bits: int = Field(20, ge=8, le=26, description="log2 of the number of weights that n-grams share (fastText: 2 million)")
    characters: int = Field(10_000, ge=50, description="how much of the beginning of a text is read")
    passage: int = Field(
        0,
        ge=0,
        description="characters of whole sentences that are scored by themselves, the highest counts; 0: the whole text",
    )
    least_documents: int = Field(2, ge=1, description="training texts that an n-gram must be in")
    regularisation: float = Field(1.0, gt=0, description="strength of the L2 penalty (1 / C; scikit-learn's default 1)")
    steps: int = Field(60, ge=1, description="of L-BFGS, fewer where it has converged")

    @model_validator(mode="after")
    def something_to_look_at(self) -> LinearSettings:
        if not self.words and not self.most_letters:
            raise ValueError("words and most_letters are both 0: the classifier would see nothing")
        return self


class QualitySettings(BaseModel):
    """Named good texts against the crawl's own pages (Li et al. 2024, DCLM; Brown et al. 2020)."""

    model_config = ConfigDict(extra="forbid")

    positives: Files[list[str]] = Field(
        default_factory=list,
        description="JSONL, Parquet or text files of good texts: paths, globs or URIs; empty: no classifier",
    )
    field: str = Field("text", description="name of the field with the text, in JSONL and Parquet")
    negatives: int = Field(20_000, ge=1, description="pages of the crawl that stand for ordinary ones, drawn at random")
    negative_files: Files[list[str]] = Field(
        default_factory=list,
        description="files of ordinary texts, instead of the crawl's pages; where the crawl holds the positives too, better",
    )
    seed: int = Field(0, description="of the draw")
    model: LinearSettings = Field(default_factory=LinearSettings)


class LabelledFile(BaseModel):
    """A file of labelled texts, and which labels are the bad ones."""

    model_config = ConfigDict(extra="forbid")

    file: Files[str] = Field(description="JSONL, Parquet or CSV (also .gz): a path, glob or URI")
    text: str = Field("text", description="name of the field with the text")
    label: str = Field("label", description="name of the field with the label")
    bad: list[str | int] = Field(default_factory=list, description="labels that are bad")
    bad_from: float | None = Field(None, description="instead of `bad`: scores from which on a text is bad")

    @model_validator(mode="after")
    def one_way_to_tell(self) -> LabelledFile:
        if bool(self.bad) == (self.bad_from is not None):
            raise ValueError("give either bad (labels) or bad_from (a score)")
        return self


class ToxicitySettings(BaseModel):
    """Toxic, explicit and hateful texts, from labels that the recipe names."""

    model_config = ConfigDict(extra="forbid")

    labelled: list[LabelledFile] = Field(default_factory=list, description="labelled texts; empty: no classifier")
    ordinary: Files[list[str]] = Field(
        default_factory=list, description="files of texts known to be good, so that prose is not taken for abuse"
    )
    seed: int = Field(0, description="of the draw of ordinary passages")
    model: LinearSettings = Field(default_factory=lambda: LinearSettings(words=1, most_letters=5, passage=250))


class ClassifiersSettings(BaseModel):
    """Scores of pages by classifiers that this recipe trains."""

    model_config = ConfigDict(extra="forbid")

    quality: QualitySettings = Field(default_factory=QualitySettings)
    toxicity: ToxicitySettings = Field(default_factory=ToxicitySettings)


def external_files(settings: ClassifiersSettings) -> list[str]:
    """The files whose content enters the stage's key."""
    toxicity = [each.file for each in settings.toxicity.labelled] + settings.toxicity.ordinary
    return [*settings.quality.positives, *settings.quality.negative_files, *toxicity]
