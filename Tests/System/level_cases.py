"""Things that the supervisor learns by looking: units that others stop and start, its own sudden end, daemon-reexec."""
import os
import random
import signal
import time

from system import (PROGRAM, SUPERVISOR, case, check, holds_for, is_active, is_ready, journal, main_pid, node, run, same,
                    shown, simulator, unit_of, within)

CONFIGURATION = "/etc/ttynvt-swift/ttynvt-swift.conf"
NAMES = ["level-{}".format(index) for index in range(6)]
# How often the supervisor is killed.
ROUNDS = 100 if os.environ.get("TTYNVT_LONG") else 4


class Static:
    """Configured ports, for a `with` block."""

    def __init__(self, names):
        self.names = names

    def write(self, names):
        with open(CONFIGURATION, "w") as file:
            file.write(self.before)
            for name in names:
                file.write("[port {}]\nserver = 127.0.0.1:10000\n".format(name))

    def __enter__(self):
        with open(CONFIGURATION) as file:
            self.before = file.read()
        self.write(self.names)
        run("systemctl", "reload", SUPERVISOR)
        within("{} ports are there".format(len(self.names)), 20, lambda: all(map(is_ready, self.names)))
        return self

    def __exit__(self, *_):
        with open(CONFIGURATION, "w") as file:
            file.write(self.before)
        run("systemctl", "reload", SUPERVISOR)
        within("they are gone", 10, lambda: not any(os.path.lexists(node(name)) for name in self.names))


def pids(names):
    return [main_pid(name) for name in names]


@case()
def stopped_from_outside():
    with simulator("simulator", 10000), Static(NAMES[:2]):
        pid = main_pid(NAMES[0])
        run("systemctl", "stop", unit_of(NAMES[0]))
        within("a port whose unit was stopped is back", 5, lambda: main_pid(NAMES[0]) not in (0, pid)
               and is_ready(NAMES[0]))
        line = "{} was stopped by another program; starting it again because it is configured (to disable it, remove its server from " \
            "[port {}])".format(unit_of(NAMES[0]), NAMES[0])
        same("and the supervisor says why, once", journal(SUPERVISOR).count(line), 1)


def started_from_outside():
    """A unit that somebody else has started becomes the supervisor's: here nothing wants it."""
    name = "level-foreign"
    with open("/run/ttynvt-swift/env/tty" + name, "w") as file:
        file.write("TTYNVT_ARGUMENTS=-S 127.0.0.1:10000 --supervised=configured -n tty{} -M 199 -m 500\n".format(name))
    run("systemctl", "start", unit_of(name))
    check("it runs", is_active(unit_of(name)))
    within("it is found and retired", 35, lambda: not is_active(unit_of(name)))
    check("and the journal says so", "tty{} is no longer announced or configured".format(name) in journal(SUPERVISOR))


if os.environ.get("TTYNVT_LONG"):
    case()(started_from_outside)


@case()
def systemd_begins_anew():
    with simulator("simulator", 10000), Static(NAMES[:4]) as ports:
        before = pids(NAMES[:4])
        run("systemctl", "daemon-reexec")
        check("daemon-reexec: no port is touched", holds_for(3, lambda: pids(NAMES[:4]) == before))
        ports.write(NAMES)
        ports.names = NAMES
        run("systemctl", "reload", SUPERVISOR)
        run("systemctl", "daemon-reexec")
        within("ports that start meanwhile come up", 45, lambda: all(map(is_ready, NAMES)))
        same("those that ran are untouched", pids(NAMES[:4]), before)
        os.kill(main_pid(NAMES[5]), signal.SIGKILL)
        within("systemd's signals are heard: one that is killed is back", 5, lambda: is_ready(NAMES[5]))


@case()
def ready_while_ports_are_stopped():
    with simulator("simulator", 10000), Static(NAMES):
        before = pids(NAMES)
        for pid in before:
            os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            same("the supervisor restarts", run("systemctl", "restart", SUPERVISOR), (0, ""))
            took = time.monotonic() - began
            check("it is ready at once ({:.2f} s)".format(took), took < 5)
        finally:
            for pid in before:
                os.kill(pid, signal.SIGCONT)
        check("no port is touched", holds_for(3, lambda: pids(NAMES) == before))
        within("it knows them all", 10, lambda: shown(SUPERVISOR, "StatusText").startswith("6 ports"))


@case()
def killed_at_any_moment():
    with simulator("simulator", 10000), Static(NAMES[:3]) as ports:
        for round in range(ROUNDS):
            wanted = NAMES[:3] if round % 2 else NAMES
            ports.write(wanted)
            run("systemctl", "reload", SUPERVISOR)
            delay = random.randrange(600)
            time.sleep(delay / 1000)
            run("systemctl", "reset-failed", SUPERVISOR)
            pid = int(shown(SUPERVISOR, "MainPID"))
            if pid:
                os.kill(pid, signal.SIGKILL)
            unwanted = set(NAMES) - set(wanted)
            good = within("killed {} ms after a change: the wanted state is reached".format(delay), 40, lambda: all(
                map(is_ready, wanted)) and not any(os.path.lexists(node(name)) for name in unwanted))
            if not good:
                break
        ports.names = NAMES
    check("the supervisor runs", is_active(SUPERVISOR))
    status, text = run(PROGRAM, "status")
    check("no port is left", "level-" not in text, text)
