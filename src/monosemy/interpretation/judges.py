"""The judges that a user may name, and how one is made from its options."""

from pathlib import Path

from monosemy.interpretation.calls import CallStore
from monosemy.interpretation.judge import Judge
from monosemy.interpretation.local_judge import LocalConfig, LocalJudge
from monosemy.interpretation.openai_judge import OpenAIJudge
from monosemy.interpretation.openai_questions import OpenAIConfig
from monosemy.interpretation.replay_judge import ReplayConfig, ReplayJudge
from monosemy.interpretation.rules_judge import RulesConfig, RulesJudge

JudgeConfig = RulesConfig | OpenAIConfig | LocalConfig | ReplayConfig


def judge_from(config: JudgeConfig, calls_path: Path) -> Judge:
    """The judge of these options; one that is a language model keeps its calls in the file `calls_path`.

    Raises UserError as the judges do.
    """
    match config:
        case RulesConfig():
            return RulesJudge(config)
        case OpenAIConfig():
            return OpenAIJudge(config, CallStore(calls_path))
        case LocalConfig():
            return LocalJudge(config, CallStore(calls_path))
        case ReplayConfig():
            return ReplayJudge(config)
