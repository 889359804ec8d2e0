"""The lines on the page about other protocols work as they stand there."""

import json
import re
import subprocess
from pathlib import Path

import httpx

import inference.protocols

PAGE = Path(inference.protocols.__file__).with_name("README.md")
CURL_LINES = 9


def test_every_curl_line_is_answered(shared_service: httpx.Client) -> None:
    [script] = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    here = script.replace("http://127.0.0.1:8000", str(shared_service.base_url).rstrip("/"))
    told = here.replace("curl -s ", "curl -s -w '\\n%{http_code}\\n' ")

    run = subprocess.run(["bash", "-eu", "-c", told], capture_output=True, text=True, check=True)

    statuses = [line for line in run.stdout.splitlines() if re.fullmatch(r"\d{3}", line)]
    assert statuses == ["200"] * CURL_LINES, run.stdout
    documents = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert all("error" not in document for document in documents)
