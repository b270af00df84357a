"""Every ioctl a serial program makes, and what read(2) makes of VMIN and VTIME."""
import ctypes
import errno
import fcntl
import os
import select
import signal
import struct
import termios
import threading
import time

import serial
import serial.rs485

import fixture
from fixture import (BOTHER, CBAUD, CD, CRTSCTS, CTS, DSR, DTR, RI, RTS, case, events, eventually, ioctl_int,
                     read_exactly, set_raw, set_speed, set_termios2, termios2, wait_until, write_all)

TIOCGSERIAL, TIOCSSERIAL = 0x541E, 0x541F
ASYNC_LOW_LATENCY = 0x2000
libc = ctypes.CDLL(None, use_errno=True)


def raw_ioctl(descriptor, command, argument):
    """ioctl(2) with an argument that Python would not let through, such as a bad address."""
    ctypes.set_errno(0)
    result = libc.ioctl(descriptor, ctypes.c_ulong(command), ctypes.c_ulong(argument & (1 << 64) - 1))
    return 0 if result >= 0 else ctypes.get_errno()


def timed(body):
    started = time.monotonic()
    value = body()
    return value, time.monotonic() - started


def later(seconds, body):
    timer = threading.Timer(seconds, body)
    timer.daemon = True
    timer.start()
    return timer


# Reading.

@case(60)
def vmin_vtime(t):
    path = t.port(t.simulator()).path
    port = t.open_raw(path)
    far = t.open(path)  # the loopback plug returns the bytes that it writes

    def fresh(vmin, vtime):
        termios.tcflush(port, termios.TCIFLUSH)
        set_raw(port, vmin, vtime)

    fresh(0, 0)
    t.equal("MIN 0 TIME 0: nothing", timed(lambda: os.read(port, 10))[0], b"")
    write_all(far, b"ab")
    wait_until(lambda: events(port, select.POLLIN))
    t.equal("MIN 0 TIME 0: available bytes", os.read(port, 10), b"ab")

    fresh(0, 5)
    value, seconds = timed(lambda: os.read(port, 10))
    t.equal("MIN 0 TIME 5: nothing", value, b"")
    t.took("MIN 0 TIME 5: after half a second", seconds, 0.45, 0.8)
    later(0.2, lambda: write_all(far, b"cd"))
    value, seconds = timed(lambda: os.read(port, 10))
    t.check("MIN 0 TIME 5: the first byte ends it", value in (b"c", b"cd"), value)
    t.took("MIN 0 TIME 5: at once", seconds, 0.15, 0.45)

    fresh(3, 0)
    later(0.2, lambda: write_all(far, b"ef"))
    later(0.5, lambda: write_all(far, b"g"))
    value, seconds = timed(lambda: os.read(port, 10))
    t.equal("MIN 3 TIME 0: waits for 3", value, b"efg")
    t.took("MIN 3 TIME 0: until the third", seconds, 0.45, 0.9)
    later(0.2, lambda: write_all(far, b"hi"))
    value, seconds = timed(lambda: os.read(port, 2))
    t.equal("MIN 3, read of 2: 2 are enough", value, b"hi")

    fresh(5, 3)
    later(0.2, lambda: write_all(far, b"jk"))
    later(0.4, lambda: write_all(far, b"lm"))
    value, seconds = timed(lambda: os.read(port, 10))
    t.equal("MIN 5 TIME 3: what came before the pause", value, b"jklm")
    t.took("MIN 5 TIME 3: 0.3 s after the last byte", seconds, 0.65, 1.1)
    later(0.6, lambda: write_all(far, b"n"))
    value, seconds = timed(lambda: os.read(port, 10))
    t.equal("MIN 5 TIME 3: the time runs from the first byte", value, b"n")
    t.took("MIN 5 TIME 3: so nothing ends it before", seconds, 0.85, 1.3)
    later(0.1, lambda: write_all(far, b"opqrstuv"))
    value, seconds = timed(lambda: os.read(port, 10))
    t.check("MIN 5 TIME 3: MIN bytes end it", value[:5] == b"opqrs", value)

    fresh(10, 0)
    write_all(far, b"123")
    wait_until(lambda: ioctl_int(port, termios.FIONREAD) == 3)
    later(0.2, lambda: set_raw(far, 1, 0))
    later(0.4, lambda: write_all(far, b"4567890"))
    value, seconds = timed(lambda: os.read(port, 20))
    t.equal("a smaller MIN does not end a read under way", value, b"1234567890")

    fresh(100, 0)
    write_all(far, b"x" * 120)
    value, _ = timed(lambda: os.read(port, 255))
    t.check("MIN 100: 100 at least", len(value) >= 100, len(value))
    fresh(1, 0)
    t.equal("read of 0 bytes", os.read(port, 0), b"")
    write_all(far, b"0123456789" * 800)
    wait_until(lambda: ioctl_int(port, termios.FIONREAD) >= 4095, what="a full queue")
    t.equal("FIONREAD of a full queue", ioctl_int(port, termios.FIONREAD) <= 4096, True)
    t.equal("nothing of it is lost", read_exactly(port, 8000), b"0123456789" * 800)


@case(30)
def nonblocking_reads(t):
    path = t.port(t.simulator()).path
    port = t.open_raw(path, flags=os.O_NONBLOCK)
    for vmin, vtime, wanted in ((0, 0, b""), (0, 5, None), (1, 0, None), (5, 3, None)):
        set_raw(port, vmin, vtime)
        if wanted is None:
            t.raises("MIN {} TIME {}, nothing".format(vmin, vtime), errno.EAGAIN, lambda: os.read(port, 10))
        else:
            t.equal("MIN {} TIME {}, nothing".format(vmin, vtime), os.read(port, 10), wanted)
    set_raw(port, 5, 0)
    write_all(port, b"abc")
    wait_until(lambda: ioctl_int(port, termios.FIONREAD) == 3)
    t.equal("less than MIN is given", os.read(port, 10), b"abc")
    t.equal("FIONBIO off", fcntl.ioctl(port, termios.FIONBIO, struct.pack("i", 0)) is not None, True)
    set_raw(port, 0, 3)
    value, seconds = timed(lambda: os.read(port, 10))
    t.took("then a read waits", seconds, 0.25, 0.7)


# Queues, drain, flush, flow, break.

@case(40)
def queues_and_drain(t):
    path = t.port(t.simulator("--pace")).path
    port = t.open_raw(path, baud=termios.B9600)
    t.equal("TIOCOUTQ of an idle port", ioctl_int(port, termios.TIOCOUTQ), 0)
    t.equal("FIONREAD of an idle port", ioctl_int(port, termios.FIONREAD), 0)
    _, seconds = timed(lambda: termios.tcdrain(port))
    t.took("tcdrain of nothing", seconds, 0, 0.2)
    write_all(port, b"o" * 960)
    first = ioctl_int(port, termios.TIOCOUTQ)
    t.check("TIOCOUTQ behind 960 bytes", 500 < first <= 960, first)
    time.sleep(0.4)
    second = ioctl_int(port, termios.TIOCOUTQ)
    t.check("it falls", 0 < second < first, (first, second))
    started = time.monotonic()
    termios.tcdrain(port)
    t.took("tcdrain takes the line's time", time.monotonic() - started + 0.4, 0.9, 1.6)
    t.equal("TIOCOUTQ after tcdrain", ioctl_int(port, termios.TIOCOUTQ), 0)
    got = read_exactly(port, 960)
    t.equal("bytes back", len(got), 960)
    write_all(port, b"w" * 480)
    attributes = termios.tcgetattr(port)
    _, seconds = timed(lambda: termios.tcsetattr(port, termios.TCSADRAIN, attributes))
    t.took("TCSADRAIN waits for 480 bytes", seconds, 0.35, 1.2)
    write_all(port, b"f" * 480)
    _, seconds = timed(lambda: termios.tcsetattr(port, termios.TCSAFLUSH, attributes))
    t.took("TCSAFLUSH waits for 480 bytes", seconds, 0.35, 1.2)
    t.check("and drops what was unread", ioctl_int(port, termios.FIONREAD) < 100, ioctl_int(port, termios.FIONREAD))


def drain(path, count):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.write(descriptor, b"d" * count)
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    started = time.monotonic()
    code = raw_ioctl(descriptor, termios.TCSBRK, 1)
    seconds = time.monotonic() - started
    termios.tcflush(descriptor, termios.TCOFLUSH)
    return [code, seconds]


@case(40)
def drain_interrupted(t):
    path = t.port(t.simulator("--pace")).path
    keep = t.open_raw(path, baud=termios.B300)
    code, seconds = t.helper(drain, path, 300).result(10)
    t.equal("tcdrain and a signal", code, errno.EINTR)
    t.took("at the signal", seconds, 0.4, 1)
    os.close(keep)


@case(40)
def flush(t):
    path = t.port(t.simulator()).path
    port = t.open_raw(path, baud=termios.B4000000)
    write_all(port, b"unread")
    wait_until(lambda: ioctl_int(port, termios.FIONREAD) == 6)
    termios.tcflush(port, termios.TCIFLUSH)
    t.equal("TCIFLUSH: FIONREAD", ioctl_int(port, termios.FIONREAD), 0)
    lost = 0
    for number in range(200):
        text = b"%06d" % number
        write_all(port, b"old")
        termios.tcflush(port, termios.TCIFLUSH)
        write_all(port, text)
        got = read_exactly(port, 6, 2)
        if got != text:
            lost += 1
            t.check("TCIFLUSH is a barrier: nothing older comes, nothing later goes, round {}".format(number),
                    False, got)
            break
    t.check("TCIFLUSH is a barrier, 200 rounds", lost == 0)
    termios.tcdrain(port)
    termios.tcflow(port, termios.TCOOFF)
    write_all(port, b"dropped")
    t.equal("TIOCOUTQ while stopped", ioctl_int(port, termios.TIOCOUTQ), 7)
    termios.tcflush(port, termios.TCOFLUSH)
    t.equal("TIOCOUTQ after TCOFLUSH", ioctl_int(port, termios.TIOCOUTQ), 0)
    termios.tcflow(port, termios.TCOON)
    write_all(port, b"kept")
    t.equal("only what was written after TCOFLUSH comes", read_exactly(port, 11, 0.5), b"kept")
    for value in (3, 9, -1):
        t.equal("TCFLSH {}".format(value), raw_ioctl(port, termios.TCFLSH, value), errno.EINVAL)


@case(30)
def flow(t):
    server = t.simulator()
    path = t.port(server).path
    port = t.open_raw(path)
    termios.tcflow(port, termios.TCOOFF)
    write_all(port, b"held")
    t.equal("TCOOFF holds output", events(port, select.POLLIN, 0.4), 0)
    termios.tcflow(port, termios.TCOON)
    t.equal("TCOON lets it go", read_exactly(port, 4), b"held")
    termios.tcflow(port, termios.TCIOFF)
    termios.tcflow(port, termios.TCION)
    t.equal("TCIOFF and TCION send the flow characters", read_exactly(port, 2), b"\x13\x11")
    t.equal("TCXONC 9", raw_ioctl(port, termios.TCXONC, 9), errno.EINVAL)
    attributes = termios.tcgetattr(port)
    attributes[0] |= termios.IXON
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    write_all(port, b"a\x11b")
    t.equal("with IXON its characters are not data", read_exactly(port, 2), b"ab")


@case(30)
def break_lengths(t):
    server = t.simulator("-v")
    path = t.port(server).path
    port = t.open_raw(path)
    for name, command, argument, low, high in (
            ("tcsendbreak(0)", termios.TCSBRK, 0, 0.25, 0.5), ("TCSBRKP 0", fixture.TCSBRKP, 0, 0.25, 0.5),
            ("TCSBRKP 5", fixture.TCSBRKP, 5, 0.5, 0.8)):
        _, seconds = timed(lambda: fcntl.ioctl(port, command, argument))
        t.took(name, seconds, low, high)
        t.equal(name + " is one NUL here", read_exactly(port, 1), b"\0")
    write_all(port, b"before")
    fcntl.ioctl(port, fixture.TIOCSBRK)
    fcntl.ioctl(port, fixture.TIOCCBRK)
    write_all(port, b"after")
    t.equal("a break keeps its place in the data", read_exactly(port, 12), b"before\0after")
    attributes = termios.tcgetattr(port)
    attributes[0] |= termios.IGNBRK
    termios.tcsetattr(port, termios.TCSANOW, attributes)


@case(30)
def line_errors(t):
    """INPCK and PARMRK ask the server for line errors: they are counted, and marked as far as a server tells where."""
    path = t.port(t.simulator("--line-errors", "parity:5")).path
    port = t.open_raw(path)
    attributes = termios.tcgetattr(port)
    attributes[0] |= termios.INPCK | termios.PARMRK
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    before = counters(port)
    write_all(port, b"0123456789")
    read_exactly(port, 10, 1)
    t.check("parity errors are counted", eventually(lambda: counters(port)["parity"] - before["parity"] == 2),
            counters(port))


# Modem lines.

def counters(descriptor):
    names = "cts dsr rng dcd rx tx frame overrun parity brk buf_overrun".split()
    return dict(zip(names, struct.unpack("20i", fcntl.ioctl(descriptor, fixture.TIOCGICOUNT, bytes(80)))))


@case(40)
def modem_lines(t):
    server = t.simulator("-v")
    path = t.port(server).path
    port = t.open_raw(path)

    def lines():
        return ioctl_int(port, termios.TIOCMGET)

    t.check("all up after open", eventually(lambda: lines() == DTR | RTS | CTS | DSR | CD), hex(lines()))
    fcntl.ioctl(port, termios.TIOCMBIC, struct.pack("I", RTS))
    t.equal("TIOCMBIC RTS shows at once", lines() & (DTR | RTS), DTR)
    t.check("CTS follows", eventually(lambda: not lines() & CTS))
    fcntl.ioctl(port, termios.TIOCMBIS, struct.pack("I", RTS))
    t.check("TIOCMBIS RTS", eventually(lambda: lines() & (RTS | CTS) == RTS | CTS))
    fcntl.ioctl(port, termios.TIOCMSET, struct.pack("I", RTS))
    t.equal("TIOCMSET of both", lines() & (DTR | RTS), RTS)
    t.check("DSR and CD follow", eventually(lambda: not lines() & (DSR | CD)))
    fcntl.ioctl(port, termios.TIOCMSET, struct.pack("I", DTR | RTS | CTS | RI | CD | 1))
    t.check("bits of other lines are ignored", eventually(lambda: lines() == DTR | RTS | CTS | DSR | CD), hex(lines()))
    fcntl.ioctl(port, termios.TIOCMBIC, struct.pack("I", DTR))
    second = t.open(path, os.O_NONBLOCK)
    t.equal("every open raises DTR again", lines() & DTR, DTR)
    os.close(second)
    # Both lines of one TIOCMSET: next to each other on the wire, as reset circuits need them.
    fcntl.ioctl(port, termios.TIOCMSET, struct.pack("I", 0))
    wait_until(lambda: server.log.count("client: SET-CONTROL RTS off") >= 2)
    order = [line.split("client: ")[1] for line in server.log.splitlines() if "client: SET-CONTROL" in line]
    t.equal("DTR and RTS together", order[-2:], ["SET-CONTROL DTR off", "SET-CONTROL RTS off"])
    set_speed(port, 9600)
    attributes = termios.tcgetattr(port)
    attributes[4] = attributes[5] = termios.B0
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    t.equal("B0 lowers both", lines() & (DTR | RTS), 0)
    attributes[4] = attributes[5] = termios.B9600
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    t.equal("a rate raises both", lines() & (DTR | RTS), DTR | RTS)
    t.check("and what hangs on them", eventually(lambda: lines() == DTR | RTS | CTS | DSR | CD), hex(lines()))
    before = counters(port)
    fcntl.ioctl(port, termios.TIOCMBIC, struct.pack("I", RTS | DTR))
    t.check("TIOCGICOUNT counts CTS, DSR, CD", eventually(lambda: all(
        counters(port)[name] == before[name] + 1 for name in ("cts", "dsr", "dcd"))), (before, counters(port)))
    write_all(port, b"12345")
    read_exactly(port, 5)
    after = counters(port)
    t.equal("TIOCGICOUNT counts bytes", (after["rx"] - before["rx"], after["tx"] - before["tx"]), (5, 5))


def wait_for_change(path, mask, handler=False):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    if handler:
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.siginterrupt(signal.SIGTERM, True)
    return raw_ioctl(descriptor, fixture.TIOCMIWAIT, mask)


@case(40)
def modem_line_waits(t):
    path = t.port(t.simulator()).path
    port = t.open_raw(path)
    wait_until(lambda: ioctl_int(port, termios.TIOCMGET) & CTS)
    helper = t.helper(wait_for_change, path, CTS)
    other = t.helper(wait_for_change, path, RI | CD)
    time.sleep(0.4)
    t.check("TIOCMIWAIT waits", not helper.has_ended())
    started = time.monotonic()
    fcntl.ioctl(port, termios.TIOCMBIC, struct.pack("I", RTS))
    t.equal("a change of its line ends it", helper.result(), 0)
    t.took("at once", time.monotonic() - started, 0, 0.6)
    t.check("a change of another line does not", not other.has_ended())
    fcntl.ioctl(port, termios.TIOCMBIC, struct.pack("I", DTR))
    t.equal("CD ends the other", other.result(), 0)
    helper = t.helper(wait_for_change, path, RI, True)
    time.sleep(0.4)
    helper.kill(signal.SIGTERM)
    t.equal("a signal ends it with", helper.result(), errno.EINTR)


@case(40)
def modem_changes_from_the_far_end(t):
    path = t.port(t.simulator("--modem-changes", "0.2")).path
    port = t.open_raw(path)
    _, seconds = timed(lambda: fcntl.ioctl(port, fixture.TIOCMIWAIT, RI))
    t.took("TIOCMIWAIT of RI", seconds, 0, 4)
    t.check("RI is counted", counters(port)["rng"] >= 1 or eventually(lambda: counters(port)["rng"] >= 1, 3),
            counters(port))


# Permissions.

def open_only(path):
    os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    return 0


@case(30)
def exclusive_use(t):
    path = t.port(t.simulator()).path
    port = t.open_raw(path)
    t.equal("TIOCGEXCL before", ioctl_int(port, fixture.TIOCGEXCL), 0)
    t.equal("user nobody may open before", t.helper(open_only, path, user="nobody").result(), 0)
    fcntl.ioctl(port, fixture.TIOCEXCL)
    t.equal("TIOCGEXCL", ioctl_int(port, fixture.TIOCGEXCL), 1)
    t.raises("nobody may not open", errno.EBUSY, lambda: t.helper(open_only, path, user="nobody").result())
    t.equal("root may", t.helper(open_only, path).result(), 0)
    t.raises("nor may user nobody after root's close", errno.EBUSY, lambda: t.helper(open_only, path, user="nobody").result())
    fcntl.ioctl(port, fixture.TIOCNXCL)
    t.equal("user nobody may after TIOCNXCL", t.helper(open_only, path, user="nobody").result(), 0)
    fcntl.ioctl(port, fixture.TIOCEXCL)
    os.close(port)
    t.equal("user nobody may after the last close", t.helper(open_only, path, user="nobody").result(), 0)
    with serial.Serial(path, exclusive=True):
        try:
            serial.Serial(path, exclusive=True).close()
            t.check("pyserial's exclusive refuses a second open", False)
        except serial.SerialException:
            t.check("pyserial's exclusive refuses a second open", True)


def change_serial(path, offset, value, form):
    """TIOCSSERIAL with one field changed. Gives errno, and the field read back."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    fields = bytearray(fcntl.ioctl(descriptor, TIOCGSERIAL, bytes(72)))
    struct.pack_into(form, fields, offset, value)
    try:
        fcntl.ioctl(descriptor, TIOCSSERIAL, bytes(fields))
        code = 0
    except OSError as error:
        code = error.errno
    fields = fcntl.ioctl(descriptor, TIOCGSERIAL, bytes(72))
    return [code, struct.unpack_from(form, fields, offset)[0]]


@case(30)
def serial_struct(t):
    path = t.port(t.simulator("-v")).path
    port = t.open_raw(path)
    fields = fcntl.ioctl(port, TIOCGSERIAL, bytes(72))
    t.equal("close_delay and closing_wait", (struct.unpack_from("H", fields, 32)[0],
                                             struct.unpack_from("H", fields, 40)[0]), (50, 3000))
    for user in ("nobody", None):
        who = user or "root"
        t.equal(who + " may set LOW_LATENCY", t.helper(change_serial, path, 16, ASYNC_LOW_LATENCY, "I", user=user)
                .result(), [0, ASYNC_LOW_LATENCY])
        t.equal(who + " may clear it", t.helper(change_serial, path, 16, 0, "I", user=user).result(), [0, 0])
        t.equal(who + " and closing_wait", t.helper(change_serial, path, 40, 100, "H", user=user).result(),
                [errno.EPERM, 3000] if user else [0, 100])
        t.equal(who + " and close_delay", t.helper(change_serial, path, 32, 10, "H", user=user).result(),
                [errno.EPERM, 50] if user else [0, 10])
        t.equal(who + " and custom_divisor", t.helper(change_serial, path, 24, 240, "I", user=user).result(), [0, 240])
    with serial.Serial(path) as pyserial:
        pyserial.set_low_latency_mode(True)
    t.equal("pyserial's low latency", struct.unpack_from("I", fcntl.ioctl(port, TIOCGSERIAL, bytes(72)), 16)[0]
            & ASYNC_LOW_LATENCY, ASYNC_LOW_LATENCY)
    # 38400 stands for another rate: base / divisor.
    set_raw(port, baud=termios.B38400)
    t.helper(change_serial, path, 16, 0x30, "I").result()
    t.check("SPD_CUST goes to the server", eventually(lambda: "SET-BAUDRATE 100000" in t.processes[0].log),
            t.processes[0].log[-300:])
    t.equal("and 38400 is shown", termios2(port)[2] & CBAUD, termios.B38400)


@case(40, over=("with", "without", "refused"))
def rs485(t, kind):
    options = {"with": [], "without": ["--quirk", "no-rs485"], "refused": ["--quirk", "rs485-refuse"]}[kind]
    server = t.simulator("-v", *options)
    port = t.port(server)
    descriptor = t.open_raw(port)
    enable = struct.pack("III20x", 1 | 2, 5, 7)
    started = time.monotonic()
    if kind == "with":
        t.equal("TIOCGRS485 before", fcntl.ioctl(descriptor, fixture.TIOCGRS485, bytes(32)), bytes(32))
        fcntl.ioctl(descriptor, fixture.TIOCSRS485, enable)
        t.equal("TIOCGRS485 after TIOCSRS485", fcntl.ioctl(descriptor, fixture.TIOCGRS485, bytes(32)), enable)
        with serial.Serial(port.path) as pyserial:
            pyserial.rs485_mode = serial.rs485.RS485Settings(delay_before_tx=0.02)
        t.equal("what pyserial's rs485_mode sets reads back",
                struct.unpack("4I", fcntl.ioctl(descriptor, fixture.TIOCGRS485, bytes(32))[:16])[:2], (3, 20))
        fcntl.ioctl(descriptor, fixture.TIOCSRS485, bytes(32))
        t.equal("off", fcntl.ioctl(descriptor, fixture.TIOCGRS485, bytes(32))[0] & 1, 0)
        t.raises("an unknown flag", errno.EINVAL,
                 lambda: fcntl.ioctl(descriptor, fixture.TIOCSRS485, struct.pack("I28x", 1 << 20)))
    else:
        t.raises("TIOCSRS485", errno.ENOTTY, lambda: fcntl.ioctl(descriptor, fixture.TIOCSRS485, enable))
        t.took("its answer", time.monotonic() - started, 0, 1.5)
        t.raises("TIOCGRS485 afterwards", errno.ENOTTY,
                 lambda: fcntl.ioctl(descriptor, fixture.TIOCGRS485, bytes(32)))
        with serial.Serial(port.path) as pyserial:
            try:
                pyserial.rs485_mode = serial.rs485.RS485Settings()
                t.check("pyserial's rs485_mode fails", False)
            except ValueError as error:
                t.check("pyserial's rs485_mode fails", "RS485" in str(error), error)
        t.check("the log says why, and names the option", "--rs485-codes" in port.log, port.log)
    write_all(descriptor, b"data")
    t.equal("data goes on", read_exactly(descriptor, 4), b"data")


@case(30)
def rs485_with_codes_of_its_own(t):
    port = t.port(t.simulator("-v", "--rs485-on", "33", "--rs485-off", "34"), "--rs485-codes", "33,34")
    descriptor = t.open_raw(port)
    fcntl.ioctl(descriptor, fixture.TIOCSRS485, struct.pack("I28x", 1))
    t.equal("on", fcntl.ioctl(descriptor, fixture.TIOCGRS485, bytes(32))[0] & 1, 1)
    fcntl.ioctl(descriptor, fixture.TIOCSRS485, struct.pack("I28x", 0))
    t.equal("off", fcntl.ioctl(descriptor, fixture.TIOCGRS485, bytes(32))[0] & 1, 0)


# Forms and failures.

@case(30)
def termios_forms(t):
    path = t.port(t.simulator()).path
    port = t.open_raw(path)
    t.check("isatty", os.isatty(port))
    t.equal("ttyname", os.ttyname(port), path)
    canary = bytearray(b"\xaa" * 64)
    fcntl.ioctl(port, termios.TCGETS, canary, True)
    t.equal("TCGETS writes 36 bytes", bytes(canary[36:]), b"\xaa" * 28)
    canary = bytearray(b"\xaa" * 64)
    fcntl.ioctl(port, fixture.TCGETS2, canary, True)
    t.equal("TCGETS2 writes 44 bytes", bytes(canary[44:]), b"\xaa" * 20)
    set_speed(port, 250000)
    fields = termios2(port)
    t.equal("BOTHER 250000", (fields[2] & CBAUD, fields[6], fields[7]), (BOTHER, 250000, 250000))
    short = fcntl.ioctl(port, termios.TCGETS, bytes(36))
    fcntl.ioctl(port, termios.TCSETS, short)
    t.equal("it stays over TCGETS and TCSETS", termios2(port), fields)
    set_speed(port, 115200)
    t.equal("BOTHER 115200 is B115200", termios2(port)[2] & CBAUD, termios.B115200)
    fields = list(termios2(port))
    fields[2] |= CRTSCTS
    fields[4] = 0
    set_termios2(port, fields)
    old = struct.unpack("4HB8sx", fcntl.ioctl(port, fixture.TCGETA, bytes(18)))
    t.equal("TCGETA", (old[2], old[3]), (fields[2] & 0xFFFF, fields[3] & 0xFFFF))
    new = list(old)
    new[2] = new[2] & ~0x30 | 0x20
    fcntl.ioctl(port, fixture.TCSETA, struct.pack("4HB8sx", *new))
    t.equal("TCSETA keeps what it has no bits for", termios2(port)[2] & (CRTSCTS | 0x30), CRTSCTS | 0x20)
    fields = list(termios2(port))
    fields[2] &= ~CRTSCTS
    fields[5] = bytes(range(19))
    for name, command in (("TCSETS2", fixture.TCSETS2), ("TCSETSW2", fixture.TCSETSW2), ("TCSETSF2", fixture.TCSETSF2)):
        fields[5] = bytes([fields[5][0] + 1]) + fields[5][1:]
        set_termios2(port, fields, command)
        t.equal(name + " reads back", list(termios2(port)), fields)
    read_only = os.open(path, os.O_RDONLY | os.O_NOCTTY)
    t.equal("TCSETS on an open for reading", raw_ioctl_ok(read_only, termios.TCSETS, short), 0)
    os.close(read_only)


def raw_ioctl_ok(descriptor, command, data):
    buffer = ctypes.create_string_buffer(bytes(data), len(data))
    return raw_ioctl(descriptor, command, ctypes.addressof(buffer))


@case(30)
def window_size(t):
    path = t.port(t.simulator()).path
    port = t.open(path)
    t.equal("TIOCGWINSZ of a fresh port", fcntl.ioctl(port, termios.TIOCGWINSZ, bytes(8)), bytes(8))
    size = struct.pack("4H", 24, 80, 640, 480)
    fcntl.ioctl(port, termios.TIOCSWINSZ, size)
    t.equal("TIOCGWINSZ after TIOCSWINSZ", fcntl.ioctl(port, termios.TIOCGWINSZ, bytes(8)), size)


@case(30)
def unknown_and_bad_ioctls(t):
    path = t.port(t.simulator()).path
    port = t.open_raw(path)
    for name, command in (("0x1234", 0x1234), ("0x54FF", 0x54FF), ("KDGKBMODE", 0x4B44), ("SIOCGIFNAME", 0x8910),
                          ("TIOCPKT", 0x5420), ("TIOCGPTN", 0x80045430), ("TIOCLINUX", 0x541C), ("TCGETX", 0x5432),
                          ("TIOCSERGETMULTI", 0x545A), ("TIOCGPGRP", 0x540F), ("TIOCGSID", 0x5429),
                          ("TIOCNOTTY", 0x5422)):
        t.equal(name, raw_ioctl(port, command, 0), errno.ENOTTY)
    for name, command in (("TCGETS", termios.TCGETS), ("TCSETS", termios.TCSETS), ("TCGETS2", fixture.TCGETS2),
                          ("FIONREAD", termios.FIONREAD), ("TIOCMGET", termios.TIOCMGET), ("TIOCMSET", termios.TIOCMSET),
                          ("TIOCSWINSZ", termios.TIOCSWINSZ), ("TIOCGICOUNT", fixture.TIOCGICOUNT),
                          ("TIOCGSERIAL", TIOCGSERIAL), ("TIOCSRS485", fixture.TIOCSRS485)):
        for address in (0, 1, -4096):
            t.equal("{} at address {}".format(name, address), raw_ioctl(port, command, address), errno.EFAULT)
    t.raises("fsync", errno.EINVAL, lambda: os.fsync(port))
    fcntl.flock(port, fcntl.LOCK_EX)
    other = t.open(path)
    t.raises("flock of a second open", errno.EWOULDBLOCK, lambda: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB))
    write_all(port, b"alive")
    t.equal("the port is unharmed", read_exactly(port, 5), b"alive")


@case(30)
def settings_unchanged_cost_nothing(t):
    server = t.simulator("-v")
    port = t.open_raw(t.port(server))
    before = server.log.count("client: SET")
    for _ in range(20):
        termios.tcsetattr(port, termios.TCSANOW, termios.tcgetattr(port))
    write_all(port, b"x")
    read_exactly(port, 1)
    t.equal("commands for 20 identical tcsetattr", server.log.count("client: SET") - before, 0)
