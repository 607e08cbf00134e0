import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import httpx
import pytest

from bayeslaw.errors import InvalidInputError, StateError, UnavailableError
from bayeslaw.service.serve import serve
from bayeslaw.service.settings import Settings
from bayeslaw.service.tokens import create_token, revoke_token
from bayeslaw.store import SqlStore

SHAPE = {
    "n_layers": 2, "d_model": 64, "n_heads": 4, "n_kv_heads": 4, "head_dim": 16, "d_ff": 160,
    "vocab_size": 256, "tied_embeddings": True,
}  # fmt: skip


@pytest.fixture
def home(tmp_path, empty_store):
    """A home whose store has been made; that takes longer than the rest of a start."""
    shutil.copy(empty_store, tmp_path / "study.db")
    return tmp_path


def serve_while(home, use, **options):
    """Serve in this very thread while another one uses the service; then end it by SIGTERM."""
    errors = []

    def work(address):
        try:
            port = address.rpartition(":")[2]
            httpx.get(f"http://127.0.0.1:{port}/healthz")  # by now it listens to signals
            use(address)
        except BaseException as error:
            errors.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def begin(address):
        threads.append(threading.Thread(target=work, args=(address,)))
        threads[0].start()

    threads: list[threading.Thread] = []
    serve(home, **{"port": 0, "n_planners": 0, "on_listening": begin, **options})
    threads[0].join()
    if errors:
        raise errors[0]


def client_of(address, home):
    secret = (home / "admin.token").read_text().strip()
    return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {secret}"}, timeout=10)


def refused(home, **options):
    serve(home, **{"port": 0, "n_planners": 0, "on_listening": pytest.fail, **options})


def test_the_first_start_makes_a_token_for_the_owner_alone_and_the_second_none(tmp_path):
    home = tmp_path / "home"

    def use(address):
        assert (home / "address").read_text() == address + "\n"
        for name in ("admin.token", "address", "serve.lock"):
            assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert httpx.get(f"{address}/v1/studies").status_code == 401
        assert httpx.get(f"{address}/healthz").status_code == 200
        with client_of(address, home) as client:
            assert client.get("/v1/studies").json()["studies"] == []
            assert len(client.get("/v1/tokens").json()["tokens"]) == 1

    serve_while(home, use)
    assert not (home / "address").exists()
    serve_while(home, use)


def test_one_home_has_one_server(home):
    def use(address):
        with pytest.raises(StateError, match=rf"another process \(pid {os.getpid()}\)"):
            refused(home)

    serve_while(home, use)


def test_a_port_that_is_taken_is_said_so(home):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StateError, match=f"port {port} on 127.0.0.1 is taken"):
            refused(home, port=port)
    assert not (home / "address").exists()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"host": "planner.example"}, InvalidInputError, "--host must be an IP address"),
        ({"host": "::g"}, InvalidInputError, "--host must be an IP address"),
        ({"port": 70_000}, InvalidInputError, "--port must be from 0 to 65535"),
        ({"host": "127.9.9.9", "port": -1}, InvalidInputError, "--port"),
        ({"store_url": "/nowhere/at/all.db"}, InvalidInputError, "does not exist"),
        ({"store_url": "postgresql://u@127.0.0.1:9/x"}, UnavailableError, "cannot use the store"),
    ],
)
def test_what_cannot_be_served_is_said_so(home, options, kind, message):
    with pytest.raises(kind, match=message):
        refused(home, **options)


def test_others_can_connect_only_once_somebody_has_made_a_token(home):
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(StateError, match="bayeslaw token create"):
            refused(home, host=host)
    assert not (home / "admin.token").exists()
    serve_while(home, lambda address: None)  # the token of the first start is not enough
    with pytest.raises(StateError, match="bayeslaw token create"):
        refused(home, host="0.0.0.0")
    with SqlStore(home / "study.db") as store:
        create_token(store, "old", ["read"], at=time.time() - 10, expires_at=time.time() - 5)
        revoked, _ = create_token(store, "revoked", ["read"], at=time.time())
        revoke_token(store, revoked.token_id, at=time.time())
        with pytest.raises(StateError, match="bayeslaw token create"):
            refused(home, host="0.0.0.0")
        create_token(store, "scheduler", ["plan"], at=time.time())

    def use(address):
        port = address.rpartition(":")[2]
        # Any name may stand in Host there: a proxy passes its own on.
        answer = httpx.get(f"http://127.0.0.1:{port}/healthz", headers={"Host": "x.example"})
        assert answer.status_code == 200

    serve_while(home, use, host="0.0.0.0")


def test_on_this_machine_only_its_own_names_are_answered(home):
    def use(address):
        for host, status in (("localhost", 200), ("x.example", 421), ("planner.example:1", 200)):
            assert httpx.get(f"{address}/healthz", headers={"Host": host}).status_code == status

    serve_while(home, use, allowed_hosts=["planner.example"])


def test_the_end_waits_for_running_requests_and_wakes_who_waits(home):
    def use(address):
        with client_of(address, home) as client:
            study = {"config": _config()}
            assert client.post("/v1/studies", json=study).status_code == 201
            run = {"run_id": "r1", "architecture": SHAPE, "n_tokens": 1000, "status": "planned"}
            assert client.post("/v1/studies/s/runs", json={"runs": [run]}).status_code == 201
            assert suggest(client, "w1").json()["runs"][0]["run_id"] == "r1"

        def wait():
            with client_of(address, home) as waiting:
                answers.append(suggest(waiting, "w2", wait_s=30))

        waiter = threading.Thread(target=wait)
        waiter.start()
        time.sleep(0.5)
        waiters.append(waiter)

    def suggest(client, worker_id, wait_s=0):
        body = {"worker_id": worker_id, "wait_s": wait_s}
        return client.post("/v1/studies/s/runs:suggest", json=body)

    answers, waiters = [], []
    serve_while(home, use)
    ended = time.monotonic()
    waiters[0].join(10)
    assert time.monotonic() - ended < 9  # not the 30 s it wanted to wait
    assert answers[0].status_code in (200, 202, 503), answers[0].text
    with SqlStore(home / "study.db") as store:
        assert store.run("s", "r1").holder == "w1"


def test_all_that_was_acknowledged_is_there_after_an_end_under_load(home):
    known, threads = [], []

    def write(address, worker):
        with client_of(address, home) as client:
            for i in itertools.count():
                run = {"run_id": f"{worker}-{i}", "architecture": SHAPE, "n_tokens": 1000 + i}
                body = {"runs": [{**run, "status": "planned"}]}
                try:
                    answer = client.post("/v1/studies/s/runs", json=body)
                except httpx.TransportError:
                    return
                if answer.status_code == 201:
                    known.append(run["run_id"])
                else:  # told to end
                    assert answer.status_code == 503, answer.text

    def use(address):
        with client_of(address, home) as client:
            assert client.post("/v1/studies", json={"config": _config()}).status_code == 201
        for worker in "abcd":
            threads.append(threading.Thread(target=write, args=(address, worker)))
            threads[-1].start()
        while len(known) < 50:
            time.sleep(0.01)

    serve_while(home, use)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    with SqlStore(home / "study.db") as store:
        kept = {entry.run.run_id for entry in store.runs("s")}
    assert len(known) >= 50 and set(known) <= kept


def test_who_dawdles_is_dropped_and_nobody_else_notices(home):
    settings = Settings(header_timeout_s=60, max_connections=150)

    def use(address):
        host, port = address.removeprefix("http://").split(":")
        starts = (b"", b"GET / HT", b"POST /v1/studies HTTP/1.1\r\nhost: localhost\r\n")
        with contextlib.ExitStack() as stack:
            for i in range(300):
                slow = socket.create_connection((host, int(port)))
                stack.enter_context(slow)
                slow.sendall(starts[i % 3])
            with client_of(address, home) as client:
                waits_s = []
                for _ in range(50):
                    began = time.monotonic()
                    assert client.get("/v1/studies").status_code == 200
                    waits_s.append(time.monotonic() - began)
                lines = client.get("/metrics").text.splitlines()
        assert sorted(waits_s)[25] < 0.25
        [evicted] = [
            line for line in lines if line.startswith("bayeslaw_connections_evicted_total")
        ]
        assert float(evicted.split()[1]) >= 150

    serve_while(home, use, settings=settings)


def test_large_bodies_are_refused_and_the_refusal_arrives(home):
    large = b"[" * 10_000_000

    def parts():
        for _ in range(100):
            yield large[:100_000]

    def use(address):
        for content, status in ((large, 401), (parts(), 401)):
            assert httpx.post(f"{address}/v1/studies", content=content).status_code == status
        json = {"Content-Type": "application/json"}
        with client_of(address, home) as client:
            for path in ("/v1/studies", "/v1/studies/s/runs:suggest"):
                for content in (large, parts()):
                    answer = client.post(path, content=content, headers=json)
                    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
            answer = client.post("/v1/studies/s/runs", content=large, headers=json)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json")
            answer = client.post("/v1/studies/s/runs", content=large + large, headers=json)
            assert answer.status_code == 413

    serve_while(home, use)


@contextlib.contextmanager
def command(home, log):
    """Run `bayeslaw serve` as a process; kill it in the end if need be."""
    (home / "address").unlink(missing_ok=True)
    words = ["serve", "--home", str(home), "--port", "0", "--planners", "0", "--access-log"]
    with log.open("a") as file:
        process = subprocess.Popen([sys.executable, "-m", "bayeslaw", *words], stderr=file)
    try:
        while not (home / "address").exists():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        with client_of((home / "address").read_text().strip(), home) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_the_command_ends_in_good_order_and_leaves_no_secret_behind(tmp_path):
    home, log = tmp_path / "home", tmp_path / "log"
    with command(home, log) as (process, client):
        secret = (home / "admin.token").read_text().strip()
        assert client.post("/v1/studies", json={"config": _config()}).status_code == 201
        assert client.get(f"/v1/studies?token={secret}").status_code == 400
        assert client.get(f"/v1/{secret}").status_code == 400
        made = client.post("/v1/tokens", json={"name": "x", "scopes": ["read"]}).json()["secret"]
        for name in ("cmdline", "environ"):
            with open(f"/proc/{process.pid}/{name}", "rb") as file:
                assert secret.encode() not in file.read()
        second = subprocess.run(
            [sys.executable, "-m", "bayeslaw", "serve", "--home", str(home)], capture_output=True
        )
        assert second.returncode == StateError.exit_code
        assert b"is served by another" in second.stderr
        process.terminate()
        assert process.wait(20) == 0
    text = log.read_text()
    assert "GET /v1/studies?token=blaw_***" in text
    assert secret not in text and made not in text
    files = b"".join(path.read_bytes() for path in home.iterdir() if path.name != "admin.token")
    assert secret.encode() not in files and made.encode() not in files

    with command(home, log) as (process, client):
        assert len(client.get("/v1/studies").json()["studies"]) == 1
        process.kill()
        process.wait()
    with command(home, log) as (process, client):  # the kernel has let go of the lock
        assert len(client.get("/v1/studies").json()["studies"]) == 1


def test_a_missing_package_is_named_with_what_to_install(tmp_path, monkeypatch):
    from bayeslaw.cli.commands.serve import serve as command

    monkeypatch.delitem(sys.modules, "bayeslaw.service.serve")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UnavailableError, match=r"'uvicorn'.*install 'bayeslaw\[service\]'"):
        command(tmp_path)


def test_help_loads_nothing_heavy():
    code = """
import json, sys
from bayeslaw.cli import main
for command in ("serve", "token"):
    sys.argv = ["bayeslaw", command, "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code
heavy = {"torch", "jax", "fastapi", "uvicorn", "sqlalchemy"}
print(json.dumps(sorted(heavy & set(sys.modules))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def _config():
    import yaml

    from bayeslaw.shipped import shipped_file

    return {**yaml.safe_load(shipped_file("search", "demo").read_text()), "name": "s"}
