"""The search's stages. Oracles: `scan_latents` itself, the criteria applied again, the planted latent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monosemy.causal import LatentFigures, SearchCriteria, meets, scan_latents
from monosemy.core import DamagedArtifact, UserError
from monosemy.experiments import SearchConfig, found_by_search, read_scan, scan_job, search_job
from tests.unit.experiments.planted_cases import PLANTED, SILENT, SITE, WORD, PlantedCase, planted_case
from tests.unit.experiments.stores_of_experiments import made

CRITERIA = SearchCriteria(
    share_of="mass",
    min_token_share=0.5,
    max_density=0.3,
    min_fired=5,
    min_spearman=-1.0,
    min_precision=0.0,
    min_rule_score=0.5,
    max_rule_bits=40.0,
)
CONFIG = SearchConfig(criteria=CRITERIA, n_shown=2, n_positions=4, max_candidates=3, seed=0)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> PlantedCase:
    return planted_case(tmp_path_factory.mktemp("case"))


def test_a_scan_is_kept_as_it_was_found(case: PlantedCase, tmp_path: Path) -> None:
    (artifact,) = made(scan_job(case.dictionary, case.store, case.source), tmp_path)
    bench = case.bench()
    found, direct = read_scan(artifact.path), scan_latents(bench.dictionary, bench.text.store, SITE, 300)
    assert found.n_rows == direct.n_rows
    for name in ("fired", "top_token", "token_share", "mass_token", "mass_share"):
        np.testing.assert_array_equal(getattr(found, name), getattr(direct, name))
    assert found.fired[SILENT] == 0 and found.top_token[PLANTED] == WORD and found.token_share[PLANTED] == 1.0
    with pytest.raises(DamagedArtifact, match=r"scan\.npz"):
        read_scan(tmp_path)


def test_the_planted_latent_is_proposed_and_others_are_drawn(case: PlantedCase, tmp_path: Path) -> None:
    (scan,) = made(scan_job(case.dictionary, case.store, case.source), tmp_path)
    (artifact,) = made(search_job(CONFIG, case.dictionary, case.store, scan, None, case.source), tmp_path)
    about, rows = found_by_search(artifact.path)
    fields = LatentFigures.__dataclass_fields__
    proposed = [LatentFigures(**{n: r[n] for n in fields}) for r in rows if r["group"] == "proposed"]
    random = [row["latent"] for row in rows if row["group"] == "random"]
    assert PLANTED in [f.latent for f in proposed] and all(meets(f, CRITERIA) for f in proposed)
    assert not {f.latent for f in proposed} & set(random) and SILENT not in random and random
    assert about["n_latents"] == 5 and about["n_explained"] == 0 and about["n_looked_at"] <= 3
    assert next(row for row in rows if row["latent"] == PLANTED)["word"] == case.bench().words[WORD]
    strict = replace(CONFIG, criteria=replace(CRITERIA, min_spearman=1.0))
    (none,) = made(search_job(strict, case.dictionary, case.store, scan, None, case.source), tmp_path)
    about, rows = found_by_search(none.path)
    assert {row["group"] for row in rows} == {"random"} and about["n_without_lens"] == about["n_looked_at"] > 0


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match="n-shown"):
        replace(CONFIG, n_shown=0)
