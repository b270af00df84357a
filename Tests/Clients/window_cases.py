"""The write window: how far a program's output may be ahead of a line that takes its time.

The port's queue holds 4096 bytes, or what `--ahead` says. Beyond it, what has gone to the socket and has not left the
line stays within max(512 bytes, rate x (50 ms + round trip)): 512 bytes here.
"""
import contextlib
import errno
import os
import select
import termios
import time

from fixture import case, eventually, events, set_raw, write_all
from paced_line import START, STOP, FarEnd, set_stop_character

QUEUE, WINDOW, BAUD = 4096, 512, 9600
BYTES_A_SECOND = BAUD / 10
# A byte or two on their way, and a time stamp that is taken late.
SLACK = 48


@contextlib.contextmanager
def paced(t, *options, port_options=(), percent=0, flags=0):
    """A port that knows that its server's line takes its time: (port, descriptor, far end)."""
    far = FarEnd(t, BAUD, *options, percent=percent)
    port = t.port(far.server, *port_options)
    descriptor = t.open_raw(port, baud=termios.B921600)
    far.open()
    # More than the 64 KiB that may be on their way as long as nothing is known of the server.
    write_all(descriptor, b"p" * 80000)
    termios.tcdrain(descriptor)
    far.line.wait_for(80000, 10)
    set_raw(descriptor, baud=termios.B9600)
    os.set_blocking(descriptor, not flags & os.O_NONBLOCK)
    far.base = far.line.update().count
    try:
        yield port, descriptor, far
    finally:
        with contextlib.suppress(termios.error):
            termios.tcflush(descriptor, termios.TCOFLUSH)
        far.close()


def fill(descriptor, limit=1 << 20):
    """Writes until nothing more is taken. Gives the bytes taken and what the last write said."""
    written = 0
    while written < limit:
        try:
            written += os.write(descriptor, b"w" * min(16384, limit - written))
        except BlockingIOError as error:
            return written, error.errno
    return written, None


def on_the_way(far, written):
    """Bytes that have been written and have not left the line."""
    return written - (far.line.update().at(time.monotonic()) - far.base)


@case(30)
def write_window_blocking_write_waits(t):
    with paced(t) as (_, descriptor, far):
        count = QUEUE + WINDOW + 1440
        started = time.monotonic()
        write_all(descriptor, b"w" * count)
        seconds = time.monotonic() - started
        # 1.5 s of the line; all but the queue has left it, or is in the window.
        t.took("a write of {} bytes at {} baud".format(count, BAUD), seconds, 1.5 - 0.06,
               1.5 + WINDOW / BYTES_A_SECOND + 0.1)
        ahead = on_the_way(far, count)
        t.check("{} bytes ahead of the line".format(ahead), QUEUE - SLACK <= ahead <= QUEUE + WINDOW + SLACK)


@case(30)
def write_window_nonblocking_write_and_poll(t):
    with paced(t, flags=os.O_NONBLOCK) as (_, descriptor, far):
        part = os.write(descriptor, b"w" * 16384)
        t.check("the part taken: {} of 16384".format(part), QUEUE <= part <= QUEUE + WINDOW + SLACK)
        more, error = fill(descriptor, 8192)
        t.equal("then EAGAIN", error, errno.EAGAIN)
        written = part + more
        t.check("{} bytes ahead of the line".format(on_the_way(far, written)),
                on_the_way(far, written) <= QUEUE + WINDOW + SLACK)
        t.equal("not writable while full", events(descriptor, select.POLLOUT), 0)
        started = time.monotonic()
        t.check("writable in time", events(descriptor, select.POLLOUT, 6) & select.POLLOUT)
        ahead = on_the_way(far, written)
        t.check("writable below 256 bytes queued: {} ahead of the line".format(ahead), ahead <= 256 + WINDOW + SLACK)
        t.took("and as soon as that", time.monotonic() - started, (QUEUE - 256 - SLACK) / BYTES_A_SECOND,
               (QUEUE + WINDOW - 256) / BYTES_A_SECOND + 0.1)


@case(30, over=("honest", "ignore-purge"))
def write_window_flush_then_silence(t, server):
    """No flushed byte arrives later; 512 bytes have left the port and are not on the line."""
    options = () if server == "honest" else ("--quirk", server)
    with paced(t, *options, flags=os.O_NONBLOCK) as (_, descriptor, far):
        fill(descriptor)
        time.sleep(0.2)
        begin = time.monotonic()
        termios.tcflush(descriptor, termios.TCOFLUSH)
        silence = far.line.silence_after(begin, 0.25, 6)
        t.check("silent {} s after tcflush".format(silence and round(silence, 3)),
                silence is not None and silence <= WINDOW / BYTES_A_SECOND + 0.05)
        before = far.line.count
        os.set_blocking(descriptor, True)
        write_all(descriptor, b"end")
        t.check("bytes written later arrive", eventually(lambda: far.line.update().count == before + 3, 2),
                far.line.count - before)


@case(30)
def write_window_stop_by_the_far_end(t):
    with paced(t, flags=os.O_NONBLOCK) as (_, descriptor, far):
        set_stop_character(descriptor)
        written, _ = fill(descriptor)
        begin = time.monotonic()
        far.send(STOP)
        silence = far.line.silence_after(begin, 0.25, 6)
        t.check("silent {} s after the stop character".format(silence and round(silence, 3)),
                silence is not None and silence <= WINDOW / BYTES_A_SECOND + 0.05)
        left = on_the_way(far, written)
        t.check("the queue stands still: {} bytes".format(left), QUEUE - SLACK <= left <= QUEUE + SLACK)
        far.send(START)
        far.line.wait_for(far.base + written, 8)
        t.check("and every byte comes once", far.line.silence_after(time.monotonic(), 0.1, 2) is not None
                and far.line.count == far.base + written, far.line.count - far.base)


@case(30, over=("0", "20480"))
def write_window_drain_ends_with_the_line(t, buffer):
    with paced(t, "--buffer", buffer) as (_, descriptor, far):
        for count in (1, 48, 960):
            before = far.line.update().count
            write_all(descriptor, b"d" * count)
            termios.tcdrain(descriptor)
            returned = time.monotonic()
            far.line.wait_for(before + count, 5)
            error = (returned - far.line.reaches(before + count)) * 1000
            t.check("tcdrain of {} bytes: {:+.1f} ms".format(count, error), -2 <= error <= 25)


@case(30)
def write_window_ahead(t):
    """`--ahead BYTES` is the size of the queue; `--ahead unlimited` is the old way."""
    with paced(t, port_options=("--ahead", "1024"), flags=os.O_NONBLOCK) as (_, descriptor, _):
        written, error = fill(descriptor)
        t.check("--ahead 1024: {} bytes taken".format(written), 1024 <= written <= 1024 + WINDOW + SLACK)
        t.equal("then EAGAIN", error, errno.EAGAIN)
    with paced(t, port_options=("--ahead", "unlimited"), flags=os.O_NONBLOCK) as (_, descriptor, _):
        written, _ = fill(descriptor, 60000)
        t.check("--ahead unlimited: {} bytes taken at once".format(written), written >= 40000)
    for wrong in ("-1", "some"):
        status, said = t.run(t.binary, "-S", "127.0.0.1:1", "-n", "ttyAhead", "--ahead=" + wrong, seconds=5)
        t.check("--ahead {} is refused".format(wrong), status == 64 and "--ahead" in said, "{} {}".format(status, said))
