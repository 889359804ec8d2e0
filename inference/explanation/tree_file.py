"""Read the JSON file of an XGBoost model: its trees, each shown to be one before a path of it is followed.

Source: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
"""

from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from contracts.bundle.errors import BundleSchemaError

LEAF: Final = -1


class Tree(BaseModel):
    """One tree: each list has an entry for each node, the root's first.

    A leaf has no children, and its split is its value. `sum_hessian` is the weight of the training rows that
    reached the node.
    """

    model_config = ConfigDict(frozen=True)

    left_children: list[int]
    right_children: list[int]
    split_indices: list[int]
    split_conditions: list[float]
    default_left: list[bool]
    sum_hessian: list[float]

    @model_validator(mode="after")
    def _is_tree(self) -> Self:
        """No node has two parents, and the root has none: so whatever is reached from it is reached once."""
        nodes = len(self.left_children)
        lists = [getattr(self, name) for name in type(self).model_fields]
        if not nodes or any(len(found) != nodes for found in lists):
            raise ValueError("its lists differ in length")
        pairs = list(zip(self.left_children, self.right_children, strict=True))
        if any((left == LEAF) != (right == LEAF) for left, right in pairs):
            raise ValueError("a node has one child")
        children = [child for pair in pairs for child in pair if child != LEAF]
        if len(set(children)) != len(children) or not set(children) <= set(range(1, nodes)):
            raise ValueError("a node is reached twice, or from nowhere")
        return self

    @property
    def features(self) -> set[int]:
        """What its splits ask; the entry of a leaf means nothing."""
        places = zip(self.left_children, self.split_indices, strict=True)
        return {feature for child, feature in places if child != LEAF}


class _Model(BaseModel):
    trees: list[Tree]


class _Booster(BaseModel):
    model: _Model


class _Learner(BaseModel):
    gradient_booster: _Booster


class _File(BaseModel):
    learner: _Learner


def parse_trees(content: bytes, width: int) -> list[Tree]:
    """The trees of a file, which read `width` features.

    Raises:
        BundleSchemaError: it is no such file, or ends early; a tree of it is none, or reads another feature.
    """
    try:
        trees = _File.model_validate_json(content).learner.gradient_booster.model.trees
    except ValidationError as error:
        raise BundleSchemaError(f"the trees cannot be read, train again or roll back: {error}") from error
    if not all(0 <= feature < width for tree in trees for feature in tree.features):
        raise BundleSchemaError(f"the trees read other features than the {width} there are; roll back")
    return trees
