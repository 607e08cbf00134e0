"""OSS Vizier's default server: vizier_server.py DATABASE_URL|ram, under its own interpreter."""

# pyright: reportMissingImports=false

import sys
import time

from absl import logging
from vizier._src.service.vizier_server import DefaultVizierServer

if __name__ == "__main__":
    logging.set_verbosity(logging.ERROR)
    database = None if sys.argv[1] == "ram" else sys.argv[1]
    server = DefaultVizierServer(database_url=database)
    print(f"ready {server.endpoint}", flush=True)
    while True:
        time.sleep(3600)
