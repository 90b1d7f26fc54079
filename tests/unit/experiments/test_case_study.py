"""The job that studies latents. Oracles: the parts made one by one; the folders it leaves."""

import json
from pathlib import Path

import numpy as np
import pytest

from monosemy.experiments import CaseConfig, case_jobs, case_stage
from monosemy.experiments.case_activity import ActivityConfig, activity_part
from monosemy.experiments.case_effect import EffectConfig
from monosemy.experiments.case_study import CASE_ARRAYS, CASE_FILE, MAX_LATENTS_A_JOB
from monosemy.experiments.case_texts import SweepConfig
from tests.unit.experiments.planted_cases import PLANTED, SILENT, PlantedCase, planted_case
from tests.unit.experiments.stores_of_experiments import made


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> PlantedCase:
    return planted_case(tmp_path_factory.mktemp("case"))


def config(latent: int) -> CaseConfig:
    return CaseConfig(
        latent=latent,
        activity=ActivityConfig(n_top=2),
        effect=EffectConfig(n_positions=4, n_tokens=3),
        sweep=SweepConfig(n_listed=2, n_repeats=1),
    )


def test_latents_studied_together_are_what_each_is_alone(case: PlantedCase, tmp_path: Path) -> None:
    configs = [config(n) for n in (PLANTED, SILENT, 3)]
    stages = [case_stage(each, case.dictionary, case.store) for each in configs]
    (job,) = case_jobs(stages, case.source, 1)
    together = [json.loads((each.path / CASE_FILE).read_text()) for each in made(job, tmp_path / "together")]
    for stage, record in zip(stages, together, strict=True):
        (single,) = case_jobs([stage], case.source, 1)
        (alone,) = made(single, tmp_path / f"alone-{record['latent']}")
        assert json.loads((alone.path / CASE_FILE).read_text()) == record
    planted, silent, other = together
    bench = case.bench()
    (read,) = bench.read([(PLANTED, "positive")])
    assert planted | activity_part(bench, read, configs[0].activity) == planted
    assert planted["status"] == other["status"] == "ok" and not planted["is_dense"]
    assert silent["status"] == "silent" and silent["n_fired"] == 0 and "effect" not in silent
    assert len(silent["lens"]["top"]) == 3
    with np.load(made(job, tmp_path / "together")[0].path / CASE_ARRAYS) as arrays:
        assert {"lens", "plain_lens", "effect/latent/logits", "sweep/before"} <= set(arrays.files)


def test_jobs_hold_a_few_latents_of_one_dictionary_and_seed(case: PlantedCase) -> None:
    stages = [case_stage(CaseConfig(latent=n), case.dictionary, case.store) for n in range(5)]
    other = case_stage(CaseConfig(latent=0, seed=1), case.dictionary, case.store)
    jobs = case_jobs([*stages, other], case.source, 1)
    assert [len(job.stages) for job in jobs] == [MAX_LATENTS_A_JOB, 1, 1]
    assert [len(job.stages) for job in case_jobs(stages, case.source, 3)] == [2, 2, 1]
    assert len({stage.key for stage in [*stages, other]}) == 6
