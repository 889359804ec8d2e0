"""The fast routes answered without FastAPI, plain requests for them without ASGI; all others go on."""
