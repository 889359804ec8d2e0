"""The name under which a problem's training is deployed: the loop closes by it, not by an import."""

from typing import Final

FLOW_NAME: Final = "train"


def deployment_name(problem: str) -> str:
    """What `prefect.deployments.run_deployment` calls the deployment of the problem of that name."""
    return f"{FLOW_NAME}/{problem}"
