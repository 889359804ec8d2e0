"""`python -m training`: train, promote, roll back, list, serve."""

from training.command import app

if __name__ == "__main__":
    app()
