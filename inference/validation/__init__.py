"""What a request may say, derived from the problem and the model's contract: decoded, checked, explained."""
