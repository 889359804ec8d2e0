"""What a window's signals lead to: the policy, the record of decisions, the training that one asks for."""
