"""What Slurm runs: a shell script that starts the lab in its folder and heeds signals."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from bayeslaw.executors.job_folder import RESULT_FILE, STARTS_FILE, STDERR_FILE, STDOUT_FILE
from bayeslaw.runs import ATTEMPT_VARIABLE, REQUEUE_EXIT_CODE

# What a job exits with whose ticket was revoked, and one that does not find its folder.
REVOKED = 75
NO_FOLDER = 76

# Slurm tells the shell alone that time is nearly up (--signal=B:); the lab is told by us. SIGTERM
# it sends to every process, and then it has its own plans for the job (cancelled, preempted), so
# the shell only waits for the lab to end. Otherwise a lab that asks to be started again is, by
# Slurm, even when nobody drives the study. `wait` is left by a signal too, so it is called until
# the lab has ended; 127 is what it says of one it has told of. SIGUSR2 is ignored until the lab
# heeds it, or it would end a lab that is still loading.
_SCRIPT = """#!/bin/sh
{setup_environment}
case "$SLURM_ARRAY_TASK_ID" in
{folders}
esac
cd "$folder" || exit {no_folder}
exec >> {stdout} 2>> {stderr} < /dev/null
mv slurm/{batch}.open slurm/{batch}.used 2> /dev/null
[ -e slurm/{batch}.used ] || exit {revoked}
[ -e {result} ] && exit 0
rm -f slurm/{batch}.exit
echo "$SLURM_JOB_ID $SLURMD_NODENAME $(date)" >> {starts}
{attempt}=$(($(wc -l < {starts})))
export {attempt}
trap 'ended=1' TERM
trap 'kill -USR2 "$lab" 2> /dev/null' USR2
{setup}
(trap '' USR2; exec {command}) &
lab=$!; code=; ended=
while :; do
  wait "$lab"; last=$?
  [ -n "$code" ] && [ $last -eq 127 ] || code=$last
  kill -0 "$lab" 2> /dev/null || break
done
[ $last -eq 127 ] || {{ wait "$lab"; last=$?; [ $last -eq 127 ] || code=$last; }}
echo $code > slurm/{batch}.exit
if [ $code -eq {requeue} ] && [ -z "$ended" ] && [ ! -e slurm/{batch}.cancelled ] \\
   && [ ! -e {result} ] && [ "${attempt}" -lt "$max_attempts" ]; then
  exec 2> /dev/null
  scontrol requeue "$SLURM_JOB_ID" && sleep 60
fi
exit $code
"""


def batch_script(
    batch: str,
    folders: Sequence[tuple[Path, int]],
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    setup: Sequence[str] = (),
) -> str:
    """Return the script of an array of jobs.

    Args:
        batch: The tickets' batch.
        folders: Of each job, with the attempt after which it may not be started again.
        command: What to run in each folder.
        environment: What to set in each job's environment.
        setup: Lines of shell before the command.
    """
    cases = [
        f"{task}) folder={shlex.quote(str(folder))}; max_attempts={max_attempts} ;;"
        for task, (folder, max_attempts) in enumerate(folders)
    ]
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return _SCRIPT.format(
        setup_environment="\n".join(exports),
        folders="\n".join(cases),
        batch=batch,
        setup="\n".join(setup),
        command=shlex.join(command),
        stdout=STDOUT_FILE,
        stderr=STDERR_FILE,
        starts=STARTS_FILE,
        result=RESULT_FILE,
        attempt=ATTEMPT_VARIABLE,
        requeue=REQUEUE_EXIT_CODE,
        revoked=REVOKED,
        no_folder=NO_FOLDER,
    )
