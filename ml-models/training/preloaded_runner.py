"""A Prefect runner that forks each run from a process in which the slow libraries are imported already.

Importing Feast, MLflow, XGBoost, PyTorch and Prefect takes longer than fitting a small model, and somebody
waits for it. A fork server pays for the imports once; every run is a fresh process all the same.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Sequence
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.abc
from anyio.to_thread import run_sync
from prefect.runner import Runner
from prefect.runner._flow_run_executor import ProcessStarter
from prefect.runner._process_manager import ProcessHandle

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

ENGINE = "prefect.engine"
EXIT_POLL_SECONDS = 0.1


class PreloadedRunner(Runner):
    """A runner whose runs start with `modules` imported; otherwise as `prefect.runner.Runner`."""

    def __init__(self, modules: Sequence[str], **options: Any) -> None:
        """Start importing in the background; `options` are the runner's own."""
        super().__init__(**options)
        multiprocessing.set_forkserver_preload([ENGINE, *modules])
        forkserver.ensure_running()

    async def __aenter__(self) -> Self:
        """Start the runner's services, then let runs be forked: it offers no public hook for that."""
        await super().__aenter__()
        self._scheduled_run_poller._resolve_starter = self._resolve_forked_starter
        return self

    def _resolve_forked_starter(self, flow_run: "FlowRun") -> ProcessStarter:
        deployment = flow_run.deployment_id
        name = None if deployment is None else self._deployment_registry.get_deployment_name(deployment)
        return ForkedStarter(name or "")


class ForkedStarter:
    """Runs Prefect's engine for one flow run in a fork."""

    def __init__(self, deployment_name: str) -> None:
        self._deployment_name = deployment_name

    async def start(
        self,
        flow_run: "FlowRun",
        task_status: anyio.abc.TaskStatus[ProcessHandle] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Start the process, report it, and wait until it has ended."""
        environment = {
            "PREFECT__FLOW_RUN_ID": str(flow_run.id),
            "PREFECT__DEPLOYMENT_NAME": self._deployment_name,
            "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",
        }
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=run_engine, args=(str(flow_run.id), environment))
        await run_sync(process.start)
        task_status.started(ProcessHandle(process))  # type: ignore[arg-type]
        while process.exitcode is None:
            await anyio.sleep(EXIT_POLL_SECONDS)


def run_engine(flow_run_id: str, environment: dict[str, str]) -> None:
    """Do what `python -m prefect.engine FLOW_RUN_ID` does, in this process."""
    os.environ.update(environment)
    sys.argv = [ENGINE, flow_run_id]
    sys.modules.pop(ENGINE, None)
    runpy.run_module(ENGINE, run_name="__main__", alter_sys=True)
