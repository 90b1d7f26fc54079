"""Which judge explains latents, as options of the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from monosemy.core import UserError
from monosemy.interpretation import JudgeConfig, LocalConfig, OpenAIConfig, ReplayConfig, RulesConfig

RULES = RulesConfig()
"""The judge that needs no network and no weights: the default."""

N_UNIFORM = 20
"""Uniform fragments that a judge which is a language model scores, for each latent, where no number is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judging:
    """Who explains latents, and predicts them from the explanations."""

    judge: Literal["rules", "openai", "local", "replay"] = "rules"
    model: str | None = None  # of the judge: the server's name of it; local: a folder or a Hugging Face id
    base_url: str = "https://api.openai.com/v1"  # of a server with the OpenAI protocol
    revision: str | None = None  # of the judge's model
    api_key_env: str = "OPENAI_API_KEY"  # the environment variable that holds the key, where the server wants one
    max_rules: int = RULES.max_rules  # of an explanation by rules
    max_answer_tokens: int = 600
    concurrency: int = 8  # calls at once
    tokens_per_minute: int | None = None
    timeout_seconds: float = 120.0
    max_retries: int = 5
    usd_per_million_prompt_tokens: float | None = None
    usd_per_million_answer_tokens: float | None = None
    max_usd: float | None = None  # nothing is asked that could pass it
    calls: Path | None = None  # replay: the recorded calls, as a run leaves them in judge-calls.sqlite
    dry_run: bool = False  # say what would be asked, and what it would cost; ask nothing

    def config(self) -> JudgeConfig:
        """The judge that the options describe; raises UserError where one that it needs is missing."""
        match self.judge:
            case "rules":
                return RulesConfig(max_rules=self.max_rules)
            case "local":
                return LocalConfig(model=self._model("a folder or a Hugging Face id"), revision=self.revision)
            case "replay":
                if self.calls is None:
                    raise UserError("--judge replay reads recorded calls; name their file with --calls")
                return ReplayConfig(calls=self.calls, revision=self.revision)
            case "openai":
                return OpenAIConfig(
                    model=self._model("the server's name of it"),
                    base_url=self.base_url,
                    revision=self.revision or "",
                    api_key_env=self.api_key_env,
                    max_answer_tokens=self.max_answer_tokens,
                    concurrency=self.concurrency,
                    tokens_per_minute=self.tokens_per_minute,
                    timeout_seconds=self.timeout_seconds,
                    max_retries=self.max_retries,
                    usd_per_million_prompt_tokens=self.usd_per_million_prompt_tokens,
                    usd_per_million_answer_tokens=self.usd_per_million_answer_tokens,
                    max_usd=self.max_usd,
                )

    def _model(self, what: str) -> str:
        if self.model is None:
            raise UserError(f"--judge {self.judge} needs a model; give --model, {what}")
        return self.model


BY_RULES = Judging()
