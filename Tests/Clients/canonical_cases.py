"""Canonical mode and echo: lines, and what edits them."""
import os
import select
import termios
import threading

from fixture import case, events, ioctl_int, read_exactly, wait_until, write_all


@case(30)
def canonical_mode(t):
    """Lines as a kernel tty gives them: one for each read, however many wait."""
    path = t.port(t.simulator()).path
    port = t.open(path)
    attributes = termios.tcgetattr(port)
    attributes[1] = 0
    attributes[3] = termios.ICANON
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    write_all(port, b"hello\nwor")
    wait_until(lambda: ioctl_int(port, termios.FIONREAD) == 6)
    t.equal("part of a line", os.read(port, 3), b"hel")
    t.equal("its rest", os.read(port, 100), b"lo\n")
    t.equal("half a line is not readable", events(port, select.POLLIN, 0.2), 0)
    write_all(port, b"ld\x04")
    t.equal("the end character ends it", os.read(port, 100), b"world")
    write_all(port, b"\x04")
    wait_until(lambda: events(port, select.POLLIN))
    t.equal("the end character alone reads as nothing", os.read(port, 100), b"")
    lines = [b"line %04d\n" % number for number in range(1500)]
    helper = threading.Thread(target=lambda: write_all(port, b"".join(lines)), daemon=True)
    helper.start()
    wait_until(lambda: ioctl_int(port, termios.FIONREAD) >= 4000, what="a full queue")
    got = [os.read(port, 4096) for _ in lines[:10]]
    t.equal("one line for each read, with more behind than the queue holds", got, lines[:10])
    got = [os.read(port, 4096) for _ in lines[10:]]
    t.check("every line, whole and in order", got == lines[10:],
            next((pair for pair in zip(got, lines[10:]) if pair[0] != pair[1]), None))
    helper.join(5)


@case(30)
def echo_to_the_remote_end(t):
    """ECHO sends what comes in back out: at a loopback plug that is for ever, so one byte and then off."""
    server = t.simulator("-v", ports=2, wirings=("null-modem",))
    near = t.port(server.addresses[0])
    far = t.port(server.addresses[1])
    tty = t.open(near)
    other = t.open_raw(far)
    write_all(other, b"hi\r")
    t.equal("a fresh port is canonical and echoes, CR as CR NL", read_exactly(other, 4), b"hi\r\n")
    t.equal("and reads a line", os.read(tty, 10), b"hi\n")
    write_all(other, b"abc\x7f\x7fx\r")
    t.equal("erase is echoed as BS SP BS", read_exactly(other, 12), b"abc\b \b\b \bx\r\n")
    t.equal("and edits the line", os.read(tty, 10), b"ax\n")
    write_all(tty, b"out\n")
    t.equal("NL goes out as CR NL", read_exactly(other, 5), b"out\r\n")
