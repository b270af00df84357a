"""F.7: modem lines, serial_struct, RS485."""
import errno
import os
import struct

import calls
from calls import (CD, CTS, DSR, DTR, RI, RTS, TIOCGRS485, TIOCGSERIAL, TIOCMBIC, TIOCMBIS, TIOCMGET, TIOCMIWAIT,
                   TIOCMSET, TIOCSRS485, TIOCSSERIAL, counters, get_int, ioctl, set_int)
from far_side import DTR_OFF, DTR_ON, RTS_OFF, RTS_ON, SET_CONTROL
import far_side
from harness import conformance, pack

LOW_LATENCY, SPD_CUST, CUSTOM_DIVISOR, CLOSING_WAIT = 0x2000, 0x30, 24, 40


def line_commands(t):
    return [value for _, value in t.far.commands("SET-CONTROL") if value in (DTR_ON, DTR_OFF, RTS_ON, RTS_OFF)]


@conformance(110, "the first open raises DTR and RTS", pty=False)
def first_open(t):
    port = t.open()
    t.equal("far side's lines", t.far.lines, (True, True))
    t.equal("commands", line_commands(t), [DTR_ON, RTS_ON])
    t.equal("TIOCMGET", get_int(port, TIOCMGET) & (DTR | RTS), DTR | RTS)


@conformance(111, "TIOCMBIC DTR: DTR low, RTS high", pty=False)
def lower_dtr(t):
    port = t.raw()
    set_int(port, TIOCMBIC, DTR)
    t.equal("TIOCMGET", get_int(port, TIOCMGET) & (DTR | RTS), RTS)
    t.eventually("far side's lines", lambda: t.far.lines == (False, True))


@conformance(112, "then a second open, O_NONBLOCK: DTR high again", pty=False)
def second_open(t):
    port = t.raw()
    set_int(port, TIOCMBIC, DTR)
    t.eventually("DTR low", lambda: t.far.lines == (False, True))
    t.open(os.O_NONBLOCK)
    t.equal("TIOCMGET", get_int(port, TIOCMGET) & (DTR | RTS), DTR | RTS)
    t.eventually("far side's lines", lambda: t.far.lines == (True, True))


@conformance(113, "TIOCMSET of RTS alone: both commands in one segment, TIOCMGET says the same", pty=False)
def set_both(t):
    port = t.raw()
    set_int(port, TIOCMBIC, RTS)
    t.eventually("RTS low", lambda: t.far.lines == (True, False))
    for _ in range(5):
        t.far.forget()
        set_int(port, TIOCMSET, RTS)
        t.equal("TIOCMGET", get_int(port, TIOCMGET) & (DTR | RTS), RTS)
        t.eventually("far side's lines", lambda: t.far.lines == (False, True))
        t.equal("commands", line_commands(t), [DTR_OFF, RTS_ON])
        t.equal("segments", len({event.segment for event in t.far.seen if event.kind == "SET-CONTROL"}), 1)
        t.far.forget()
        set_int(port, TIOCMSET, DTR)
        t.eventually("far side's lines", lambda: t.far.lines == (True, False))


@conformance(114, "TIOCMBIS of CTS and CD: 0, and ignored", pty=False)
def inputs_are_not_set(t):
    port = t.raw()
    t.far.set_modem(off=far_side.CTS | far_side.CD)
    t.until("lines low", lambda: not get_int(port, TIOCMGET) & (CTS | CD))
    t.far.forget()
    t.error("TIOCMBIS", 0, lambda: set_int(port, TIOCMBIS, CTS | CD))
    t.equal("TIOCMGET", get_int(port, TIOCMGET) & (CTS | CD), 0)
    t.far.take_rest(0.04)
    t.equal("commands", t.far.commands(), [])


LINES = (("CTS", far_side.CTS, CTS, "cts"), ("DSR", far_side.DSR, DSR, "dsr"), ("CD", far_side.CD, CD, "dcd"),
         ("RI", far_side.RI, RI, "rng"))


@conformance(115, "the far side changes CTS, DSR, CD, RI: TIOCMGET shows each, TIOCGICOUNT counts it", pty=False)
def line_changes(t):
    port = t.raw()
    t.far.set_modem(off=far_side.CTS | far_side.DSR | far_side.CD)
    t.until("lines low", lambda: not get_int(port, TIOCMGET) & (CTS | DSR | CD | RI))
    for name, far_line, line, counter in LINES:
        before = counters(port)
        t.far.set_modem(on=far_line)
        t.eventually(name, lambda: get_int(port, TIOCMGET) & (CTS | DSR | CD | RI) == line)
        # A rising RI is not counted by all drivers; a falling one is.
        if name == "RI":
            t.far.set_modem(off=far_line)
            t.eventually("RI low", lambda: not get_int(port, TIOCMGET) & RI)
        after = counters(port)
        expected = dict(before)
        expected[counter] += after[counter] - before[counter]
        t.equal("counters that " + name + " changes", after, expected)
        t.that(name + " counted", after[counter] - before[counter] in ((1, 2) if name == "RI" else (1,)),
               after[counter] - before[counter], 1)
        t.far.set_modem(off=far_line)
        t.until("line low again", lambda: not get_int(port, TIOCMGET) & line)


@conformance(116, "TIOCMIWAIT CTS: ends when CTS changes, not when DSR does", pty=False)
def wait_for_line(t):
    port = t.raw()
    waiter = t.blocked(lambda: ioctl(port, TIOCMIWAIT, CTS))
    t.blocks("TIOCMIWAIT", waiter)
    t.far.set_modem(off=far_side.DSR)
    t.blocks("TIOCMIWAIT when DSR changes", waiter)
    t.far.set_modem(off=far_side.CTS)
    t.equal("TIOCMIWAIT when CTS changes", waiter.result(), 0)


@conformance(117, "TIOCMIWAIT and a signal: EINTR; and a hang-up: EIO", pty=False)
def wait_ends(t):
    port, other = t.raw(), t.open()
    waiter = t.blocked(lambda: ioctl(port, TIOCMIWAIT, CTS))
    t.blocks("TIOCMIWAIT", waiter)
    waiter.signal()
    t.ends_with("signal", errno.EINTR, waiter)
    waiter = t.blocked(lambda: ioctl(port, TIOCMIWAIT, CTS))
    t.blocks("TIOCMIWAIT", waiter)
    ioctl(other, calls.TIOCVHANGUP)
    t.ends_with("hang-up", errno.EIO, waiter)


def serial_struct(port):
    memory = bytearray(72)
    ioctl(port, TIOCGSERIAL, memory)
    return memory


def field(memory, layout, offset):
    return struct.unpack_from(layout, memory, offset)[0]


@conformance(118, "TIOCGSERIAL: close_delay 50, closing_wait 3000", pty=False)
def serial_defaults(t):
    memory = serial_struct(t.raw())
    t.equal("close_delay, closing_wait", (field(memory, "H", 32), field(memory, "H", CLOSING_WAIT)), (50, 3000))


@conformance(119, "TIOCSSERIAL with ASYNC_LOW_LATENCY by an ordinary user reads back", pty=False)
def low_latency(t):
    port = t.raw()
    memory = serial_struct(port)
    flags = field(memory, "i", 16)
    for wanted in (flags | LOW_LATENCY, flags & ~LOW_LATENCY):
        struct.pack_into("i", memory, 16, wanted)
        t.error("TIOCSSERIAL", 0, lambda: calls.as_nobody(lambda: ioctl(port, TIOCSSERIAL, memory)))
        t.equal("flags", field(serial_struct(port), "i", 16), wanted)


@conformance(120, "closing_wait: EPERM for an ordinary user, root may", pty=False)
def closing_wait(t):
    port = t.raw()
    memory = serial_struct(port)
    struct.pack_into("H", memory, CLOSING_WAIT, 100)
    t.error("a user", errno.EPERM, lambda: calls.as_nobody(lambda: ioctl(port, TIOCSSERIAL, memory)))
    t.equal("closing_wait", field(serial_struct(port), "H", CLOSING_WAIT), 3000)
    t.error("root", 0, lambda: ioctl(port, TIOCSSERIAL, memory))
    t.equal("closing_wait", field(serial_struct(port), "H", CLOSING_WAIT), 100)
    struct.pack_into("H", memory, CLOSING_WAIT, 3000)
    ioctl(port, TIOCSSERIAL, memory)


@conformance(121, "ASYNC_SPD_CUST with B38400: the far side runs at baud_base / custom_divisor, B38400 is shown",
             pty=False)
def custom_speed(t):
    port = t.raw(baud=38400)
    memory = serial_struct(port)
    base = field(memory, "i", 28)
    t.that("baud_base", base >= 100000, base, "100000 or more")
    original = bytes(memory)
    struct.pack_into("i", memory, CUSTOM_DIVISOR, max(base // 100000, 1))
    struct.pack_into("i", memory, 16, field(memory, "i", 16) | SPD_CUST)
    t.far.forget()
    ioctl(port, TIOCSSERIAL, memory)
    t.that("far side", t.far.event("SET-BAUDRATE", 100000), t.far.commands(), "SET-BAUDRATE 100000")
    t.equal("code shown", calls.tcgets2(port).cflag & calls.CBAUD, calls.B38400)
    ioctl(port, TIOCSSERIAL, bytearray(original))


@conformance(122, "TIOCSRS485: ENOTTY from a server without it; kept, and read back, if the server answers",
             pty=False)
def rs485(t):
    port = t.raw()
    wanted = pack("3I20x", 1, 0, 0)
    t.error("TIOCSRS485 without", errno.ENOTTY, lambda: ioctl(port, TIOCSRS485, bytearray(wanted)))
    memory = bytearray(32)
    failure = calls.error_of(lambda: ioctl(port, TIOCGRS485, memory))
    t.that("TIOCGRS485 without", failure == errno.ENOTTY or not failure and not field(memory, "I", 0) & 1,
           (calls.error_name(failure), bytes(memory[:4])), "ENOTTY, or not enabled")
    # On a new connection: what a server did not answer it is not asked again.
    t.close(port)
    t.until("the far side disconnected", lambda: t.far.client is None)
    t.far.override(SET_CONTROL, lambda value: value)
    port = t.raw()
    t.far.forget()
    t.error("TIOCSRS485 with", 0, lambda: ioctl(port, TIOCSRS485, bytearray(wanted)))
    t.that("far side", t.far.event("SET-CONTROL", 20), t.far.commands(), "SET-CONTROL 20")
    ioctl(port, TIOCGRS485, memory)
    t.equal("TIOCGRS485 with", field(memory, "I", 0) & 1, 1)
    t.error("switched off", 0, lambda: ioctl(port, TIOCSRS485, bytearray(32)))
