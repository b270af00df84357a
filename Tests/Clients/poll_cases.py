"""Readiness. What poll(2) says has to be so: a reader that is alone and finds nothing after "readable" takes the
port for unplugged, as pyserial and with it esptool do ("device reports readiness to read but returned no data").
"""
import errno
import os
import random
import select
import termios
import threading
import time

import serial

from fixture import case, events, read_rest, set_raw, wait_until, write_all


def wait_readable(descriptor, how, seconds):
    if how == "select":
        return bool(select.select([descriptor], [], [], seconds)[0])
    if how == "poll":
        return bool(events(descriptor, select.POLLIN, seconds))
    with select.epoll() as poller:
        poller.register(descriptor, select.EPOLLIN | (select.EPOLLET if how == "epoll-et" else 0))
        return bool(poller.poll(seconds))


def read_by_readiness(descriptor, how, total, seconds):
    """Reads whenever the port says it is readable. Gives bytes read and how often there was nothing after all."""
    got = 0
    empty = 0
    end = time.monotonic() + seconds
    poller = None
    if how.startswith("epoll"):
        poller = select.epoll()
        poller.register(descriptor, select.EPOLLIN | (select.EPOLLET if how == "epoll-et" else 0))
    while got < total and time.monotonic() < end:
        if poller is not None:
            ready = bool(poller.poll(0.5))
        else:
            ready = wait_readable(descriptor, how, 0.5)
        if not ready:
            continue
        data = os.read(descriptor, random.choice((1, 7, 100, 4096)))
        if not data:
            empty += 1
        got += len(data)
        # Edge-triggered: all there is has to be taken before the next wait. VMIN is 0, so that nothing waits.
        while how == "epoll-et" and data:
            data = os.read(descriptor, 4096)
            got += len(data)
    return got, empty


@case(60, over=("select", "poll", "epoll", "epoll-et"))
def readiness_is_exact_for_one_reader(t, how):
    """VMIN = VTIME = 0: a read never waits, so a false readiness shows as an empty read."""
    path = t.port(t.simulator()).path
    reader = t.open_raw(path, vmin=0)
    writer = t.open(path)
    total = 60000
    rounds = []

    def write():
        sent = 0
        while sent < total:
            size = min(random.choice((1, 2, 3, 63, 64, 500, 2000)), total - sent)
            write_all(writer, os.urandom(size))
            sent += size
            if random.random() < 0.3:
                time.sleep(random.random() * 0.004)
        rounds.append(sent)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    got, empty = read_by_readiness(reader, how, total, 40)
    thread.join(5)
    t.equal("every byte came, by " + how, got, total)
    t.equal("reads of nothing after readable, by " + how, empty, 0)
    t.equal("not readable once all is read", events(reader, select.POLLIN, 0.2), 0)


@case(60, over=("select", "poll"))
def readiness_with_vmin_vtime(t, how):
    path = t.port(t.simulator()).path
    port = t.open_raw(path, vmin=0)
    for vmin, vtime, sent, ready in ((0, 0, 1, True), (1, 0, 1, True), (5, 0, 4, False), (5, 0, 5, True),
                                     (5, 1, 1, True), (0, 5, 1, True), (255, 0, 254, False), (255, 0, 255, True)):
        set_raw(port, vmin, vtime, when=termios.TCSAFLUSH)
        write_all(port, b"x" * sent)
        t.equal("MIN {} TIME {} with {} bytes: readable".format(vmin, vtime, sent),
                wait_readable(port, how, 1 if ready else 0.3), ready)
        termios.tcflush(port, termios.TCIFLUSH)
    set_raw(port, 10, 0, when=termios.TCSAFLUSH)
    write_all(port, b"abc")
    t.equal("MIN 10 with 3 bytes", events(port, select.POLLIN, 0.2), 0)
    timer = threading.Timer(0.3, lambda: set_raw(port, 1, 0))
    timer.start()
    started = time.monotonic()
    t.check("a smaller MIN wakes a poller", wait_readable(port, how, 5))
    t.took("at once", time.monotonic() - started, 0.25, 0.8)
    timer.join()


@case(60)
def readiness_to_write(t):
    path = t.port(t.simulator("--stall-after", "100")).path
    port = t.open_raw(path, flags=os.O_NONBLOCK)
    t.check("writable while empty", events(port, select.POLLOUT) & select.POLLOUT)
    filled = 0
    while filled < 64 << 20:
        try:
            filled += os.write(port, b"w" * 65536)
        except BlockingIOError:
            if not events(port, select.POLLOUT, 0.5):
                break
    t.check("a stalled port fills up ({} KiB)".format(filled >> 10), filled < 64 << 20)
    t.equal("not writable while full", events(port, select.POLLOUT, 0.2), 0)
    t.raises("a write to a full port", errno.EAGAIN, lambda: os.write(port, b"w"))
    termios.tcflush(port, termios.TCOFLUSH)
    t.check("writable after TCOFLUSH", events(port, select.POLLOUT, 2) & select.POLLOUT)


def poll_often(path, how, seconds):
    """Another opener that only polls: it must neither take anything nor disturb."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    end = time.monotonic() + seconds
    count = 0
    with select.epoll() as poller:
        poller.register(descriptor, select.EPOLLIN | (select.EPOLLET if how == "epoll-et" else 0))
        while time.monotonic() < end:
            if how.startswith("epoll"):
                poller.poll(0.01)
            else:
                wait_readable(descriptor, how, 0.01)
            count += 1
    os.close(descriptor)
    return count


@case(60)
def esptool_order_with_many_pollers(t):
    """Opens, polls and reads as esptool does over pyserial, beside pollers of every kind, in threads and processes, on
    opens of their own: one reader, who must never read nothing after readable.
    """
    path = t.port(t.simulator()).path
    seconds = 6
    with serial.Serial(path, 115200, timeout=0.2) as port:
        helpers = [t.helper(poll_often, path, how, seconds) for how in ("select", "poll", "epoll", "epoll-et")]
        threads = [threading.Thread(target=poll_often, args=(path, how, seconds), daemon=True)
                   for how in ("select", "epoll-et")]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds - 0.5
        rounds = 0
        problem = ""
        while time.monotonic() < end and not problem:
            data = os.urandom(random.choice((1, 8, 46, 300)))
            try:
                # esptool's sync: empty the port, write a command, read byte by byte while something is there.
                port.reset_input_buffer()
                port.reset_output_buffer()
                port.write(data)
                got = b""
                limit = time.monotonic() + 2
                while len(got) < len(data) and time.monotonic() < limit:
                    got += port.read(port.in_waiting or 1)
                if got != data:
                    problem = "round {}: {!r} for {!r}".format(rounds, got[:20], data[:20])
            except serial.SerialException as error:
                problem = "round {}: {}".format(rounds, error)
            rounds += 1
        t.check("{} rounds".format(rounds), not problem and rounds > 20, problem)
        for helper in helpers:
            t.check("a poller of its own process went on", helper.result(10) > 5)
        for thread in threads:
            thread.join(10)
            t.check("a poller of its own thread ended", not thread.is_alive())
        t.equal("nothing is left", port.read(1), b"")


def compete(path, how, seconds):
    """Reads whatever it gets. With several readers a readiness may be gone by the time of the read: that reads as
    nothing here (VMIN = 0), as it does on any tty."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    end = time.monotonic() + seconds
    got = 0
    while time.monotonic() < end:
        if wait_readable(descriptor, how, 0.05):
            got += len(os.read(descriptor, 100))
    os.close(descriptor)
    return got


@case(60)
def many_readers_share_the_bytes(t):
    """Every byte goes to exactly one reader, whoever polls how."""
    path = t.port(t.simulator()).path
    writer = t.open_raw(path, vmin=0)
    kinds = ("select", "poll", "epoll", "epoll", "select", "poll")
    helpers = [t.helper(compete, path, how, 5) for how in kinds]
    sent = 0
    end = time.monotonic() + 3
    while time.monotonic() < end:
        data = os.urandom(random.choice((1, 3, 64, 1000)))
        write_all(writer, data)
        sent += len(data)
        time.sleep(random.random() * 0.01)
    got = sum(helper.result(15) for helper in helpers)
    t.equal("bytes read by {} readers of {} sent".format(len(kinds), sent), got + len(read_rest(writer)), sent)


@case(30)
def idle_pollers_cost_nothing(t):
    """Twenty opens in poll(2), and nothing happens: the port's process must sleep."""
    port = t.port(t.simulator())
    path = port.path
    descriptors = [t.open(path, os.O_NONBLOCK) for _ in range(20)]
    set_raw(descriptors[0])
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)

    def switches():
        total = 0
        for task in os.listdir("/proc/{}/task".format(port.pid)):
            with open("/proc/{}/task/{}/status".format(port.pid, task)) as file:
                total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
        return total

    def sleep_in_poll():
        poller.poll(3000)

    thread = threading.Thread(target=sleep_in_poll, daemon=True)
    thread.start()
    time.sleep(0.5)
    before = switches()
    time.sleep(2)
    t.check("context switches in 2 s", switches() - before <= 4, switches() - before)
    thread.join(5)
    wait_until(lambda: not thread.is_alive())
    # One byte wakes every open of it.
    write_all(descriptors[0], b"!")
    ready = wait_until(lambda: len(poller.poll(0)) == 20 and 20, what="all 20 readable")
    t.equal("opens that see one byte", ready, 20)
