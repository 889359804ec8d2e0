"""What every part of the service speaks of: roles, answers and their reasons, stages."""
