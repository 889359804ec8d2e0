"""`python -m training`: train, promote, roll back, list, serve."""

from features.command_line import run_commands
from training.command import app

if __name__ == "__main__":
    run_commands(app)
