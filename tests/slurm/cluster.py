"""A real Slurm cluster of a few nodes on this machine's loopback, in a folder of its own.

    sudo python -m tests.slurm.cluster FOLDER    # starts it, says how to reach it, stops on Ctrl-C

Debian's packages slurmctld, slurmd, slurm-client and munge are enough. Every daemon is our child,
runs as root, listens on free ports and keeps its files in the folder, so it disturbs no other
cluster. Each node pretends to have the CPUs and GPUs it is told to have.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")

_CONF = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire={requeue_wait_s}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=2
ReturnToService=2
SlurmdTimeout={node_timeout_s}
KillWait={kill_wait_s}
MinJobAge={forget_after_s}
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed.txt
GresTypes=gpu
{nodes}
PartitionName=main Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""


class LoopbackCluster:
    """Run a Slurm cluster; use it in a ``with`` block.

    Args:
        folder: Its own; its path should be short, a socket lies in it.
        n_nodes: Nodes, named n1, n2, ... [count].
        cpus: CPUs each node says it has [count].
        gpus: GPUs each node says it has [count].
        node_timeout_s: How long a node may be silent before it is down [s].
        requeue_wait_s: How long a requeued job waits before it starts again [s]; Slurm's own
            default is 120.
        kill_wait_s: Between SIGTERM and SIGKILL [s].
        forget_after_s: How long squeue tells of jobs that are over [s].
    """

    def __init__(
        self,
        folder: Path,
        *,
        n_nodes: int = 3,
        cpus: int = 2,
        gpus: int = 0,
        node_timeout_s: int = 10,
        requeue_wait_s: int = 5,
        kill_wait_s: int = 5,
        forget_after_s: int = 300,
    ) -> None:
        self.folder = folder.resolve()
        self.nodes = [f"n{i + 1}" for i in range(n_nodes)]
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._gpus = gpus
        ports = _free_ports(n_nodes + 1)
        shape = f"NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000" + (
            f" Gres=gpu:{gpus}" * (gpus > 0)
        )
        self._conf = _CONF.format(
            folder=self.folder,
            host=socket.gethostname(),
            controller_port=ports[0],
            node_timeout_s=node_timeout_s,
            requeue_wait_s=requeue_wait_s,
            kill_wait_s=kill_wait_s,
            forget_after_s=forget_after_s,
            names=",".join(self.nodes),
            nodes="\n".join(
                f"NodeName={name} NodeHostname={socket.gethostname()} Port={port} {shape}"
                for name, port in zip(self.nodes, ports[1:], strict=True)
            ),
        )

    @property
    def conf(self) -> Path:
        """What SLURM_CONF must name for sbatch and the others to find this cluster."""
        return self.folder / "slurm.conf"

    def __enter__(self) -> LoopbackCluster:
        try:
            self._write_files()
            self._start_munge()
            self.start_controller()
            for name in self.nodes:
                self.start_node(name)
            self.await_nodes(self.nodes)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in [*self.nodes, "slurmctld", "munged"]:
            self._stop(name)

    def ask(self, *command: str) -> str:
        """Run a Slurm command against this cluster and return what it prints."""
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout.strip() + done.stderr.strip()

    def start_controller(self) -> None:
        """Start slurmctld; jobs and nodes it knew before are known again."""
        self._start("slurmctld", ["slurmctld", "-D", "-f", str(self.conf)])
        self._wait_for(lambda: "UP" in self.ask("scontrol", "ping"), "slurmctld does not answer")

    def stop_controller(self) -> None:
        """Stop slurmctld in order, as an operator does: it saves what it knows."""
        self._stop("slurmctld")

    def start_node(self, name: str) -> None:
        """Start a node's slurmd."""
        self._start(name, ["slurmd", "-D", "-N", name, "-f", str(self.conf)])

    def kill_node(self, name: str) -> list[int]:
        """Kill a node as a power cut would: slurmd and all that runs on it; return their pids."""
        found = self.processes_on(name)
        self._stop(name, signal.SIGKILL)
        return found

    def processes_on(self, name: str) -> list[int]:
        """Return the processes of a node's jobs; first those that would report the others' end."""
        found, reporters = [], set()
        ours = {f"SLURMD_NODENAME={name}".encode(), f"SLURM_CONF={self.conf}".encode()}
        for pid in sorted(int(entry.name) for entry in Path("/proc").glob("[0-9]*")):
            try:
                environment = set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
                if ours <= environment:
                    found.append(pid)
                    parent = _parent(pid)
                    if Path(f"/proc/{parent}/cmdline").read_bytes().startswith(b"slurmstepd"):
                        reporters.add(parent)
            except OSError:
                continue  # it has ended
        return [*reporters, *(pid for pid in found if pid not in reporters)]

    def await_nodes(self, names: Sequence[str]) -> None:
        """Wait until nodes are ready for jobs."""

        def are_ready() -> bool:
            states = self.ask("sinfo", "-h", "-N", "-n", ",".join(names), "-o", "%T").split()
            return len(states) == len(names) and set(states) <= {"idle", "mixed", "allocated"}

        self._wait_for(are_ready, "nodes do not get ready")

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def _write_files(self) -> None:
        for name in ("munge", "state", *(f"spool-{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.conf.write_text(self._conf)
        lines = []
        for node in self.nodes:
            for i in range(self._gpus):
                device = self.folder / f"{node}-gpu{i}"
                if not device.exists():
                    os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(1, 3))  # as /dev/null
                lines.append(f"NodeName={node} Name=gpu File={device}")
        (self.folder / "gres.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        key = folder / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        places = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}  # fmt: skip
        options = [f"--{option}={folder / name}" for option, name in places.items()]
        self._start("munged", ["munged", "--foreground", "--force", *options])
        self._wait_for((folder / "socket").exists, "munged does not start")

    def _start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                # They end with us, however we end.
                ["setpriv", "--pdeathsig", "TERM", *command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon is None:
            return
        jobs = self.processes_on(name) if name in self.nodes else []
        daemon.send_signal(number)
        for pid in jobs:
            _kill(pid, signal.SIGKILL)
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _wait_for(self, condition, complaint: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = [*self.folder.glob("*.log"), *self.folder.glob("munge/log")]
                tails = [f"{log.name}: {log.read_text()[-1500:]}" for log in logs]
                raise RuntimeError(f"{complaint} within {seconds:.0f} s\n" + "\n".join(tails))
            time.sleep(0.05)


@cache
def shared_cluster() -> LoopbackCluster:
    """Start a cluster for this whole process and have Slurm's commands find it."""
    folder = tempfile.TemporaryDirectory(prefix="slurm-")
    atexit.register(folder.cleanup)
    cluster = LoopbackCluster(Path(folder.name), gpus=2).__enter__()
    atexit.register(cluster.__exit__)
    os.environ["SLURM_CONF"] = str(cluster.conf)
    return cluster


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has ended by itself


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with LoopbackCluster(Path(sys.argv[1]), gpus=2) as started:
        print(f"export SLURM_CONF={started.conf}", flush=True)
        with suppress(SystemExit):
            signal.pause()
