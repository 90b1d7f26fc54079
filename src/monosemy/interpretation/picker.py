"""Who can tell the odd passage among some."""

from abc import ABC, abstractmethod

from monosemy.interpretation.questions import Reply


class Picker(ABC):
    """Picks the odd passage, without any explanation."""

    @abstractmethod
    def pick(self, passages: tuple[str, ...]) -> Reply[int]:
        """Which of the passages, from 0; no value where there was no answer that can be used."""
