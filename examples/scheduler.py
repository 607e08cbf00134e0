"""A scheduler that only speaks HTTP: `BAYESLAW_URL=... BAYESLAW_TOKEN=... scheduler.py STUDY WORKER`.

Killed and started again under the same worker name, it gets back the run it held.
"""

import itertools
import json
import os
import random
import sys
import time
import uuid
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

STUDY, WORKER = sys.argv[1:]
LEASE_S, N_STEPS, STEP_S = 60, 20, float(os.environ.get("STEP_S", "0.5"))


def post(path: str, **body) -> tuple[int, dict]:
    """Send it until it is answered; the key says that it is one wish, however often it is sent."""
    url = f"{os.environ['BAYESLAW_URL']}/v1/studies/{STUDY}/{path}"
    content = json.dumps({"worker_id": WORKER, **body}).encode()
    headers = {"Authorization": f"Bearer {os.environ['BAYESLAW_TOKEN']}"}
    headers |= {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
    for attempt in itertools.count():
        try:
            with urlopen(Request(url, content, headers), timeout=90) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            if error.code not in (429, 502, 503, 504):
                return error.code, json.load(error)
        except (OSError, HTTPException) as error:
            print(f"trying again: {error!r}", file=sys.stderr)
        time.sleep(random.uniform(0, min(20, 0.2 * 2 ** min(attempt, 10))))


def train(run: dict):
    """Yield tokens and loss after each step; yours goes here."""
    shape = run["architecture"]
    n_params = shape["n_layers"] * shape["d_model"] * (4 * shape["d_model"] + 3 * shape["d_ff"])
    for step in range(1, N_STEPS + 1):
        time.sleep(STEP_S)
        n_tokens = run["n_tokens"] * step // N_STEPS
        yield n_tokens, 1.2 + (2e4 / n_params) ** 0.3 + (2e5 / n_tokens) ** 0.3


while True:
    status, answer = post("runs:suggest", lease_s=LEASE_S, wait_s=30)
    if status == 202 or (status == 200 and not answer["runs"] and answer["reason"]["passes"]):
        continue  # the planner is at it, or others' results are awaited
    if status != 200 or not answer["runs"]:
        sys.exit(answer["detail"] if status != 200 else answer["reason"]["detail"])
    run, began, renewed = answer["runs"][0], time.time(), time.time()
    for n_tokens, loss in train(run):
        if time.time() > renewed + LEASE_S / 3:
            post(f"runs/{run['run_id']}:report", points=[{"n_tokens": n_tokens, "loss_nats": loss}])
            status, answer = post(f"runs/{run['run_id']}:heartbeat", lease_s=LEASE_S)
            if status != 200 or answer["should_stop"]:
                break  # it is another worker's now, or nobody wants it any more
            renewed = time.time()
    else:
        told = {"loss_nats": loss, "cost_gpu_hours": (time.time() - began) / 3600}
        status, answer = post(f"runs/{run['run_id']}:complete", **told)
        print(run["run_id"], f"{loss:.4f}", answer.get("outcome") or answer["detail"], flush=True)
