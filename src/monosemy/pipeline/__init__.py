"""Stages with a cache, and runs made of them."""

from monosemy.pipeline.jobs import Job, JobReport, run_jobs
from monosemy.pipeline.run import RUN_FILE, Run, RunRecord, StageRecord, read_run
from monosemy.pipeline.stage import Stage, Workspace, find_stage, obtain_stage, open_stage, run_stage

__all__ = [
    "RUN_FILE",
    "Job",
    "JobReport",
    "Run",
    "RunRecord",
    "Stage",
    "StageRecord",
    "Workspace",
    "find_stage",
    "obtain_stage",
    "open_stage",
    "read_run",
    "run_jobs",
    "run_stage",
]
