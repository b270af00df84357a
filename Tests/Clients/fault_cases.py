"""Faults of the network, of servers, of the port's process and of programs while programs wait in every call that can
wait: read, write, poll, tcdrain, TIOCMIWAIT. docs/faults.md states what becomes of each, and within which time."""
import contextlib
import errno
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Conformance"))

import far_side  # noqa: E402
import fixture  # noqa: E402
from avahi import unshare_mounts  # noqa: E402
from fixture import (RI, case, difference, events, eventually, exchange, ioctl_int, read_exactly, read_rest,
                     set_raw, termios2, wait_until, write_all)  # noqa: E402
from relay import Relay  # noqa: E402
from scripted_server import pattern  # noqa: E402

# --dead-after and --loss-timeout of the ports that are hung up, in seconds.
DEAD_AFTER, LOSS_TIMEOUT = 3, 1
NETWORK_FAULTS = ("finished", "reset", "half-open", "silent-both-ways", "silent-to-the-server",
                  "silent-from-the-server")
# <asm-generic/ioctls.h>, and the place of a member of struct serial_struct.
TIOCGSERIAL, TIOCSSERIAL, CLOSING_WAIT = 0x541E, 0x541F, 40
# Bytes that a port, its server and all buffers between them do not hold.
FULL = 32 << 20
# Bytes of a write that a server which has stopped reading does not take.
WRITTEN = 300_000
LOST = re.compile(r"(\d+) bytes lost with the connection")
HUNG_UP = select.POLLHUP | select.POLLERR


# Programs that wait, each in one call and a process of its own.

def outcome(body):
    """["value", result] or ["errno", name]."""
    try:
        return ["value", body()]
    except OSError as error:
        return ["errno", errno.errorcode.get(error.errno, error.errno)]


def opened(path):
    return os.open(path, os.O_RDWR | os.O_NOCTTY)


def wait_in_read(path):
    descriptor = opened(path)
    return outcome(lambda: len(os.read(descriptor, 100)))


def wait_in_write(path):
    descriptor = opened(path)
    return outcome(lambda: write_all(descriptor, pattern(WRITTEN)))


def wait_in_poll(path):
    descriptor = opened(path)
    return outcome(lambda: events(descriptor, select.POLLIN, 100))


def wait_in_tcdrain(path):
    descriptor = opened(path)
    return outcome(lambda: fcntl.ioctl(descriptor, termios.TCSBRK, 1))


def wait_for_a_line(path):
    descriptor = opened(path)
    return outcome(lambda: fcntl.ioctl(descriptor, fixture.TIOCMIWAIT, RI))


WAITS = {"read": wait_in_read, "write": wait_in_write, "poll": wait_in_poll, "tcdrain": wait_in_tcdrain,
         "TIOCMIWAIT": wait_for_a_line}


def is_waiting(pid):
    """Does it sleep in a call of the port? Its kernel stack says so."""
    try:
        with open("/proc/{}/stack".format(pid)) as file:
            stack = file.read()
    except OSError:
        return False
    return "request_wait_answer" in stack or "poll" in stack


class Programs:
    """One program in each call, all of them waiting: the server has stopped reading, and a file is kept open."""

    def __init__(self, t, path):
        self.t = t
        self.helpers = {}
        # The drain is behind the bytes of the write.
        for names in ("read", "poll", "TIOCMIWAIT", "write"), ("tcdrain",):
            for name in names:
                self.helpers[name] = t.helper(WAITS[name], path)
            wait_until(self.all_wait, 15, "programs that wait in " + ", ".join(names), pause=0)

    def all_wait(self):
        """Ten looks in a row: calls that only pass through the port are over sooner."""
        for _ in range(10):
            time.sleep(0.02)
            if not all([not helper.has_ended() and is_waiting(helper.pid) for helper in self.helpers.values()]):
                return False
        return True

    def states(self):
        return {name: helper.state for name, helper in self.helpers.items() if not helper.has_ended()}

    def check_waiting(self, what):
        """All of them wait, and can be killed."""
        self.t.equal(what + ": states of the programs", set(self.states().values()), {"S"})
        self.t.equal(what + ": programs that wait", len(self.states()), len(self.helpers))

    def check_ends(self, what, wanted, limit):
        """Each ends within this time with that; a function judges a value."""
        ends = time.monotonic() + limit
        started = time.monotonic()
        for name in wanted:
            helper = self.helpers[name]
            eventually(helper.has_ended, max(ends - time.monotonic(), 0.001))
            if not helper.has_ended():
                self.t.check("{}: {} ends within {} s".format(what, name, limit), False, "state " + str(helper.state))
                continue
            seen = helper.result()
            right = wanted[name](seen) if callable(wanted[name]) else seen == wanted[name]
            self.t.check("{}: {} ends with {}".format(what, name, seen), right, seen)
        self.t.took(what + ": the last of them ends", time.monotonic() - started, 0, limit)

    def kill(self, what, limit=1.0):
        """kill -9 for each: all are gone within this time."""
        started = time.monotonic()
        for helper in self.helpers.values():
            if not helper.has_ended():
                helper.kill()
        self.check_gone(what, started, limit)

    def check_gone(self, what, started, limit=1.0):
        gone = eventually(lambda: all([helper.has_ended() for helper in self.helpers.values()]), limit + 2)
        self.t.check(what + ": all are gone", gone, self.states())
        self.t.took(what + ": gone", time.monotonic() - started, 0, limit)


def ring(server):
    """RI rises and falls: its end is what counts."""
    server.ask("modem", on=far_side.RI)
    server.ask("modem", off=far_side.RI)


def hung_up(seen):
    return seen[0] == "value" and seen[1] & HUNG_UP == HUNG_UP


WHEN_HUNG_UP = {"read": ["value", 0], "write": ["errno", "EIO"], "poll": hung_up, "tcdrain": ["errno", "EIO"],
                "TIOCMIWAIT": ["errno", "EIO"]}


# Faults of the network.

class Line:
    """A port, a server behind a cable that stops reading, and what may happen to the cable."""

    def __init__(self, t, *options):
        self.t = t
        self.cable = t.namespace()
        self.server = t.scripted_server(namespace=self.cable)
        self.port = t.port(self.server, "--dead-after", str(DEAD_AFTER), *options)
        self.keep = t.open_raw(self.port, baud=termios.B4000000)
        self.server.ask("stop")
        self.programs = Programs(t, self.port.path)

    def tc(self, where, *arguments):
        prefix, device = (["-netns", self.cable.name], "veth1") if where == "there" else ([], self.cable.link)
        command = ["tc"] + prefix + ["qdisc", arguments[0], "dev", device, "root"]
        subprocess.run(command + list(arguments[1:]), check=True)

    def inflict(self, fault):
        """Gives the time of the fault."""
        if fault == "finished":
            self.server.ask("finish")
        elif fault == "reset":
            self.server.ask("reset")
        elif fault == "half-open":
            # The server's machine starts again behind a pulled cable: it knows nothing of the connection.
            self.cable.pull()
            self.server.ask("reset")
            self.cable.plug_in()
        elif fault == "silent-both-ways":
            self.cable.pull()
        else:
            self.tc("here" if fault == "silent-to-the-server" else "there", "add", "netem", "loss", "100%")
        started = time.monotonic()
        if fault.startswith("silent"):
            self.server.ask("go")
        return started

    def heal(self, fault):
        if fault == "silent-both-ways":
            self.cable.plug_in()
        elif fault.startswith("silent"):
            self.tc("here" if fault == "silent-to-the-server" else "there", "del")

    def notice_limit(self, fault):
        """Seconds within which the fault is noticed."""
        return 1 if fault in ("finished", "reset") else max(DEAD_AFTER + 2, 4)


@case(60, over=NETWORK_FAULTS)
def waiting_calls_end_at_a_hang_up(t, fault):
    """--loss-timeout over: every program that waits is told, and none is left behind."""
    line = Line(t, "--loss-timeout", str(LOSS_TIMEOUT))
    line.programs.check_waiting(fault)
    # A reset or a finish leaves a server that would take the port at once.
    if not fault.startswith("silent"):
        line.server.ask("turn_away", count=1 << 30)
    line.inflict(fault)
    line.programs.check_ends(fault, WHEN_HUNG_UP, line.notice_limit(fault) + LOSS_TIMEOUT + 0.5)
    t.equal(fault + ": the file kept open is hung up", events(line.keep, 0), HUNG_UP)
    line.heal(fault)
    line.server.ask("turn_away", count=0)
    os.close(line.keep)
    descriptor = wait_until(lambda: try_to_open(t, line.port), 10, "a fresh open")
    write_all(descriptor, b"fresh")
    t.check(fault + ": a fresh open works", eventually(lambda: line.server.data(-1).endswith(b"fresh")),
            line.server.data(-1)[-50:])


def try_to_open(t, port):
    try:
        return t.open_raw(port)
    except OSError:
        return None


@case(60, over=NETWORK_FAULTS)
def waiting_calls_outlive_the_connection(t, fault):
    """--loss-timeout never: every program goes on waiting, and gets its answer on the next connection."""
    line = Line(t, "--loss-timeout", "never")
    started = line.inflict(fault)
    limit = line.notice_limit(fault)
    t.check(fault + ": the loss is noticed", eventually(lambda: "connection lost" in line.port.log, limit + 2),
            line.port.log[-300:])
    t.took(fault + ": noticed", time.monotonic() - started, 0, limit)
    left = {name: state for name, state in line.programs.states().items() if name in ("read", "poll", "TIOCMIWAIT")}
    t.equal(fault + ": programs that wait for input", left, dict.fromkeys(("read", "poll", "TIOCMIWAIT"), "S"))
    line.heal(fault)
    # Pauses between attempts grow to 5 s, and an attempt into silence takes its own time.
    t.check(fault + ": connected again", eventually(lambda: "connected again" in line.port.log, 12),
            line.port.log[-300:])
    line.programs.check_ends(fault + ", connected again",
                             {"write": ["value", None], "tcdrain": lambda seen: seen[0] == "value"}, 6)
    # The reader and the poller wait for the same byte: one more for a poller that has not seen the first.
    ring(line.server)
    line.server.ask("send", count=1)
    line.programs.check_ends(fault + ", a line changes and a byte comes",
                             {"TIOCMIWAIT": lambda seen: seen[0] == "value", "read": ["value", 1]}, 2)
    line.server.ask("send", count=1)
    line.programs.check_ends(fault + ", a byte that no program reads", {"poll": ["value", select.POLLIN]}, 2)
    wanted = pattern(WRITTEN)
    first, last = line.server.data(0), line.server.data(-1)
    is_right = wanted.startswith(first) and wanted.endswith(last) and len(first) + len(last) <= WRITTEN
    t.check(fault + ": the server has the beginning ({} bytes) and the end ({}) of the written bytes".format(
        len(first), len(last)), is_right, difference(last, wanted[-len(last):]))
    missing = WRITTEN - len(first) - len(last)
    lost = sum(int(count) for count in LOST.findall(line.port.log))
    # A server that has ended for good counts what it did not answer as lost; others may have it all the same.
    t.check(fault + ": {} bytes are missing, the log says {} at most".format(missing, lost),
            missing == lost if fault in ("reset", "half-open") else missing <= lost)


# The port's process.

@case(60)
def port_killed_under_waiting_programs(t):
    """kill -9 of the port: every program that waits is let go, with an error, and the name can be taken again."""
    server = t.scripted_server()
    port = t.port(server)
    keep = t.open_raw(port, baud=termios.B4000000)
    server.ask("stop")
    programs = Programs(t, port.path)
    programs.check_waiting("before")
    port.ends_cleanly = False
    port.popen.kill()
    programs.check_ends("port killed", WHEN_KILLED, 1.5)
    t.equal("the file kept open: poll says", events(keep, select.POLLIN, 1) & select.POLLERR, select.POLLERR)
    started = time.monotonic()
    os.close(keep)
    t.took("its close", time.monotonic() - started, 0, 1)
    port.wait()
    wait_until(lambda: not os.path.exists(port.path), 3, "node gone")
    server.ask("go")
    again = t.port(server, name=port.name)
    descriptor = t.open_raw(again)
    write_all(descriptor, b"again")
    t.check("a new port of the same name works", eventually(lambda: server.data(-1) == b"again"), server.data(-1))


def is_error(seen):
    return seen[0] == "errno"


def hung_up_or_error(seen):
    return seen[0] == "errno" or bool(seen[1] & select.POLLERR)


WHEN_KILLED = {"read": is_error, "write": is_error, "poll": hung_up_or_error, "tcdrain": is_error,
               "TIOCMIWAIT": is_error}


@contextlib.contextmanager
def stopped(port):
    """SIGSTOP for a port, until the block ends."""
    port.send(signal.SIGSTOP)
    wait_until(lambda: state_of(port.pid) == "T", what="the port stopped")
    try:
        yield
    finally:
        port.send(signal.SIGCONT)


def state_of(pid):
    with open("/proc/{}/stat".format(pid)) as file:
        return file.read().rsplit(")", 1)[1].split()[0]


@case(60)
def port_stopped_under_waiting_programs(t):
    """SIGSTOP of the port for twice as long as a peer may be silent: nothing is lost, no connection ends, and every
    program has its answer as soon as the port goes on."""
    server = t.scripted_server()
    port = t.port(server, "--dead-after", str(DEAD_AFTER))
    keep = t.open_raw(port, baud=termios.B4000000)
    server.ask("stop")
    programs = Programs(t, port.path)
    with stopped(port):
        server.ask("go")
        ring(server)
        server.ask("send", count=1000)
        late = t.helper(wait_in_tcdrain, port.path)
        some_end = eventually(lambda: len(programs.states()) < len(WAITS), 2 * DEAD_AFTER)
        t.check("nothing ends before its time", not some_end, programs.states())
        programs.check_waiting("while it is stopped")
        t.equal("an open meanwhile waits, too", late.state, "S")
    programs.check_ends("the port goes on", {
        "write": ["value", None], "tcdrain": lambda seen: seen[0] == "value", "read": ["value", 100],
        "TIOCMIWAIT": lambda seen: seen[0] == "value", "poll": ["value", select.POLLIN]}, 3)
    t.check("the open of meanwhile is done", eventually(late.has_ended, 3), late.state)
    got, rest = read_exactly(keep, 900), pattern(1000)[100:]
    t.check("the rest of the bytes received meanwhile", got == rest, difference(got, rest))
    t.check("all written bytes are there", eventually(lambda: server.data() == pattern(WRITTEN)),
            difference(server.data(), pattern(WRITTEN)))
    t.equal("connections", server.facts["connections"], 1)


@case(60, over=("continued", "killed"))
def programs_killed_under_a_stopped_port(t, how):
    """kill -9 of programs whose requests a stopped port has read: the kernel keeps them until the port goes on or
    ends; then all are gone."""
    server = t.scripted_server()
    port = t.port(server)
    keep = t.open_raw(port, baud=termios.B4000000)
    server.ask("stop")
    programs = Programs(t, port.path)
    with stopped(port):
        for helper in programs.helpers.values():
            helper.kill()
        # A condition that does not come: they are given time to go.
        eventually(lambda: not programs.states(), 1)
        t.note("killed under a stopped port, states: {}".format(programs.states() or "all gone"))
        if how == "killed":
            port.ends_cleanly = False
            port.popen.kill()
    programs.check_gone("the port " + how, time.monotonic())
    if how == "killed":
        return port.wait()
    server.ask("go")
    write_all(keep, b"next")
    t.check("the port serves others", eventually(lambda: server.data().endswith(b"next")), server.data()[-20:])


# Programs.

@case(60, over=("connected", "lost"))
def programs_killed_wherever_they_wait(t, link):
    """kill -9 of programs in every call, with output that no server takes: gone at once, and so is their output's
    hold on the port."""
    server = t.scripted_server()
    port = t.port(server, "--loss-timeout", "never", "--connect-timeout", "2")
    keep = t.open_raw(port, baud=termios.B4000000)
    server.ask("stop")
    programs = Programs(t, port.path)
    if link == "lost":
        server.ask("turn_away", count=1 << 30)
        server.ask("reset")
        t.check("the connection is lost", eventually(lambda: "connection lost" in port.log, 2))
        programs.check_waiting("while it is lost")
        t.equal("an open fails", timed(t, "open while it is lost", 0, 2.5, lambda: opened(port.path))[0], "errno")
    programs.kill(link)
    server.ask("turn_away", count=0)
    server.ask("go")
    set_raw(keep, baud=termios.B4000000)
    write_all(keep, b"next")
    t.check("the port serves others", eventually(lambda: server.data(-1).endswith(b"next"), 8), server.data(-1)[-20:])
    t.equal("what the killed write had given is in order", server.data(-1)[:-4] in pattern(WRITTEN), True)
    server.ask("modem", on=far_side.RI)
    t.check("lines change", eventually(lambda: ioctl_int(keep, termios.TIOCMGET) & RI))


# Servers whose machine is there, and who say nothing.

def timed(t, what, low, high, body):
    started = time.monotonic()
    seen = outcome(body)
    t.took("{} ({})".format(what, seen[1] if seen[0] == "errno" else "done"), time.monotonic() - started, low, high)
    return seen


@case(90)
def server_hangs(t):
    """SIGSTOP of the server: its kernel acknowledges, and no command is answered. Calls are bounded; nothing is lost;
    as soon as it goes on, so does the port."""
    server = t.simulator()
    port = t.port(server, "--connect-timeout", "2")
    descriptor = t.open_raw(port)
    write_all(descriptor, b"before")
    t.equal("echo before", read_exactly(descriptor, 6), b"before")
    other = t.port(server, "--connect-timeout", "2")
    server.send(signal.SIGSTOP)
    timed(t, "tcsetattr, a change", 0, 1.3, lambda: set_raw(descriptor, baud=termios.B57600))
    timed(t, "tcsetattr, the same", 0, 1.3, lambda: set_raw(descriptor, baud=termios.B57600))
    timed(t, "TIOCMGET", 0, 0.2, lambda: ioctl_int(descriptor, termios.TIOCMGET))
    timed(t, "TIOCMBIC", 0, 1.3, lambda: ioctl_int(descriptor, termios.TIOCMBIC, fixture.RTS))
    timed(t, "TIOCMBIS", 0, 1.3, lambda: ioctl_int(descriptor, termios.TIOCMBIS, fixture.RTS))
    timed(t, "write", 0, 0.2, lambda: write_all(descriptor, b"while it hangs"))
    timed(t, "tcdrain", 0, 11.5, lambda: termios.tcdrain(descriptor))
    t.equal("an open of a port of its own", timed(t, "open", 0, 2.6, lambda: t.open(other))[0], "errno")
    server.send(signal.SIGCONT)
    t.equal("then it goes on", read_exactly(descriptor, 14), b"while it hangs")
    t.check("no connection was lost", "connection lost" not in port.log, port.log[-300:])
    timed(t, "tcsetattr", 0, 0.5, lambda: set_raw(descriptor, baud=termios.B115200))
    server.send(signal.SIGSTOP)
    write_all(descriptor, b"unsent")
    timed(t, "tcflush", 0, 0.2, lambda: termios.tcflush(descriptor, termios.TCIOFLUSH))
    timed(t, "close", 0, 11.5, lambda: os.close(descriptor))
    server.send(signal.SIGCONT)


@case(60)
def close_behind_a_server_that_takes_nothing(t):
    """The last close waits for closing_wait, 2 s here, and not longer."""
    server = t.scripted_server()
    descriptor = t.open_raw(t.port(server), flags=os.O_NONBLOCK, baud=termios.B4000000)
    memory = bytearray(72)
    fcntl.ioctl(descriptor, TIOCGSERIAL, memory)
    t.equal("closing_wait, in hundredths of a second", struct.unpack_from("H", memory, CLOSING_WAIT)[0], 3000)
    struct.pack_into("H", memory, CLOSING_WAIT, 200)
    fcntl.ioctl(descriptor, TIOCSSERIAL, memory)
    server.ask("stop")
    while events(descriptor, select.POLLOUT, 0.5) & select.POLLOUT:
        with contextlib.suppress(BlockingIOError):
            os.write(descriptor, bytes(60000))
    timed(t, "close", 1.9, 3, lambda: os.close(descriptor))


# Segments and answers.

def check_dialogue(t, what, port, limit, baud=termios.B57600):
    """Bytes, settings and lines through a relay: everything is right, and each call ends within `limit` seconds."""
    descriptor = timed(t, what + ": open", 0, limit + 1.5, lambda: t.open(port))[1]
    for size in (termios.CS7 | termios.PARENB, termios.CS8):
        fields = termios.tcgetattr(descriptor)
        fields[0] = fields[1] = fields[3] = 0
        fields[2] = fields[2] & ~(termios.CSIZE | termios.PARENB) | termios.CLOCAL | size
        fields[4] = fields[5] = baud
        timed(t, what + ": tcsetattr", 0, limit, lambda: termios.tcsetattr(descriptor, termios.TCSANOW, fields))
        t.equal(what + ": frame and rate read back",
                (termios2(descriptor)[2] & (termios.CSIZE | termios.PARENB), termios2(descriptor)[6]), (size, 57600))
    data = bytes(range(256)) * 16 + b"\xff" * 64
    got = exchange(descriptor, data, 30)
    t.check(what + ": echo of {} bytes".format(len(data)), got == data, difference(got, data))
    for command, wanted in ((termios.TIOCMBIC, 0), (termios.TIOCMBIS, fixture.DSR)):
        timed(t, what + ": DTR", 0, limit, lambda: ioctl_int(descriptor, command, fixture.DTR))
        t.check(what + ": DSR follows DTR", eventually(
            lambda: ioctl_int(descriptor, termios.TIOCMGET) & fixture.DSR == wanted, 4))
    timed(t, what + ": tcdrain", 0, 11.5, lambda: termios.tcdrain(descriptor))
    timed(t, what + ": tcflush", 0, 2.5, lambda: termios.tcflush(descriptor, termios.TCIOFLUSH))
    # Bytes that arrive before the answer to the flush count as older than the flush, for a second at most.
    timed(t, what + ": echo after a flush", 0, 1.5,
          lambda: wait_until(lambda: echoes(descriptor), 3, "an echo", pause=0))
    timed(t, what + ": close", 0, 12, lambda: os.close(descriptor))


def echoes(descriptor):
    write_all(descriptor, b"x")
    return read_exactly(descriptor, 1, 0.1) == b"x"


@case(60)
def one_byte_segments(t):
    relay = Relay(t.simulator())
    relay.one_byte_segments = True
    check_dialogue(t, "one byte a segment", t.port(relay), 1.3)
    t.check("segments of one byte ({})".format(relay.segments), relay.segments > 8000, relay.segments)


@case(60, over=("0.5", "2.5"))
def answers_come_late(t, seconds):
    """Answers overtaken by data: within the second that a setting waits, and long after it."""
    relay = Relay(t.simulator())
    relay.delay = float(seconds)
    check_dialogue(t, "answers {} s late".format(seconds), t.port(relay), 1.3)
    t.check("answers came late", relay.answers > 8, relay.answers)


@case(60)
def late_answers_are_the_truth(t):
    """A server that takes another rate, and says so 2 s after it was asked, when tcsetattr has ended."""
    relay = Relay(t.simulator("--quirk", "different-baud"))
    port = t.port(relay)
    descriptor = t.open_raw(port)
    relay.delay = 2.0
    timed(t, "tcsetattr", 0, 1.3, lambda: set_raw(descriptor, baud=termios.B230400))
    t.check("TCGETS says the server's rate once the answer has come", eventually(
        lambda: termios2(descriptor)[6] == 115200, 4), termios2(descriptor)[6])


@case(90, over=("1", "2", "3"))
def answers_are_missing(t, every):
    """Every answer is dropped, each second one, each third one."""
    relay = Relay(t.simulator())
    relay.drop_every = int(every)
    check_dialogue(t, "answer {} missing".format(every), t.port(relay, "--connect-timeout", "4"), 1.3)
    t.check("answers were dropped ({} of {})".format(relay.dropped, relay.answers), relay.dropped > 3)


@case(60)
def answers_out_of_order(t):
    relay = Relay(t.simulator())
    relay.gather = 0.05
    check_dialogue(t, "answers out of order", t.port(relay), 1.3)
    t.check("answers changed places ({} times)".format(relay.moved), relay.moved > 0)


# Networks that are slow, and hosts that move.

def simulator_behind(t, cable, *options):
    """A simulator at the other end of a cable."""
    t.names += 1
    server = fixture.Server(t, "simulator{}".format(t.names), [
        t.binary, "simulate", "--listen", cable.there, "--port", "0", "--ports", "1"] + list(options),
        prepare=cable.enter)
    server.address = server.expect(r"port 0: (\S+:\d+)").group(1)
    return server


@case(120)
def jitter(t):
    """Each packet is 0 to 300 ms late, both ways, so that they overtake each other."""
    cable = t.namespace()
    server = simulator_behind(t, cable)
    for prefix, device in ([], cable.link), (["-netns", cable.name], "veth1"):
        subprocess.run(["tc"] + prefix + ["qdisc", "add", "dev", device, "root", "netem", "delay", "150ms", "150ms"],
                       check=True)
    port = t.port(server, "--dead-after", str(DEAD_AFTER))
    descriptor = timed(t, "open", 0, 5, lambda: t.open(port))[1]
    timed(t, "tcsetattr", 0, 1.3, lambda: set_raw(descriptor, baud=termios.B921600))
    times, echoes_seen = [], []
    for index in range(20):
        started = time.monotonic()
        write_all(descriptor, b"%02d" % index)
        echoes_seen.append(read_exactly(descriptor, 2, 5))
        times.append(time.monotonic() - started)
    t.equal("20 small exchanges ({:.2f} to {:.2f} s)".format(min(times), max(times)),
            echoes_seen, [b"%02d" % index for index in range(20)])
    data = os.urandom(256 << 10)
    started = time.monotonic()
    got = exchange(descriptor, data, 60)
    t.check("256 KiB there and back in {:.1f} s".format(time.monotonic() - started), got == data, difference(got, data))
    timed(t, "tcdrain", 0, 11.5, lambda: termios.tcdrain(descriptor))
    t.check("no connection is lost", "connection lost" not in port.log, port.log[-300:])
    timed(t, "close", 0, 12, lambda: os.close(descriptor))


@case(60)
def own_address_changes(t):
    """The port's own host gets another address: the connection is dead, and made again from the new one."""
    cable = t.namespace()
    server = t.scripted_server(namespace=cable)
    port = t.port(server, "--dead-after", str(DEAD_AFTER), "--loss-timeout", "never")
    descriptor = t.open_raw(port)
    # The peer's network has room for this address only.
    cable.ip("address", "del", cable.here + "/30", "dev", cable.link)
    cable.ip("address", "add", "203.0.113.1/30", "dev", cable.link)
    cable.inside("address", "add", "203.0.113.2/30", "dev", "veth1")
    cable.ip("route", "add", cable.there + "/32", "dev", cable.link)
    started = time.monotonic()
    write_all(descriptor, b"written after it")
    t.check("connected again", eventually(lambda: "connected again" in port.log, DEAD_AFTER + 6), port.log[-300:])
    t.took("with the new address", time.monotonic() - started, 0, DEAD_AFTER + 4)
    server.ask("send", count=4)
    t.equal("data flows again", read_exactly(descriptor, 4), pattern(4))
    lost = sum(int(count) for count in LOST.findall(port.log))
    t.equal("the written bytes have arrived, or are counted as lost", (server.data(-1), lost),
            (b"written after it", 0) if not lost else (b"", 16))


@case(60)
def servers_address_changes(t):
    """A server's name that leads to another address: looked up anew for the next connection."""
    old, new = t.namespace(0), t.namespace(1)
    hosts = os.path.join(t.directory, "hosts")

    def point_to(cable):
        with open(hosts, "w") as file:
            file.write("{} module.test\n".format(cable.there))

    def see_the_hosts():
        unshare_mounts()
        subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)

    point_to(old)
    first = t.scripted_server(namespace=old)
    port_number = first.address.rsplit(":", 1)[1]
    second = simulator_at(t, new, port_number)
    port = t.port("module.test:" + port_number, "--dead-after", str(DEAD_AFTER), "--loss-timeout", "never",
                  prepare=see_the_hosts)
    descriptor = t.open_raw(port)
    point_to(new)
    old.pull()
    started = time.monotonic()
    write_all(descriptor, b"lost")
    t.check("connected again", eventually(lambda: "connected again" in port.log, DEAD_AFTER + 8), port.log[-300:])
    t.took("at the new address", time.monotonic() - started, 0, DEAD_AFTER + 5)
    read_rest(descriptor, 0.3)
    write_all(descriptor, b"found")
    t.equal("data flows", read_exactly(descriptor, 5), b"found")
    t.check("at the new one", second.status is None and new.there in port.log, port.log[-300:])


def simulator_at(t, cable, tcp_port):
    t.names += 1
    server = fixture.Server(t, "simulator{}".format(t.names), [
        t.binary, "simulate", "--listen", cable.there, "--port", tcp_port, "--ports", "1"], prepare=cable.enter)
    server.expect(r"port 0: \S+:\d+")
    return server


# Memory.

class MemoryGroup:
    """A control group of the case's own with a limit, which a process enters before it runs."""

    ROOT = "/run/cgroup"

    def __init__(self, t, limit):
        if not os.path.exists(self.ROOT):
            os.mkdir(self.ROOT)
            subprocess.run(["mount", "-t", "cgroup2", "none", self.ROOT], check=True)
        self.write(self.ROOT, "cgroup.subtree_control", "+memory")
        self.path = os.path.join(self.ROOT, "{}-{}".format(t.number, limit))
        os.mkdir(self.path)
        self.write(self.path, "memory.max", str(limit))
        t.at_the_end.append(lambda: os.rmdir(self.path))

    @staticmethod
    def write(directory, name, text):
        with open(os.path.join(directory, name), "w") as file:
            file.write(text)

    def read(self, name):
        with open(os.path.join(self.path, name)) as file:
            return file.read()

    @property
    def kills(self):
        return int(dict(line.split() for line in self.read("memory.events").splitlines())["oom_kill"])

    def enter(self):
        self.write(self.path, "cgroup.procs", str(os.getpid()))


def eat(group):
    """Takes memory until the kernel ends it."""
    group.enter()
    eaten = []
    while True:
        eaten.append(b"\1" * (1 << 20))


def fill_and_read(t, descriptor):
    """Fills everything between program and server, and reads it back. Gives bytes."""
    data = os.urandom(1 << 20)
    os.set_blocking(descriptor, False)
    written = 0
    while written < FULL and events(descriptor, select.POLLOUT, 1) & select.POLLOUT:
        try:
            written += os.write(descriptor, data[written % len(data):][:60000])
        except BlockingIOError:
            pass
    os.set_blocking(descriptor, True)
    t.check("it is full at {} KiB".format(written >> 10), written < FULL)
    wanted = (data * (1 + written // len(data)))[:written]
    got = bytearray()
    while len(got) < written and events(descriptor, select.POLLIN, 5):
        got += os.read(descriptor, 65536)
    t.check("all of it comes back", got == wanted, difference(got, wanted))


@case(120)
def memory_is_short(t):
    """A port in a group of 16 MiB, the buffers of its sockets among them, of which other programs take whatever they
    can get: nothing is lost, and the kernel ends the others."""
    group = MemoryGroup(t, 16 << 20)
    port = t.port(t.simulator(), prepare=group.enter)
    descriptor = t.open_raw(port, baud=termios.B4000000)
    fill_and_read(t, descriptor)
    t.note("most memory used: {:.1f} MiB".format(int(group.read("memory.peak")) / (1 << 20)))
    t.equal("processes that the kernel has ended", group.kills, 0)
    # Its buffers are empty again. Both ask for memory at the same time.
    for number in range(1, 6):
        hog = t.helper(eat, group)
        data = os.urandom(100_000)
        got = exchange(descriptor, data, 30)
        t.check("100 KB there and back beside hog {}".format(number), got == data, difference(got, data))
        t.check("the kernel has ended hog {}".format(number), eventually(hog.has_ended, 10), hog.state)
    t.equal("processes that the kernel has ended", group.kills, 5)
    os.close(descriptor)


@case(60)
def memory_is_over(t):
    """A group that becomes too small for the port: the kernel kills it, and every program that waits is let go."""
    group = MemoryGroup(t, 16 << 20)
    server = t.scripted_server()
    port = t.port(server, prepare=group.enter)
    keep = t.open_raw(port)
    server.ask("stop")
    programs = Programs(t, port.path)
    port.ends_cleanly = False
    group.write(group.path, "memory.max", "65536")
    t.check("the kernel has ended it", eventually(lambda: group.kills == 1 and port.status is not None, 5),
            group.read("memory.events"))
    programs.check_ends("memory over", WHEN_KILLED, 1.5)
    os.close(keep)
    wait_until(lambda: not os.path.exists(port.path), 3, "node gone")
