"""F.1: what a port is, and its defaults."""
import ctypes
import errno
import fcntl
import mmap
import os
import signal
import struct
import time

import calls
from calls import EVERYTHING, libc
from harness import Forbidden, conformance, pack


@conformance(1, "isatty, tty(1) and ttyname name the node")
def is_a_tty(t):
    port = t.raw()
    t.equal("isatty", os.isatty(port), True)
    t.equal("ttyname", os.ttyname(port), t.port.path)
    status, output = t.run("tty", stdin=port)
    t.equal("tty", (status, output.strip()), (0, t.port.path))


DEFAULTS = (0x500, 5, 0xCBD, 0x8A3B, 0, calls.CC)


@conformance(2, "TCGETS of a port never used: iflag 0x500, oflag 5, cflag 0xCBD, lflag 0x8A3B, 36 bytes", pty=False)
def default_termios(t):
    t.use(t.fresh_port())
    port = t.open()
    memory = bytearray(b"\xa5" * 64)
    calls.ioctl(port, calls.TCGETS, memory)
    termios = calls.Termios(memory[:36])
    t.equal("flags, line and characters", (*termios.flags, termios.line, bytes(termios.cc)), DEFAULTS)
    t.equal("bytes beyond the 36th", bytes(memory[36:]), b"\xa5" * 28)


@conformance(3, "TCGETS2 of a port never used: 44 bytes, 9600 both ways", pty=False)
def default_termios2(t):
    t.use(t.fresh_port())
    port = t.open()
    memory = bytearray(b"\xa5" * 64)
    calls.ioctl(port, calls.TCGETS2, memory)
    termios = calls.Termios(memory[:44])
    t.equal("flags, line and characters", (*termios.flags, termios.line, bytes(termios.cc)), DEFAULTS)
    t.equal("speeds", (termios.ispeed, termios.ospeed), (9600, 9600))
    t.equal("bytes beyond the 44th", bytes(memory[44:]), b"\xa5" * 20)


def window_size(port):
    memory = bytearray(8)
    calls.ioctl(port, calls.TIOCGWINSZ, memory)
    return struct.unpack("4H", memory)


@conformance(4, "TIOCGWINSZ of a port never used: 0, 0, 0, 0")
def default_window_size(t):
    if not t.is_pty:
        t.use(t.fresh_port())
    t.equal("size", window_size(t.open()), (0, 0, 0, 0))


@conformance(5, "TIOCSWINSZ 24 by 80 reads back")
def window_size_is_kept(t):
    port = t.raw()
    calls.ioctl(port, calls.TIOCSWINSZ, pack("4H", 24, 80, 0, 0))
    t.equal("size", window_size(port), (24, 80, 0, 0))
    calls.ioctl(port, calls.TIOCSWINSZ, bytearray(8))


@conformance(6, "TIOCGETD: 0, N_TTY")
def line_discipline(t):
    t.equal("discipline", calls.get_int(t.raw(), calls.TIOCGETD), 0)


def set_discipline(port, number):
    """The errno of TIOCSETD; after success N_TTY again."""
    failure = calls.error_of(lambda: calls.set_int(port, calls.TIOCSETD, number))
    seen = calls.get_int(port, calls.TIOCGETD)
    if not failure:
        calls.set_int(port, calls.TIOCSETD, 0)
    return calls.error_name(failure), seen


@conformance(7, "TIOCSETD: N_TTY; those the kernel offers, as on a kernel pty; others EINVAL", seconds=30)
def set_line_discipline(t):
    port = t.raw()
    master, slave = os.openpty()
    t.files += [master, slave]
    for number in (0, 3, 99, -1):
        t.equal("TIOCSETD {}".format(number), set_discipline(port, number), set_discipline(slave, number))
    t.equal("TIOCSETD 99", set_discipline(port, 99), ("EINVAL", 0))
    if t.is_pty:
        return
    # N_PPS adds to N_TTY what comes of carrier, which no pty has: with it the port would stop being read.
    t.equal("TIOCSETD 18", set_discipline(port, 18), ("EINVAL", 0))
    # N_SLIP wants CAP_NET_ADMIN, of the caller and of the port.
    wanted = set_discipline(slave, 1)
    allowed = t.fresh_port("--kernel-ldisc")
    t.equal("TIOCSETD 1, with --kernel-ldisc", set_discipline(t.open(path=allowed.path), 1), wanted)
    if wanted[0] == "success":
        wanted = ("EPERM", 0)
    t.equal("TIOCSETD 1, without --kernel-ldisc", set_discipline(port, 1), wanted)


@conformance(8, "TIOCGEXCL: 0")
def exclusive_use(t):
    t.equal("exclusive", calls.get_int(t.raw(), calls.TIOCGEXCL), 0)


@conformance(9, "TIOCGDEV is the node's number")
def device_number(t):
    number = os.stat(t.port.path).st_rdev
    major, minor = os.major(number), os.minor(number)
    t.equal("number", hex(calls.get_int(t.raw(), calls.TIOCGDEV)),
            hex(minor & 0xFF | major << 8 | (minor & ~0xFF) << 12))


@conformance(10, "unknown ioctls: ENOTTY")
def unknown_ioctls(t):
    port = t.raw()
    for command in (0x1234, 0x54FF, 0x4B44, 0x8910):
        t.error("ioctl {:#x}".format(command), errno.ENOTTY, lambda: calls.ioctl(port, command, bytearray(64)))


@conformance(11, "ioctls of other ttys: ENOTTY")
def ioctls_of_others(t):
    port = t.raw()
    for name in ("TIOCPKT", "TIOCGPTN", "TIOCSPTLCK", "TIOCGPTPEER", "TIOCSIG", "TIOCLINUX", "TCGETX",
                 "TIOCSERGETMULTI"):
        if t.is_pty and name == "TIOCGPTPEER":
            continue  # a slave knows it, and fails otherwise
        argument = 15 if name in ("TIOCSIG", "TIOCGPTPEER") else bytearray(64)
        t.error(name, errno.ENOTTY, lambda: calls.ioctl(port, getattr(calls, name), argument))


@conformance(12, "TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCNOTTY: ENOTTY, it is not a controlling terminal")
def no_controlling_terminal(t):
    port = t.raw()
    for name in ("TIOCGPGRP", "TIOCSPGRP", "TIOCGSID", "TIOCNOTTY"):
        t.error(name, errno.ENOTTY, lambda: calls.ioctl(port, getattr(calls, name), pack("i", os.getpgrp())))


@conformance(13, "a bad address: EFAULT")
def bad_address(t):
    port = t.raw()
    for name in ("TCGETS", "TCSETS", "FIONREAD", "TIOCSWINSZ"):
        t.error(name, errno.EFAULT, lambda: calls.ioctl(port, getattr(calls, name), 1))


@conformance(14, "lseek and pread: ESPIPE")
def no_position(t):
    port = t.raw()
    t.arrives(port, b"data")
    seek = calls.error_of(lambda: calls.checked(libc.lseek(port, ctypes.c_long(0), os.SEEK_CUR)))
    try:
        data = calls.pread(port, 4, 0)
    except OSError as error:
        data = error.errno
    if (seek, data) == (errno.ESPIPE, errno.ESPIPE):
        return
    t.equal("lseek, pread", (calls.error_name(seek), data), ("success", b"data"))
    raise Forbidden("CUSE's lseek succeeds (noop_llseek) and its pread reads; lseek gave 0, pread the data")


@conformance(15, "fsync, fdatasync, ftruncate: EINVAL; mmap: ENODEV")
def not_a_file(t):
    port = t.raw()
    t.error("fsync", errno.EINVAL, lambda: os.fsync(port))
    t.error("fdatasync", errno.EINVAL, lambda: os.fdatasync(port))
    t.error("ftruncate", errno.EINVAL, lambda: os.ftruncate(port, 0))
    t.error("mmap", errno.ENODEV, lambda: mmap.mmap(port, 4096, mmap.MAP_SHARED))


@conformance(16, "flock of two opens: the second gets EWOULDBLOCK")
def file_lock(t):
    first, second = t.raw(), t.open()
    fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    t.error("the second", errno.EWOULDBLOCK, lambda: fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB))


@conformance(17, "O_ASYNC and FIOASYNC: SIGIO when data comes")
def asynchronous(t):
    port, other = t.raw(), t.open()
    arrived = []
    signal.signal(signal.SIGIO, lambda *_: arrived.append(1))
    failure = calls.error_of(lambda: calls.ioctl(other, calls.FIOASYNC, pack("i", 1)))
    fcntl.fcntl(port, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(port, fcntl.F_GETFL)
    t.error("F_SETFL O_ASYNC", 0, lambda: fcntl.fcntl(port, fcntl.F_SETFL, flags | os.O_ASYNC))
    t.arrives(port, b"data")
    time.sleep(0.05)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    if not failure and arrived:
        return
    t.equal("FIOASYNC, signals", (calls.error_name(failure), len(arrived)), ("ENOTTY", 0))
    raise Forbidden("CUSE has no fasync: F_SETFL O_ASYNC succeeds and no SIGIO comes, FIOASYNC gives ENOTTY")


@conformance(18, "FIONBIO 1, then a read of an empty raw port: EAGAIN")
def non_blocking(t):
    port = t.raw()
    calls.ioctl(port, calls.FIONBIO, pack("i", 1))
    t.error("read", errno.EAGAIN, lambda: calls.read(port, 10))
    t.equal("poll", calls.poll(port, EVERYTHING), calls.select.POLLOUT | calls.POLLWRNORM)
