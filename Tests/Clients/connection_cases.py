"""Connections that live and die: a window that stays shut, a cable that is pulled, a server that ends while no program
reads, bytes that are lost with a connection, servers that turn a client away, names that are not answered."""
import os
import random
import re
import signal
import socket
import statistics
import struct
import subprocess
import termios
import threading
import time

from avahi import unshare_mounts
from fixture import (Timeout, case, difference, events, eventually, read_exactly, read_rest, set_raw, tcp_ends,
                     wait_until, write_all)
from scripted_server import pattern

LONG = os.environ.get("TTYNVT_LONG") == "1"
# Seconds for which a window is shut; connections that are lost.
SHUT = 300 if LONG else 25
DEATHS = 1000 if LONG else 100
LOST = re.compile(r"(\d+) bytes lost with the connection: (\d+) unacknowledged, (\d+) unconfirmed")


class FarPort:
    """A port whose server is at the other end of a cable."""

    def __init__(self, t, index, dead_after, *server_options, port_options=(), flags=0):
        self.t = t
        self.dead_after = dead_after
        self.cable = t.namespace(index)
        self.server = t.scripted_server(*server_options, namespace=self.cable)
        self.port = t.port(self.server, "--dead-after", str(dead_after), "--loss-timeout", "never", *port_options)
        self.descriptor = t.open_raw(self.port, flags=flags)

    @property
    def is_lost(self):
        return "connection lost" in self.port.log

    def pull(self):
        self.cable.pull()
        return time.monotonic()

    def check_noticed(self, what, pulled, limit):
        """Is the loss seen within this time of the pull?"""
        seen = eventually(lambda: self.is_lost, limit + 3)
        seconds = time.monotonic() - pulled
        if seen:
            self.t.took(what + ": the loss is noticed", seconds, 0, limit)
        else:
            self.t.check(what + ": the loss is noticed", False, "not within {:.1f} s".format(seconds))

    def check_back(self, what):
        """Does the port connect again once the cable is in place?"""
        self.cable.plug_in()
        self.t.check(what + ": connected again", eventually(lambda: "connected again" in self.port.log, 12))


# A window that stays shut.

def write_in_thread(descriptor, data):
    """A program that writes, and may have to wait for room."""
    def write():
        try:
            write_all(descriptor, data)
        except OSError:  # the port has ended
            pass

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    return writer


def shut_window(far, data):
    """The server stops reading, and a program writes more than the server's kernel takes. Gives the writer."""
    far.server.ask("stop")
    writer = write_in_thread(far.descriptor, data)
    # No timer of this side says it: a port may leave nothing in its socket that has to wait for the window.
    wait_until(lambda: far.server.facts["unread"] > 0 and far.server.facts["unread_stalled"] > 1, 10,
               "the server's window shut")
    far.t.check("the window is shut, and not everything has gone through it", far.server.facts["unread"] < len(data),
                far.server.facts)
    far.t.note("{}: {} bytes at the server; this end: {}".format(
        far.port.name, far.server.facts["unread"], tcp_ends(far.server.address)))
    return writer


def window_shut_for_long(t, far, what):
    what = "window shut for {} s, {}".format(SHUT, what)
    data = os.urandom(50000)
    writer = shut_window(far, data)
    t.check(what + ": the connection stays", not eventually(lambda: far.is_lost, SHUT), far.port.log[-300:])
    far.server.ask("go")
    eventually(lambda: far.server.facts["received"] >= len(data), 10)
    got = far.server.data()
    t.check(what + ": every byte arrives, in order", got == data, difference(got, data))
    t.equal(what + ": connections", far.server.facts["connections"], 1)
    writer.join(5)
    t.check(what + ": the program has written", not writer.is_alive())


def window_shut_then_dead(t, far, what):
    what = "window shut for {} s, {}, then the cable pulled".format(SHUT, what)
    shut_window(far, os.urandom(50000))
    if t.check(what + ": the connection stays", not eventually(lambda: far.is_lost, SHUT), far.port.log[-300:]):
        far.check_noticed(what, far.pull(), far.dead_after + 2)


@case(SHUT + 60)
def window_shut(t):
    """A peer that acknowledges every probe of its shut window is alive; one that does not is dead. With the large
    buffer at the server the rest of the bytes fits in the port's socket, with the small one it does not."""
    kinds = (("16384", "the rest in the socket"), ("4096", "the socket full"))
    bodies = []
    for index, (buffer, what) in enumerate(kinds):
        alive = FarPort(t, 2 * index, 3, "--receive-buffer", buffer)
        dead = FarPort(t, 2 * index + 1, 6, "--receive-buffer", buffer)
        bodies += [lambda far=alive, what=what: window_shut_for_long(t, far, what),
                   lambda far=dead, what=what: window_shut_then_dead(t, far, what)]
    t.side_by_side(*bodies, seconds=SHUT + 45)


# A cable that is pulled.

def pulled_with_a_full_socket(t, far):
    what = "full socket, --dead-after {}".format(far.dead_after)
    stop = threading.Event()

    def transfer():
        data = bytes(range(256)) * 256
        while not stop.is_set():
            if events(far.descriptor, 4, 0.1):  # POLLOUT
                try:
                    os.write(far.descriptor, data)
                except BlockingIOError:
                    pass

    writer = threading.Thread(target=transfer, daemon=True)
    writer.start()
    wait_until(lambda: far.server.facts["received"] > 1 << 20, 20, "the transfer")
    pulled = far.pull()
    t.check(what + ": bytes are on the way", eventually(
        lambda: any(end[0] > 1000 for end in tcp_ends(far.server.address)), 1))
    far.check_noticed(what, pulled, far.dead_after + 1)
    far.check_back(what)
    t.check(what + ": the transfer goes on", eventually(
        lambda: far.server.facts["connections"] > 1 and far.server.facts["received"] > 1 << 16))
    stop.set()
    writer.join(5)
    t.check(what + ": the program is not stuck", not writer.is_alive())


def pulled_with_an_empty_socket(t, far):
    what = "idle, --dead-after {}".format(far.dead_after)
    far.check_noticed(what, far.pull(), far.dead_after + 2)
    far.check_back(what)


def pulled_before_a_small_write(t, far):
    what = "a small write after it, --dead-after {}".format(far.dead_after)
    pulled = far.pull()
    os.write(far.descriptor, b"small")
    far.check_noticed(what, pulled, far.dead_after + 1)
    far.check_back(what)


@case(60)
def cable_pulled(t):
    """The side that the cable leaves alone notices in time, whatever its socket holds."""
    # Only without the write window is there a full socket.
    full = [FarPort(t, index, dead_after, port_options=("--ahead", "unlimited"), flags=os.O_NONBLOCK)
            for index, dead_after in enumerate((3, 6))]
    idle, small = FarPort(t, 2, 6), FarPort(t, 3, 6)
    t.side_by_side(
        lambda: pulled_with_a_full_socket(t, full[0]), lambda: pulled_with_a_full_socket(t, full[1]),
        lambda: pulled_with_an_empty_socket(t, idle), lambda: pulled_before_a_small_write(t, small), seconds=50)
    for far in full:
        termios.tcflush(far.descriptor, termios.TCOFLUSH)


# A server that ends while no program reads.

@case(60, over=("closed", "reset"))
def server_ends_while_no_program_reads(t, how):
    """Received bytes wait for a program; the end of the connection does not."""
    server = t.scripted_server()
    port = t.port(server, "--loss-timeout", "never")
    descriptor = t.open_raw(port)
    amount = 300_000 if how == "closed" else 2_000_000
    server.ask("send", count=amount)
    if how == "closed":
        # All of it has come to this side: more than the port keeps before it pauses.
        wait_until(lambda: server.facts["unsent"] == 0, 10, "everything sent")
    else:
        wait_until(lambda: server.facts["unsent_stalled"] > 0.3 and any(end[1] for end in tcp_ends(server.address)), 10,
                   "receiving paused")
    server.ask("close" if how == "closed" else "reset")
    started = time.monotonic()
    t.check("the loss is noticed within 2 s", eventually(lambda: "connection lost" in port.log, 2), port.log[-300:])
    writer = write_in_thread(descriptor, b"written after it")
    writer.join(3)
    t.check("a write is answered", not writer.is_alive())
    t.check("the port connects again", eventually(lambda: server.facts["connections"] == 2, 5), port.log[-300:])
    t.note("connected again {:.2f} s after the end".format(time.monotonic() - started))
    t.check("the written bytes arrive", eventually(lambda: server.data(-1) == b"written after it"), server.data(-1))
    wanted = pattern(amount)
    if how == "closed":
        got = read_exactly(descriptor, amount, 10) + read_rest(descriptor, 0.2)
        t.check("all bytes are read", got == wanted, difference(got, wanted))
    else:
        # A reset may take with it what the kernel has not handed on.
        got = read_rest(descriptor, 0.5)
        t.check("the bytes that the port had are read", len(got) >= 262_144 and got == wanted[:len(got)],
                difference(got, wanted[:len(got)]))


# Bytes lost with a connection.

class Deaths:
    """One open port, and a server that dies again and again."""

    size = 16

    def __init__(self, t):
        self.t = t
        self.random = random.Random(2217)
        self.server = t.scripted_server()
        self.port = t.port(self.server, "--loss-timeout", "never")
        self.descriptor = t.open_raw(self.port, baud=termios.B4000000)
        self.frames = []
        # For each death: the frames that may be lost; had the peer's kernel acknowledged all of them?
        self.at_risk = []
        self.acknowledged = []

    def write(self, count):
        """Writes frames, one write(2) for each. Gives the bytes that they are on the wire."""
        length = 0
        for _ in range(count):
            frame = struct.pack(">I", len(self.frames)) + b"\xff\xff\x00\xff" + self.random.randbytes(8)
            self.frames.append(frame)
            write_all(self.descriptor, frame)
            length += len(frame) + frame.count(b"\xff")
        return length

    def die(self):
        self.write(self.random.randint(0, 2))
        termios.tcdrain(self.descriptor)
        self.server.ask("stop")
        first = len(self.frames)
        length = self.write(self.random.randint(0, 5))
        wait_until(lambda: self.server.facts["unread"] == length, 5, "{} bytes at the server".format(length))
        # The server may have read some of it, but has answered nothing since.
        if length and self.random.random() < 0.3:
            self.server.ask("take", count=self.random.randint(1, length))
        is_acknowledged = self.random.random() < 0.5
        if is_acknowledged:
            wait_until(lambda: all(end[0] == 0 for end in tcp_ends(self.server.address)), 5, "all acknowledged")
        at_risk = range(first, len(self.frames))
        self.server.ask("reset")
        deaths = len(self.at_risk) + 1
        if self.random.random() < 0.5:
            # From here on no connection takes any: they wait for the next one.
            wait_until(lambda: not tcp_ends(self.server.address) or self.server.facts["connections"] > deaths, 5,
                       "the end of connection {}".format(deaths))
            self.write(self.random.randint(1, 2))
        elif self.random.random() < 0.5:
            # The kernel of this side may not have heard of the end, and take them.
            self.write(self.random.randint(1, 2))
            at_risk = range(first, len(self.frames))
            is_acknowledged = False
        self.at_risk.append(at_risk)
        self.acknowledged.append(is_acknowledged)
        wait_until(lambda: self.port.log.count("connected again") == deaths, 10, "connection {}".format(deaths + 1))

    def recorded(self):
        """Numbers of the frames that the server has got, in order; None for bytes that are no frame."""
        data = b"".join(self.server.data(n) for n in range(self.server.facts["connections"]))
        numbers = []
        for offset in range(0, len(data), self.size):
            frame = data[offset:offset + self.size]
            number = struct.unpack(">I", frame[:4])[0] if len(frame) == self.size else -1
            numbers.append(number if 0 <= number < len(self.frames) and self.frames[number] == frame else None)
        return numbers

    def logged(self):
        """For each connection that was lost: (bytes lost, unacknowledged, unconfirmed), as the log has them."""
        connections = self.port.log.split("connected to ")[1:-1]
        found = [LOST.findall(text) for text in connections]
        self.t.check("no connection has two lines of lost bytes", all(len(lines) < 2 for lines in found))
        return [tuple(map(int, lines[0])) if lines else (0, 0, 0) for lines in found]

    def check(self):
        t = self.t
        numbers = self.recorded()
        t.check("the server has whole frames only", None not in numbers, numbers.count(None))
        whole = [number for number in numbers if number is not None]
        t.check("none twice, and in order", whole == sorted(set(whole)))
        missing = set(range(len(self.frames))) - set(whole)
        t.equal("frames lost that were confirmed, or that no connection took",
                sorted(missing - {number for frames in self.at_risk for number in frames})[:20], [])
        logged = self.logged()
        t.equal("connections lost, in the log", len(logged), len(self.at_risk))
        lost = [self.size * len(missing.intersection(frames)) for frames in self.at_risk]
        t.check("some were lost", sum(lost) > 0)
        t.equal("bytes lost, and bytes that the log says were lost", sum(entry[0] for entry in logged),
                self.size * len(missing))
        wrong = [(n, entry, count) for n, (entry, count) in enumerate(zip(logged, lost)) if entry[0] != count]
        t.check("the same for each connection ({} bytes)".format(sum(lost)), not wrong, wrong[:5])
        wrong = [entry for entry in logged if entry[0] != entry[1] + entry[2]]
        t.check("unacknowledged and unconfirmed make the sum", not wrong, wrong[:5])
        wrong = [entry for entry, all_of_it in zip(logged, self.acknowledged) if all_of_it and entry[1]]
        t.check("none unacknowledged if the peer's kernel had them all", not wrong, wrong[:5])


@case(900 if LONG else 120)
def thousand_deaths(t):
    """The log counts the bytes that were lost. No byte is lost that was confirmed, or that no connection took."""
    deaths = Deaths(t)
    for _ in range(DEATHS):
        deaths.die()
    deaths.write(1)
    termios.tcdrain(deaths.descriptor)
    deaths.check()


# Servers that turn a client away.

@case(30)
def next_address_after_refusal(t):
    """A server that accepts, says that it is busy and closes: the next one is tried, and the text is no data."""
    busy, ready = t.scripted_server("--turn-away"), t.scripted_server()
    port = t.port("{},{}".format(busy, ready))
    try:
        descriptor = t.open_raw(port)
    except OSError as error:
        return t.check("open succeeds", False, error)
    t.check("open succeeds", True)
    t.equal("connections to the second server", ready.facts["connections"], 1)
    t.equal("the program reads nothing", read_rest(descriptor, 0.3), b"")
    os.write(descriptor, b"data")
    t.check("the second server gets data", eventually(lambda: ready.data() == b"data"))


@case(30)
def refusal_while_reconnecting(t):
    """The port's own server is busy for a while when the port comes back: its text does not reach the program."""
    server = t.scripted_server()
    port = t.port(server)
    descriptor = t.open_raw(port)
    server.ask("turn_away", count=2)
    server.ask("reset")
    t.check("connected again", eventually(lambda: "connected again" in port.log, 8), port.log[-300:])
    t.equal("connections that were served", server.facts["connections"], 2)
    t.equal("the program reads nothing", read_rest(descriptor, 0.3), b"")
    server.ask("send", count=8)
    t.equal("then it reads data", read_exactly(descriptor, 8), pattern(8))


# A name server that does not answer.

def open_close(path):
    os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))


@case(60)
def silent_name_server(t):
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.53", 53))
    sink.settimeout(5)
    configuration = os.path.join(t.directory, "resolv.conf")
    with open(configuration, "w") as file:
        file.write("nameserver 127.0.0.53\n")

    def ask_the_sink():
        unshare_mounts()
        subprocess.run(["mount", "--bind", configuration, "/etc/resolv.conf"], check=True)

    name = "name.invalid-test:4000"
    options = ("--connect-timeout", "2")
    ports = [t.port(servers, *options, prepare=ask_the_sink)
             for servers in (name, name, "{},{}".format(name, t.scripted_server()))]
    helpers = [t.helper(open_close, port.path) for port in ports]
    t.check("the name server is asked", b"invalid-test" in sink.recv(512))

    def open_fails():
        try:
            helpers[0].result(15)
            t.check("open fails", False)
        except OSError as error:
            t.check("open fails", error.errno is not None, error)
        t.took("open fails in time", time.monotonic() - helpers[0].started, 0, 3)

    def process_ends():
        ports[1].ends_cleanly = False
        started = time.monotonic()
        try:
            t.equal("exit status at SIGTERM", ports[1].stop(signal.SIGTERM, 15), 0)
        except Timeout as error:
            t.check("the process ends at SIGTERM", False, error)
        t.took("SIGTERM ends the process in time", time.monotonic() - started, 0, 2)
        helpers[1].wait(5)

    def next_server_is_tried():
        try:
            helpers[2].result(15)
            t.check("open succeeds through the second server", True)
        except OSError as error:
            t.check("open succeeds through the second server", False, error)
        t.took("within --connect-timeout", time.monotonic() - helpers[2].started, 0, 2.2)

    t.side_by_side(open_fails, process_ends, next_server_is_tried, seconds=40)


# A server with Nagle's algorithm.

def times_of_open_and_settings(t, port, opens, settings):
    """Appends the seconds that an open took, and each of some changes of the rate."""
    started = time.monotonic()
    descriptor = t.open(port)
    opens.append(time.monotonic() - started)
    for baud in (termios.B19200, termios.B38400, termios.B57600, termios.B115200) * 2:
        started = time.monotonic()
        set_raw(descriptor, baud=baud)
        settings.append(time.monotonic() - started)
    os.close(descriptor)


@case(30)
def nagle_server(t):
    """A server that sends each answer in two small segments, the second of which waits for the acknowledgement of the
    first: that must not be a delayed one."""
    ports = {name: t.port(t.scripted_server("--split", *options))
             for name, options in (("Nagle", ["--nagle"]), ("TCP_NODELAY", []))}
    times = {name: ([], []) for name in ports}
    for _ in range(10):
        for name, port in ports.items():
            times_of_open_and_settings(t, port, *times[name])
    for index, what in enumerate(("open", "tcsetattr")):
        nagle, no_delay = (statistics.median(times[name][index]) for name in ("Nagle", "TCP_NODELAY"))
        t.note("{}: {:.1f} ms with Nagle, {:.1f} ms without, medians".format(what, nagle * 1000, no_delay * 1000))
        t.took("median " + what, nagle, 0, 0.02)
        t.check("{}: less than 5 times as long as without Nagle".format(what), nagle < 5 * no_delay, (nagle, no_delay))


@case(30)
def options_are_answered_while_the_port_opens(t):
    """A server that offers options first, and goes on once each is answered: the answers do not wait."""
    port = t.port(t.scripted_server("--greet"))
    started = time.monotonic()
    try:
        descriptor = t.open(port)
    except OSError as error:
        return t.check("open succeeds", False, error)
    t.took("open", time.monotonic() - started, 0, 0.3)
    os.close(descriptor)
