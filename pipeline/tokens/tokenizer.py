"""The tokenizer stage: byte-level BPE with its chat template, as a Hugging Face tokenizer directory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from cluster import temporary
from cluster.report.blocks import Table
from cluster.stage import Context
from cluster.store import Artefact
from pipeline.shards import in_order

END_OF_TEXT, PAD, SYSTEM, USER, ASSISTANT, END = (
    "<|endoftext|>",
    "<|pad|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
)
SPECIAL_TOKENS = [END_OF_TEXT, PAD, SYSTEM, USER, ASSISTANT, END]  # ids 0, 1, 2, ...

# Words with the blank before them, numbers up to three digits, runs of signs, line ends, indentation: the
# pieces that no merge crosses (the same classes as GPT-4's cl100k, Bavarian et al. 2022).
PIECES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

# Each turn is a role's token, the content, the end token. `generation` marks what the assistant says, for loss masks.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}"
    "{{ message['content'] + '<|end|>' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def run_tokenizer(ctx: Context) -> None:
    """Learn the merges from the training documents and write the directory; tells bytes a token on held-out text."""
    started = time.time()
    corpus, settings = ctx.inputs["corpus"], ctx.settings
    texts = documents(corpus, "train", int(settings.sample_mb * 1e6))
    tokenizer = with_chat_template(train(texts, settings.vocabulary, settings.min_frequency))
    learnt = len(tokenizer)
    with temporary.directory("tokenizer") as directory:
        tokenizer.save_pretrained(directory)
        ctx.output.upload(Path(directory))
    ctx.track.worked(started, time.time())
    held = list(documents(corpus, "heldout", 10_000_000))
    tokens = sum(len(ids) for ids in tokenizer(held)["input_ids"])
    ratio = sum(len(text.encode()) for text in held) / max(1, tokens)
    ctx.track.progress(learnt, learnt, "tokens")
    ctx.count(vocabulary=learnt, bytes_per_token=round(ratio, 4))
    longest = sorted(
        (token for token in tokenizer.get_vocab() if token not in SPECIAL_TOKENS), key=lambda each: (-len(each), each)
    )
    ctx.tell(
        Table(
            title="Tokenizer",
            columns=["vocabulary", "asked for", "bytes a token on held-out text", "longest tokens"],
            rows=[[learnt, settings.vocabulary, round(ratio, 3), "  ".join(shown(tokenizer, token) for token in longest[:6])]],
            note="a small corpus has fewer pairs worth a token than were asked for" if learnt < settings.vocabulary else "",
        )
    )


def documents(corpus: Artefact, split: str, limit: int) -> Iterator[str]:
    """Texts of a split in corpus order, until `limit` bytes are reached."""
    size = 0
    for place in in_order(corpus.paths(".parquet")):
        if place.name.startswith(f"{split}-"):
            for batch in pq.ParquetFile(place.open()).iter_batches(256, columns=["text"]):
                for text in batch["text"].to_pylist():
                    yield text
                    size += len(text.encode())
                    if size >= limit:
                        return


def train(texts: Iterable[str], vocabulary: int, min_frequency: int) -> Tokenizer:
    """Byte-level BPE of at most `vocabulary` tokens. The same texts give the same tokenizer.

    Source: Sennrich et al. 2016 (BPE), Radford et al. 2019 (on bytes). Memory: the distinct words of the texts.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=min_frequency,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def with_chat_template(tokenizer: Tokenizer) -> Any:
    """The same as a transformers tokenizer, with its chat template and special tokens named."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=PAD,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT, END],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def shown(tokenizer: Any, token: str) -> str:
    return repr(tokenizer.convert_tokens_to_string([token]))
