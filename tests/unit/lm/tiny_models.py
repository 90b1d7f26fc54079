"""Small randomly initialized models of every supported family, for the tests of `monosemy.lm`."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
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

from monosemy.lm import LOCATIONS, LanguageModel, Site

N_LAYERS, D_MODEL, D_MLP, D_HEADS_LLAMA, VOCAB, CONTEXT = 3, 24, 40, 32, 300, 16

VARIANTS = ("gpt_neox", "gpt_neox_sequential", "gpt2", "llama")


def tiny_model(variant: str, *, n_layers: int = N_LAYERS, seed: int = 0) -> PreTrainedModel:
    """A float64 model whose every parameter is random, norms' weights and biases included."""
    if variant in ("gpt_neox", "gpt_neox_sequential"):
        config = GPTNeoXConfig(
            vocab_size=VOCAB,
            hidden_size=D_MODEL,
            num_hidden_layers=n_layers,
            num_attention_heads=4,
            intermediate_size=D_MLP,
            max_position_embeddings=CONTEXT,
            use_parallel_residual=variant == "gpt_neox",
            hidden_dropout=0.1,
            bos_token_id=0,
            eos_token_id=0,
        )
        model: PreTrainedModel = GPTNeoXForCausalLM(config)
    elif variant == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCAB,
                n_embd=D_MODEL,
                n_layer=n_layers,
                n_head=4,
                n_inner=D_MLP,
                n_positions=CONTEXT,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
    else:
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=VOCAB,
                hidden_size=D_MODEL,
                num_hidden_layers=n_layers,
                num_attention_heads=4,
                num_key_value_heads=2,
                head_dim=D_HEADS_LLAMA // 4,
                intermediate_size=D_MLP,
                max_position_embeddings=CONTEXT,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(0.0, 0.2, generator=generator)
            if parameter.ndim == 1 and name.endswith("weight"):
                parameter.add_(1.0)
    return model.double()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=280, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["the quick brown fox", "the lazy dog", "the end"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>")


def tiny_lm(variant: str, **kwargs: int) -> LanguageModel:
    return LanguageModel(tiny_model(variant, **kwargs), tiny_tokenizer(), variant)


def saved_model(folder: Path, variant: str) -> Path:
    """The folder, holding the model in float32 and the tokenizer."""
    tiny_model(variant).float().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def tokens(n_batch: int = 3, n_seq: int = 7, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, VOCAB, (n_batch, n_seq), generator=torch.Generator().manual_seed(seed))


def all_sites(lm: LanguageModel) -> list[Site]:
    parallel = lm.name == "gpt_neox"
    return [Site(n, name) for n in range(N_LAYERS) for name in LOCATIONS if not (parallel and name == "resid_mid")]


def residual_sites(lm: LanguageModel) -> list[Site]:
    return [site for site in all_sites(lm) if site.location.startswith("resid")]


def centered_sites(lm: LanguageModel) -> list[Site]:
    names = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
    return [Site(site.layer, site.location, centered=True) for site in all_sites(lm) if site.location in names]
