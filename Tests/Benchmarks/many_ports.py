#!/usr/bin/python3
"""Many announced ports at once: how long until all are there, what memory they take, what they do while idle.

usage: many_ports.py BINARY [PORTS] [--launcher systemd|children]

Runs as root where /dev/cuse is, so through Tests/Guest/run. An advertising simulator serves the ports; where systemd
runs, its bus and Avahi are used, else ones of its own.
"""
import os
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Clients"))
sys.dont_write_bytecode = True

import fixture  # noqa: E402
from supervisor_cases import port_pids  # noqa: E402

IDLE_SECONDS = 10


def memory(pid):
    """(PSS, private) of a process in kB."""
    values = {}
    with open("/proc/{}/smaps_rollup".format(pid)) as file:
        for line in file:
            words = line.split()
            if words[0].endswith(":") and words[-1] == "kB":
                values[words[0]] = int(words[1])
    return values["Pss:"], values["Private_Clean:"] + values["Private_Dirty:"]


def activity(pid):
    """(processor time in ticks, times it was given the processor) of all threads of a process."""
    ticks = switches = 0
    for thread in os.listdir("/proc/{}/task".format(pid)):
        with open("/proc/{}/task/{}/stat".format(pid, thread)) as file:
            fields = file.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        with open("/proc/{}/task/{}/status".format(pid, thread)) as file:
            switches += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt"))
    return ticks, switches


def measure(t, count, launcher):
    avahi = None
    if not os.path.isdir("/run/systemd/system"):
        avahi = t.avahi(ipv6=False, interfaces="lo")
    configuration = os.path.join(t.directory, "many.conf")
    with open(configuration, "w") as file:
        file.write("[discovery]\nallow-names = Many-*\n")
    supervisor = fixture.Process(t, "supervisor", [
        t.binary, "supervise", "-E", "--config", configuration, "--state", os.path.join(t.directory, "minors"),
        "--launcher", launcher])
    supervisor.expect("running ports by")
    names = ["/dev/ttyMany-com{}".format(number + 1) for number in range(count)]
    started = time.monotonic()
    t.simulator("--advertise", "Many", ports=count)
    first = None
    while True:
        there = sum(map(os.path.exists, names))
        if there and first is None:
            first = time.monotonic() - started
        if there == count:
            break
        if time.monotonic() > started + 300:
            raise fixture.Timeout("{} of {} ports after 300 s: {}".format(there, count, supervisor.log[-500:]))
        time.sleep(0.05)
    everything = time.monotonic() - started
    print("{} ports by {}: the first after {:.1f} s, all after {:.1f} s".format(count, launcher, first, everything))
    time.sleep(5)
    os.sync()
    pids = port_pids()
    assert len(pids) == count, len(pids)
    pss, private = zip(*(memory(pid) for pid in pids.values()))
    print("memory of a port: PSS {:.0f} kB (largest {}), private {:.0f} kB; of the supervisor: PSS {} kB".format(
        sum(pss) / count, max(pss), sum(private) / count, memory(supervisor.pid)[0]))
    everyone = dict(pids, supervisor=supervisor.pid)
    before = {name: activity(pid) for name, pid in everyone.items()}
    time.sleep(IDLE_SECONDS)
    after = {name: activity(pid) for name, pid in everyone.items()}
    hertz = os.sysconf("SC_CLK_TCK")

    def change(name):
        return [b - a for a, b in zip(before[name], after[name])]
    port_ticks = sum(change(name)[0] for name in pids)
    port_wakes = sum(change(name)[1] for name in pids)
    own = change("supervisor")
    print("{} s idle: all ports {:.2f} s of processor time and {} wake-ups, the supervisor {:.2f} s and {}".format(
        IDLE_SECONDS, port_ticks / hertz, port_wakes, own[0] / hertz, own[1]))
    started = time.monotonic()
    supervisor.stop(signal.SIGINT, 30)
    print("ended after {:.1f} s".format(time.monotonic() - started))
    if avahi:
        avahi.stop(9)


def main():
    arguments = [word for word in sys.argv[1:] if not word.startswith("--launcher")]
    launcher = "systemd" if os.path.isdir("/run/systemd/system") else "children"
    if "--launcher" in sys.argv:
        launcher = sys.argv[sys.argv.index("--launcher") + 1]
        arguments.remove(launcher)
    if not arguments:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        t = fixture.Test(os.path.realpath(arguments[0]), directory, 1, "many")
        try:
            measure(t, int(arguments[1]) if len(arguments) > 1 else 200, launcher)
        finally:
            t.finish()


main()
