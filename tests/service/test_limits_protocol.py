import contextlib
import time

import pytest
from tests.service.serving import answer_of, connected, served, told


async def echo(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    length = str(len(body)).encode()
    headers = [(b"content-length", str(len(length)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": length})


async def deaf(scope, receive, send):
    """Answer without reading the body."""
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b"no"})


@pytest.fixture(scope="module")
def address():
    with served(echo) as address:
        yield address


HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"


def test_a_request_in_many_pieces_is_answered_and_the_connection_goes_on(address):
    with connected(address) as client:
        for _ in range(2):
            for byte in HEAD % 3 + b"abc":
                client.sendall(bytes([byte]))
            assert told(client, b"\r\n\r\n3")


def test_a_connection_that_says_nothing_is_ended(address):
    with connected(address) as client:
        began = time.monotonic()
        assert answer_of(client).startswith(b"HTTP/1.1 408 ")
        assert 0.1 < time.monotonic() - began < 4


def test_a_trickle_of_headers_does_not_move_the_deadline(address):
    with connected(address, b"GET / HTTP/1.1\r\n") as client:
        began = time.monotonic()
        client.settimeout(0.1)
        answer = b""
        while not answer and time.monotonic() - began < 5:
            client.sendall(b"x-a: b\r\n")
            try:
                answer = client.recv(4096)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 4


def test_the_deadline_holds_for_later_requests_of_a_connection(address):
    with connected(address, HEAD % 1 + b"a") as client:
        assert told(client, b"\r\n\r\n1")
        client.sendall(b"GET / HT")
        assert answer_of(client).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_never_ends_is_cut_off(address):
    with connected(address, HEAD % 10 + b"abc") as client:
        began = time.monotonic()
        assert answer_of(client) == b""
        assert 0.2 < time.monotonic() - began < 4


def test_a_connection_that_idles_between_requests_is_no_offence(address):
    with connected(address, HEAD % 1 + b"a") as client:
        assert told(client, b"\r\n\r\n1")
        time.sleep(0.5)  # longer than the deadline of a head
        client.sendall(HEAD % 2 + b"ab")
        assert told(client, b"\r\n\r\n2")


def test_headers_without_end_are_refused():
    with served(echo, header_timeout_s=5) as address:
        with connected(address, b"GET / HTTP/1.1\r\nx-a: " + b"a" * 8000) as client:
            time.sleep(0.05)
            client.sendall(b"a" * 9000)
            assert answer_of(client).startswith(b"HTTP/1.1 431 ")
        with connected(address, b"GET / HTTP/1.1\r\nx-a: ") as client:
            try:
                for _ in range(1000):
                    client.sendall(b"a" * 4096)
            except OSError:
                pass
            else:
                raise AssertionError("4 MB of headers were taken")


def test_trailers_without_end_are_cut_off():
    chunked = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    with served(echo, body_timeout_s=20) as address, connected(address, chunked) as client:
        began = time.monotonic()
        try:
            for i in range(10_000):
                client.sendall(b"x-%d: %s\r\n" % (i, b"a" * 1000))
        except OSError:
            pass
        else:
            raise AssertionError("10 MB of trailers were taken")
        assert time.monotonic() - began < 10


def test_small_chunks_are_no_offence():
    chunked = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with served(echo) as address, connected(address, chunked) as client:
        for _ in range(20):
            client.sendall(b"1\r\na\r\n" * 1000)
        client.sendall(b"0\r\n\r\n")
        assert told(client, b"\r\n\r\n20000")


def test_a_body_that_nobody_reads_is_thrown_away_and_then_cut_off():
    with served(deaf, body_timeout_s=20) as address:
        with connected(address, HEAD % 500_000) as client:
            for _ in range(5):
                client.sendall(b"a" * 100_000)
            assert told(client, b"no")
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert told(client, b"no")
        with connected(address, HEAD % 500_000_000) as client:
            try:
                for _ in range(500):
                    client.sendall(b"a" * 100_000)
            except OSError:
                pass
            else:
                raise AssertionError("50 MB were taken")


def test_who_dawdles_makes_room_for_who_does_not():
    with served(echo, max_connections=20, header_timeout_s=30) as address:
        idle = [connected(address, b"GET / HT") for _ in range(60)]
        began = time.monotonic()
        for _ in range(30):
            with connected(address, HEAD % 1 + b"a") as client:
                assert told(client, b"\r\n\r\n1")
        assert time.monotonic() - began < 10
        for client in idle:
            client.close()


def test_who_idles_after_a_request_makes_room_too():
    with served(echo, max_connections=20, header_timeout_s=30) as address:
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                idle = stack.enter_context(connected(address, HEAD % 1 + b"a"))
                assert told(idle, b"\r\n\r\n1")
            with connected(address, HEAD % 1 + b"a") as client:
                assert told(client, b"\r\n\r\n1")
            idle.sendall(HEAD % 1 + b"a")  # the latest are still there
            assert told(idle, b"\r\n\r\n1")


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"\x00" * 100, id="zeros"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="version"),
        pytest.param(b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", id="negative length"),
        pytest.param(
            b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            id="length and chunks",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            id="two lengths",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nx a: b\r\n\r\n", id="name with a space"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
    ],
)
def test_what_is_no_request_is_refused_without_a_line_in_the_log(address, nonsense, caplog):
    with connected(address, nonsense) as client:
        answer = answer_of(client)
    assert answer.startswith(b"HTTP/1.1 400 ") and b'"malformed-request"' in answer
    assert caplog.records == []


def test_an_upgrade_is_not_granted_and_not_logged(address, caplog):
    upgrade = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    with connected(address, upgrade) as client:
        assert told(client, b"\r\n\r\n0")
    assert caplog.records == []
