"""A dictionary that the user names by its folder: of a run, or in SAELens' files."""

from pathlib import Path

from monosemy.core import Artifact, UserError, file_sha256, fingerprint, open_artifact
from monosemy.dictionaries import DICTIONARY_KIND, load_dictionary
from monosemy.dictionaries.formats import is_saelens_folder, read_saelens
from monosemy.lm import LanguageModel, Site
from monosemy.recipes.convert import Convert, convert

_OWN_MODEL = "name its own model (--model; of monosemy interpret, --lm)"


def wanted_site(site: str | None, layer: int | None) -> str | None:
    """The site that the options --site and --layer name, if they name one. Raises UserError where both do."""
    if site is not None and layer is not None:
        raise UserError("--site and --layer both name the site; give one of them")
    if layer is not None:
        return str(Site(layer, "resid_post"))
    return None if site is None else str(Site.parse(site))


def check_readable(folder: Path) -> None:
    """Raise UserError unless a folder looks as if it held a dictionary."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name one that holds a dictionary")
    if not (is_saelens_folder(folder) or (folder / "manifest.json").is_file()):
        raise UserError(f"{folder} holds no dictionary: neither one of a run (manifest.json) nor SAELens' files")


def given_dictionary(
    folder: Path, site: str | None, scaling_factor: float | None, seed: int, lm: LanguageModel, out: Path
) -> Artifact:
    """The dictionary as an artifact: itself where it is one, else converted into a folder in `out`.

    scaling_factor: by which SAELens multiplied the activations, where its files do not say. Raises UserError when the
    dictionary is of another model or width, and when its site is not known or another one.
    """
    if not is_saelens_folder(folder):
        dictionary, card = load_dictionary(folder)
        if scaling_factor is not None:
            raise UserError(f"{folder} takes raw activations, so that --scaling-factor has no meaning; leave it out")
        if site not in (None, card.site):
            raise UserError(f"{folder} is a dictionary of {card.site}, not of {site}; leave --site and --layer out")
        _check_fits(folder, dictionary.d_in, dictionary.d_out, card.site, lm)
        if card.lm != lm.fingerprint():
            raise UserError(
                f"{folder} was made from the activations of another model than {lm.name} (fingerprint {card.lm}, not "
                f"{lm.fingerprint()}); {_OWN_MODEL}"
            )
        return open_artifact(folder, kind=DICTIONARY_KIND)
    dictionary, info = read_saelens(folder, scaling_factor=scaling_factor)
    site = site or info.site
    if site is None:
        raise UserError(
            f"{folder} names the hook {info.hook_name!r}, which is no site of Monosemy; give --site, as resid_post.3"
        )
    _check_fits(folder, dictionary.d_in, dictionary.d_out, site, lm)
    files = [(file.name, file_sha256(file)) for file in sorted(folder.iterdir()) if file.is_file()]
    key = fingerprint([files, site, scaling_factor, seed, lm.fingerprint()])[:12]
    path = out / f"converted-{key}" / f"{folder.resolve().name}-seed{seed}"
    if not (path / "manifest.json").is_file():
        convert(
            Convert(
                dictionary=folder,
                to="monosemy",
                out=path,
                site=site,
                scaling_factor=scaling_factor,
                seed=seed,
            ),
            lm.fingerprint(),
        )
    return open_artifact(path, kind=DICTIONARY_KIND)


def _check_fits(folder: Path, d_in: int, d_out: int, site: str, lm: LanguageModel) -> None:
    """Raise UserError unless the dictionary reads and writes activations as the model has them at the site."""
    parsed = Site.parse(site)
    lm.check(parsed)
    if d_in != d_out:
        raise UserError(
            f"{folder} reads {d_in} dimensions and writes {d_out}: a transcoder, which is not measured here"
        )
    if d_in != lm.d_site(parsed):
        raise UserError(
            f"{folder} is of width {d_in}, and {lm.name} has {lm.d_site(parsed)} at {site}; {_OWN_MODEL}, or "
            "another site"
        )
