"""The API's documentation page: self-contained, so that it opens without the internet."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

PAGE = Path(__file__).with_name("docs_page.html")


def add_docs_page(app: FastAPI) -> None:
    """Serve the page at `/docs`; it reads `/openapi.json` of the same service."""
    page = PAGE.read_text(encoding="utf-8")

    @app.get("/docs", include_in_schema=False)
    async def get_docs() -> HTMLResponse:
        return HTMLResponse(page)
