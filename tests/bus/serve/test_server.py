"""The server over HTTP, without a browser: one that hears a broker, and one that is guarded and hears nothing."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quotebus import BusSettings
from quotebus.bus.serve.access import HEADERS
from tests.support.bus import NOBODY, environment_of, running_broker
from tests.support.programs import Program, eventually, run

TOKEN = "a-token-of-some-length"


class Served:
    """A running `quotebus serve` and requests to it."""

    def __init__(self, bus: BusSettings, *arguments: str, **settings: str) -> None:
        environment = {**environment_of(bus), **settings}
        self.program = Program("quotebus", "serve", "--port", "0", *arguments, environment=environment)
        self.port = int(self.program.line("quotebus serve: http://").split(":")[3].partition("/")[0])

    def ask(self, path: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        """Again while there is no room: the connections of the test before may not be gone yet."""
        answers = [(0, dict[str, str](), "")]

        def answered() -> int:
            answers.append(self._ask_once(path, method, body, headers))
            return answers[-1][0]

        eventually(answered)
        return answers[-1]

    def _ask_once(self, path: str, method: str, body: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, body or None, {name.replace("_", "-"): text for name, text in headers.items()})
        try:
            answer = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return 0, {}, ""
        text = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.headers), text

    def json(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask(path)[2])
        return found


@pytest.fixture(scope="module")
def open_one() -> Iterator[Served]:
    with running_broker() as settings:
        served = Served(settings, "--clients", "2")
        eventually(lambda: served.ask("/healthz")[0] == 200)
        yield served
        assert served.program.stop() == 0


@pytest.fixture(scope="module")
def guarded() -> Iterator[Served]:
    served = Served(NOBODY, "--host", "0.0.0.0", "--names", "bus.example.org", SERVE_TOKEN=TOKEN)
    eventually(lambda: served.ask("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200)
    yield served
    assert served.program.stop() == 0


def test_an_idle_bus_is_healthy_and_ready_and_says_by_what_rule(open_one: Served) -> None:
    ready = open_one.json("/readyz")
    assert ready["ok"] is True
    assert ready["rule"].startswith("ready while")
    assert open_one.json("/healthz")["why"] == "runs, and hears the bus"


def test_every_answer_has_the_strict_policy(open_one: Served) -> None:
    for path in ("/", "/static/main.js", "/metrics", "/healthz", "/nowhere", "/api/symbol?symbol=x%20y", "/static/x"):
        _, headers, _ = open_one.ask(path)
        for name in set(HEADERS) - {"Cache-Control"}:
            assert headers[name] == HEADERS[name], path


def test_the_page_is_ours_and_has_no_script_in_it(open_one: Served) -> None:
    status, _, page = open_one.ask("/")
    assert status == 200
    assert "<script>" not in page
    assert "style=" not in page
    assert "onclick" not in page
    for name in ("main.js", "chart.js", "page.css", "icon.svg"):
        status, headers, _ = open_one.ask(f"/static/{name}")
        assert status == 200
        assert open_one.ask(f"/static/{name}", If_None_Match=headers["ETag"])[0] == 304


@pytest.mark.parametrize(
    "path", ["/static/..%2fsettings.py", "/static/../server.py", "/static/index.html", "/static/%2e%2e/%2e%2e/x"]
)
def test_no_other_file_is_served(open_one: Served, path: str) -> None:
    assert open_one.ask(path)[0] == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "cors"}, 403),
    ],
)
def test_foreign_names_and_pages_get_nothing(open_one: Served, headers: dict[str, str], status: int) -> None:
    for path in ("/", "/events", "/metrics", "/healthz"):
        assert open_one.ask(path, **headers)[0] == status


def test_what_is_no_request_of_ours_is_refused_in_words(open_one: Served) -> None:
    assert open_one.ask("/", "POST")[0] == 405
    assert open_one.ask("/api/symbol?symbol=%1b")[0] == 400
    assert open_one.ask("/api/symbol")[0] == 400
    assert open_one.ask("/api/sparks?symbols=" + "A," * 3_000)[0] == 414
    assert open_one.ask("/login", "POST", "x" * 5_000)[0] == 413
    assert open_one.ask("/api/symbol?symbol=spy")[0] == 200


def test_metrics_have_conventional_names_and_types(open_one: Served) -> None:
    status, headers, text = open_one.ask("/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    for line in (
        "# TYPE quotebus_quotes_total counter",
        "# TYPE quotebus_hop_seconds histogram",
        'quotebus_hop_seconds_bucket{hop="node",le="+Inf"} 0.0',
        "# TYPE quotebus_connection_state gauge",
        "quotebus_ready 1.0",
    ):
        assert line in text
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert all(name.startswith("quotebus_") for name in names)


def test_pages_are_bounded_and_one_that_leaves_makes_room(open_one: Served) -> None:
    def open_page() -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", open_one.port, timeout=10)
        connection.request("GET", "/events")
        return connection

    pages = [open_page() for _ in range(2)]
    answers = [page.getresponse() for page in pages]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].read(15).startswith(b"retry: 1000\n\nev")
    assert open_one.ask("/events")[0] == 503
    for answer, page in zip(answers, pages, strict=True):
        answer.close()
        page.close()
    eventually(lambda: "quotebus_serve_pages 0.0" in open_one.ask("/metrics")[2])


def test_a_form_that_is_never_sent_whole_is_not_waited_for(open_one: Served) -> None:
    with socket.create_connection(("127.0.0.1", open_one.port), timeout=30) as slow:
        slow.sendall(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\ntoken=")
        assert slow.recv(12) == b"HTTP/1.1 408"
    with socket.create_connection(("127.0.0.1", open_one.port), timeout=30) as gone:
        gone.sendall(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\ntoken=")
    eventually(lambda: open_one.ask("/healthz")[0] == 200)
    assert not [line for line in open_one.program.lines if "Traceback" in line]


def test_connections_that_ask_for_nothing_are_bounded(open_one: Served) -> None:
    silent = [socket.create_connection(("127.0.0.1", open_one.port)) for _ in range(60)]
    refused = 0
    for each in silent:
        each.settimeout(0.05)
        try:
            refused += each.recv(1) == b""
        except ConnectionResetError:
            refused += 1
        except TimeoutError:
            pass
    assert refused >= 15  # 40 may stay: four for each page, and 32
    for each in silent:
        each.close()
    eventually(lambda: open_one.ask("/healthz")[0] == 200)


def test_a_bus_that_is_not_there_is_neither_healthy_nor_ready(guarded: Served) -> None:
    status, _, text = guarded.ask("/healthz")
    assert status == 503
    assert "ok" in text
    assert guarded.ask("/readyz", Authorization=f"Bearer {TOKEN}")[0] == 503


def test_without_the_token_there_is_a_form_and_nothing_else(guarded: Served) -> None:
    status, _, page = guarded.ask("/", Host="bus.example.org")
    assert status == 401
    assert 'name="token"' in page
    for path in ("/events", "/metrics", "/readyz", "/api/sparks?symbols="):
        status, headers, _ = guarded.ask(path)
        assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="quotebus"')
    assert guarded.ask("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_the_form_gives_a_cookie_that_scripts_cannot_read(guarded: Served) -> None:
    assert guarded.ask("/login", "POST", "token=wrong")[0] == 401
    status, headers, _ = guarded.ask("/login", "POST", f"token={TOKEN}")
    assert (status, headers["Location"]) == (303, "/")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert TOKEN not in cookie
    assert guarded.ask("/", Cookie=cookie.partition(";")[0])[0] == 200
    for _ in range(10):
        status = guarded.ask("/login", "POST", "token=wrong")[0]
    assert status == 429
    assert not [line for line in guarded.program.lines if TOKEN in line]


def test_a_bad_place_to_listen_is_one_line_and_78(tmp_path: Path, open_one: Served) -> None:
    status, said = run("quotebus", "serve", "--host", "0.0.0.0")
    assert status == 78
    assert "SERVE_TOKEN" in said
    status, said = run("quotebus", "serve", "--port", str(open_one.port))
    assert (status, said.count("\n")) == (78, 1)
    assert "cannot listen" in said
