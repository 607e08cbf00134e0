"""Senders that dawdle and bodies that are too large, while others read."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.service.broken_stores import n_server_errors
from benchmarks.service.latencies import Latencies, quantiles_ms
from benchmarks.service.readers import Readers
from benchmarks.service.service_process import ServiceProcess, Usage
from benchmarks.service.studies import lay_plan, some_runs, study_config
from benchmarks.service.wire import Reply, open_wire, request_bytes

STUDY = "slow"
_TEN_MB = 10_000_000
_READS_PER_S = 50.0
_N_ROUNDS = 3


def endure_slow_senders(folder: Path, *, n_sockets: int, seconds: float) -> dict[str, Any]:
    """Let sockets send a byte a second, some of their heads and some of their bodies, and read on."""
    with _service(folder) as service:
        token = service.make_tokens(1)[0]
        before = service.usage()
        quiet = asyncio.run(_read(service.port, token, seconds / 2))
        reads, ended = asyncio.run(_dawdle(service.port, token, n_sockets, seconds))
        time.sleep(1.0)
        return {
            "n_sockets": n_sockets,
            "seconds": seconds,
            "n_ended_by_the_service": ended,
            "reads_without": quiet,
            "reads_meanwhile": reads,
            "leak": difference(before, service.usage()),
        }


def send_large_bodies(folder: Path, *, n_each: int) -> dict[str, Any]:
    """Send bodies of 10 MB, well-formed and not, declared and not, eight at a time."""
    with _service(folder) as service:
        token = service.make_tokens(1)[0]
        run = service.make(f"/v1/studies/{STUDY}/runs:suggest", {"worker_id": "w"})["runs"][0]
        bodies = _large_bodies(run["run_id"])
        resident_mb: list[float] = []
        answers: dict[str, Counter[str]] = {name: Counter() for name in bodies}
        reads: dict[str, Any] = {}
        for _ in range(_N_ROUNDS):
            some, reads = asyncio.run(_send_and_read(service.port, token, bodies, n_each))
            for name, counts in some.items():
                answers[name].update(counts)
            time.sleep(1.0)
            resident_mb.append(round(service.usage().resident_bytes / 1e6, 1))
        return {
            "n_each_a_round": n_each,
            "answers": {name: dict(counts) for name, counts in answers.items()},
            "n_5xx_but_503": sum(n_server_errors(counts) for counts in answers.values()),
            "reads_in_the_last_round": reads,
            # What the allocator keeps of the first round is no leak; more after each round is.
            "resident_mb_after_each_round": resident_mb,
            "n_files": service.usage().n_files,
            "tracebacks_in_log": service.log().count("Traceback"),
        }


def difference(before: Usage, after: Usage) -> dict[str, float]:
    """Return by how much memory [MB] and open files [count] grew."""
    return {
        "resident_mb_before": round(before.resident_bytes / 1e6, 1),
        "resident_mb_after": round(after.resident_bytes / 1e6, 1),
        "files_before": before.n_files,
        "files_after": after.n_files,
    }


def _service(folder: Path) -> ServiceProcess:
    class Prepared(ServiceProcess):
        def __enter__(self) -> ServiceProcess:
            super().__enter__()
            self.make("/v1/studies", {"config": study_config(STUDY)})
            lay_plan(folder / "home" / "study.db", STUDY, 100)
            self.make(f"/v1/studies/{STUDY}/runs", {"runs": some_runs(200)})
            return self

    return Prepared(folder / "home")


async def _read(port: int, token: str, seconds: float) -> dict[str, Any]:
    now = time.perf_counter()
    latencies = Latencies(now, now + seconds)
    readers = Readers(port, STUDY, [token], per_s=_READS_PER_S, n_connections=16)
    await readers.read(latencies, ["past-1", "past-2"])
    summary = latencies.summary()
    answers: Counter[str] = Counter()
    for found in summary.values():
        answers.update(found["answers"])
    return {**quantiles_ms(latencies.all()), "answers": dict(answers)}


async def _dawdle(
    port: int, token: str, n_sockets: int, seconds: float
) -> tuple[dict[str, Any], int]:
    ended = 0

    async def one(number: int) -> None:
        nonlocal ended
        await asyncio.sleep(number / n_sockets)
        # Every third sends its head at once, and dawdles with the body.
        has_head = number % 3 == 0
        request = request_bytes(
            "POST", f"/v1/studies/{STUDY}/runs:suggest", token=token, body=b"x" * 1000
        )
        at = request.index(b"\r\n\r\n") + 4 if has_head else 1
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request[:at])
            for byte in request[at:]:
                await asyncio.sleep(1.0)
                writer.write(bytes([byte]))
                await writer.drain()
                if reader.at_eof():
                    break
            ended += 1
            writer.close()
        except OSError:
            ended += 1

    senders = [asyncio.create_task(one(number)) for number in range(n_sockets)]
    await asyncio.sleep(1.5)
    reads = await _read(port, token, seconds)
    n_ended = ended
    for sender in senders:
        sender.cancel()
    await asyncio.gather(*senders, return_exceptions=True)
    return reads, n_ended


def _large_bodies(run_id: str) -> dict[str, tuple[str, bytes, bool]]:
    """Return path, body and whether its length is declared, by what it is."""
    study = f"/v1/studies/{STUDY}"
    result = {"loss_nats": 3.0, "cost_gpu_hours": 0.1, "record": {"x": "y" * _TEN_MB}}
    run = {"status": "done", "n_tokens": 1, "loss_nats": 3.0, "columns": {"n_params": 1e6}}
    padded = [{**run, "n_tokens": i + 1, "record": {"x": "y" * 5_000}} for i in range(1_900)]
    many = json.dumps({"runs": [run] * 120_000})[:_TEN_MB].encode()
    nested = b'{"runs":' + b"[" * (_TEN_MB // 2) + b"]" * (_TEN_MB // 2) + b"}"
    return {
        "a result": (f"{study}/runs/{run_id}:complete", json.dumps(result).encode(), True),
        "a result of no declared length": (
            f"{study}/runs/{run_id}:complete", json.dumps(result).encode(), False,
        ),
        "1900 runs": (f"{study}/runs", json.dumps({"runs": padded}).encode(), True),
        "runs cut off": (f"{study}/runs", many, True),
        "brackets": (f"{study}/runs", nested, True),
        "17 MB of runs, no declared length": (f"{study}/runs", b" " * 17_000_000, False),
        "a space": ("/v1/spaces:validate", json.dumps({"space": "x" * _TEN_MB}).encode(), True),
    }  # fmt: skip


async def _send_and_read(
    port: int, token: str, bodies: dict[str, tuple[str, bytes, bool]], n_each: int
) -> tuple[dict[str, dict[str, int]], dict[str, Any]]:
    async with _reading(port, token) as reads:
        answers = await _send(port, token, bodies, n_each)
    return answers, reads


async def _send(
    port: int, token: str, bodies: dict[str, tuple[str, bytes, bool]], n_each: int
) -> dict[str, dict[str, int]]:
    answers: dict[str, Counter[str]] = {name: Counter() for name in bodies}
    slots = asyncio.Semaphore(8)

    async def one(name: str) -> None:
        path, body, is_declared = bodies[name]
        async with slots:
            wire = await open_wire("127.0.0.1", port)
            try:
                reply = await wire.ask(_large_request(path, token, body, is_declared))
                answer = f"{reply.status} {reply.code}".strip()
            except ConnectionError:
                answer = "cut off"
            wire.close()
        answers[name][answer] += 1

    await asyncio.gather(*(one(name) for name in bodies for _ in range(n_each)))
    return {name: dict(counts) for name, counts in answers.items()}


def _large_request(path: str, token: str, body: bytes, is_declared: bool) -> bytes:
    if is_declared:
        return request_bytes("POST", path, token=token, body=body)
    size = 2**16
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    head = request_bytes(
        "POST",
        path,
        token=token,
        headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
    )
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head + chunks + b"0\r\n\r\n"


@asynccontextmanager
async def _reading(port: int, token: str) -> AsyncIterator[dict[str, Any]]:
    """Read a study ten times a second meanwhile; the latencies are there at the end."""
    found: dict[str, Any] = {}
    seconds: list[float] = []
    statuses: Counter[str] = Counter()

    async def read() -> None:
        wire = await open_wire("127.0.0.1", port)
        request = request_bytes("GET", f"/v1/studies/{STUDY}", token=token)
        while True:
            begin = time.perf_counter()
            reply: Reply = await wire.ask(request)
            seconds.append(time.perf_counter() - begin)
            statuses[str(reply.status)] += 1
            await asyncio.sleep(0.1)

    task = asyncio.create_task(read())
    yield found
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    found.update({**quantiles_ms(seconds), "answers": dict(statuses)})
