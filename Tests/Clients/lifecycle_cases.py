"""Opens and closes, signals, servers that stall, vanish, return, or do not speak RFC 2217."""
import errno
import fcntl
import os
import re
import select
import signal
import socket
import struct
import termios
import threading
import time

import fixture
from fixture import (DTR, RTS, Timeout, case, difference, events, eventually, exchange, free_tcp_port, ioctl_int,
                     read_exactly, read_rest, set_raw, termios2, wait_until, write_all)

HUNG_UP = select.POLLHUP | select.POLLERR


class Tap:
    """Sits between a port and its server, so that the connection can be cut as a network cuts it."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.target = (host, int(port))
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(4)
        self.address = "127.0.0.1:{}".format(self.listener.getsockname()[1])
        self.pairs = []
        self.connections = 0
        self.passed = 0
        self.refuses = False
        self.is_reset = False
        threading.Thread(target=self.accept, daemon=True).start()

    def __str__(self):
        return self.address

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refuses:
                client.close()
                continue
            server = socket.create_connection(self.target)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threads = [threading.Thread(target=self.copy, args=ends, daemon=True)
                       for ends in ((client, server), (server, client))]
            self.pairs.append((client, server, threads))
            self.connections += 1
            for thread in threads:
                thread.start()

    def copy(self, source, sink):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                self.passed += len(data)
                sink.sendall(data)
        except OSError:
            pass
        if self.is_reset:
            return
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self, reset):
        """Ends all connections: by FIN, or by RST as a machine that has restarted would."""
        pairs, self.pairs = self.pairs, []
        self.is_reset = reset
        for client, server, threads in pairs:
            # SHUT_RD sends nothing, and ends the recv() that keeps the socket from being closed. A server that has
            # stalled holds the copying thread in sendall(): only an end of that connection lets it go.
            for end, how in ((server, socket.SHUT_RDWR), (client, socket.SHUT_RD if reset else socket.SHUT_RDWR)):
                try:
                    end.shutdown(how)
                except OSError:
                    pass
            for thread in threads:
                thread.join(5)
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            server.close()
        self.is_reset = False


# Opens and closes.

@case(30)
def two_opens_closed_in_any_order(t):
    server = t.simulator()
    port = t.port(server)
    for order in ("first first", "second first"):
        first = t.open_raw(port)
        second = t.open(port)
        write_all(first, b"to both")
        t.equal(order + ": either may read", read_exactly(second, 4) + read_exactly(first, 3), b"to both")
        kept, closed = (second, first) if order == "first first" else (first, second)
        os.close(closed)
        write_all(kept, b"still")
        t.equal(order + ": the other goes on", read_exactly(kept, 5), b"still")
        t.equal(order + ": its lines stay up", ioctl_int(kept, termios.TIOCMGET) & (DTR | RTS), DTR | RTS)
        os.close(kept)
    t.equal("connections, one for each pair of opens", port.log.count("connected to"), 2)


@case(60)
def many_opens_and_closes(t):
    port = t.port(t.simulator())
    for _ in range(30):
        descriptors = [t.open(port) for _ in range(5)]
        for descriptor in descriptors:
            os.close(descriptor)
    descriptor = t.open_raw(port)
    write_all(descriptor, b"alive")
    t.equal("the port works after 150 opens", read_exactly(descriptor, 5), b"alive")
    with open("/proc/{}/status".format(port.pid)) as file:
        t.note("port: " + " ".join(line.strip() for line in file if line.startswith(("VmRSS", "Threads"))))
    t.check("no file is left open in the port", len(os.listdir("/proc/{}/fd".format(port.pid))) < 20,
            os.listdir("/proc/{}/fd".format(port.pid)))


def open_close(path, count):
    for index in range(count):
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | (os.O_NONBLOCK if index % 2 else 0))
        termios.tcgetattr(descriptor)
        os.close(descriptor)
    return count


@case(60)
def many_processes_open_and_close(t):
    port = t.port(t.simulator())
    helpers = [t.helper(open_close, port.path, 15) for _ in range(6)]
    for helper in helpers:
        t.equal("opens of one process", helper.result(40), 15)


@case(30)
def settings_outlive_close(t):
    port = t.port(t.simulator("-v"))
    descriptor = t.open(port)
    set_raw(descriptor, vmin=7, vtime=3, baud=termios.B57600)
    fields = termios2(descriptor)
    write_all(descriptor, b"unread")
    wait_until(lambda: ioctl_int(descriptor, termios.FIONREAD) == 6)
    os.close(descriptor)
    descriptor = t.open(port)
    t.equal("settings after close and open", termios2(descriptor), fields)
    t.equal("unread input does not outlive the last close", ioctl_int(descriptor, termios.FIONREAD), 0)
    log = t.processes[0].log
    t.equal("the server is told the rate again", log.count("client: SET-BAUDRATE 57600"), 2)
    os.close(descriptor)


@case(30)
def hupcl_lowers_the_lines(t):
    server = t.simulator("-v")
    port = t.port(server, "--connect", "always")
    for hupcl in (True, False):
        descriptor = t.open_raw(port)
        attributes = termios.tcgetattr(descriptor)
        attributes[2] = attributes[2] | termios.HUPCL if hupcl else attributes[2] & ~termios.HUPCL
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
        before = server.log.count("client: SET-CONTROL DTR off")
        os.close(descriptor)
        told = eventually(lambda: server.log.count("client: SET-CONTROL DTR off") > before, 1 if not hupcl else 3)
        t.equal("HUPCL {}: DTR lowered at the last close".format("set" if hupcl else "clear"), told, hupcl)
    before = server.log.count("client: SET-CONTROL DTR")
    descriptor = t.open(port)
    os.close(descriptor)
    t.note("DTR commands of an open and close without HUPCL: {}".format(
        server.log.count("client: SET-CONTROL DTR") - before))


@case(30)
def lines_left_alone(t):
    server = t.simulator("-v")
    port = t.port(server, "--dtr-rts", "leave")
    descriptor = t.open_raw(port)
    write_all(descriptor, b"x")
    read_exactly(descriptor, 1)
    os.close(descriptor)
    time.sleep(0.2)
    t.check("--dtr-rts leave says nothing of DTR and RTS", not any(
        text in server.log for text in ("client: SET-CONTROL DTR", "client: SET-CONTROL RTS")), server.log)


@case(30)
def close_waits_for_output(t):
    """The last close waits until the line has sent it all, with closing_wait, as a UART's does."""
    port = t.port(t.simulator("--pace"))
    descriptor = t.open_raw(port, baud=termios.B9600)
    write_all(descriptor, b"c" * 1440)
    started = time.monotonic()
    os.close(descriptor)
    t.took("close behind 1440 bytes at 9600", time.monotonic() - started, 1.2, 2.5)


@case(60)
def output_is_not_slower_than_the_server(t):
    """A far end that takes bytes faster than the rate says (a USB device, a virtual machine) must not be waited for
    at that rate: a drain ends soon after the server has taken everything."""
    port = t.port(t.simulator())
    descriptor = t.open_raw(port, baud=termios.B115200)
    data = os.urandom(1 << 20)
    got = exchange(descriptor, data)
    t.check("1 MiB there and back", got == data, difference(got, data))
    started = time.monotonic()
    termios.tcdrain(descriptor)
    t.took("tcdrain after it", time.monotonic() - started, 0, 8)
    started = time.monotonic()
    os.close(descriptor)
    t.took("close after it", time.monotonic() - started, 0, 8)


# Signals.

def read_blocking(path, vmin):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    set_raw(descriptor, vmin)
    return os.read(descriptor, 100).decode()


def read_with_handler(path, vmin):
    """A handler without SA_RESTART: the read ends early, with the bytes received, or with EINTR."""
    import ctypes
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    set_raw(descriptor, vmin)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.siginterrupt(signal.SIGTERM, True)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(100)
    count = libc.read(descriptor, buffer, 100)  # os.read would go on after EINTR
    return [count, ctypes.get_errno() if count < 0 else 0, buffer.raw[:max(count, 0)].decode()]


def has_handler(helper, number):
    with open("/proc/{}/status".format(helper.pid)) as file:
        caught = int(re.search(r"SigCgt:\s+([0-9a-f]+)", file.read()).group(1), 16)
    return bool(caught >> (number - 1) & 1)


def in_read(t, port, helper, handles=None):
    """Waits until the helper sleeps in its read: after it has installed its signal handler, if it has one."""
    if handles is not None:
        wait_until(lambda: has_handler(helper, handles), 20, "the helper's handler")

    def asleep():
        try:
            with open("/proc/{}/syscall".format(helper.pid)) as file:
                return file.read().split()[0] == "0"
        except OSError:  # this kernel does not tell; a program that computes does not sleep
            return helper.state == "S"
    try:
        wait_until(asleep, 3)
    except Timeout:
        pass
    time.sleep(0.1)


@case(40)
def reader_killed_in_read(t):
    port = t.port(t.simulator())
    other = t.open_raw(port)
    for number in (signal.SIGKILL, signal.SIGTERM):
        helper = t.helper(read_blocking, port.path, 1)
        in_read(t, port, helper)
        started = time.monotonic()
        helper.kill(number)
        helper.wait(3)
        t.took("killed by {}".format(number.name), time.monotonic() - started, 0, 1)
        t.equal("it died of " + number.name, os.WTERMSIG(helper.raw_status), number)
        write_all(other, b"next")
        t.equal("after {} the bytes are the next reader's".format(number.name), read_exactly(other, 4), b"next")


@case(40)
def reader_interrupted_by_handler(t):
    port = t.port(t.simulator())
    other = t.open_raw(port)
    helper = t.helper(read_with_handler, port.path, 1)
    in_read(t, port, helper, signal.SIGTERM)
    helper.kill(signal.SIGTERM)
    t.equal("nothing read: EINTR", helper.result(3), [-1, errno.EINTR, ""])
    helper = t.helper(read_with_handler, port.path, 10)
    in_read(t, port, helper, signal.SIGTERM)
    write_all(other, b"abc")
    time.sleep(0.2)
    helper.kill(signal.SIGTERM)
    t.equal("MIN 10 with 3 bytes: those 3", helper.result(3), [3, 0, "abc"])


def write_with_handler(path, count):
    import ctypes
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.siginterrupt(signal.SIGTERM, True)
    libc = ctypes.CDLL(None, use_errno=True)
    written = libc.write(descriptor, b"w" * count, count)
    return [written, ctypes.get_errno() if written < 0 else 0]


@case(40)
def writer_interrupted_by_handler(t):
    """A signal ends a write: it returns the bytes taken, or EINTR if none was taken."""
    server = t.simulator("--stall-after", "1000")
    port = t.port(server)
    keep = t.open_raw(port)
    helper = t.helper(write_with_handler, port.path, 120000)
    count, code = helper_after_signal(helper)
    while count == 120000:  # until the stalled server's buffers are full
        helper = t.helper(write_with_handler, port.path, 120000)
        count, code = helper_after_signal(helper)
    t.check("some taken: a short count", 0 < count < 120000 or code == errno.EINTR, (count, code))
    helper = t.helper(write_with_handler, port.path, 100)
    t.equal("none taken: EINTR", helper_after_signal(helper), [-1, errno.EINTR])
    termios.tcflush(keep, termios.TCOFLUSH)


def helper_after_signal(helper):
    wait_until(lambda: helper.has_ended() or has_handler(helper, signal.SIGTERM), 20, "the helper's handler")
    time.sleep(0.3)
    if not helper.has_ended():
        helper.kill(signal.SIGTERM)
    return helper.result(5)


def kill_in(t, port, name, body, *arguments):
    helper = t.helper(body, port.path, *arguments)
    time.sleep(0.5)
    t.check(name + ": it waits", not helper.has_ended(), helper.raw_status)
    started = time.monotonic()
    helper.kill()
    try:
        helper.wait(5)
        t.took(name + ": killed", time.monotonic() - started, 0, 1)
    except Timeout as error:
        t.check(name + ": killed", False, error)


def write_blocking(path):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    while True:
        os.write(descriptor, b"w" * 65536)


def wait_for_lines(path):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(descriptor, fixture.TIOCMIWAIT, fixture.RI)


def drain_slowly(path):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    set_raw(descriptor, baud=termios.B300)
    os.write(descriptor, b"d" * 600)
    termios.tcdrain(descriptor)


def poll_for_ever(path):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    events(descriptor, select.POLLIN, 100)


@case(60)
def clients_killed_wherever_they_wait(t):
    """SIGKILL ends a client in every blocking call at once."""
    server = t.simulator("--pace")
    port = t.port(server)
    keep = t.open_raw(port)
    kill_in(t, port, "in read", read_blocking, 1)
    kill_in(t, port, "in poll", poll_for_ever)
    kill_in(t, port, "in TIOCMIWAIT", wait_for_lines)
    kill_in(t, port, "in tcdrain", drain_slowly)
    termios.tcflush(keep, termios.TCOFLUSH)
    set_raw(keep, baud=termios.B115200)
    write_all(keep, b"end")
    t.check("the port works after all that", read_rest(keep, 1).endswith(b"end"))
    stalled = t.port(t.simulator("--stall-after", "100"))
    keep = t.open_raw(stalled)
    kill_in(t, stalled, "in write", write_blocking)
    t.check("the stalled port still answers", termios2(keep)[6] == 115200)
    termios.tcflush(keep, termios.TCOFLUSH)


@case(40)
def last_close_of_a_killed_client(t):
    """Killed with much unsent output: the exit must not hang for closing_wait."""
    port = t.port(t.simulator("--pace"))
    kill_in(t, port, "with output at 300 baud", drain_slowly)


def open_blocking(path):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.close(descriptor)


@case(40)
def client_killed_in_open(t):
    port = t.port(t.simulator("--quirk", "silent"), "--connect-timeout", "20")
    kill_in(t, port, "in open", open_blocking)


# A server that stalls.

def write_count(path, megabytes):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    data = bytes(range(256)) * 4096
    for _ in range(megabytes):
        write_all(descriptor, data)
    return megabytes << 20


@case(90)
def writer_behind_a_stalled_server(t):
    server = t.simulator("--stall-after", "100000")
    port = t.port(server)
    keep = t.open_raw(port)
    helper = t.helper(write_count, port.path, 8)
    time.sleep(0.2)
    got = read_rest(keep, 1.0)
    t.check("the writer waits", not helper.has_ended(), helper.raw_status)
    t.check("and no more comes", len(got) < 8 << 20, len(got))
    t.check("the port still answers others", termios2(keep)[6] == 115200)
    server.send(signal.SIGUSR1)
    wanted = bytes(range(256)) * 4096 * 8
    got += read_exactly(keep, len(wanted) - len(got), 60)
    t.check("all 8 MiB arrive once the server goes on", got == wanted, difference(got, wanted))
    t.equal("the writer has written", helper.result(5), 8 << 20)
    termios.tcflush(keep, termios.TCOFLUSH)


@case(60)
def nonblocking_writer_behind_a_stalled_server(t):
    """Partial counts and EAGAIN: exactly the bytes counted as written arrive."""
    server = t.simulator("--stall-after", "5000")
    port = t.port(server)
    descriptor = t.open_raw(port, flags=os.O_NONBLOCK)
    pattern = bytes(n % 251 for n in range(1 << 20))
    written = 0
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            offset = written % 251
            written += os.write(descriptor, pattern[offset:offset + 50000])
        except BlockingIOError:
            if not events(descriptor, select.POLLOUT, 0.5):
                break
    t.check("EAGAIN in the end ({} bytes taken)".format(written), time.monotonic() < end)
    server.send(signal.SIGUSR1)
    got = read_exactly(descriptor, written, 30) + read_rest(descriptor, 0.3)
    t.check("exactly what was taken arrives", got == bytes(n % 251 for n in range(written)),
            difference(got, bytes(n % 251 for n in range(written))))
    termios.tcflush(descriptor, termios.TCOFLUSH)


@case(60)
def what_was_on_the_way_is_counted(t):
    """A stalled server whose connection breaks: the log says how much may be lost."""
    tap = Tap(t.simulator("--stall-after", "1000").address)
    # Without the write window, which keeps most bytes here.
    port = t.port(tap, "--ahead", "unlimited")
    descriptor = t.open_raw(port, flags=os.O_NONBLOCK)
    fill(descriptor)
    tap.cut(reset=True)
    line = port.expect(r"(\d+) bytes lost with the connection: (\d+) unacknowledged, (\d+) unconfirmed")
    lost, unacknowledged, unconfirmed = (int(number) for number in line.groups())
    t.check("the log counts them", lost > 1000 and lost == unacknowledged + unconfirmed, line.group(0))


@case(60)
def stalled_server_flushed_closed_and_opened(t):
    """After a flush neither close nor the next open waits for what the server never took."""
    server = t.simulator("--stall-after", "1000")
    port = t.port(server)
    for number in (1, 2):
        descriptor = t.open_raw(port, flags=os.O_NONBLOCK)
        fill(descriptor)
        termios.tcflush(descriptor, termios.TCIOFLUSH)
        started = time.monotonic()
        os.close(descriptor)
        t.took("close {}".format(number), time.monotonic() - started, 0, 2)
        started = time.monotonic()
        descriptor = t.open_raw(port)
        t.took("open {} after it".format(number), time.monotonic() - started, 0, 1.5)
        write_all(descriptor, b"fresh")
        t.equal("a fresh connection, {}".format(number), read_exactly(descriptor, 5), b"fresh")
        os.close(descriptor)


def fill(descriptor):
    """Writes until nothing more is taken."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.write(descriptor, b"f" * 65536)
        except BlockingIOError:
            if not events(descriptor, select.POLLOUT, 0.3):
                return


# A server that goes, and comes back or not.

@case(60, over=("closed", "reset", "killed"))
def lost_connection_resumes(t, how):
    """The descriptor lives on, and settings are told again."""
    server = t.simulator("-v")
    tap = Tap(server.address)
    port = t.port(tap)
    descriptor = t.open(port)
    set_raw(descriptor, baud=termios.B57600)
    write_all(descriptor, b"before")
    t.equal("before", read_exactly(descriptor, 6), b"before")
    t.check("lines up", eventually(lambda: ioctl_int(descriptor, termios.TIOCMGET) & fixture.CTS))
    if how == "killed":
        tcp_port = int(server.address.rsplit(":", 1)[1])
        server.popen.kill()
        server.wait()
        tap.cut(reset=False)
        tap.refuses = True
        time.sleep(0.5)
        lines = ioctl_int(descriptor, termios.TIOCMGET)
        t.equal("lines of the far end read low meanwhile",
                lines & (fixture.CTS | fixture.DSR | fixture.CD), 0)
        server = t.simulator_at(tcp_port, "-v")
        tap.refuses = False
    else:
        tap.cut(reset=how == "reset")
        wait_until(lambda: "connection lost" in port.log, what="loss seen")
    write_all(descriptor, b"after")
    started = time.monotonic()
    got = read_exactly(descriptor, 5, 10)
    t.equal("bytes written meanwhile arrive after it", got, b"after")
    t.took("it came back", time.monotonic() - started, 0, 6)
    t.check("lines up again", eventually(lambda: ioctl_int(descriptor, termios.TIOCMGET) & fixture.CTS))
    t.check("the rate was told again", eventually(
        lambda: server.log.count("client: SET-BAUDRATE 57600") == (1 if how == "killed" else 2)))
    t.check("the log tells of the loss", "connection lost" in port.log, port.log)
    t.check("the log tells that it is back", "connected again" in port.log, port.log)


@case(60, over=("closed", "reset"))
def lost_mid_transfer(t, how):
    """Cut while bytes fly: some are lost, none comes twice or out of order, and it goes on."""
    server = t.simulator()
    tap = Tap(server.address)
    port = t.port(tap)
    descriptor = t.open_raw(port)
    stop = threading.Event()
    sent = [0]

    def write():
        while not stop.is_set():
            os.write(descriptor, struct.pack(">I", sent[0]) * 1)
            sent[0] += 1
            if sent[0] % 50 == 0:
                time.sleep(0.005)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    got = b""
    cuts = 0
    end = time.monotonic() + 6
    next_cut = time.monotonic() + 1
    while time.monotonic() < end:
        if events(descriptor, select.POLLIN, 0.1):
            got += os.read(descriptor, 65536)
        if time.monotonic() > next_cut and cuts < 3:
            tap.cut(reset=how == "reset")
            cuts += 1
            next_cut = time.monotonic() + 1.5
    stop.set()
    thread.join(5)
    t.check("the writer was never stuck", not thread.is_alive())
    write_all(descriptor, b"\xee" * 16)
    got += read_rest(descriptor, 1.0)
    t.check("it goes on after {} cuts".format(cuts), got.endswith(b"\xee" * 16), got[-20:])
    t.equal("connections", tap.connections, cuts + 1)
    t.note("{} of {} bytes came back".format(len(got) - 16, 4 * sent[0]))
    # Numbers rise: a part lost is a gap, and bytes of a number may be missing at a cut.
    numbers = [struct.unpack(">I", got[i:i + 4])[0] for i in range(0, min(len(got), 400), 4)]
    t.equal("in order up to the first cut", numbers, list(range(len(numbers))))


def check_hung_up(t, name, descriptor):
    t.equal(name + ": read", os.read(descriptor, 10), b"")
    t.raises(name + ": write", errno.EIO, lambda: os.write(descriptor, b"x"))
    t.equal(name + ": poll", events(descriptor) & (HUNG_UP | select.POLLIN | select.POLLOUT),
            HUNG_UP | select.POLLIN | select.POLLOUT)
    t.equal(name + ": poll for nothing", events(descriptor, 0), HUNG_UP)
    t.raises(name + ": TCGETS", errno.EIO, lambda: fcntl.ioctl(descriptor, termios.TCGETS, bytes(60)))
    t.raises(name + ": tcdrain", errno.EIO, lambda: fcntl.ioctl(descriptor, termios.TCSBRK, 1))
    t.check(name + ": no tty any more", not os.isatty(descriptor))


@case(60, over=("0", "1"))
def hang_up_when_the_server_stays_away(t, loss_timeout):
    server = t.simulator()
    tap = Tap(server.address)
    port = t.port(tap, "--loss-timeout", loss_timeout)
    descriptor = t.open_raw(port)
    second = t.open(port)
    waiting = t.open(port)
    write_all(descriptor, b"unread")
    wait_until(lambda: ioctl_int(descriptor, termios.FIONREAD) == 6)
    read_exactly(descriptor, 6)
    result = {}

    def blocked_reader():
        result["read"] = os.read(waiting, 10)

    def blocked_poller():
        result["poll"] = events(second, select.POLLIN, 10)

    def blocked_waiter():
        # The loss lowers CTS, DSR and CD, which is a change of them; RI was low before.
        result["wait"] = os_error(lambda: fcntl.ioctl(second, fixture.TIOCMIWAIT, fixture.RI))

    threads = [threading.Thread(target=body, daemon=True)
               for body in (blocked_reader, blocked_poller, blocked_waiter)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    tap.refuses = True
    started = time.monotonic()
    tap.cut(reset=True)
    for thread in threads:
        thread.join(10)
    seconds = time.monotonic() - started
    t.took("hung up", seconds, float(loss_timeout), float(loss_timeout) + 1)
    t.equal("a blocked read ends with", result.get("read"), b"")
    t.equal("TIOCMIWAIT ends with", result.get("wait"), errno.EIO)
    t.check("a blocked poll wakes", result.get("poll", 0) & select.POLLHUP, result)
    for name, each in (("first open", descriptor), ("second open", second)):
        check_hung_up(t, name, each)
    t.check("the log tells", "hung up" in port.log, port.log)
    tap.refuses = False
    fresh = t.open_raw(port)
    write_all(fresh, b"fresh")
    t.equal("a fresh open works", read_exactly(fresh, 5), b"fresh")
    check_hung_up(t, "an old open beside it", descriptor)
    os.close(descriptor)
    os.close(second)
    os.close(waiting)
    write_all(fresh, b"still")
    t.equal("and goes on when the old ones close", read_exactly(fresh, 5), b"still")


@case(40)
def carrier_loss_hangs_up_without_clocal(t):
    """CLOCAL clear: the loss of the connection is a loss of carrier."""
    server = t.simulator()
    tap = Tap(server.address)
    port = t.port(tap)
    descriptor = t.open_raw(port)
    wait_until(lambda: ioctl_int(descriptor, termios.TIOCMGET) & fixture.CD)
    attributes = termios.tcgetattr(descriptor)
    attributes[2] &= ~termios.CLOCAL
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    tap.cut(reset=False)
    t.check("hung up at once", eventually(lambda: events(descriptor, 0) & select.POLLHUP, 2))
    check_hung_up(t, "without CLOCAL", descriptor)


# Servers that do not speak RFC 2217.

@case(30)
def server_absent(t):
    port = t.port("127.0.0.1:{}".format(free_tcp_port()))
    for flags in (0, os.O_NONBLOCK):
        started = time.monotonic()
        t.raises("open{}".format(" without blocking" if flags else ""), errno.ECONNREFUSED,
                 lambda: t.open(port, flags))
        t.took("it fails at once", time.monotonic() - started, 0, 1)
    t.check("the log names server and reason", "refused" in port.log and "127.0.0.1" in port.log, port.log)
    t.equal("stty says so too", "Connection refused" in t.run("stty", "-F", port.path)[1], True)


@case(30)
def server_comes_later(t):
    tcp_port = free_tcp_port()
    port = t.port("127.0.0.1:{}".format(tcp_port))
    t.raises("open before", errno.ECONNREFUSED, lambda: t.open(port))
    t.simulator_at(tcp_port)
    descriptor = t.open_raw(port)
    write_all(descriptor, b"now")
    t.equal("open after", read_exactly(descriptor, 3), b"now")


@case(30)
def server_on_an_address_that_does_not_answer(t):
    """Packets that vanish: an unused address of the guest's test network."""
    port = t.port("192.0.2.77:9", "--connect-timeout", "1.5")
    started = time.monotonic()
    try:
        t.open(port)
        t.check("open fails", False)
    except OSError as error:
        t.check("open fails", error.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH), error)
    t.took("in its time", time.monotonic() - started, 0, 3.5)


@case(30)
def server_name_unknown(t):
    port = t.port("no-such-host.invalid:4000")
    started = time.monotonic()
    try:
        t.open(port)
        t.check("open fails", False)
    except OSError as error:
        t.check("open fails ({})".format(os.strerror(error.errno)), True)
    t.took("in its time", time.monotonic() - started, 0, 7)
    t.check("the log names the host", "no-such-host.invalid" in port.log.split("created ", 1)[1], port.log)


@case(40, over=("raw-echo", "raw-dumb", "wont-comport", "silent"))
def server_not_rfc2217(t, kind):
    """raw-echo sends everything back, raw-dumb nothing."""
    quirk = kind.split("-")[0] if kind.startswith("raw") else kind
    server = t.simulator("--quirk", quirk, ports=2, wirings=("null-modem",) if kind == "raw-dumb" else ("loopback",))
    port = t.port(server, "--connect-timeout", "2")
    for _ in range(2):
        started = time.monotonic()
        t.raises("open", errno.EPROTO, lambda: t.open(port))
        t.took("in the connect timeout", time.monotonic() - started, 0, 2.6)
    t.check("the log says why", "does not speak RFC 2217" in port.log, port.log)


@case(40)
def server_that_says_what_it_is(t):
    """Something else listens there: the log shows its words, made harmless."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)

    def serve():
        while True:
            client, _ = listener.accept()
            client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\x1b[2Jhello")
            threading.Timer(3, client.close).start()

    threading.Thread(target=serve, daemon=True).start()
    port = t.port("127.0.0.1:{}".format(listener.getsockname()[1]), "--connect-timeout", "1")
    t.raises("open", errno.EPROTO, lambda: t.open(port))
    t.check("the log shows what it said", "SSH-2.0-OpenSSH" in port.log, port.log)
    t.check("and no control character of it", "\x1b" not in port.log, repr(port.log))


@case(40)
def server_closes_at_once(t):
    """Accepts and closes, as servers do that have a client already."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)

    def serve():
        while True:
            client, _ = listener.accept()
            client.sendall(b"Port already in use\r\n")
            client.close()

    threading.Thread(target=serve, daemon=True).start()
    port = t.port("127.0.0.1:{}".format(listener.getsockname()[1]), "--connect-timeout", "3")
    started = time.monotonic()
    try:
        t.open(port)
        t.check("open fails", False)
    except OSError as error:
        t.check("open fails ({})".format(os.strerror(error.errno)), True)
    t.took("in the connect timeout", time.monotonic() - started, 0, 3.6)
    t.check("the log shows what it said", "already in use" in port.log, port.log)


@case(40)
def server_busy_with_another_client(t):
    server = t.simulator()
    first = t.port(server)
    second = t.port(server, "--connect-timeout", "2")
    keep = t.open_raw(first)
    started = time.monotonic()
    try:
        t.open(second)
        t.check("open of the second port fails", False)
    except OSError as error:
        t.check("open of the second port fails ({})".format(os.strerror(error.errno)), True)
    t.took("in the connect timeout", time.monotonic() - started, 0, 2.6)
    write_all(keep, b"mine")
    t.equal("the first goes on", read_exactly(keep, 4), b"mine")
    os.close(keep)
    # The server lets the first connection go a moment after the last close.
    wait_until(lambda: os_error(lambda: os.close(t.open(second))) is None, 3, "open of the second port")
    descriptor = t.open_raw(second)
    write_all(descriptor, b"yours")
    t.equal("the second has it afterwards", read_exactly(descriptor, 5), b"yours")


# The end of the port's process.

@case(30)
def sigterm_with_everything_waiting(t):
    """Readers, writers, pollers and drains of a port that ends: all are let go, and every request is answered."""
    port = t.port(t.simulator("--stall-after", "100"))
    helpers = [t.helper(body, port.path) for body in (poll_for_ever, wait_for_lines, write_some_raw)]
    helpers.append(t.helper(read_blocking, port.path, 1))
    time.sleep(1)
    status = port.stop()
    t.equal("exit status", status, 0)
    port.ends_cleanly = False
    for helper in helpers:
        try:
            helper.wait(3)
            t.check("a client is let go", True)
        except Timeout as error:
            t.check("a client is let go", False, error)
    counts = port.expect(r"(\d+) requests received, (\d+) answered")
    t.equal("requests answered", counts.group(2), counts.group(1))
    t.check("the node is gone", not os.path.exists(port.path))


def write_some_raw(path):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    set_raw(descriptor)
    while True:
        os.write(descriptor, b"w" * 65536)


@case(30, over=("TERM", "INT", "HUP"))
def ends_by_signal(t, name):
    port = t.port(t.simulator())
    descriptor = t.open_raw(port)
    started = time.monotonic()
    t.equal("exit status", port.stop(getattr(signal, "SIG" + name)), 0)
    t.took("it ends", time.monotonic() - started, 0, 2)
    port.ends_cleanly = False
    t.check("the log says by what", "SIG" + name in port.log, port.log)
    t.check("a client left behind gets errors", os_error(lambda: os.write(descriptor, b"x")) is not None)
    os.close(descriptor)
    t.check("the node is gone", not os.path.exists(port.path))


@case(30)
def killed_port_leaves_nothing(t):
    """SIGKILL of the port: clients get errors and can go; the name can be taken again."""
    server = t.simulator()
    port = t.port(server)
    descriptor = t.open_raw(port)
    helper = t.helper(read_blocking, port.path, 1)
    time.sleep(0.5)
    port.popen.kill()
    port.wait()
    port.ends_cleanly = False
    helper.wait(3)
    t.check("a blocked client is let go", True)
    t.check("another gets errors", os_error(lambda: os.write(descriptor, b"x")) is not None)
    wait_until(lambda: not os.path.exists(port.path), what="node gone")
    os.close(descriptor)
    again = t.port(server, name=port.name)
    descriptor = t.open_raw(again)
    write_all(descriptor, b"again")
    t.equal("a new port of the same name works", read_exactly(descriptor, 5), b"again")


def os_error(body):
    try:
        body()
    except OSError as error:
        return error.errno
    return None
