"""Tiny causal LMs with random weights and a byte tokenizer, saved as safetensors."""

from pathlib import Path
from typing import Literal

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from monosemy.interpretation.local_model import LocalModel, loaded

Family = Literal["llama", "gpt2", "gpt_neox"]
FAMILIES: tuple[Family, ...] = ("llama", "gpt2", "gpt_neox")
END = "<|end|>"


def tokenizer(*, ten_is_one: bool) -> PreTrainedTokenizerFast:
    """Bytes as tokens, and "10" as one where asked for."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary: dict[str, int] = {
        str(token): number for number, token in enumerate([END, *alphabet, *(["10"] if ten_is_one else [])])
    }
    made = Tokenizer(models.BPE(vocabulary, [("1", "0")] if ten_is_one else []))
    numbers = pre_tokenizers.Split(Regex(r"\d+|[^\d]+"), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [numbers, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token=END, eos_token=END)


def model(family: Family, n_vocabulary: int, n_context: int = 4096, seed: int = 0) -> PreTrainedModel:
    """Two layers; weights large enough that probabilities are far from uniform."""
    if family == "llama":
        made: PreTrainedModel = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=n_vocabulary,
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=n_context,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
    elif family == "gpt2":
        made = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=n_vocabulary,
                n_embd=16,
                n_layer=2,
                n_head=4,
                n_positions=n_context,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
    else:
        made = GPTNeoXForCausalLM(
            GPTNeoXConfig(
                vocab_size=n_vocabulary,
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=n_context,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 0.4, generator=generator)
    return made.eval()


def saved(
    folder: Path, family: Family = "llama", *, ten_is_one: bool = True, n_context: int = 4096, seed: int = 0
) -> Path:
    """The folder, with model and tokenizer."""
    made = tokenizer(ten_is_one=ten_is_one)
    model(family, len(made), n_context, seed).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


def local(folder: Path, family: Family = "llama", *, ten_is_one: bool = True, n_context: int = 4096) -> LocalModel:
    """Saved and loaded again."""
    return loaded(str(saved(folder, family, ten_is_one=ten_is_one, n_context=n_context)), None)
