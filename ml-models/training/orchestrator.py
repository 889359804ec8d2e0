"""The orchestrator, looked for as Prefect does: in the environment, in `.env`, in its active profile."""

from training.errors import OrchestratorUnavailableError


def find_orchestrator() -> str | None:
    """Return the address of the orchestrator, which answers; None where none is named.

    Raises:
        OrchestratorUnavailableError: it does not answer, or not to these credentials.
    """
    from prefect.settings import PREFECT_API_URL  # takes seconds

    url = PREFECT_API_URL.value()
    if url:
        _require_answer(url)
    return url or None


def _require_answer(url: str) -> None:
    from httpx import URL, HTTPError
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException

    try:
        with get_client(sync_client=True) as client:
            client.api_version()
    except (HTTPError, PrefectException) as error:
        said, _, _ = str(error).partition("\n")
        raise OrchestratorUnavailableError(
            f"the orchestrator at {URL(url).copy_with(userinfo=b'')} does not answer ({said}); start it with "
            "`prefect server start`, or correct PREFECT_API_URL and PREFECT_API_AUTH_STRING"
        ) from None
