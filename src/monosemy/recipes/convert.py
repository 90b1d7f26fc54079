"""`monosemy convert`: a dictionary from another toolkit's files into ours, and the other way round."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

from monosemy.core import UserError, file_sha256, write_artifact
from monosemy.dictionaries import (
    DICTIONARY_KIND,
    AbsTopK,
    Dictionary,
    DictionaryCard,
    TopK,
    load_dictionary,
    write_card,
)
from monosemy.dictionaries.formats import (
    SaelensInfo,
    hook_of_site,
    is_saelens_folder,
    read_saelens,
    write_saelens,
)
from monosemy.lm import Site

UNKNOWN = "unknown"
"""What a card says of a language model and of activations that no file names by their fingerprints."""

_METHODS = {
    "topk": "topk",
    "abstopk": "topk",
    "batchtopk": "batch_topk",
    "matryoshka_batchtopk": "matryoshka",
    "jumprelu": "jumprelu",
    "jumprelu_transcoder": "jumprelu",
    "gated": "gated",
    "transcoder": "relu_l1",
}
_OF_THEIR_OWN = ("abstopk", "transcoder", "jumprelu_transcoder")  # which none of our methods is


@dataclass(frozen=True, kw_only=True, slots=True)
class Convert:
    """Write a dictionary in another format, as the equal function of the same activations."""

    dictionary: tyro.conf.Positional[Path]  # a folder: a dictionary of a run, or what SAELens wrote
    to: Literal["saelens", "monosemy"]  # the format that is written
    out: Path  # a new folder
    site: str | None = None  # such as resid_post.3, where the folder does not say it
    model: str | None = None  # the language model's name for SAELens, as in "EleutherAI/pythia-70m"
    scaling_factor: float | None = None  # by which SAELens multiplied the activations, where it says only that it did
    seed: int = 0  # part of the new dictionary's name; of SAELens' own seed no file tells


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """What a converted dictionary is made from: the files by their content, and what was said beside them."""

    format: Literal["saelens", "monosemy"]
    files: tuple[tuple[str, str], ...]  # (name, sha256)
    info: SaelensInfo
    site: str
    seed: int
    scaling_factor: float | None
    lm: str


def convert(options: Convert, lm: str = UNKNOWN) -> list[str]:
    """Do what the options say; the lines to print at the end. Raises UserError before anything is written.

    lm: fingerprint of the language model whose activations a dictionary of ours is said to read.
    """
    source, out = options.dictionary, options.out
    if not source.is_dir():
        raise UserError(f"{source} is not a folder; name one that holds a dictionary")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not empty; it is left as it is: choose another folder with --out")
    if options.site is not None:
        Site.parse(options.site)
    if is_saelens_folder(source):
        dictionary, info = read_saelens(source, scaling_factor=options.scaling_factor)
    elif options.to == "monosemy":
        raise UserError(f"{source} holds no dictionary of another toolkit; to monosemy are converted: SAELens folders")
    elif options.scaling_factor is not None:
        raise UserError(f"{source} takes raw activations, so that --scaling-factor has no meaning; leave it out")
    else:
        dictionary, info = _own(source)
    info = _told(info, options)
    if options.to == "saelens":
        write_saelens(dictionary, out, info)
        where = "no hook's name: give --site" if info.hook_name is None else f"at {info.hook_name}"
    else:
        where = f"at {_write_own(dictionary, info, options, lm)}"
    shape = f"{dictionary.n_latents} latents of width {dictionary.d_in}, {type(dictionary.sparsifier).__name__}"
    return [f"wrote {out}: {shape}, {where}"]


def _own(folder: Path) -> tuple[Dictionary, SaelensInfo]:
    """A dictionary of ours: an artifact with its card, or the two files of `Dictionary.save`, which tell no site."""
    if (folder / "manifest.json").is_file():
        dictionary, card = load_dictionary(folder)
        return dictionary, SaelensInfo(hook_name=hook_of_site(card.site))
    return Dictionary.load(folder), SaelensInfo()


def _told(info: SaelensInfo, options: Convert) -> SaelensInfo:
    """What the folder says, and over it what the user says."""
    if options.site is not None and options.to == "saelens":
        info = replace(info, hook_name=hook_of_site(options.site), hook_head_index=None)
    return info if options.model is None else replace(info, model_name=options.model)


def _write_own(dictionary: Dictionary, info: SaelensInfo, options: Convert, lm: str) -> str:
    """Write the artifact with its card; the site that it names."""
    source, out = options.dictionary, options.out
    site = options.site or info.site
    if site is None:
        raise UserError(
            f"{source} names the hook {info.hook_name!r}, which is no site of Monosemy; give --site, as resid_post.3"
        )
    config = Converted(
        format="saelens",
        files=tuple((file.name, file_sha256(file)) for file in sorted(source.iterdir()) if file.is_file()),
        info=info,
        site=site,
        seed=options.seed,
        scaling_factor=options.scaling_factor,
        lm=lm,
    )
    ends_well = re.fullmatch(rf".+-seed{options.seed}", out.name)
    card = DictionaryCard(
        name=out.name if ends_well else f"{out.name}-seed{options.seed}",
        method=_method(info),
        variant=f"saelens_{info.architecture}" if info.architecture in _OF_THEIR_OWN else "saelens",
        lm=lm,
        lm_kind="trained",
        site=site,
        seed=options.seed,
        n_latents=dictionary.n_latents,
        expansion_factor=dictionary.n_latents / dictionary.d_in,
        sparsity=f"k={dictionary.sparsifier.k}" if isinstance(dictionary.sparsifier, TopK | AbsTopK) else "",
        n_steps=0,
        n_tokens=0,
        store=UNKNOWN,
    )
    with write_artifact(out, kind=DICTIONARY_KIND, config=config) as folder:
        dictionary.save(folder)
        write_card(folder, card)
    return site


def _method(info: SaelensInfo) -> str:
    """The method of a card by the architecture that was trained; "standard" is two of ours.

    SAELens' loss weights each latent by the norm of its decoder row, but where a file of the old layout says that these
    rows were held at unit norm.
    """
    trained = info.training_architecture or info.architecture
    if trained not in _METHODS:
        return "relu_l1" if info.unit_decoder else "norm_weighted_l1"
    return _METHODS[trained]
