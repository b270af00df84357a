"""F.8: opening, closing, hanging up, many clients, and the port's own end."""
import errno
import os
import select
import signal
import struct
import subprocess
import tempfile
import time

import calls
import far_side
from calls import (CLOCAL, CREAD, CS8, HUPCL, TCOOFF, TCSBRK, TCXONC, TIOCEXCL, TIOCMGET, TIOCNXCL, TIOCSSERIAL,
                   TIOCVHANGUP, VMIN, counters, fionread, get_int, ioctl, read, tcgets)
from far_side import DTR_OFF, RTS_OFF
from harness import Forbidden, conformance, pack
from modem_lines import CLOSING_WAIT, serial_struct

NONBLOCK = os.O_NONBLOCK
CARRIER_NEEDED = CS8 | CREAD | HUPCL
HUNG_UP = 0x15D


def opened_by_nobody(t):
    """The errno of an ordinary user's open."""
    return calls.error_of(lambda: t.files.append(calls.as_nobody(lambda: calls.open_file(t.port.path, NONBLOCK))))


@conformance(123, "TIOCEXCL: an ordinary user's open gives EBUSY, root's succeeds")
def exclusive(t):
    port = t.raw()
    ioctl(port, TIOCEXCL)
    t.equal("TIOCGEXCL", get_int(port, calls.TIOCGEXCL), 1)
    t.equal("a user's open", calls.error_name(opened_by_nobody(t)), "EBUSY")
    t.error("root's open", 0, t.open)
    ioctl(port, TIOCNXCL)


@conformance(124, "TIOCNXCL by another open: an ordinary user may open")
def no_longer_exclusive(t):
    port, other = t.raw(), t.open()
    ioctl(port, TIOCEXCL)
    ioctl(other, TIOCNXCL)
    t.equal("a user's open", calls.error_name(opened_by_nobody(t)), "success")


@conformance(125, "TIOCEXCL ends with the last close", pty=False)
def exclusive_until_the_last_close(t):
    port = t.raw()
    ioctl(port, TIOCEXCL)
    t.close(port)
    t.equal("a user's open", calls.error_name(opened_by_nobody(t)), "success")


@conformance(126, "VMIN 7 is there after last close and open")
def settings_persist(t):
    port = t.raw(vmin=7)
    t.close(port)
    t.equal("VMIN", tcgets(t.open()).cc[VMIN], 7)


@conformance(127, "unread input is gone after last close and open", pty=False)
def input_does_not_persist(t):
    port = t.raw()
    t.arrives(port, b"unread")
    t.close(port)
    port = t.open()
    t.equal("FIONREAD", fionread(port), 0)
    t.arrives(port, b"new")
    t.reads("read", port, b"new")


def without_carrier(t, keep_open=True):
    """A port that needs a carrier and has none."""
    t.far.modem &= ~far_side.CD
    port = t.raw(flags=NONBLOCK, cflag=CARRIER_NEEDED)
    t.until("CD low", lambda: not get_int(port, TIOCMGET) & calls.CD)
    if not keep_open:
        t.close(port)
    return port


def with_carrier(t, flags=0):
    port = t.raw(flags=flags, cflag=CARRIER_NEEDED)
    t.until("CD high", lambda: get_int(port, TIOCMGET) & calls.CD)
    return port


def open_blocked(t):
    return t.blocked(lambda: t.files.append(calls.open_file(t.port.path)))


@conformance(128, "CLOCAL clear, CD low: open blocks, with O_NONBLOCK it does not", pty=False)
def open_waits_for_carrier(t):
    without_carrier(t, keep_open=False)
    opener = open_blocked(t)
    t.blocks("open", opener, 0.3)
    begin = time.monotonic()
    t.error("open with O_NONBLOCK", 0, lambda: t.open(NONBLOCK))
    t.took("it", time.monotonic() - begin, 0, 0.5)
    t.blocks("open, after it", opener)


@conformance(129, "such an open: returns when CD rises, EINTR at a signal", pty=False)
def carrier_comes(t):
    without_carrier(t)
    opener = open_blocked(t)
    t.blocks("open", opener)
    opener.signal()
    t.ends_with("open and a signal", errno.EINTR, opener)
    opener = open_blocked(t)
    t.blocks("open", opener)
    t.far.set_modem(on=far_side.CD)
    t.ends_with("open when CD rises", 0, opener)


def is_hung_up(t, what, port):
    t.equal(what + ": read", read(port, 10), b"")
    t.error(what + ": write", errno.EIO, lambda: calls.write(port, b"x"))
    t.equal(what + ": poll", hex(calls.poll(port)), hex(HUNG_UP))
    t.error(what + ": TCGETS", errno.EIO, lambda: tcgets(port))
    t.error(what + ": TIOCSPGRP", errno.ENOTTY, lambda: ioctl(port, calls.TIOCSPGRP, pack("i", os.getpid())))


@conformance(130, "CLOCAL clear, CD falls: every open file reads 0, write and TCGETS EIO, poll 0x15D, TIOCSPGRP ENOTTY",
             pty=False)
def carrier_goes(t):
    files = [with_carrier(t), t.open()]
    t.arrives(files[0], b"unread")
    t.far.set_modem(off=far_side.CD)
    t.until("the hang-up", lambda: calls.poll(files[0], 0) & select.POLLHUP)
    for number, port in enumerate(files):
        is_hung_up(t, "file {}".format(number), port)


@conformance(131, "CLOCAL set, CD falls: no hang-up, TIOCGICOUNT counts it", pty=False)
def carrier_ignored(t):
    port = t.raw()
    t.until("CD high", lambda: get_int(port, TIOCMGET) & calls.CD)
    before = counters(port)["dcd"]
    t.far.set_modem(off=far_side.CD)
    t.until("CD low", lambda: not get_int(port, TIOCMGET) & calls.CD)
    t.equal("dcd", counters(port)["dcd"] - before, 1)
    t.equal("poll", calls.poll(port), select.POLLOUT | calls.POLLWRNORM)
    t.error("write", 0, lambda: calls.write(port, b"x"))


@conformance(132, "TIOCVHANGUP: EPERM for an ordinary user; of root it hangs up")
def hang_up(t):
    port, other = t.raw(), t.open()
    t.error("a user's", errno.EPERM, lambda: calls.as_nobody(lambda: ioctl(port, TIOCVHANGUP)))
    t.error("root's", 0, lambda: ioctl(port, TIOCVHANGUP))
    is_hung_up(t, "this file", port)
    is_hung_up(t, "the other", other)


@conformance(133, "at a hang-up a blocked read ends with 0, a blocked write with a count or EIO, poll wakes")
def hang_up_wakes(t):
    reading, writing, polling = t.raw(), t.open(), t.open()
    t.far.suspend()
    t.far.settle(reading)
    reader = t.blocked(lambda: read(reading, 10))
    writer = t.blocked(lambda: calls.write(writing, b"w" * 100000))
    poller = t.blocked(lambda: calls.poll(polling, select.POLLIN, 3))
    for what, blocked in (("read", reader), ("write", writer), ("poll", poller)):
        t.blocks(what, blocked, 0.05)
    begin = time.monotonic()
    ioctl(polling, TIOCVHANGUP)
    t.equal("read", reader.result(), b"")
    writer.wait()
    t.that("write", writer.value and writer.value < 100000 or getattr(writer.error, "errno", 0) == errno.EIO,
           writer.error or writer.value, "a part, or EIO")
    t.equal("poll", hex(poller.result()), hex(select.POLLIN | select.POLLERR | select.POLLHUP))
    t.took("all of it", time.monotonic() - begin, 0, 0.5)


@conformance(134, "an edge-triggered epoll for EPOLLIN gets event 0x19 at a hang-up")
def epoll(t):
    port, other = t.raw(), t.open()
    poller = select.epoll()
    poller.register(port, select.EPOLLIN | select.EPOLLET)
    t.equal("before", poller.poll(0.05), [])
    ioctl(other, TIOCVHANGUP)
    t.equal("events", [(descriptor == port, hex(event)) for descriptor, event in poller.poll(1)], [(True, "0x19")])
    poller.close()


@conformance(135, "open after a hang-up works, the old file stays at its end")
def open_after_hang_up(t):
    old = t.raw()
    ioctl(old, TIOCVHANGUP)
    port = t.raw()
    t.arrives(port, b"new")
    t.equal("the old file's read", read(old, 10), b"")
    t.reads("the new file's read", port, b"new")
    calls.write(port, b"out")
    t.far_gets("output", b"out")
    is_hung_up(t, "the old file", old)


@conformance(136, "last close: DTR and RTS fall with HUPCL, stay without", pty=False)
def hupcl(t):
    for flag, expected in ((HUPCL, [DTR_OFF, RTS_OFF]), (0, [])):
        port, other = t.raw(cflag=CS8 | CREAD | CLOCAL | flag), t.open()
        t.far.forget()
        t.close(other)
        time.sleep(0.05)
        t.equal("commands at a close that is not the last", t.far.commands("SET-CONTROL"), [])
        t.close(port)
        t.that("disconnected", t.far.event("disconnected"), "not", "so")
        t.equal("commands at the last close, HUPCL {:#x}".format(flag),
                [value for _, value in t.far.commands("SET-CONTROL")], expected)


def set_closing_wait(port, value):
    memory = serial_struct(port)
    struct.pack_into("H", memory, CLOSING_WAIT, value)
    ioctl(port, TIOCSSERIAL, memory)


@conformance(137, "close waits for 720 bytes at 9600 baud; with closing_wait none it does not", pty=False)
def close_drains(t):
    port = t.raw(baud=9600)
    calls.write(port, b"c" * 720)
    begin = time.monotonic()
    t.close(port)
    t.took("close", time.monotonic() - begin, 0.65, 1.2)
    t.equal("output", t.far.take(720), b"c" * 720)
    port = t.raw(baud=9600)
    set_closing_wait(port, 65535)
    calls.write(port, b"c" * 720)
    begin = time.monotonic()
    t.close(port)
    t.took("close without waiting", time.monotonic() - begin, 0, 0.2)
    set_closing_wait(t.open(), 3000)


@conformance(138, "TCOOFF, write, close: at once, and the output is thrown away", pty=False)
def close_while_stopped(t):
    port = t.raw()
    ioctl(port, TCXONC, TCOOFF)
    calls.write(port, b"thrown away")
    begin = time.monotonic()
    t.close(port)
    t.took("close", time.monotonic() - begin, 0, 0.3)
    port = t.raw()
    calls.write(port, b"kept")
    t.far_gets("output", b"kept")


@conformance(139, "SIGKILL ends a client that blocks in read, write, drain or open, at once", seconds=20)
def kill_blocked_clients(t):
    port = t.raw()
    t.far.suspend()
    t.far.settle(port)

    def client(body):
        def work():
            descriptor = calls.open_file(t.port.path)
            body(descriptor)
        return t.child(work)

    clients = {"read": client(lambda descriptor: read(descriptor, 1)),
               "write": client(lambda descriptor: calls.write(descriptor, b"w" * 200000))}
    if not t.is_pty:
        time.sleep(0.1)
        clients["drain"] = client(lambda descriptor: ioctl(descriptor, TCSBRK, 1))
    end_all(t, clients)
    if not t.is_pty:
        t.far.resume()
        t.close(port)
        t.until("the far side disconnected", lambda: t.far.client is None, 5)
        without_carrier(t)
        end_all(t, {"open": client(lambda descriptor: None)})


def end_all(t, clients):
    time.sleep(0.3)
    for name, client in clients.items():
        t.that(name + " blocks", not client.has_ended(), client.status, "blocked")
        begin = time.monotonic()
        client.kill()
        t.equal(name + " ends", client.wait(1), -signal.SIGKILL)
        t.took(name + "'s end", time.monotonic() - begin, 0, 0.3)


@conformance(140, "a read and a signal whose handler has SA_RESTART: the read goes on")
def restart(t):
    port = t.raw()
    signal.siginterrupt(signal.SIGUSR1, False)
    try:
        reader = t.blocked(lambda: read(port, 10))
        t.blocks("read", reader, 0.1)
        reader.signal()
        time.sleep(0.1)
        t.far.send(b"data")
        failure = reader.errno()
    finally:
        signal.siginterrupt(signal.SIGUSR1, True)
    if not failure and reader.value == b"data":
        return
    t.equal("read", calls.error_name(failure), "EINTR")
    t.until("data", lambda: fionread(port) == 4)
    t.reads("nothing is lost: the next read", port, b"data")
    raise Forbidden("FUSE cannot answer ERESTARTSYS, so the read gives EINTR; nothing is lost")


@conformance(141, "a stopped and continued read goes on; so does `cat`")
def stop_and_continue(t):
    port = t.raw()

    def one_read():
        return 0 if read(calls.open_file(t.port.path), 1) == b"d" else 98

    reader = t.child(one_read)
    cat = t.spawn("cat", t.port.path)
    time.sleep(0.2)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        reader.kill(number)
        cat.send_signal(number)
        time.sleep(0.1)
    status = reader.wait(0.1)
    t.far.send(b"d")
    if status is None:
        status = reader.wait(1)
    if t.that("cat", cat.poll() is None, cat.returncode, "goes on"):
        t.far.send(b"data")
        time.sleep(0.1)
        cat.terminate()
        output = cat.communicate(timeout=2)[0]
        t.that("what cat shows", output in (b"data", b"ddata"), output, b"data")
    if status == 0:
        return
    t.equal("the read", calls.error_name(status or 0), "EINTR")
    raise Forbidden("FUSE cannot answer ERESTARTSYS, so the read gives EINTR; cat reads again and goes on")


@conformance(142, "the port's process killed: blocked read ECONNABORTED, then ENOTCONN, poll POLLERR, the node is gone",
             pty=False)
def port_killed(t):
    t.use(t.fresh_port())
    port, other = t.raw(), t.open()
    reader = t.blocked(lambda: read(port, 10))
    poller = t.blocked(lambda: calls.poll(other, select.POLLIN, 5))
    t.blocks("read", reader)
    t.port.kill()
    t.ends_with("blocked read", errno.ECONNABORTED, reader)
    t.that("blocked poll", poller.result() & select.POLLERR, poller.value, "POLLERR")
    t.error("read", errno.ENOTCONN, lambda: read(other, 10))
    t.error("write", errno.ENOTCONN, lambda: calls.write(other, b"x"))
    t.error("ioctl", errno.ENOTCONN, lambda: tcgets(other))
    t.that("poll", calls.poll(other) & select.POLLERR, hex(calls.poll(other)), "POLLERR")
    t.eventually("node gone", lambda: not os.path.exists(t.port.path))


def refused(t, what, port):
    """A port that must not come to be says so, and ends."""
    try:
        status = port.process.wait(3)
    except subprocess.TimeoutExpired:
        return t.fault(what, "runs", "ends")
    t.that(what + ": status", status != 0, status, "not 0")
    t.that(what + ": message", port.name in port.log or "199:77" in port.log, port.log.strip()[-200:], "says why")


@conformance(143, "a name, or a device number, in use: the second port says so and fails", pty=False)
def twice(t):
    first = t.fresh_port("-M", "199", "-m", "77")
    refused(t, "the same name", t.fresh_port(name=first.name, wait=False))
    refused(t, "the same number", t.fresh_port("-M", "199", "-m", "77", wait=False))
    t.equal("the first is there still", os.path.exists(first.path) and first.process.poll(), None)
    t.use(first)
    port = t.raw()
    calls.write(port, b"x")
    t.far_gets("output", b"x")


@conformance(144, "a 32-bit program: TIOCGSERIAL fills 60 bytes, TCGETS 36, FIONREAD 4")
def thirty_two_bits(t):
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "thirty_two_bit.c")
    program = os.path.join(tempfile.gettempdir(), "thirty_two_bit")
    status, output = t.run("gcc", "-m32", "-nostdlib", "-static", "-ffreestanding", "-fno-stack-protector", "-fno-pie",
                           "-no-pie", "-O1", "-o", program, source)
    if not t.equal("gcc", (status, output), (0, "")):
        return
    port = t.raw()
    t.arrives(port, b"four")
    try:
        process = t.spawn(program, t.port.path)
    except OSError as error:
        t.equal("running a 32-bit program", calls.error_name(error.errno), "ENOEXEC")
        raise Forbidden("this kernel runs no 32-bit programs (ENOEXEC)")
    output = process.communicate(timeout=5)[0]
    if not t.equal("its answers", len(output), 3 * 104):
        return
    for index, (name, size) in enumerate((("TIOCGSERIAL", 60), ("TCGETS", 36), ("FIONREAD", 4))):
        result, memory = struct.unpack("i100s", output[index * 104:index * 104 + 104])
        if t.is_pty and name == "TIOCGSERIAL":
            continue
        t.equal(name, result, 0)
        t.equal(name + ": bytes beyond", memory[size:], b"\xa5" * (100 - size))
        if name == "TIOCGSERIAL":
            t.equal("close_delay, closing_wait", struct.unpack_from("H6xH", memory, 32), (50, 3000))
        elif name == "FIONREAD":
            t.equal(name, struct.unpack_from("I", memory)[0], 4)


@conformance(145, "12 clients blocked in read: all others are served")
def many_readers(t):
    port = t.raw()
    readers = []
    for _ in range(12):
        descriptor = t.open()
        readers.append(t.blocked(lambda descriptor=descriptor: read(descriptor, 1)))
    time.sleep(0.1)
    begin = time.monotonic()
    other = t.open()
    tcgets(other)
    t.equal("write", calls.write(other, b"out"), 3)
    t.far_gets("output", b"out")
    calls.poll(other)
    t.took("another client", time.monotonic() - begin, 0, 0.5)
    t.equal("readers that ended", [reader for reader in readers if reader.done], [])
    t.far.send(b"0123456789ab")
    t.equal("what they read", b"".join(sorted(reader.result() for reader in readers)), b"0123456789ab")
    t.equal("FIONREAD", fionread(port), 0)


@conformance(146, "read of 1 MiB with 100 bytes there: 100, at once")
def huge_read(t):
    port = t.raw()
    t.arrives(port, b"x" * 100)
    begin = time.monotonic()
    reader = t.blocked(lambda: read(port, 1 << 20))
    t.equal("read", len(reader.result(1)), 100)
    t.took("it", time.monotonic() - begin, 0, 0.3)


@conformance(147, "two writes of 64 KiB at once: one after the other")
def writes_are_whole(t):
    first, second = t.raw(), t.open()
    t.far.suspend()
    t.far.settle(first)
    writers = [t.blocked(lambda: calls.write(first, b"A" * 65536)),
               t.blocked(lambda: calls.write(second, b"B" * 65536))]
    time.sleep(0.1)
    t.far.resume()
    t.equal("counts", [writer.result(8) for writer in writers], [65536, 65536])
    data = t.far.take(2 * 65536, 5)
    t.equal("bytes", len(data), 2 * 65536)
    t.that("order", data[:65536] in (b"A" * 65536, b"B" * 65536) and len(set(data[65536:])) == 1,
           sum(1 for a, b in zip(data, data[1:]) if a != b), "one change of writers")


def activity(pid):
    """Processor time in ticks, and how often its threads were run."""
    ticks = switches = 0
    for task in os.listdir("/proc/{}/task".format(pid)):
        with open("/proc/{}/task/{}/stat".format(pid, task)) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
        with open("/proc/{}/task/{}/status".format(pid, task)) as file:
            switches += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return ticks, switches


@conformance(148, "poll of 100 open files on an idle port: it does not wake up once", pty=False)
def idle(t):
    first = t.raw()
    files = [first] + [t.open() for _ in range(99)]

    def wait():
        poller = select.poll()
        for descriptor in files:
            poller.register(descriptor, select.POLLIN)
        return poller.poll(1200)

    waiter = t.blocked(wait)
    time.sleep(0.4)
    before = activity(t.port.process.pid)
    time.sleep(0.6)
    after = activity(t.port.process.pid)
    t.that("poll still waits", not waiter.done, waiter.value, "so")
    t.equal("ticks, context switches", (after[0] - before[0], after[1] - before[1]), (0, 0))
    t.equal("poll", waiter.result(), [])
