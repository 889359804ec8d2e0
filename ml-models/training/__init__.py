"""Dataset, fit, evaluation, gate, bundle, registry, promotion: for any problem."""
