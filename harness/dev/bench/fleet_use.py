#!/usr/bin/env python3
"""How much of a cluster ktrial keeps busy, and what a job costs beside its machine.

    harness/dev/bench/fleet_use.py [--cpus N] [--trials N] [--seconds S] [--kernel K]
                                   [--start cold|warm] [--slurm-conf LINE]...

Starts a Slurm of its own (munged, slurmctld, slurmd as one node of N CPUs, on the loopback) and
runs `ktrial run --engine slurm --repeat TRIALS -- sleep S` on it, machines of one vCPU. Then, by
Slurm's own times of each task, not by this host's speed:
  allocated  CPU seconds that Slurm gave to tasks / those of all CPUs, from the first task's begin
             to the last one's end; `steady`: until the first CPU found no more work
  machines   CPU seconds of trials, from VM start to VM end, by their records / the same
  a job      allocated time less its machine's: what the task does before and after, mean
  gaps       from one task's end to the next one's begin on a CPU, mean: the scheduler's
"""
import argparse
import datetime
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Slurm:
    def __init__(self, home, cpus, more):
        self.home, self.daemons = home, []
        (home / "key").write_bytes(os.urandom(128))
        (home / "key").chmod(0o600)
        for folder in ("state", "spool"):
            (home / folder).mkdir()
        conf = home / "slurm.conf"
        me = subprocess.check_output(["id", "-un"], text=True).strip()
        conf.write_text("\n".join([
            "ClusterName=desk", "SlurmctldHost=localhost(127.0.0.1)", f"SlurmctldPort={free_port()}",
            f"SlurmdPort={free_port()}", f"SlurmUser={me}", f"SlurmdUser={me}",
            f"AuthInfo=socket={home}/munge.sock", f"StateSaveLocation={home}/state",
            f"SlurmdSpoolDir={home}/spool", f"SlurmctldPidFile={home}/ctld.pid",
            f"SlurmdPidFile={home}/slurmd.pid", f"SlurmctldLogFile={home}/ctld.log",
            f"SlurmdLogFile={home}/slurmd.log", "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none", "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU_Memory", "ReturnToService=2",
            "SlurmdParameters=config_overrides", "MinJobAge=86400",
            f"NodeName=desk NodeHostname=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000",
            "PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP", *more]) + "\n")
        self.env = {**os.environ, "SLURM_CONF": str(conf)}
        self.start(["munged", "--force", "--foreground", f"--socket={home}/munge.sock",
                    f"--key-file={home}/key", f"--pid-file={home}/munge.pid",
                    f"--log-file={home}/munge.log", f"--seed-file={home}/seed"])
        self.until((home / "munge.sock").exists)
        self.start(["slurmctld", "-D", "-f", str(conf)])
        self.start(["slurmd", "-D", "-f", str(conf), "-N", "desk"])
        self.until(lambda: self.ask("sinfo", "--noheader", "--Node", "--format=%t") == "idle")

    def start(self, argv):
        path = {**self.env, "PATH": os.environ["PATH"] + ":/usr/sbin"}
        self.daemons.append(subprocess.Popen(argv, env=path, stdout=subprocess.DEVNULL,
                                             stderr=subprocess.DEVNULL))

    def ask(self, *argv):
        return subprocess.run(argv, env=self.env, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout.strip()

    def until(self, true, patience=60):
        end = time.monotonic() + patience
        while not true():
            if time.monotonic() > end:
                sys.exit(f"the private Slurm did not start; see {self.home}")
            time.sleep(0.05)

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait()


def tasks_of(slurm):
    """(begin, end, CPUs) of each task, seconds."""
    out = []
    for line in slurm.ask("squeue", "--noheader", "--array", "--states=all",
                          "--format=%S|%e|%C|%T").splitlines():
        begin, end, cpus, state = line.strip().split("|")
        if state == "COMPLETED":
            out.append((*(datetime.datetime.fromisoformat(t).timestamp() for t in (begin, end)),
                        int(cpus)))
    return sorted(out)


def gaps_of(tasks, cpus):
    """Idle seconds between two tasks of a CPU, each task on the one that was free first."""
    free, gaps = [], []
    for begin, end, _ in tasks:
        if len(free) < cpus:
            free.append(end)
            continue
        free.sort()
        gaps.append(max(0.0, begin - free[0]))
        free[0] = end
    return gaps, min(free)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ktrial", default=str(ROOT / "build/release/bin/ktrial"))
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--kernel", default="deb:linux-image-cloud-amd64")
    parser.add_argument("--start", default="cold")
    parser.add_argument("--slurm-conf", action="append", default=[], metavar="LINE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kfleet") as folder:
        slurm = Slurm(pathlib.Path(folder), args.cpus, args.slurm_conf)
        try:
            begun = time.time()
            done = subprocess.run(
                [args.ktrial, "run", "--engine", "slurm", "--results", folder + "/results",
                 "--repeat", str(args.trials), "--cpus", "1", "--memory", "256M", "--kernel",
                 args.kernel, "--start", args.start, "--timeout", "10m", "--format", "json", "--",
                 "sleep", str(args.seconds)], env=slurm.env, stdout=subprocess.PIPE)
            whole = time.time() - begun
            tasks = tasks_of(slurm)
        finally:
            slurm.stop()
    trials = json.loads(done.stdout or "{}").get("trials", [])
    if not trials or not tasks:
        sys.exit("no trial came to its end")
    first, last = tasks[0][0], max(end for _, end, _ in tasks)
    gaps, drained = gaps_of(tasks, args.cpus)
    window = args.cpus * (last - first)
    steady = sum((min(end, drained) - begin) * c for begin, end, c in tasks if begin < drained)
    machines = sum(trial["duration_s"] for trial in trials)
    used = sum((end - begin) * c for begin, end, c in tasks)
    print(f"{len(tasks)} tasks, {len(trials)} trials in {whole:.0f} s, {first - begun:.1f} s to the first; "
          f"load {os.getloadavg()[0]:.1f}")
    print(f"  allocated  {used / window:.3f}, steady {steady / (args.cpus * (drained - first)):.3f}")
    print(f"  machines   {machines / window:.3f}")
    print(f"  a job      {(used - machines) / len(tasks):.2f} s mean of {used / len(tasks):.1f} s")
    if gaps:
        print(f"  gaps       {statistics.mean(gaps):.2f} s mean, {max(gaps):.0f} s most")


if __name__ == "__main__":
    main()
