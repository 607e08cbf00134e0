"""Optuna's storage proxy with one study: optuna_server.py sqlite|postgres|journal URL.

Runs under the environment's own interpreter; the proxy has its default of ten threads.
"""

# pyright: reportMissingImports=false

import socket
import sys
import threading
import warnings

import optuna
from optuna.storages import GrpcStorageProxy, JournalStorage, get_storage, run_grpc_proxy_server
from optuna.storages.journal import JournalFileBackend


def say_ready(port):
    proxy = GrpcStorageProxy(host="localhost", port=port)
    proxy.wait_server_ready(timeout=60)
    optuna.create_study(storage=proxy, study_name="race", direction="minimize")
    print(f"ready localhost:{port}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kind, url = sys.argv[1:]
    storage = JournalStorage(JournalFileBackend(url)) if kind == "journal" else get_storage(url)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    threading.Thread(target=say_ready, args=(port,), daemon=True).start()
    run_grpc_proxy_server(storage, host="localhost", port=port)
