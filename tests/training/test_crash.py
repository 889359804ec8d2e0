"""A promoting process is killed at random moments; the next call continues with one champion that loads."""

import multiprocessing
import os
import random
import signal
import time
from itertools import count
from multiprocessing.synchronize import Event

import numpy as np

from contracts.bundle.reader import read_bundle
from contracts.promotion import INTENT_TAG, history, promote, recover
from contracts.registry import current, fetch_bundle, open_client
from tests.second_problem.problem import PROBLEM
from training.settings import TrainingSettings

KILLS = 20
LONGEST_LIFE = 0.4
NAME = PROBLEM.name


def promote_for_ever(settings: TrainingSettings, under_way: Event) -> None:
    """Move the champion back and forth until killed."""
    current(settings.registry, NAME)
    under_way.set()
    for number in count():
        champion = current(settings.registry, NAME)
        assert champion is not None
        target = "2" if champion.version == "3" else "3"
        promote(settings.registry, NAME, target, f"round {number}", champion.version)


def kill_a_promoter(settings: TrainingSettings, seconds: float) -> None:
    context = multiprocessing.get_context("fork")
    under_way = context.Event()
    process = context.Process(target=promote_for_ever, args=(settings, under_way))
    process.start()
    assert under_way.wait(60)
    time.sleep(seconds)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_killed_at_any_moment_the_registry_goes_on(settings: TrainingSettings) -> None:
    open_client(settings.registry)
    moments, interrupted = random.Random(8), 0
    for _ in range(KILLS):
        # given a process that is promoting, killed without warning
        kill_a_promoter(settings, moments.uniform(0, LONGEST_LIFE))
        interrupted += INTENT_TAG in open_client(settings.registry).get_registered_model(NAME).tags
        # when the next call comes
        recover(settings.registry, NAME)
        # then nothing is pending, and there is one champion, which loads and scores
        model = open_client(settings.registry).get_registered_model(NAME)
        assert INTENT_TAG not in model.tags
        assert model.aliases["champion"] != model.aliases["previous"]
        champion = current(settings.registry, NAME)
        assert champion is not None
        bundle = read_bundle(fetch_bundle(settings.registry, champion))
        answer = bundle.scorer().score(
            np.full((1, len(bundle.contract.categorical)), "", dtype=object),
            np.zeros((1, len(bundle.contract.numeric)), dtype=np.float32),
        )
        assert np.isfinite(answer).all()
    # and the moments were telling: some fell into a promotion, and the journal has no gap
    assert interrupted > 0
    assert [entry.id for entry in history(settings.registry, NAME)] == list(
        range(1, len(history(settings.registry, NAME)) + 1)
    )
