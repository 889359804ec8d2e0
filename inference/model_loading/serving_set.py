"""Who answers a question: the champion, or a challenger that a rollout lets answer or score along."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from inference.documents import Role

if TYPE_CHECKING:
    from inference.model_loading.served_model import ServedModel
    from inference.validation.schema import Question


class QuestionSplit(Protocol):
    """Who gets what; decides by the question alone, in microseconds."""

    def answers(self, question: "Question") -> bool:
        """Whether the challenger answers this question."""

    def shadows(self, question: "Question") -> bool:
        """Whether the challenger scores this question unseen, besides the champion's answer."""


@dataclass(frozen=True)
class ServingSet:
    """The models that serve together. The follower swaps the whole set in one assignment."""

    champion: "ServedModel"
    challenger: "ServedModel | None" = None
    policy: QuestionSplit | None = None

    def choose(self, question: "Question") -> "tuple[Role, ServedModel]":
        """The model that answers the question, and in which role."""
        if self.challenger and self.policy and self.policy.answers(question):
            return "challenger", self.challenger
        return "champion", self.champion

    def shadows(self, question: "Question") -> "ServedModel | None":
        """The model that scores the question too; logged as `shadow`, never answered."""
        if self.challenger and self.policy and self.policy.shadows(question):
            return self.challenger
        return None
