"""F.6: output processing, flow, breaks, drain and flush."""
import errno
import os
import select
import threading
import time

import calls
from calls import (EVERYTHING, IXANY, IXON, OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TCIFLUSH, TCIOFF, TCION,
                   TCOFLUSH, TCOOFF, TCOON, TCFLSH, TCSBRK, TCSBRKP, TCXONC, TIOCOUTQ, VSTART, VSTOP, XTABS, fionread,
                   get_int, ioctl)
from far_side import BREAK_OFF, BREAK_ON, PURGE_DATA
from harness import Forbidden, conformance

POLLOUT = select.POLLOUT


@conformance(91, "ONLCR on `a NL b CR NL c`: each NL gets a CR before it; write returns 6")
def newline(t):
    port = t.raw(oflag=OPOST | ONLCR)
    t.equal("write", calls.write(port, b"a\nb\r\nc"), 6)
    t.far_gets("output", b"a\r\nb\r\r\nc")


@conformance(92, "OCRNL, OCRNL with ONLCR, ONOCR, ONLRET with XTABS, XTABS, OLCUC")
def output_flags(t):
    for name, flags, data, expected in (
            ("OCRNL", OCRNL, b"a\rb\n", b"a\nb\n"), ("OCRNL, ONLCR", OCRNL | ONLCR, b"a\rb\n", b"a\nb\r\n"),
            ("ONOCR", ONOCR, b"\ra\r\rb", b"a\rb"), ("ONLRET, XTABS", ONLRET | XTABS, b"abc\n\tx", b"abc\n        x"),
            ("XTABS", XTABS, b"abc\tx\ty\b\b\tz", b"abc     x       y\b\b z"),
            ("XTABS, column kept over NL", XTABS, b"abc\n\tx", b"abc\n     x"),
            ("OLCUC", OLCUC, b"aZ\xe9{", b"AZ\xc9{")):
        port = t.raw(oflag=OPOST | flags)
        # A CR in raw mode, where ONOCR leaves it alone, begins the line.
        t.set(port, oflag=OPOST)
        calls.write(port, b"\r")
        t.set(port, oflag=OPOST | flags)
        t.equal("write, " + name, calls.write(port, data), len(data))
        t.far_gets(name, b"\r" + expected)
        t.close(port)


@conformance(93, "without OPOST nothing is changed")
def no_processing(t):
    port = t.raw(oflag=ONLCR | OLCUC | XTABS)
    data = b"a\n\tb\r\xff\xffc"
    calls.write(port, data)
    t.far_gets("output", data)


@conformance(94, "write of 0 bytes: 0; on a hung-up file EIO")
def empty_write(t):
    port = t.raw()
    t.equal("write", calls.write(port, b""), 0)
    ioctl(port, calls.TIOCVHANGUP)
    t.error("write of 1 byte after a hang-up", errno.EIO, lambda: calls.write(port, b"x"))
    failure = calls.error_of(lambda: calls.write(port, b""))
    if failure == errno.EIO:
        return
    t.equal("write of 0 bytes after it", calls.error_name(failure), "success")
    raise Forbidden("FUSE answers a write of 0 bytes itself (fuse_direct_io), with 0; of 1 byte it is EIO")


def fill(port):
    """Writes until nothing more goes. Gives what each write took."""
    counts = []
    while True:
        try:
            counts.append(calls.write(port, b"f" * 5000))
        except BlockingIOError:
            return counts
        if sum(counts) > 1 << 24:
            return counts


@conformance(95, "O_NONBLOCK write into a full queue: a short count, then EAGAIN, POLLOUT off")
def full_queue(t):
    port = t.raw(flags=os.O_NONBLOCK)
    t.far.suspend()
    t.far.settle(port)
    counts = fill(port)
    # Bytes on the way to a pty's master make room again.
    time.sleep(0.03)
    counts += fill(port)
    t.that("counts", 0 < sum(counts) <= 1 << 24 and 0 < counts[-1] < 5000, counts[-5:], "the last one short")
    t.equal("poll", calls.poll(port, POLLOUT), 0)
    t.far.resume()
    t.eventually("POLLOUT when it goes on", lambda: calls.poll(port, POLLOUT))
    t.that("the far side gets all", t.far.wait(lambda: len(t.far.data) == sum(counts)), len(t.far.data), sum(counts))


@conformance(96, "POLLOUT: off behind 300 queued bytes, on behind 200", pty=False)
def writable(t):
    port = t.raw()
    ioctl(port, TCXONC, TCOOFF)
    for count, expected in ((300, 0), (200, POLLOUT)):
        calls.write(port, b"q" * count)
        # Commands that the peer has not acknowledged may count as well.
        t.far.settle(port)
        t.equal("TIOCOUTQ", get_int(port, TIOCOUTQ), count)
        t.equal("poll behind {}".format(count), calls.poll(port, POLLOUT), expected)
        ioctl(port, TCFLSH, TCOFLUSH)


@conformance(97, "a signal during a blocked write that has written something: a short count, no EINTR")
def interrupted_write(t):
    port = t.raw()
    t.far.suspend()
    t.far.settle(port)
    size = 1 << 16
    writer = t.blocked(lambda: calls.write(port, b"w" * size))
    t.blocks("the write", writer)
    writer.signal()
    count = writer.result()
    t.that("write", 0 < count < size, count, "more than 0, less than {}".format(size))
    t.far.resume()
    t.far_gets("what was counted", b"w" * count)


@conformance(98, "TCOOFF: nothing is sent until TCOON")
def output_off(t):
    port = t.raw()
    ioctl(port, TCXONC, TCOOFF)
    # A pty takes nothing while it is stopped, a serial port does.
    writer = t.blocked(lambda: calls.write(port, b"held"))
    t.far_gets("stopped", b"")
    if not t.is_pty:
        t.equal("write while stopped", writer.result(0.5), 4)
    ioctl(port, TCXONC, TCOON)
    t.far_gets("after TCOON", b"held")
    t.equal("write", writer.result(), 4)


def stopped(t, port, text):
    """A write that the far side gets only once output goes on."""
    writer = t.blocked(lambda: calls.write(port, text))
    t.far_gets("while stopped", b"")
    return writer


@conformance(99, "^S with IXON: TCOON does not start output again, ^Q does")
def stop_character(t):
    port = t.raw(iflag=IXON)
    t.comes(port, b"\x13")
    stopped(t, port, b"held")
    ioctl(port, TCXONC, TCOON)
    t.far_gets("after TCOON", b"")
    t.comes(port, b"\x11")
    t.far_gets("after ^Q", b"held")


@conformance(100, "TCOOFF: neither ^Q nor clearing IXON starts output again")
def output_off_stays(t):
    port = t.raw(iflag=IXON)
    ioctl(port, TCXONC, TCOOFF)
    stopped(t, port, b"held")
    t.comes(port, b"\x11")
    t.far_gets("after ^Q", b"")
    t.set(port, iflag=0)
    t.far_gets("without IXON", b"")
    ioctl(port, TCXONC, TCOON)
    t.far_gets("after TCOON", b"held")


@conformance(101, "^S, then IXON cleared: output goes on")
def clearing_ixon(t):
    port = t.raw(iflag=IXON)
    t.comes(port, b"\x13")
    stopped(t, port, b"held")
    t.set(port, iflag=0)
    t.far_gets("without IXON", b"held")


@conformance(102, "IXANY: ^S, then Z: output goes on, and Z is read")
def any_character_restarts(t):
    port = t.raw(iflag=IXON | IXANY)
    t.comes(port, b"\x13")
    stopped(t, port, b"held")
    t.comes(port, b"Z")
    t.far_gets("after Z", b"held")
    t.reads("read", port, b"Z")


@conformance(103, "TCIOFF and TCION send VSTOP and VSTART, nothing where those are disabled")
def input_off(t):
    port = t.raw()
    ioctl(port, TCXONC, TCIOFF)
    ioctl(port, TCXONC, TCION)
    t.far_gets("characters", b"\x13\x11")
    t.set(port, cc={VSTART: 0, VSTOP: 0})
    t.error("TCIOFF without VSTOP", 0, lambda: ioctl(port, TCXONC, TCIOFF))
    t.error("TCION without VSTART", 0, lambda: ioctl(port, TCXONC, TCION))
    t.far_gets("no characters", b"")
    if not t.is_pty:
        t.set(port)
        ioctl(port, TCXONC, TCOOFF)
        calls.write(port, b"queued")
        ioctl(port, TCXONC, TCIOFF)
        t.far_gets("ahead of queued bytes", b"\x13")


@conformance(104, "TCXONC 9, TCFLSH 9, TCFLSH -1: EINVAL")
def bad_arguments(t):
    port = t.raw()
    for command, argument in ((TCXONC, 9), (TCFLSH, 9), (TCFLSH, -1)):
        t.error("{:#x} {}".format(command, argument), errno.EINVAL, lambda: ioctl(port, command, argument))


@conformance(105, "TCIFLUSH with data in flight: bytes sent before the purge never arrive, later ones do",
             pty=False)
def flush_is_a_barrier(t):
    port = t.raw()
    t.arrives(port, b"old")

    checked = threading.Event()

    def purge(value):
        t.far.send(b"in flight")
        t.far.send_command(100 + PURGE_DATA, value)
        checked.wait(1)
        t.far.send(b"new")

    t.far.override(PURGE_DATA, purge)
    t.far.forget()
    ioctl(port, TCFLSH, TCIFLUSH)
    time.sleep(0.02)
    t.equal("FIONREAD", fionread(port), 0)
    t.far.override(PURGE_DATA, lambda value: value)
    checked.set()
    t.that("purge", t.far.event("PURGE-DATA", 1), t.far.commands(), "PURGE-DATA 1")
    t.equal("read", calls.read(port, 100), b"new")
    t.far.settle(port)
    t.reads("nothing else", port, errno.EAGAIN)


def break_of(t, what, command, argument, low, high):
    port = t.raw()
    calls.write(port, b"before")
    begin = time.monotonic()
    breaker = t.blocked(lambda: ioctl(port, command, argument))
    on = t.far.event("SET-CONTROL", BREAK_ON)
    other = t.open()
    writer = t.blocked(lambda: calls.write(other, b"meanwhile"))
    breaker.result()
    t.took(what, time.monotonic() - begin, low, high + 0.1)
    off = t.far.event("SET-CONTROL", BREAK_OFF)
    if t.that("break", on and off, t.far.commands("SET-CONTROL"), "on and off"):
        t.took("the break at the far side", off.time - on.time, low, high)
    writer.result()
    t.that("data", t.far.wait(lambda: t.far.data == b"beforemeanwhile"), t.far.data, b"beforemeanwhile")
    t.equal("order", [event.value for event in t.far.seen if event.kind == "data"
                      or event.kind == "SET-CONTROL" and event.value in (BREAK_ON, BREAK_OFF)],
            [b"before", BREAK_ON, BREAK_OFF, b"meanwhile"])


@conformance(106, "TCSBRK 0: a break of 250 ms, behind earlier data; writes wait meanwhile", pty=False)
def send_break(t):
    break_of(t, "TCSBRK", TCSBRK, 0, 0.24, 0.32)


@conformance(107, "TCSBRKP 3: a break of 300 ms", pty=False)
def send_break_of_length(t):
    break_of(t, "TCSBRKP", TCSBRKP, 3, 0.29, 0.37)


@conformance(108, "tcdrain while the peer is stalled, and a signal: EINTR", pty=False)
def interrupted_drain(t):
    port = t.raw()
    t.far.suspend()
    t.far.settle(port)
    calls.write(port, b"held")
    drain = t.blocked(lambda: ioctl(port, TCSBRK, 1))
    t.blocks("tcdrain", drain)
    drain.signal()
    t.ends_with("tcdrain", errno.EINTR, drain)


@conformance(109, "TIOCOUTQ behind 500 bytes at 9600 baud: more than 0, falls to 0 as tcdrain returns", pty=False)
def output_queue(t):
    port = t.raw(baud=9600)
    t.equal("before", get_int(port, TIOCOUTQ), 0)
    begin = time.monotonic()
    calls.write(port, b"q" * 500)
    first = get_int(port, TIOCOUTQ)
    time.sleep(0.2)
    second = get_int(port, TIOCOUTQ)
    t.that("TIOCOUTQ", 0 < second < first <= 500, (first, second), "falling, above 0")
    ioctl(port, TCSBRK, 1)
    t.took("tcdrain", time.monotonic() - begin, 0.5, 0.75)
    t.equal("after tcdrain", get_int(port, TIOCOUTQ), 0)
    t.equal("poll", calls.poll(port, EVERYTHING), POLLOUT | calls.POLLWRNORM)
