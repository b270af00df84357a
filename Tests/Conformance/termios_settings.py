"""F.2: settings read back, and reach the far side."""
import errno
import os
import time

import calls
from calls import (B0, B2400, B9600, BOTHER, CBAUD, CIBAUD, CLOCAL, CMSPAR, CREAD, CRTSCTS, CS7, CS8, CSTOPB, ECHO,
                   HUPCL, IBSHIFT, ICANON, PARENB, PARODD, VMIN, tcgets, tcgets2, tcsets, tcsets2)
from far_side import DTR_OFF, DTR_ON, RTS_OFF, RTS_ON, SET_BAUDRATE
from harness import conformance


def rate(t, port, baud, when=calls.TCSETS2):
    """Another rate, all else as it is; by number."""
    termios = tcgets2(port)
    termios.cflag = termios.cflag & ~(CBAUD | CIBAUD) | BOTHER
    termios.ispeed = termios.ospeed = baud
    tcsets2(port, termios, when)


@conformance(19, "cfmakeraw with CLOCAL and CREAD by TCSETS reads back bit for bit")
def raw_reads_back(t):
    port = t.open()
    termios = tcgets(port)
    termios.iflag &= ~0x5EB
    termios.oflag &= ~1
    termios.lflag &= ~0x804B
    termios.cflag = termios.cflag & ~0x130 | CS8 | CLOCAL | CREAD
    tcsets(port, termios)
    seen = tcgets(port)
    t.equal("flags", seen.flags, termios.flags)
    t.equal("characters", bytes(seen.cc), bytes(termios.cc))


@conformance(20, "c_line 7 reads back, and the discipline stays N_TTY")
def c_line(t):
    port = t.raw()
    termios = tcgets(port)
    termios.line = 7
    tcsets(port, termios)
    t.equal("c_line", tcgets(port).line, 7)
    t.equal("TIOCGETD", calls.get_int(port, calls.TIOCGETD), 0)
    termios.line = 0
    tcsets(port, termios)


@conformance(21, "TCSETS on a file opened for reading only")
def read_only(t):
    port = t.open(access=os.O_RDONLY)
    termios = tcgets(port)
    t.error("TCSETS", 0, lambda: tcsets(port, termios))


@conformance(22, "TCSETS2 with BOTHER 250000 reads back so")
def any_rate(t):
    port = t.raw()
    rate(t, port, 250000)
    t.equal("speeds", calls.speeds(port), (250000, 250000))
    t.equal("code", tcgets2(port).cflag & CBAUD, BOTHER)
    if not t.is_pty:
        t.that("far side", ("SET-BAUDRATE", 250000) in t.far.commands(), t.far.commands(), "SET-BAUDRATE 250000")


@conformance(23, "then TCGETS and TCSETS unchanged: 250000 still")
def rate_survives_tcsets(t):
    port = t.raw()
    rate(t, port, 250000)
    termios = tcgets(port)
    t.equal("code", termios.cflag & CBAUD, BOTHER)
    tcsets(port, termios)
    t.equal("speeds", calls.speeds(port), (250000, 250000))


@conformance(24, "BOTHER 115200 reads back as B115200", pty=False)
def rate_with_a_code(t):
    port = t.raw()
    rate(t, port, 115200)
    t.equal("code", tcgets2(port).cflag & CBAUD, calls.B115200)
    t.equal("speeds", calls.speeds(port), (115200, 115200))


@conformance(25, "CIBAUD B2400 and CBAUD B9600 read back, as numbers too")
def input_rate(t):
    port = t.raw()
    termios = tcgets2(port)
    termios.cflag = termios.cflag & ~(CBAUD | CIBAUD) | B9600 | B2400 << IBSHIFT
    tcsets2(port, termios)
    t.equal("speeds", calls.speeds(port), (2400, 9600))
    t.equal("CIBAUD", tcgets2(port).cflag & CIBAUD, B2400 << IBSHIFT)


def set_code(port, code):
    termios = tcgets(port)
    termios.cflag = termios.cflag & ~(CBAUD | CIBAUD) | code
    tcsets(port, termios)


@conformance(26, "B0: speeds 0, the far side sees DTR and RTS low, no hang-up")
def b0(t):
    port = t.raw()
    t.far.forget()
    set_code(port, B0)
    t.equal("speeds", calls.speeds(port), (0, 0))
    t.error("a write", 0, lambda: calls.write(port, b"x"))
    t.far_gets("far side's data", b"x")
    if not t.is_pty:
        t.equal("far side's lines", t.far.lines, (False, False))
        t.equal("TIOCMGET", calls.get_int(port, calls.TIOCMGET) & (calls.DTR | calls.RTS), 0)
        t.equal("rate commands", t.far.commands("SET-BAUDRATE"), [])
    set_code(port, B9600)


@conformance(27, "B0, then B9600: the far side sees DTR and RTS high", pty=False)
def b0_and_back(t):
    port = t.raw()
    set_code(port, B0)
    t.eventually("lines low", lambda: t.far.lines == (False, False))
    set_code(port, B9600)
    t.eventually("lines high", lambda: t.far.lines == (True, True))
    t.equal("TIOCMGET", calls.get_int(port, calls.TIOCMGET) & (calls.DTR | calls.RTS), calls.DTR | calls.RTS)
    t.equal("speeds", calls.speeds(port), (9600, 9600))
    lines = (DTR_ON, DTR_OFF, RTS_ON, RTS_OFF)
    t.equal("order", [value for _, value in t.far.commands("SET-CONTROL") if value in lines],
            [DTR_ON, RTS_ON, DTR_OFF, RTS_OFF, DTR_ON, RTS_ON])


@conformance(28, "TCSETA keeps CRTSCTS")
def tcseta_keeps_the_high_bits(t):
    port = t.raw(cflag=CS8 | CREAD | CLOCAL | HUPCL | CRTSCTS)
    memory = bytearray(18)
    calls.ioctl(port, calls.TCGETA, memory)
    calls.ioctl(port, calls.TCSETA, memory)
    t.equal("CRTSCTS", tcgets(port).cflag & CRTSCTS, CRTSCTS)


@conformance(29, "TIOCSLCKTRMIOS: locked settings do not change")
def locked_termios(t):
    port = t.raw()
    mask = calls.Termios(bytes(36))
    mask.lflag = ECHO
    calls.ioctl(port, calls.TIOCSLCKTRMIOS, mask.encode(36))
    seen = bytearray(36)
    calls.ioctl(port, calls.TIOCGLCKTRMIOS, seen)
    t.equal("TIOCGLCKTRMIOS", bytes(seen), bytes(mask.encode(36)))
    termios = tcgets(port)
    termios.lflag |= ECHO | ICANON
    tcsets(port, termios)
    t.equal("lflag", tcgets(port).lflag, ICANON)
    calls.ioctl(port, calls.TIOCSLCKTRMIOS, bytearray(36))
    tcsets(port, termios)
    t.equal("lflag, unlocked", tcgets(port).lflag, ICANON | ECHO)


@conformance(30, "TIOCSLCKTRMIOS of an ordinary user: EPERM")
def locking_is_for_root(t):
    port = t.raw()
    t.error("TIOCSLCKTRMIOS", errno.EPERM,
            lambda: calls.as_nobody(lambda: calls.ioctl(port, calls.TIOCSLCKTRMIOS, bytearray(36))))


@conformance(31, "TCSETSW waits for 720 bytes at 9600 baud; the far side gets them before the new rate", pty=False)
def tcsetsw_drains(t):
    port = t.raw(baud=9600)
    t.far.forget()
    begin = time.monotonic()
    calls.write(port, b"w" * 720)
    rate(t, port, 115200, calls.TCSETSW2)
    t.took("TCSETSW", time.monotonic() - begin, 0.70, 1.1)
    t.equal("bytes before the rate",
            sum(len(event.value) for event in t.far.seen
                if event.kind == "data" and event.time <= t.far.event("SET-BAUDRATE", 115200).time), 720)
    t.equal("order of the far side's events", [event.kind for event in t.far.seen if event.kind == "data"
                                               or (event.kind, event.value) == ("SET-BAUDRATE", 115200)][-1],
            "SET-BAUDRATE")


@conformance(32, "TCSETSF drops unread input")
def tcsetsf_flushes(t):
    port = t.raw()
    t.arrives(port, b"unread")
    t.far.forget()
    t.set(port, when=calls.TCSETSF2)
    t.equal("FIONREAD", calls.fionread(port), 0)
    # Bytes sent before the far side has received the purge are dropped with the rest.
    if not t.is_pty:
        t.that("far side", t.far.event("PURGE-DATA", 1), t.far.commands(), "PURGE-DATA 1")
    t.arrives(port, b"new")
    t.reads("what comes then", port, b"new")


@conformance(33, "TCSADRAIN keeps unread input")
def tcsadrain_keeps_input(t):
    port = t.raw()
    t.arrives(port, b"unread")
    t.set(port, when=calls.TCSETSW2)
    t.equal("FIONREAD", calls.fionread(port), 6)
    t.reads("it", port, b"unread")


@conformance(34, "TIOCGSOFTCAR and TIOCSSOFTCAR are CLOCAL")
def soft_carrier(t):
    port = t.raw()
    t.equal("TIOCGSOFTCAR", calls.get_int(port, calls.TIOCGSOFTCAR), 1)
    calls.set_int(port, calls.TIOCSSOFTCAR, 0)
    t.equal("CLOCAL after 0", tcgets(port).cflag & CLOCAL, 0)
    t.equal("TIOCGSOFTCAR after 0", calls.get_int(port, calls.TIOCGSOFTCAR), 0)
    calls.set_int(port, calls.TIOCSSOFTCAR, 1)
    t.equal("CLOCAL after 1", tcgets(port).cflag & CLOCAL, CLOCAL)


@conformance(35, "the server takes another rate: no error, and TCGETS2 shows the server's", pty=False)
def other_rate(t):
    t.far.override(SET_BAUDRATE, lambda baud: 56000 if baud == 57600 else baud)
    port = t.raw()
    t.error("TCSETS2", 0, lambda: rate(t, port, 57600))
    t.equal("speeds", calls.speeds(port), (56000, 56000))


@conformance(36, "7E2, mark and space: the far side gets SET-DATASIZE 7, SET-PARITY 3, 4, 5, SET-STOPSIZE 2", pty=False)
def frame(t):
    port = t.raw()
    base = CREAD | CLOCAL | HUPCL
    t.far.forget()
    t.set(port, cflag=base | CS7 | PARENB | CSTOPB)
    t.equal("7E2", sorted(t.far.commands()), [("SET-DATASIZE", 7), ("SET-PARITY", 3), ("SET-STOPSIZE", 2)])
    t.far.forget()
    t.set(port, cflag=base | CS7 | PARENB | PARODD | CMSPAR | CSTOPB)
    t.equal("mark", t.far.commands(), [("SET-PARITY", 4)])
    t.far.forget()
    t.set(port, cflag=base | CS7 | PARENB | CMSPAR | CSTOPB)
    t.equal("space", t.far.commands(), [("SET-PARITY", 5)])
    t.equal("cflag", tcgets(port).cflag & ~CBAUD, base | CS7 | PARENB | CMSPAR | CSTOPB)


@conformance(37, "the same settings again: nothing is sent", pty=False)
def nothing_new(t):
    port = t.raw()
    t.far.take_rest()
    t.far.forget()
    for when in (calls.TCSETS, calls.TCSETSW, calls.TCSETSF):
        termios = tcgets(port)
        tcsets(port, termios, when)
    t.set(port, vmin=5, cc={VMIN: 9})
    t.far.take_rest()
    # TCSETSF drops what has come, at the server as well.
    t.equal("commands", t.far.commands("SET-BAUDRATE", "SET-DATASIZE", "SET-PARITY", "SET-STOPSIZE", "SET-CONTROL"), [])
