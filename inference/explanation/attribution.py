"""Which method explains a version: the one that fits its family."""

from contracts.bundle.reader import Bundle
from inference.explanation.constant import ConstantAttribution
from inference.explanation.contributions import Attribution
from inference.explanation.linear import LinearAttribution
from inference.explanation.margin import margin_scorer
from inference.explanation.sampling import SampledAttribution
from inference.explanation.trees import TreeAttribution


def attribution_of(bundle: Bundle) -> Attribution:
    """Load what explains a bundle: exact for trees and linear models, sampled for every other family.

    Raises:
        ExplanationUnavailableError: nothing in the bundle lets it be explained.
        BundleSchemaError: the native model cannot be parsed.
    """
    contract = bundle.contract
    if contract.family == "xgboost":
        return TreeAttribution.of(bundle)
    if contract.family == "base_rate":
        return ConstantAttribution(margin_scorer(bundle), len(contract.columns))
    from inference.explanation.reference import reference_matrix  # PyArrow, which trees do without

    reference = reference_matrix(bundle)
    if contract.family in ("linear", "logistic"):
        return LinearAttribution.of(bundle, reference)
    return SampledAttribution.of(margin_scorer(bundle), reference)
