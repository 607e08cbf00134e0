"""A server that answers what it is told to, for what a good server seldom does."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bayeslaw.client import RetryPolicy
from bayeslaw.client.transport import Transport


@dataclass
class Scripted:
    """Answers in order: (status, headers, body), or None to break the connection."""

    url: str
    answers: list = field(default_factory=list)
    seen: list = field(default_factory=list)

    def will(self, status, body=None, **headers):
        self.answers.append((status, {k.replace("_", "-"): v for k, v in headers.items()}, body))

    def will_break(self):
        self.answers.append(None)


@pytest.fixture
def scripted():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            length = int(self.headers.get("Content-Length", 0))
            script.seen.append((self.command, self.path, self.headers, self.rfile.read(length)))
            scripted = script.answers.pop(0)
            if scripted is None:
                self.close_connection = True
                self.connection.shutdown(2)
                return
            status, headers, body = scripted
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script = Scripted(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    server.shutdown()
    thread.join()
    server.server_close()
    assert not script.answers, "not everything scripted was asked for"


QUICK = RetryPolicy(patience_s=5.0, first_wait_s=0.001, longest_wait_s=0.01)


@pytest.fixture
def transport(scripted):
    transport = Transport(scripted.url, "secret", timeout_s=5.0, policy=QUICK)
    yield transport
    transport.close()
