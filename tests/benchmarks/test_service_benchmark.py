"""The parts of the service's benchmark that need no service, and a second of load on one."""

import asyncio
import time

import pytest
from benchmarks.service import sizes
from benchmarks.service.auth import needed_scopes
from benchmarks.service.broken_stores import n_server_errors
from benchmarks.service.cells import kept
from benchmarks.service.crew import VERBS, Crew
from benchmarks.service.latencies import Latencies
from benchmarks.service.readers import KINDS, Readers
from benchmarks.service.steadfast import Steadfast
from benchmarks.service.studies import some_runs, study_config
from benchmarks.service.summary import headline, ratios
from benchmarks.service.wire import open_wire, request_bytes
from tests.client.running_service import running_service


def test_latencies_count_the_window_and_from_the_moment_that_was_meant():
    latencies = Latencies(10.0, 20.0)
    latencies.add("GET run", 9.9, 10.1, "200")
    latencies.add("GET run", 10.0, 10.5, "200")
    latencies.add("GET run", 19.9, 20.9, "503 overloaded")
    latencies.add("GET run", 20.0, 20.1, "200")
    found = latencies.summary()["GET run"]
    assert found["n"] == 2
    assert (found["p50_ms"], found["max_ms"]) == (500.0, 1000.0)
    assert found["answers"] == {"200": 1, "503 overloaded": 1}


def test_a_wire_reads_bodies_however_they_are_framed_and_knows_when_it_is_closed():
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"3\"\r\n\r\nhi",
        b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"11\r\n{\"code\": \"state\"}\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    ]  # fmt: skip

    async def serve(reader, writer):
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async def ask():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        wire = await open_wire("127.0.0.1", server.sockets[0].getsockname()[1])
        server.close()
        request = request_bytes("GET", "/")
        first, second = await wire.ask(request), await wire.ask(request)
        third = await wire.ask(request)
        assert (first.status, first.body, first.headers["etag"]) == (200, b"hi", '"3"')
        assert (second.status, second.code) == (409, "state")
        assert (third.status, wire.is_open) == (204, False)
        with pytest.raises(ConnectionError):
            await wire.ask(request)
        wire.close()
        await server.wait_closed()

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "/v1/studies/{study_id}/runs", ("read",)),
        ("GET", "/v1/tokens", ("admin",)),
        ("POST", "/v1/studies/{study_id}/runs:suggest", ("plan",)),
        ("POST", "/v1/studies/{study_id}/runs/{run_id}:complete", ("report",)),
        ("POST", "/v1/studies/{study_id}/measurements", ("report",)),
        ("POST", "/v1/studies/{study_id}/runs/{run_id}:requeue", ("report", "plan")),
        ("DELETE", "/v1/tokens/{token_id}", ("admin",)),
    ],
)
def test_scopes_are_the_designs(method, path, scopes):
    assert needed_scopes(method, path) == scopes


def test_the_study_has_room_for_a_long_load_and_a_past_of_other_candidates():
    assert study_config("s")["plan"]["acquisition"] == "random"
    runs = some_runs(50)
    assert len({(str(run["architecture"]), run["n_tokens"]) for run in runs}) == 50
    assert {run["status"] for run in runs} == {"done"}


def test_the_headline_has_its_seven_figures_and_sums_kills_and_faults():
    cell = {"n_kills": 3, "n_lost": 1, "n_doubled": 0, "repeats": {"n_different": 2}}
    fault = {"n_lost": 1, "n_doubled": 1}
    faults = {"postgres_restarted": fault, "disk_full": fault, "clock_set": fault, "malformed": {}}
    races = {
        "bayeslaw-sqlite": {"completes_per_s": 90.0, "is_durable": True},
        "swift": {"completes_per_s": 30.0, "is_durable": False},
        "sound": {"completes_per_s": 9.0, "is_durable": True},
        "absent": {"unavailable": "not on PyPI"},
    }
    found = headline({"kills": {"a": cell, "b": cell}, "faults": faults, "peers": races})
    assert found == {
        "kills": 6, "lost": 5, "doubled": 7, "suggest_p99_ms": None, "read_p99_ms": None,
        "completes_per_s": None, "ratio_to_best_peer": 3.0,
    }  # fmt: skip
    assert ratios(races)["ratio_to_best_durable_peer"] == 10.0


def test_only_503_is_a_server_error_that_is_allowed():
    assert n_server_errors({"200": 9, "503 overloaded": 2, "500": 1, "502 x": 1}) == 2


def test_in_full_there_are_three_hundred_kills():
    full = sizes.FULL
    assert sum(n for _, n in full.kills) + full.planner_kills == 300


def test_a_cell_is_measured_once(tmp_path):
    calls = []

    def measure(work):
        calls.append(work)
        (work / "large.file").write_text("x")
        return {"figure": 1}

    first = kept(tmp_path, "part-sqlite-0", measure)
    second = kept(tmp_path, "part-sqlite-0", measure)
    assert first == second and len(calls) == 1
    assert not calls[0].exists()


def test_a_second_of_load_on_a_real_service():
    service = running_service()
    study = service.study(n_planned=40)
    port = int(service.url.rpartition(":")[2])
    shared = {"port": port, "study_id": study.study_id, "tokens": [service.admin_token]}

    async def load():
        now = time.perf_counter()
        work, read = Latencies(now, now + 1.0), Latencies(now, now + 1.0)
        run_ids = ["r1"]
        others, _ = await asyncio.gather(
            Crew(**shared, n_workers=4, cycle_s=0.8).work(work, run_ids),
            Readers(**shared, per_s=40.0, n_connections=4).read(read, run_ids),
        )
        return others, work.summary(), read.summary(), run_ids

    others, work, read, run_ids = asyncio.run(load())
    assert others["errors"] == [] and len(run_ids) > 1
    assert set(work) == set(VERBS) and set(read) == set(KINDS)
    for found in (*work.values(), *read.values()):
        assert set(found["answers"]) == {"200"}


@pytest.mark.slow
def test_steadfast_workers_and_their_audit_agree_on_a_service_that_is_not_killed(tmp_path):
    from benchmarks.service.audit import audit, read_ledger

    service = running_service()
    study = service.study(n_planned=200)
    port = int(service.url.rpartition(":")[2])
    crew = Steadfast(str(tmp_path), port, study.study_id, [service.admin_token], n_workers=10)
    process = crew.begin()
    time.sleep(4.0)
    counts = crew.end(process)
    found = audit(service.home / "study.db", study.study_id, read_ledger(crew.ledger))
    assert counts["200"] > 20 and found.n_acknowledged > 20
    assert not [*found.lost, *found.doubled, *found.two_holders, *found.refused_but_done]
