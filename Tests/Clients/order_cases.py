"""Time and order: what a server gets, in which order, and when reads, drains and closes end.

The server is the conformance list's, which records everything it gets.
"""
import fcntl
import os
import statistics
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Conformance"))

import far_side  # noqa: E402
from fixture import DTR, RTS, TIOCCBRK, TIOCSBRK, case, ioctl_int, set_raw  # noqa: E402


def set_line(port, flags=0, speed=termios.B115200, when=termios.TCSANOW):
    attributes = termios.tcgetattr(port)
    attributes[2] = attributes[2] & ~(termios.PARENB | termios.PARODD) | flags
    attributes[4] = attributes[5] = speed
    termios.tcsetattr(port, when, attributes)


def joined(events):
    """The received elements, with adjacent data merged."""
    seen = []
    for event in events:
        if event.kind == "data" and seen and seen[-1][0] == "data":
            seen[-1] = ("data", seen[-1][1] + event.value)
        else:
            seen.append((event.kind, event.value))
    return seen


@case(30)
def settings_breaks_and_lines_keep_their_place(t):
    """A server gets data, settings, breaks and lines in the order in which a program gave them."""
    far = far_side.FarSide()
    port = t.open_raw(t.port(far.address))
    far.forget()
    os.write(port, b"one")
    set_line(port, termios.PARENB)
    os.write(port, b"two")
    ioctl_int(port, termios.TIOCMBIC, DTR)
    os.write(port, b"three")
    fcntl.ioctl(port, TIOCSBRK)
    fcntl.ioctl(port, TIOCCBRK)
    os.write(port, b"four")
    set_line(port, termios.PARENB, termios.B57600)
    os.write(port, b"five")
    termios.tcsendbreak(port, 0)
    os.write(port, b"six")
    ioctl_int(port, termios.TIOCMBIS, DTR)
    termios.tcdrain(port)
    far.wait(lambda: far.data.endswith(b"six") and far.commands("SET-CONTROL")[-1:] == [("SET-CONTROL", 8)])
    # What asks only whether everything has been taken is no setting.
    seen = [event for event in joined(far.seen) if event[0] != "SET-MODEMSTATE-MASK" and event != ("SET-BAUDRATE", 0)]
    control = "SET-CONTROL"
    t.equal("in the program's order", seen, [
        ("data", b"one"), ("SET-PARITY", 3), ("data", b"two"), (control, far_side.DTR_OFF), ("data", b"three"),
        (control, far_side.BREAK_ON), (control, far_side.BREAK_OFF), ("data", b"four"), ("SET-BAUDRATE", 57600),
        ("data", b"five"), (control, far_side.BREAK_ON), (control, far_side.BREAK_OFF), ("data", b"six"),
        (control, far_side.DTR_ON)])


@case(30)
def commands_wait_behind_what_is_stuck(t):
    """A server that reads nothing for a while: lines set meanwhile come behind all data written before."""
    far = far_side.FarSide()
    # Without the write window, which keeps most bytes here, and its questions.
    port = t.open_raw(t.port(far.address, "--ahead", "unlimited"), flags=os.O_NONBLOCK)
    far.forget()
    far.stop_reading()
    written = 0
    try:
        while True:
            written += os.write(port, bytes(range(250)) * 16)
    except BlockingIOError:
        pass
    ioctl_int(port, termios.TIOCMBIC, RTS)
    t.check("much is stuck", written > 10000, written)
    far.reading.set()
    far.wait(lambda: len(far.data) >= written, 10)
    os.set_blocking(port, True)
    os.write(port, b"end")
    far.wait(lambda: far.data.endswith(b"end"), 10)
    seen = [(kind, value if kind != "data" else len(value)) for kind, value in joined(far.seen)]
    t.equal("behind {} bytes".format(written), seen, [
        ("data", written), ("SET-CONTROL", far_side.RTS_OFF), ("data", 3)])


@case(30)
def a_drain_takes_the_line_s_time(t):
    """960 bytes at 9600 baud are a second: tcdrain, TCSADRAIN and close wait for it."""
    far = far_side.FarSide()
    device = t.port(far.address)
    port = t.open_raw(device, baud=termios.B9600)

    def timed(what, body):
        os.write(port, b"x" * 480)
        start = time.monotonic()
        body()
        t.took(what + ": half a second of line time", time.monotonic() - start, 0.45, 0.75)

    timed("tcdrain", lambda: termios.tcdrain(port))
    timed("TCSADRAIN", lambda: set_line(port, speed=termios.B9600, when=termios.TCSADRAIN))
    timed("TCSAFLUSH", lambda: set_line(port, speed=termios.B9600, when=termios.TCSAFLUSH))
    timed("close", lambda: os.close(port))


@case(30)
def vtime_is_kept(t):
    """TIME ends a read within five milliseconds of its hundreds."""
    port = t.open_raw(t.port(t.simulator()), vmin=0, vtime=1)
    late, read = [], b""
    for tenths in (1, 2, 1, 3, 1, 2, 1, 1, 2, 1, 1):
        set_raw(port, 0, tenths)
        start = time.monotonic()
        read += os.read(port, 1)
        late.append((time.monotonic() - start - tenths / 10) * 1000)
    t.equal("nothing came", read, b"")
    t.check("{:.1f} ms late in the middle, {:.1f} ms at the most".format(statistics.median(late), max(late)),
            0 <= min(late) and statistics.median(late) <= 5, late)
