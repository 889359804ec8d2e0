"""The trained world, as the training room's tests have it."""

from tests.training.conftest import settings, world

__all__ = ["settings", "world"]
