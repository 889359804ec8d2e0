"""Why a prediction is what it is: each feature's contribution, and the strongest ones in words."""
