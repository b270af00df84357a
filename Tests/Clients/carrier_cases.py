"""Carrier, and the other ioctls of a terminal: hang-up, locks, permissions; 32-bit programs."""
import errno
import fcntl
import os
import shutil
import signal
import struct
import termios
import time

import fixture
from fixture import (CD, DTR, RTS, case, events, eventually, ioctl_int, read_exactly, set_raw, wait_until, write_all)
from ioctl_cases import TIOCGSERIAL, raw_ioctl, timed
from lifecycle_cases import Tap, check_hung_up

TIOCGSOFTCAR, TIOCSSOFTCAR = 0x5419, 0x541A
TIOCGLCKTRMIOS, TIOCSLCKTRMIOS = 0x5456, 0x5457
TIOCSERGETLSR, TIOCGDEV, TIOCVHANGUP, TIOCSTI, TIOCSCTTY = 0x5459, 0x80045432, 0x5437, 0x5412, 0x540E


def null_modem(t, *options):
    """Two ports whose lines cross: the DTR of one is the other's carrier. Gives the server and both ports."""
    server = t.simulator("-v", *options, ports=2, wirings=("null-modem",))
    return server, t.port(server.addresses[0]), t.port(server.addresses[1])


def set_clocal(descriptor, on):
    attributes = termios.tcgetattr(descriptor)
    attributes[2] = attributes[2] | termios.CLOCAL if on else attributes[2] & ~termios.CLOCAL
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def without_clocal(t, port):
    """Its saved settings, as `stty -clocal` leaves them."""
    status, output = t.run("stty", "-F", port.path, "-clocal")
    t.equal("stty -clocal", (status, output), (0, ""))


def open_blocking(path, holds=0):
    """Gives how long the open took."""
    started = time.monotonic()
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    seconds = time.monotonic() - started
    time.sleep(holds)
    os.close(descriptor)
    return seconds


class Alarm(Exception):
    pass


def open_with_alarm(path, seconds):
    """Gives what ended the wait: "alarm", "opened"."""

    def ring(number, frame):
        raise Alarm

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
        return "opened"
    except Alarm:
        return "alarm"


@case(60)
def open_waits_for_carrier(t):
    server, port, far = null_modem(t)
    without_clocal(t, port)
    helper = t.helper(open_blocking, port.path, 1)
    time.sleep(1.5)
    t.check("a blocking open waits", not helper.has_ended(), helper.raw_status)
    (descriptor, seconds) = timed(lambda: t.open(port, os.O_NONBLOCK))
    t.took("an open with O_NONBLOCK does not", seconds, 0, 1)
    t.check("the other waits on", not helper.has_ended(), helper.raw_status)
    os.close(descriptor)
    far_end = t.open_raw(far)
    t.check("the far end has carrier from who waits", eventually(lambda: ioctl_int(far_end, termios.TIOCMGET) & CD))
    t.took("it opens when carrier comes", helper.result(5), 1.4, 4)
    t.took("with carrier there it opens at once", t.helper(open_blocking, port.path).result(5), 0, 1)
    os.close(far_end)
    t.equal("a signal ends the wait", t.helper(open_with_alarm, port.path, 1).result(5), "alarm")
    helper = t.helper(open_blocking, port.path)
    time.sleep(0.3)
    started = time.monotonic()
    helper.kill()
    helper.wait()
    t.took("killed, it is gone", time.monotonic() - started, 0, 1)
    t.check("no open is waiting: DTR is low", eventually(
        lambda: server.log.rstrip().rfind("SET-CONTROL DTR off") > server.log.rfind("SET-CONTROL DTR on")),
        server.log[-500:])


@case(40)
def carrier_counts_with_clocal(t):
    _, port, far = null_modem(t)
    descriptor = t.open_raw(port)
    far_end = t.open_raw(far)
    t.check("carrier", eventually(lambda: ioctl_int(descriptor, termios.TIOCMGET) & CD))
    os.close(far_end)
    t.check("carrier falls", eventually(lambda: not ioctl_int(descriptor, termios.TIOCMGET) & CD))
    t.equal("and no file is hung up", events(descriptor, 0), 0)
    counters = struct.unpack_from("4i", fcntl.ioctl(descriptor, fixture.TIOCGICOUNT, bytes(80)))
    t.equal("it was counted", counters[3], 2)
    set_clocal(descriptor, False)
    time.sleep(0.3)
    t.equal("clearing CLOCAL without carrier hangs no file up", events(descriptor, 0), 0)


@case(60)
def carrier_loss_hangs_up(t):
    _, port, far = null_modem(t)
    far_end = t.open_raw(far)
    descriptor = t.open_raw(port)
    other = t.open(port)
    t.check("carrier", eventually(lambda: ioctl_int(descriptor, termios.TIOCMGET) & CD))
    set_clocal(descriptor, False)
    write_all(far_end, b"unread")
    wait_until(lambda: ioctl_int(descriptor, termios.FIONREAD) == 6)
    fcntl.ioctl(far_end, termios.TIOCMBIC, struct.pack("I", DTR))
    t.check("hung up", eventually(lambda: events(descriptor, 0), 2))
    check_hung_up(t, "one", descriptor)
    check_hung_up(t, "other", other)
    t.equal("TIOCSPGRP of a file hung up", raw_ioctl(descriptor, 0x5410, 0), errno.ENOTTY)
    t.check("the far end's carrier falls with it (HUPCL)", eventually(
        lambda: not ioctl_int(far_end, termios.TIOCMGET) & CD))
    helper = t.helper(open_blocking, port.path)
    time.sleep(0.5)
    t.check("a new open waits for carrier", not helper.has_ended(), helper.raw_status)
    fcntl.ioctl(far_end, termios.TIOCMBIS, struct.pack("I", DTR))
    helper.result(5)
    fresh = t.open(port)
    write_all(far_end, b"fresh\n")
    t.equal("which works", read_exactly(fresh, 6), b"fresh\n")
    t.equal("the old one is at its end", os.read(descriptor, 10), b"")


@case(40)
def lost_connection_under_a_waiting_open(t):
    """Who waits for carrier goes on waiting when the connection is made again."""
    server = t.simulator("-v", ports=2, wirings=("null-modem",))
    tap = Tap(server.addresses[0])
    port, far = t.port(tap), t.port(server.addresses[1])
    without_clocal(t, port)
    helper = t.helper(open_blocking, port.path)
    wait_until(lambda: tap.connections == 2, what="the connection of the open")
    time.sleep(0.5)
    tap.cut(reset=True)
    t.check("connected again", eventually(lambda: tap.connections == 3))
    time.sleep(0.5)
    t.check("it waits on", not helper.has_ended(), helper.raw_status)
    t.open_raw(far)
    helper.result(5)
    t.check("and opens", True)


@case(60)
def open_meets_a_close(t):
    """A last close that waits for output, and an open meanwhile: the lines fall, and rise, on one connection."""
    server = t.simulator("-v", "--pace")
    port = t.port(server)
    descriptor = t.open_raw(port, baud=termios.B9600)
    write_all(descriptor, b"c" * 1440)
    closer = t.helper(lambda: os.close(descriptor))
    os.close(descriptor)
    time.sleep(0.2)
    before = len(server.log)
    again, seconds = timed(lambda: t.open(port))
    t.took("the open waits for the close", seconds, 0.3, 2.5)
    closer.result(5)
    t.check("DTR and RTS rise", eventually(lambda: "SET-CONTROL RTS on" in server.log[before:]), server.log[before:])
    told = [line.rsplit("SET-CONTROL ", 1)[1] for line in server.log[before:].splitlines()
            if "client: SET-CONTROL DTR" in line or "client: SET-CONTROL RTS" in line]
    t.equal("after they have fallen", told, ["DTR off", "RTS off", "DTR on", "RTS on"])
    t.check("the connection was kept", "disconnected" not in server.log and "closed" not in server.log[before:],
            server.log[before:])
    t.equal("and shows them", ioctl_int(again, termios.TIOCMGET) & (DTR | RTS), DTR | RTS)


@case(40)
def break_ends_with_the_close(t):
    server = t.simulator("-v")
    port = t.port(server, "--connect", "always")
    descriptor = t.open_raw(port)
    fcntl.ioctl(descriptor, fixture.TIOCSBRK)
    t.check("a break begins", eventually(lambda: "client: SET-CONTROL BREAK on" in server.log
                                         or "client: SET-CONTROL break on" in server.log), server.log[-300:])
    before = len(server.log)
    os.close(descriptor)
    t.check("and ends with the last close", eventually(
        lambda: "break off" in server.log[before:].lower()), server.log[before:])


# The terminal's identity, and permissions.

@case(40)
def terminal_ioctls(t):
    port = t.port(t.simulator())
    descriptor = t.open_raw(port)
    device = os.fstat(descriptor).st_rdev
    major, minor = os.major(device), os.minor(device)
    t.equal("TIOCGDEV", ioctl_int(descriptor, TIOCGDEV), minor & 0xFF | major << 8 | (minor & ~0xFF) << 12)
    t.equal("TIOCGSERIAL's line", struct.unpack_from("i", fcntl.ioctl(descriptor, TIOCGSERIAL, bytes(72)), 4)[0], minor)
    t.equal("TIOCGSOFTCAR", ioctl_int(descriptor, TIOCGSOFTCAR), 1)
    for value in (0, 1):
        fcntl.ioctl(descriptor, TIOCSSOFTCAR, struct.pack("i", value))
        t.equal("TIOCGSOFTCAR after {}".format(value), ioctl_int(descriptor, TIOCGSOFTCAR), value)
        t.equal("CLOCAL after {}".format(value), bool(termios.tcgetattr(descriptor)[2] & termios.CLOCAL), bool(value))
    t.equal("TIOCSERGETLSR", ioctl_int(descriptor, TIOCSERGETLSR), 1)
    t.raises("TIOCSCTTY", errno.EPERM, lambda: fcntl.ioctl(descriptor, TIOCSCTTY, 0))


def as_user(path, command, argument):
    """An ioctl as whoever this is: its errno, or 0."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        fcntl.ioctl(descriptor, command, bytes(argument))
        return 0
    except OSError as error:
        return error.errno


@case(60)
def what_only_root_may(t):
    port = t.port(t.simulator())
    keep = t.open_raw(port)
    for name, command, argument in (("TIOCSTI", TIOCSTI, b"x"), ("TIOCSLCKTRMIOS", TIOCSLCKTRMIOS, bytes(36)),
                                    ("TIOCVHANGUP", TIOCVHANGUP, b"")):
        t.equal(name + " as nobody", t.helper(as_user, port.path, command, list(argument), user="nobody").result(),
                errno.EPERM)
    t.equal("nothing came of it", (events(keep, 0), ioctl_int(keep, termios.FIONREAD)), (0, 0))
    fcntl.ioctl(keep, TIOCSTI, b"i")
    t.equal("what TIOCSTI puts in is read", read_exactly(keep, 1), b"i")
    mask = struct.pack("4I20x", 0, 0, 0, termios.ECHO)
    fcntl.ioctl(keep, TIOCSLCKTRMIOS, mask)
    t.equal("TIOCGLCKTRMIOS", fcntl.ioctl(keep, TIOCGLCKTRMIOS, bytes(36)), mask)
    t.run("stty", "-F", port.path, "echo", "icanon")
    flags = termios.tcgetattr(keep)[3]
    t.equal("ECHO is locked, ICANON is not", (flags & termios.ECHO, flags & termios.ICANON), (0, termios.ICANON))
    fcntl.ioctl(keep, TIOCSLCKTRMIOS, bytes(36))
    fcntl.ioctl(keep, fixture.TIOCEXCL)
    fcntl.ioctl(keep, TIOCVHANGUP)
    check_hung_up(t, "TIOCVHANGUP", keep)
    t.equal("TIOCEXCL lasts while the dead file is open", t.helper(
        os_errno, port.path, user="nobody").result(), errno.EBUSY)
    os.close(keep)
    t.equal("and no longer", t.helper(os_errno, port.path, user="nobody").result(), 0)


def os_errno(path):
    """Opens: errno, or 0."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
        return 0
    except OSError as error:
        return error.errno


# RS485 as pyserial does it, with a connection that is lost.

# How the simulator shows the request.
RS485_ON = "client: SET-CONTROL vendor value 20"


@case(60)
def rs485_of_pyserial(t):
    import serial
    import serial.rs485
    server = t.simulator("-v")
    tap = Tap(server.address)
    port = t.port(tap)
    with serial.Serial(port.path, 115200, timeout=2) as pyserial:
        pyserial.rs485_mode = serial.rs485.RS485Settings(
            rts_level_for_tx=True, rts_level_for_rx=False, loopback=False, delay_before_tx=0.01, delay_before_rx=0.02)

        def held():
            return struct.unpack("3I20x", fcntl.ioctl(pyserial.fd, fixture.TIOCGRS485, bytes(32)))
        t.equal("on", held(), (3, 10, 20))
        t.check("the server was told", eventually(lambda: "client: SET-CONTROL" in server.log), server.log[-300:])
        told = server.log.count(RS485_ON)
        tap.cut(reset=True)
        t.check("the server is told again when the connection is back", eventually(
            lambda: server.log.count(RS485_ON) > told), server.log[-500:])
        t.equal("still on", held(), (3, 10, 20))
        pyserial.write(b"half duplex")
        t.equal("data goes on", pyserial.read(11), b"half duplex")
        pyserial.rs485_mode = serial.rs485.RS485Settings(rts_level_for_tx=False, rts_level_for_rx=True, loopback=True)
        t.equal("changed", held()[0], 1 | 4 | 16)


# 32-bit programs.

@case(60)
def a_32_bit_program(t):
    """serial_struct is 60 bytes long there; everything else as for everybody."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compat32.c")
    program = os.path.join(t.directory, "compat32")
    if os.uname().machine != "x86_64" or shutil.which("gcc") is None:
        t.check("no 32-bit program for this machine: " + os.uname().machine, True)
        return
    status, output = t.run("gcc", "-m32", "-O1", "-nostdlib", "-static", "-ffreestanding", "-fno-pie", "-no-pie",
                           "-fno-stack-protector", "-o", program, source, seconds=30)
    t.equal("a program is made", (status, output), (0, ""))
    port = t.port(t.simulator())
    keep = t.open_raw(port)
    try:
        status, output = t.run(program, port.path)
    except OSError as error:
        # User-mode Linux has no 32-bit system calls; the kernel stub's tests have the same ioctls.
        t.equal("this kernel runs no 32-bit programs", error.errno, errno.ENOEXEC)
        return
    lines = dict(line.split(" ", 1) for line in output.splitlines())
    t.equal("it ends well", status, 0)
    wanted = fcntl.ioctl(keep, TIOCGSERIAL, bytes(72))
    t.equal("TIOCGSERIAL fills 60 bytes", lines.get("serial"), wanted[:60].hex() + "c5" * 12)
    t.equal("TCGETS fills 36", lines.get("termios", "")[72:], "c5" * 8)
    t.equal("FIONREAD fills 4", lines.get("fionread"), "00000000" + "c5" * 4)
    set_raw(keep)
