"""The actor that measures: likelihood of held-out pages, answers to held-out prompts, their reward."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from actors.data.chat import stop_tokens
from actors.evaluation.generation import Answers, sample_answers
from actors.evaluation.likelihood import documents_nats
from actors.evaluation.ngrams import bigram_nats, stream, unigram_nats
from actors.evaluation.settings import EvaluationSettings
from actors.evaluation.text import read_texts
from actors.models.load import load_model, load_tokenizer
from actors.rl.prompts import encode_prompts, read_prompts
from actors.rl.rollouts import Rollouts
from actors.rl.scorers.reward import Reward
from cluster.store import Artefact, Location
from cluster.track.events import Track

BYTE_END = 256  # separates pages where symbols are bytes


@dataclass(frozen=True)
class Likelihood:
    """Summed negative log-likelihood in nats of text of so many UTF-8 bytes and so many of the model's symbols."""

    nats: float
    bytes: int
    symbols: int


@dataclass(frozen=True)
class Answered:
    """Answers to P prompts, S each, and what the judge gave: rewards float32 [P, S], ended bool [P, S], tokens int64 [P, S].

    prompts: [P] texts. texts: [P] the first answer to each.
    """

    prompts: list[str]
    texts: list[str]
    rewards: np.ndarray
    ended: np.ndarray
    tokens: np.ndarray


class Evaluator:
    """Each method measures one thing, independently of the others, so that several actors can share them out."""

    def __init__(self, corpus: Artefact, assistant: Location, settings: EvaluationSettings, track: Track) -> None:
        self.corpus, self.assistant, self.settings, self.track = corpus, assistant, settings, track

    def likelihood(self, place: Location) -> Likelihood:
        """Of the held-out pages by a model, each page behind an end-of-text token."""
        model, tokenizer = loaded(place)
        with self._working():
            return text_likelihood(model, tokenizer, read_texts(self.corpus, "heldout", self.settings.heldout_bytes))

    def baselines(self, place: Location) -> dict[str, Likelihood]:
        """Of the same pages by unigram and bigram models of the training pages, over bytes and over a model's tokens."""
        with place.as_local() as directory:
            tokenizer = load_tokenizer(directory)
        with self._working():
            train = read_texts(self.corpus, "train", self.settings.baseline_bytes)
            heldout = read_texts(self.corpus, "heldout", self.settings.heldout_bytes)
            byte_streams = [
                stream((np.frombuffer(text.encode(), np.uint8) for text in texts), BYTE_END) for texts in (train, heldout)
            ]
            end = tokenizer.eos_token_id
            token_streams = [stream(tokens_of(tokenizer, texts), end) for texts in (train, heldout)]
            found = {}
            for unit, streams, symbols, separator in (
                ("byte", byte_streams, BYTE_END + 1, BYTE_END),
                ("token", token_streams, len(tokenizer), end),
            ):
                scored = int(np.count_nonzero(streams[1] != separator))
                for order, nats_of in (("unigram", unigram_nats), ("bigram", bigram_nats)):
                    nats = nats_of(streams[0], streams[1], symbols, separator)
                    found[f"{unit} {order}"] = Likelihood(nats, size(heldout), scored)
        return found

    def answers(self, place: Location, judge: Location) -> Answered:
        """Of a chat model to held-out prompts, and the judge's scores of them."""
        model, tokenizer = loaded(place)
        reward = Reward(judge)
        with self._working():
            prompts, encoded = self._prompts(tokenizer)
            repeated = [ids for ids in encoded for _ in range(self.settings.samples)]
            stop = stop_tokens(tokenizer)
            answers = self._sample(model, repeated, stop)
            nothing: list[list[float]] = [[0.0] * len(ids) for ids in answers.ids]
            rollouts = Rollouts.pack(
                repeated, answers.ids, nothing, answers.ended.tolist(), version=0, seconds=0.0, pad=stop[0]
            )
            shape = (len(prompts), self.settings.samples)
            texts = tokenizer.batch_decode(answers.ids[:: self.settings.samples], skip_special_tokens=True)
            lengths = np.array([len(ids) for ids in answers.ids])
            return Answered(
                prompts, texts, reward.score(rollouts).reshape(shape), answers.ended.reshape(shape), lengths.reshape(shape)
            )

    def continuations(self, place: Location) -> list[str]:
        """Of the prompts that the report shows, as plain text, by a model that knows no chat."""
        model, tokenizer = loaded(place)
        with self._working():
            prompts = self._prompts(tokenizer)[0][: self.settings.shown]
            encoded = [[tokenizer.eos_token_id, *ids] for ids in tokens_of(tokenizer, prompts)]
            answers = self._sample(model, encoded, [tokenizer.eos_token_id])
            return tokenizer.batch_decode(answers.ids, skip_special_tokens=True)

    def _prompts(self, tokenizer: PreTrainedTokenizerBase) -> tuple[list[str], list[list[int]]]:
        """Held-out prompts, without those that are too long: as text, and as the assistant reads them."""
        texts = read_prompts(self.assistant, "heldout")[: self.settings.prompts]
        short = encode_prompts(tokenizer, texts, self.settings.prompt_tokens)
        return list(short), list(short.values())

    def _sample(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], stop: Sequence[int]) -> Answers:
        settings = self.settings
        return sample_answers(model, prompts, settings.answer_tokens, settings.temperature, stop, settings.seed)

    @contextmanager
    def _working(self) -> Iterator[None]:
        began = time.time()
        yield
        self.track.worked(began, time.time())


def loaded(place: Location) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a directory, on the GPU where there is one."""
    with place.as_local() as directory:
        model, tokenizer = load_model(directory).eval(), load_tokenizer(directory)
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return model, tokenizer


def text_likelihood(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Likelihood:
    """Of texts by a model, each text behind an end-of-text token."""
    documents = [[tokenizer.eos_token_id, *ids] for ids in tokens_of(tokenizer, texts)]
    nats = documents_nats(model, documents, model.config.max_position_embeddings)
    return Likelihood(nats, size(texts), sum(map(len, documents)) - len(documents))


def tokens_of(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    return tokenizer(list(texts), add_special_tokens=False)["input_ids"]


def size(texts: Sequence[str]) -> int:
    """UTF-8 bytes."""
    return sum(len(text.encode()) for text in texts)
