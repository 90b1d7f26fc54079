"""The counterfactual pair: two prompts of equal length that differ in what the answer depends on."""

from dataclasses import dataclass
from typing import Literal

PairSplit = Literal["selection", "held_out"]

PAIR_SPLITS: tuple[PairSplit, ...] = ("selection", "held_out")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A clean and a corrupt prompt, and the answers that each of them calls for.

    task, template: the names of the task and of its template.
    clean_text, corrupt_text: the prompts as text, without the prefix token.
    clean_ids, corrupt_ids: the same as token ids, prefix included, equal in length; the answer follows the last one.
    answer_ids: the tokens of which any is right after the clean prompt, and wrong after the corrupt one.
    wrong_ids: the tokens of which any is wrong after the clean prompt, and right after the corrupt one.
    Raises ValueError when the lengths differ, the prompts are the same, or the two answers share a token or are empty.
    """

    task: str
    template: str
    clean_text: str
    corrupt_text: str
    clean_ids: tuple[int, ...]
    corrupt_ids: tuple[int, ...]
    answer_ids: tuple[int, ...]
    wrong_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.clean_ids) != len(self.corrupt_ids):
            raise ValueError(f"prompts of {len(self.clean_ids)} and {len(self.corrupt_ids)} tokens are no pair")
        if self.clean_ids == self.corrupt_ids:
            raise ValueError("the clean and the corrupt prompt are the same")
        if not self.answer_ids or not self.wrong_ids or set(self.answer_ids) & set(self.wrong_ids):
            raise ValueError("the two answers need at least one token each and none in common")

    @property
    def n_tokens(self) -> int:
        """Length of either prompt in tokens, prefix included."""
        return len(self.clean_ids)

    @property
    def changed_positions(self) -> tuple[int, ...]:
        """Positions at which the two prompts have different tokens."""
        both = zip(self.clean_ids, self.corrupt_ids, strict=True)
        return tuple(position for position, (clean, corrupt) in enumerate(both) if clean != corrupt)
