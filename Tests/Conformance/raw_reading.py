"""F.3: non-canonical reading; VMIN and VTIME in read and poll."""
import ctypes
import errno
import os
import select
import threading
import time

import calls
from calls import fionread, libc, read
from harness import conformance

POLLIN = select.POLLIN
NONBLOCK = os.O_NONBLOCK


def timed(body):
    begin = time.monotonic()
    value = body()
    return value, time.monotonic() - begin


def is_readable(port):
    return bool(calls.poll(port, POLLIN) & POLLIN)


@conformance(38, "MIN 0 TIME 0, nothing there: 0 at once, blocking and O_NONBLOCK")
def min0_time0(t):
    port, other = t.raw(0, 0), t.open(NONBLOCK)
    value, seconds = timed(lambda: read(port, 10))
    t.equal("blocking", value, b"")
    t.took("blocking", seconds, 0, 0.1)
    t.equal("O_NONBLOCK", read(other, 10), b"")


@conformance(39, "MIN 0 TIME 5, nothing there: 0 after 0.5 s")
def min0_time5(t):
    value, seconds = timed(lambda: read(t.raw(0, 5), 10))
    t.equal("read", value, b"")
    t.took("time", seconds, 0.49, 0.6)


@conformance(40, "MIN 0 TIME 5, nothing there, O_NONBLOCK: EAGAIN")
def min0_time5_nonblocking(t):
    port = t.raw(0, 5, NONBLOCK)
    t.error("read", errno.EAGAIN, lambda: read(port, 10))


@conformance(41, "MIN 0 TIME 5, 2 bytes after 0.2 s: those, then")
def min0_time5_data(t):
    port = t.raw(0, 5)
    t.later(0.2, lambda: t.far.send(b"ab"))
    value, seconds = timed(lambda: read(port, 10))
    t.equal("read", value, b"ab")
    t.took("time", seconds, 0.18, 0.3)


@conformance(42, "MIN 1 TIME 0, nothing there, O_NONBLOCK: EAGAIN")
def min1_nonblocking(t):
    port = t.raw(1, 0, NONBLOCK)
    t.error("read", errno.EAGAIN, lambda: read(port, 10))


@conformance(43, "MIN 5 TIME 0, 3 bytes there, O_NONBLOCK: those")
def min5_nonblocking(t):
    port = t.raw(5, 0, NONBLOCK)
    t.arrives(port, b"abc")
    t.reads("read", port, b"abc")


@conformance(44, "MIN 5 TIME 0, 3 bytes there: FIONREAD 3, poll not ready")
def min5_poll(t):
    port = t.raw(5, 0)
    t.arrives(port, b"abc")
    t.equal("FIONREAD", fionread(port), 3)
    t.equal("readable", is_readable(port), False)
    t.arrives(port, b"de")
    t.eventually("readable with 5", lambda: is_readable(port))


@conformance(45, "MIN 5 TIME 0, read of 3, 2 there and the third 0.3 s later: 3 bytes then")
def min5_small_read(t):
    port = t.raw(5, 0)
    t.arrives(port, b"ab")
    t.later(0.3, lambda: t.far.send(b"c"))
    value, seconds = timed(lambda: read(port, 3))
    t.equal("read", value, b"abc")
    t.took("time", seconds, 0.28, 0.4)


@conformance(46, "MIN 5 TIME 3, 2 bytes at 0.2 s and 2 at 0.4 s: 4 bytes at 0.7 s")
def min5_time3_pause(t):
    port = t.raw(5, 3)
    t.later(0.2, lambda: t.far.send(b"ab"))
    t.later(0.4, lambda: t.far.send(b"cd"))
    value, seconds = timed(lambda: read(port, 20))
    t.equal("read", value, b"abcd")
    t.took("time", seconds, 0.68, 0.82)


@conformance(47, "MIN 5 TIME 3, 2 bytes at 0.1 s and 6 at 0.2 s: 8 bytes at 0.2 s")
def min5_time3_enough(t):
    port = t.raw(5, 3)
    t.later(0.1, lambda: t.far.send(b"ab"))
    t.later(0.2, lambda: t.far.send(b"cdefgh"))
    value, seconds = timed(lambda: read(port, 20))
    t.equal("read", value, b"abcdefgh")
    t.took("time", seconds, 0.18, 0.3)


@conformance(48, "MIN 3 TIME 5, one byte at 0.7 s: 1 byte at 1.2 s, the time runs from the first byte")
def min3_time5(t):
    port = t.raw(3, 5)
    t.later(0.7, lambda: t.far.send(b"a"))
    value, seconds = timed(lambda: read(port, 20))
    t.equal("read", value, b"a")
    t.took("time", seconds, 1.18, 1.32)


@conformance(49, "MIN 5 TIME 1, 3 bytes there: poll ready")
def min5_time1_poll(t):
    port = t.raw(5, 1)
    t.arrives(port, b"abc")
    t.eventually("readable", lambda: is_readable(port))


@conformance(50, "MIN 255: poll not ready with 254 bytes, ready with 255")
def min255_poll(t):
    port = t.raw(255, 0)
    t.arrives(port, b"x" * 254)
    t.equal("readable with 254", is_readable(port), False)
    t.arrives(port, b"x")
    t.eventually("readable with 255", lambda: is_readable(port))


@conformance(51, "a read that began with MIN 10 and 3 bytes: a smaller MIN does not end it, 11 bytes do")
def min_is_latched(t):
    port = t.raw(10, 0)
    t.arrives(port, b"abc")
    reader = t.blocked(lambda: read(port, 20))
    t.blocks("with 3 bytes", reader, 0.1)
    t.set(port, vmin=1)
    t.blocks("with MIN 1", reader, 0.1)
    t.far.send(b"d")
    t.blocks("with 4 bytes", reader, 0.1)
    t.far.send(b"efghijk")
    t.equal("read", reader.result(), b"abcdefghijk")


@conformance(52, "poll waits under MIN 10 with 3 bytes: a smaller MIN wakes it at once")
def min_wakes_poll(t):
    port = t.raw(10, 0)
    t.arrives(port, b"abc")
    poller = t.blocked(lambda: calls.poll(port, POLLIN, 3))
    t.blocks("under MIN 10", poller)
    begin = time.monotonic()
    t.set(port, vmin=1)
    t.equal("poll", poller.result(), POLLIN)
    t.took("time", time.monotonic() - begin, 0, 0.15)


@conformance(53, "MIN 100, read of 255, 120 bytes there: at least 100, as POSIX says (a kernel pty gives 64)")
def min_above_64(t):
    port = t.raw(100, 0)
    t.arrives(port, b"x" * 120)
    seen = len(read(port, 255))
    t.that("bytes", seen == 64 if t.is_pty else seen >= 100, seen, "100 or more")


@conformance(54, "4000 bytes there, read of 8192: 4000")
def large_read(t):
    port = t.raw()
    data = bytes(index * 7 & 0xFF for index in range(4000))
    t.far.send(data)
    t.until("4000 bytes", lambda: fionread(port) == 4000)
    t.reads("read", port, data)


@conformance(55, "22,000 bytes sent and not read: FIONREAD 4095; then all of them, in order")
def full_queue(t):
    port = t.raw()
    data = b"".join(b"%06d\n" % number for number in range(3200))[:22000]
    sender = threading.Thread(target=lambda: t.far.send(data), daemon=True)
    sender.start()
    t.until("a full queue", lambda: fionread(port) >= 4095)
    time.sleep(0.1)
    t.equal("FIONREAD", fionread(port), 4095)
    seen = b""
    while len(seen) < len(data) and calls.poll(port, POLLIN, 1):
        seen += read(port, 1000)
    t.equal("what is read", seen, data)


@conformance(56, "readv of 3 and 10 with 8 bytes there: 3 and 5")
def vector(t):
    port = t.raw()
    t.arrives(port, b"abcdefgh")
    first, second = ctypes.create_string_buffer(3), ctypes.create_string_buffer(10)

    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    vectors = (Vector * 2)(Vector(ctypes.addressof(first), 3), Vector(ctypes.addressof(second), 10))
    t.equal("readv", calls.checked(libc.readv(port, vectors, 2)), 8)
    t.equal("parts", (first.raw, second.raw[:5]), (b"abc", b"defgh"))


@conformance(57, "the VEOF character is data")
def veof_is_data(t):
    port = t.raw()
    t.arrives(port, b"a\x04b")
    t.reads("read", port, b"a\x04b")


@conformance(58, "two opens read 3 each of 6 bytes: each its own")
def two_opens(t):
    first, second = t.raw(), t.open()
    t.arrives(first, b"abcdef")
    t.equal("reads", (read(first, 3), read(second, 3)), (b"abc", b"def"))


@conformance(59, "an O_NONBLOCK read while another open blocks in read: EAGAIN")
def nonblocking_beside_a_reader(t):
    port, other = t.raw(5, 0), t.open(NONBLOCK)
    reader = t.blocked(lambda: read(port, 10))
    t.blocks("the reader", reader, 0.1)
    t.far.send(b"ab")
    time.sleep(0.05)
    t.error("read", errno.EAGAIN, lambda: read(other, 10))
    t.far.send(b"cde")
    t.equal("the reader's", reader.result(), b"abcde")


@conformance(60, "two blocked readers, two bytes 0.1 s apart: one each")
def two_readers(t):
    first, second = t.raw(), t.open()
    readers = [t.blocked(lambda: read(first, 10)), t.blocked(lambda: read(second, 10))]
    for reader in readers:
        t.blocks("a reader", reader, 0.05)
    t.far.send(b"a")
    time.sleep(0.1)
    t.equal("readers served", sorted(reader.done for reader in readers), [False, True])
    t.far.send(b"b")
    t.equal("reads", sorted(reader.result() for reader in readers), [b"a", b"b"])
