"""What the cases on a whole system share."""
import os
import select
import subprocess
import sys
import time

PROGRAM = "/usr/bin/ttynvt-swift"
SUPERVISOR = "ttynvt-supervisor.service"
# A user of serial ports: the only member of group dialout.
OPERATOR = "lab"

package = None  # the file to install
cases = []
# Called after the last case of a start, the latest first.
at_the_end = []


class Case:
    def __init__(self, body, start, needed):
        self.name = body.__name__.replace("_", "-")
        self.body = body
        self.start = start
        self.needed = needed


def case(start=1, needed=False):
    """Makes a function a case of that start of the machine. A needed one runs whatever was asked for."""

    def register(body):
        cases.append(Case(body, start, needed))
        return body

    return register


class Totals:
    passed = 0
    failed = 0


totals = Totals()


def check(what, holds, seen=None):
    if holds:
        totals.passed += 1
        print("ok - " + what, flush=True)
    else:
        totals.failed += 1
        print("not ok - {}{}".format(what, "" if seen is None else ": " + str(seen)), flush=True)
    return holds


def same(what, seen, wanted):
    return check(what, seen == wanted, "{!r}, not {!r}".format(seen, wanted))


def show(title, text):
    """For people to read."""
    print("# {}:".format(title))
    for line in text.splitlines():
        print("#   " + line)
    sys.stdout.flush()


def run(*command, **options):
    """A program's status and all its output. One that is stuck ends the case."""
    options.setdefault("timeout", 60)
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    return done.returncode, done.stdout.strip()


def output(*command, **options):
    return run(*command, **options)[1]


def as_operator(*command, **options):
    return run("runuser", "-u", OPERATOR, "--", *command, **options)


class Timeout(Exception):
    pass


def wait_until(condition, seconds, what="it"):
    """Asks until the condition holds; gives how long that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise Timeout("{} did not happen within {} s".format(what, seconds))
        time.sleep(0.02)
    return time.monotonic() - began


def within(what, seconds, condition):
    """A check that the condition holds in time, which says how long it took."""
    try:
        took = wait_until(condition, seconds)
    except Timeout as error:
        return check(what, False, error)
    return check("{} ({:.2f} s)".format(what, took), True)


def holds_for(seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            return False
        time.sleep(0.05)
    return True


# Units.

def unit_of(name):
    return output("systemd-escape", "--template=ttynvt@.service", name)


def device_unit(name):
    return output("systemd-escape", "--path", "--suffix=device", "/dev/tty" + name)


def shown(unit, key):
    """A property as `systemctl show` has it."""
    return output("systemctl", "show", "--property=" + key, "--value", unit)


def main_pid(name):
    return int(shown(unit_of(name), "MainPID") or 0)


def is_active(unit):
    return run("systemctl", "is-active", "--quiet", unit)[0] == 0


def journal(unit):
    run("journalctl", "--sync")
    return output("journalctl", "-q", "-b", "--no-pager", "-o", "cat", "-u", unit)


# Nodes.

def node(name):
    return "/dev/tty" + name


def link(name):
    return "/dev/serial/by-id/ttynvt-" + name


def rights(path):
    """owner:group mode of a file, or None if it does not exist."""
    status, text = run("stat", "-c", "%U:%G %a", path)
    return text if status == 0 else None


def is_ready(name):
    """Node and link are there, and udev has been at them."""
    return os.path.islink(link(name)) and rights(node(name)) not in (None, "root:root 600")


def number(name):
    """major:minor of a node."""
    status = os.stat(node(name))
    return "{}:{}".format(os.major(status.st_rdev), os.minor(status.st_rdev))


class Open:
    """A program of the operator's that has a port open with pyserial: it writes a line for each it is given, and tells
    what came back.
    """

    TEXT = """
import serial, sys
port = serial.Serial(sys.argv[1], 115200, timeout=5)
print("open", flush=True)
for line in sys.stdin:
    try:
        port.write(line.encode())
        print(repr(port.read(len(line)).decode()), flush=True)
    except Exception as error:
        print("{}: {}".format(type(error).__name__, error), flush=True)
"""

    def __init__(self, path):
        self.process = subprocess.Popen(
            ["runuser", "-u", OPERATOR, "--", "/usr/bin/python3", "-u", "-c", self.TEXT, path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = self.line(20)
        if said != "open":
            self.close()
            raise Exception("{} does not open: {}".format(path, said))

    def line(self, seconds):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return "(nothing within {} s)".format(seconds)
        return self.process.stdout.readline().decode().strip()

    def echoes(self, text, seconds=10):
        """Does a text come back?"""
        return self.answer(text, seconds) == repr(text + "\n")

    def answer(self, text, seconds=10):
        self.process.stdin.write((text + "\n").encode())
        self.process.stdin.flush()
        return self.line(seconds)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Service:
    """A program as a transient unit of its own, which a `with` block ends."""

    def __init__(self, name, *command):
        self.unit = name + ".service"
        status, text = run("systemd-run", "--quiet", "--collect", "--unit=" + self.unit, *command)
        if status != 0:
            raise Exception("{} does not start: {}".format(name, text))

    def stop(self):
        run("systemctl", "stop", self.unit)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def listens(port):
    return ":{} ".format(port) in output("ss", "-Hltn") + " "


def simulator(name, port, *options):
    """Two virtual ports, each a loopback."""
    service = Service(name, PROGRAM, "simulate", "--port", str(port), "--ports", "2", *options)
    wait_until(lambda: listens(port) and listens(port + 1), 5, "the simulator's start")
    return service
