"""Oracles: the model run again over the stored tokens, the documents themselves, and harvests against each other."""

import errno
import importlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPTNeoXForCausalLM

from monosemy.activations import ActivationStore, HarvestConfig, estimate_harvest, harvest, pack
from monosemy.activations.harvest_chunk import ChunkTask, capture_chunk
from monosemy.activations.harvest_plan import EXCLUDED, is_recorded
from monosemy.core import Advance, Progress, UserError, Workers, silent, write_artifact
from monosemy.corpus import TokenizedDocument
from monosemy.lm import ModelSource, Site
from tests.unit.lm.tiny_models import CONTEXT, D_MLP, D_MODEL, VOCAB, saved_model, tiny_model, tiny_tokenizer

MODULE = importlib.import_module("monosemy.activations.harvest")  # the package has a function of that name
SITES = ("resid_post.0", "mlp_hidden.1", "resid_post.2")
N_DOCUMENTS, MARK = 30, VOCAB - 1  # the token that no document has but where a test puts it


def documents(seed: int = 0) -> list[TokenizedDocument]:
    """Texts of 1 to 60 random tokens, in five units."""
    rng = np.random.default_rng(seed)
    return [
        TokenizedDocument(
            id=f"d{i}",
            unit=f"u{i % 5}",
            tokens=rng.integers(1, MARK, size=int(rng.integers(1, 60))).astype(np.uint16),
            n_bytes=9,
        )
        for i in range(N_DOCUMENTS)
    ]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    return ModelSource(name=str(saved_model(tmp_path_factory.mktemp("lm"), "gpt_neox")), device="cpu")


def altered(folder: Path, change: Callable[[GPTNeoXForCausalLM], None]) -> ModelSource:
    """The tiny model with weights that `change` has changed."""
    model = tiny_model("gpt_neox").float()
    assert isinstance(model, GPTNeoXForCausalLM)
    with torch.no_grad():
        change(model)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return ModelSource(name=str(folder), device="cpu")


def embeddings(model: GPTNeoXForCausalLM) -> torch.Tensor:
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, torch.Tensor)
    return weight


def config(source: ModelSource, **changed: Any) -> HarvestConfig:
    """Chunks of four sequences, batches of two, and shards of about 200 rows of the widest site."""
    fields: dict[str, Any] = {
        "lm": source.load().fingerprint(),
        "corpus": "0123",
        "split": "train",
        "sites": SITES,
        "context_length": CONTEXT,
        "batch_tokens": 2 * CONTEXT,
        "chunk_tokens": 4 * CONTEXT,
        "shard_bytes": 2 * D_MLP * 200,
    }
    return HarvestConfig(**(fields | changed))


def run(
    path: Path,
    source: ModelSource,
    *,
    n_workers: int = 1,
    progress: Progress | None = None,
    texts: list[TokenizedDocument] | None = None,
    first_tokens: list[int] | None = None,
    **changed: Any,
) -> ActivationStore:
    """The store `path`, with its scratch folder beside it."""
    made = config(source, **changed)
    texts = documents() if texts is None else texts
    scratch = path.with_name(f"{path.name}-scratch")
    with write_artifact(path, kind="activations", config=made) as folder, Workers(n_workers) as workers:
        harvest(folder, scratch, made, source, texts, first_tokens, workers, progress or silent())
    return ActivationStore.open(path)


def stored(store: ActivationStore) -> tuple[np.ndarray, dict[str, torch.Tensor]]:
    """All rows: places, and activations by site."""
    chunks = list(store.chunks(store.sites, max_rows=37))
    x = {site: torch.cat([chunk.x[site] for chunk in chunks]) for site in store.sites}
    return np.concatenate([chunk.place for chunk in chunks]), x


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def truth(store: ActivationStore, source: ModelSource) -> dict[str, torch.Tensor]:
    """Activations `[n_sequences * context, d_site]` at every place, from the stored tokens in batches of two."""
    tokens = torch.from_numpy(store.sequences().tokens).long()
    lm = source.load()
    parts = [lm.capture(batch, [Site.parse(site) for site in store.sites]) for batch in tokens.split(2)]
    return {site: torch.cat([part[Site.parse(site)] for part in parts]).flatten(0, 1) for site in store.sites}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, source: ModelSource) -> ActivationStore:
    return run(tmp_path_factory.mktemp("store") / "s", source)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_rows_are_what_the_model_computes_there(tmp_path: Path, source: ModelSource, dtype: str) -> None:
    store = run(tmp_path / "s", source, dtype=dtype)
    place, x = stored(store)
    assert [store.d_site(site) for site in SITES] == [D_MODEL, D_MLP, D_MODEL]
    for site, expected in truth(store, source).items():
        assert torch.equal(x[site], expected[place].to(getattr(torch, dtype)).float())


def test_places_point_to_the_documents_tokens(store: ActivationStore) -> None:
    texts, sequences = documents(), store.sequences()
    packed = pack(texts, CONTEXT, 0)
    np.testing.assert_array_equal(sequences.tokens, packed.tokens)
    place, _ = stored(store)
    tokens, document, index = (a.reshape(-1)[place] for a in (sequences.tokens, sequences.document, sequences.index))
    for token, number, nth in zip(tokens, document, index, strict=True):
        assert texts[number].tokens[nth] == token
        assert (store.documents[number].id, store.documents[number].unit) == (f"d{number}", texts[number].unit)
    assert [text.n_tokens for text in store.documents] == [len(text.tokens) for text in texts]


def test_first_positions_and_separators_are_left_out_and_nothing_else(store: ActivationStore) -> None:
    index = store.sequences().index
    place, _ = stored(store)
    expected = {s * CONTEXT + p for s in range(len(index)) for p in range(CONTEXT) if p > 0 and index[s, p] >= 0}
    assert (index[:, 1:] < 0).any()  # there are separators to leave out
    assert len(place) == len(set(place.tolist())) == store.n_rows
    assert set(place.tolist()) == expected
    assert EXCLUDED in (store.artifact.path / "store.json").read_text()


def test_shuffled_and_text_order_have_the_same_rows(
    tmp_path: Path, store: ActivationStore, source: ModelSource
) -> None:
    text = run(tmp_path / "t", source, order="text")
    (place, x), (text_place, text_x) = stored(store), stored(text)
    order = np.argsort(place)
    np.testing.assert_array_equal(place[order], text_place)
    assert all(torch.equal(x[site][order], text_x[site]) for site in SITES)
    assert (np.diff(text_place) > 0).all()
    ranks = np.argsort(order)
    n = len(ranks)
    assert abs(np.corrcoef(ranks, np.arange(n))[0, 1]) < 4 / np.sqrt(n)
    assert (np.abs(np.diff(ranks)) == 1).mean() < 0.03
    assert len(store.shard_rows) > 2
    assert text.artifact.fingerprint != store.artifact.fingerprint


def test_another_seed_shuffles_otherwise(tmp_path: Path, store: ActivationStore, source: ModelSource) -> None:
    place, other = stored(store)[0], stored(run(tmp_path / "s", source, seed=1))[0]
    assert sorted(place) == sorted(other)
    assert (place == other).mean() < 0.05


def test_moments_are_those_of_the_unrounded_rows(store: ActivationStore, source: ModelSource) -> None:
    place, _ = stored(store)
    for site, expected in truth(store, source).items():
        x64 = expected[place].double().numpy()
        np.testing.assert_allclose(store.mean(site), x64.mean(axis=0), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(store.mean_square(site), (x64**2).mean(axis=0), rtol=1e-12)


@pytest.mark.slow
def test_two_workers_write_the_same_bytes(tmp_path: Path, store: ActivationStore, source: ModelSource) -> None:
    two = run(tmp_path / "s", source, n_workers=2)
    assert files(two.artifact.path) == files(store.artifact.path)


class Killed(BaseException):
    """Stands for what ends a process."""


def dies_at(function: Callable[..., None], call: int) -> Callable[..., None]:
    """The function, until a call that never comes to its end."""
    n_calls = 0

    def dying(*args: Any) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == call:
            raise Killed
        function(*args)

    return dying


@pytest.mark.parametrize(
    ("name", "call"), [("capture_chunk", 4), ("seal_shard", 3), ("seal_shard", 14), ("_link", 5), ("_moments", 1)]
)
def test_after_a_kill_the_rest_is_done_and_the_bytes_are_the_same(
    tmp_path: Path,
    store: ActivationStore,
    source: ModelSource,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    call: int,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(MODULE, name, dies_at(getattr(MODULE, name), call))
        with pytest.raises(Killed):
            run(tmp_path / "s", source)
    assert not (tmp_path / "s").exists()
    captured: list[int] = []

    def counting(task: ChunkTask, advance: Advance) -> None:
        captured.append(task.chunk)
        capture_chunk(task, advance)

    n_chunks = -(-len(store.sequences().tokens) // 4)
    with monkeypatch.context() as patch:
        patch.setattr(MODULE, "capture_chunk", counting)
        again = run(tmp_path / "s", source)
    assert captured == (list(range(3, n_chunks)) if name == "capture_chunk" else [])
    assert files(again.artifact.path) == files(store.artifact.path)
    assert not list((tmp_path / "s-scratch" / "chunks").rglob("resid*"))  # no longer needed


def test_a_chunk_cut_short_is_made_again(
    tmp_path: Path, store: ActivationStore, source: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(MODULE, "_moments", dies_at(MODULE._moments, 1))
        with pytest.raises(Killed):
            run(tmp_path / "s", source)
    chunk = tmp_path / "s-scratch" / "chunks" / "00002" / "resid_post.2.safetensors"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    assert files(run(tmp_path / "s", source).artifact.path) == files(store.artifact.path)


def test_scratch_of_another_harvest_is_not_used(tmp_path: Path, store: ActivationStore, source: ModelSource) -> None:
    run(tmp_path / "other", source, texts=documents(seed=1))
    shutil.move(tmp_path / "other-scratch", tmp_path / "s-scratch")
    assert files(run(tmp_path / "s", source).artifact.path) == files(store.artifact.path)


def test_without_links_the_files_are_moved(
    tmp_path: Path, store: ActivationStore, source: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert files(run(tmp_path / "s", source).artifact.path) == files(store.artifact.path)


def test_a_sample_of_the_sequences(tmp_path: Path, store: ActivationStore, source: ModelSource) -> None:
    whole = store.sequences().tokens.tolist()
    samples = [run(tmp_path / f"{seed}", source, max_sequences=7, seed=seed).sequences().tokens for seed in (0, 1)]
    for sample in samples:
        numbers = [whole.index(row) for row in sample.tolist()]
        assert len(numbers) == 7
        assert numbers == sorted(set(numbers))
    assert samples[0].tolist() != samples[1].tolist()
    everything = run(tmp_path / "all", source, max_sequences=10_000)
    assert everything.n_rows == store.n_rows


def test_first_tokens_travel_with_the_documents(tmp_path: Path, source: ModelSource) -> None:
    store = run(tmp_path / "s", source, first_tokens=[100 * i for i in range(N_DOCUMENTS)], max_sequences=3)
    assert [document.first_token for document in store.documents][:3] == [0, 100, 200]


def test_the_estimate_is_what_comes_out(tmp_path: Path, source: ModelSource) -> None:
    estimate = estimate_harvest(config(source), source.load(), documents())
    store = run(tmp_path / "s", source)
    assert (estimate.n_rows, estimate.n_sequences) == (store.n_rows, len(store.sequences().tokens))
    assert estimate.n_tokens == estimate.n_sequences * CONTEXT
    n_bytes = {name: len(data) for name, data in files(store.artifact.path).items() if not name.endswith(".json")}
    assert 0 <= sum(n_bytes.values()) - estimate.stored_bytes < 2500 + 200 * len(n_bytes)  # headers, moments
    assert estimate.peak_bytes == estimate.stored_bytes + 2 * D_MLP * store.n_rows


def test_progress_is_told_in_tokens(tmp_path: Path, source: ModelSource) -> None:
    stream = io.StringIO()
    store = run(tmp_path / "s", source, progress=Progress(stream))
    assert store.sequences().tokens.size == 1072
    assert "harvest: done, 1.07k/1.07k tokens" in stream.getvalue()


# --- what is refused ----------------------------------------------------------------------------------------------


def test_activations_that_are_not_finite(tmp_path: Path) -> None:
    def change(model: GPTNeoXForCausalLM) -> None:
        embeddings(model)[MARK] = float("nan")

    texts = documents()
    texts[7].tokens[3] = MARK
    source = altered(tmp_path / "lm", change)
    # Before the first block: an attention weight of 0 times NaN is NaN, so that the whole sequence is after it.
    with pytest.raises(UserError, match=r"at resid_pre.0 are not finite \(token 3 of document 'd7'\)") as error:
        run(tmp_path / "s", source, texts=texts, sites=("resid_pre.0",))
    assert "\n" not in str(error.value)


def test_what_float16_cannot_hold(tmp_path: Path) -> None:
    def change(model: GPTNeoXForCausalLM) -> None:
        embeddings(model)[MARK] *= 1e6

    texts = documents()
    assert len(texts[7].tokens) > 4
    texts[7].tokens[3] = MARK
    source = altered(tmp_path / "lm", change)
    with pytest.raises(UserError, match=r"token 3 of document 'd7'\), more than the 65504 of float16; use bfloat16"):
        run(tmp_path / "s", source, texts=texts, dtype="float16")
    _, x = stored(run(tmp_path / "t", source, texts=texts))
    assert x["resid_post.0"].abs().max() > 65504


def test_activations_that_do_not_vary(tmp_path: Path) -> None:
    def change(model: GPTNeoXForCausalLM) -> None:
        for parameter in model.parameters():
            parameter.zero_()
        embeddings(model)[:] = torch.arange(D_MODEL) / 7

    source = altered(tmp_path / "lm", change)
    with pytest.raises(UserError, match=r"the activations at resid_post.1 do not vary"):
        run(tmp_path / "s", source, sites=("resid_post.1",))


def test_a_disk_that_is_too_small(tmp_path: Path, source: ModelSource, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(MODULE.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(UserError, match=r"need 0.00 GB of disk in .* and 0.00 GB are free; choose another folder"):
        run(tmp_path / "s", source)
    assert not list(tmp_path.rglob("resid*"))  # before anything was computed


def test_a_disk_that_fills_up(tmp_path: Path, source: ModelSource, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("monosemy.activations.harvest_chunk.save_whole", full)
    with pytest.raises(UserError, match="no space left to write"):
        run(tmp_path / "s", source)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sites": ("resid_post.7",)}, "resid_post.7"),
        ({"sites": ("resid_post.0", "resid_post.0")}, "each once"),
        ({"sites": ()}, "at least one"),
        ({"sites": ("residual",)}, "unknown site"),
        ({"context_length": CONTEXT + 1}, f"give 2 to {CONTEXT}"),
        ({"context_length": 1}, f"give 2 to {CONTEXT}"),
        ({"max_sequences": 0}, "max_sequences: expected at least 1"),
        ({"shard_bytes": -1}, "shard_bytes: expected at least 1"),
    ],
)
def test_configurations_that_cannot_be(
    tmp_path: Path, source: ModelSource, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path / "s", source, **changed)


def test_too_little_text_and_another_model(tmp_path: Path, source: ModelSource) -> None:
    short = [TokenizedDocument(id="a", unit="u", tokens=np.array([5, 6]), n_bytes=2)]
    with pytest.raises(UserError, match="the train text has 2 tokens, less than one row of 16"):
        run(tmp_path / "s", source, texts=short)
    with pytest.raises(ValueError, match="and the configuration names abc"):
        run(tmp_path / "s", source, lm="abc")


def test_recorded_positions_by_hand() -> None:
    index = np.array([[-1, 0, 1], [-1, -1, 0], [4, 5, 6]], dtype=np.int32)
    assert is_recorded(index).tolist() == [[False, True, True], [False, False, True], [False, True, True]]
