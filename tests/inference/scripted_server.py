"""A real HTTP server that gives the answers it was told, one after another, and remembers what was asked."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

ScriptedAnswer = tuple[int, dict[str, str], bytes]


class ScriptedServer:
    """Answers POST requests; `asked` are their headers (names in lower case) and bodies."""

    def __init__(self, *answers: ScriptedAnswer) -> None:
        self.asked: list[tuple[dict[str, str], bytes]] = []
        script, asked = list(answers), self.asked

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                asked.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, headers, content = script.pop(0)
                self.send_response(status)
                for name, value in {"content-length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
