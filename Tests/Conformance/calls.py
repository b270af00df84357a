"""System calls as a C program makes them: nothing is retried, and every errno is seen.

Python's own os.read and the like start again after a signal, and fcntl.ioctl copies its argument; here EINTR, the bytes
beyond a structure, and addresses that are none all show.
"""
import ctypes
import errno
import os
import platform
import select
import struct
import threading

libc = ctypes.CDLL(None, use_errno=True)
for name in ("read", "write", "readv", "pread"):
    getattr(libc, name).restype = ctypes.c_ssize_t
libc.lseek.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p
libc.syscall.restype = ctypes.c_long

# <asm-generic/ioctls.h>, <linux/serial.h>
TCGETS, TCSETS, TCSETSW, TCSETSF = 0x5401, 0x5402, 0x5403, 0x5404
TCGETA, TCSETA = 0x5405, 0x5406
TCSBRK, TCXONC, TCFLSH = 0x5409, 0x540A, 0x540B
TIOCEXCL, TIOCNXCL, TIOCSCTTY, TIOCGPGRP, TIOCSPGRP = 0x540C, 0x540D, 0x540E, 0x540F, 0x5410
TIOCOUTQ, TIOCSTI, TIOCGWINSZ, TIOCSWINSZ = 0x5411, 0x5412, 0x5413, 0x5414
TIOCMGET, TIOCMBIS, TIOCMBIC, TIOCMSET = 0x5415, 0x5416, 0x5417, 0x5418
TIOCGSOFTCAR, TIOCSSOFTCAR, FIONREAD, TIOCLINUX = 0x5419, 0x541A, 0x541B, 0x541C
TIOCGSERIAL, TIOCSSERIAL, TIOCPKT, FIONBIO = 0x541E, 0x541F, 0x5420, 0x5421
TIOCNOTTY, TIOCSETD, TIOCGETD, TCSBRKP = 0x5422, 0x5423, 0x5424, 0x5425
TIOCSBRK, TIOCCBRK, TIOCGSID = 0x5427, 0x5428, 0x5429
TCGETS2, TCSETS2, TCSETSW2, TCSETSF2 = 0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D
TIOCGRS485, TIOCSRS485 = 0x542E, 0x542F
TIOCGPTN, TIOCSPTLCK, TIOCGDEV, TCGETX, TIOCSIG = 0x80045430, 0x40045431, 0x80045432, 0x5432, 0x40045436
TIOCVHANGUP, TIOCGEXCL, TIOCGPTPEER = 0x5437, 0x80045440, 0x5441
FIOASYNC, TIOCGLCKTRMIOS, TIOCSLCKTRMIOS = 0x5452, 0x5456, 0x5457
TIOCSERGETMULTI, TIOCMIWAIT, TIOCGICOUNT = 0x545A, 0x545C, 0x545D
TCOOFF, TCOON, TCIOFF, TCION = 0, 1, 2, 3
TCIFLUSH, TCOFLUSH, TCIOFLUSH = 0, 1, 2

# <asm-generic/termbits.h>
IGNBRK, BRKINT, IGNPAR, PARMRK, INPCK, ISTRIP, INLCR, IGNCR = 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80
ICRNL, IUCLC, IXON, IXANY, IXOFF, IMAXBEL, IUTF8 = 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000
OPOST, OLCUC, ONLCR, OCRNL, ONOCR, ONLRET, XTABS = 1, 2, 4, 8, 0x10, 0x20, 0x1800
CBAUD, BOTHER, CS7, CS8, CSTOPB, CREAD, PARENB, PARODD = 0x100F, 0x1000, 0x20, 0x30, 0x40, 0x80, 0x100, 0x200
HUPCL, CLOCAL, CMSPAR, CRTSCTS, CIBAUD, IBSHIFT = 0x400, 0x800, 0x40000000, 0x80000000, 0x100F0000, 16
B0, B2400, B9600, B38400, B57600, B115200 = 0, 0xB, 0xD, 0xF, 0x1001, 0x1002
ISIG, ICANON, ECHO, ECHOE, ECHOK, ECHONL, NOFLSH = 1, 2, 8, 0x10, 0x20, 0x40, 0x80
ECHOCTL, ECHOPRT, ECHOKE, IEXTEN, EXTPROC = 0x200, 0x400, 0x800, 0x8000, 0x10000
VINTR, VERASE, VKILL, VEOF, VTIME, VMIN, VSTART, VSTOP = 0, 2, 3, 4, 5, 6, 8, 9
VEOL, VEOL2 = 11, 16
#     ^C ^\ DEL ^U ^D time min  -  ^Q ^S ^Z  - ^R ^O ^W ^V  -
CC = bytes([3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0])

DTR, RTS, CTS, CD, RI, DSR = 0x2, 0x4, 0x20, 0x40, 0x80, 0x100
POLLRDNORM, POLLWRNORM = select.POLLRDNORM, select.POLLWRNORM
EVERYTHING = select.POLLIN | select.POLLPRI | select.POLLOUT | POLLRDNORM | POLLWRNORM

RATES = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400]
RATES_EXTENDED = [57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000,
                  3000000, 3500000, 4000000]


def checked(result):
    if result is None or result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def error_of(body):
    """The errno of a call that fails; 0 of one that succeeds."""
    try:
        body()
    except OSError as error:
        return error.errno
    return 0


def error_name(number):
    return errno.errorcode.get(number, str(number)) if number else "success"


def open_file(path, flags=0, access=os.O_RDWR):
    return checked(libc.open(path.encode(), ctypes.c_int(access | os.O_NOCTTY | os.O_CLOEXEC | flags)))


def close(descriptor):
    checked(libc.close(descriptor))


def read(descriptor, count):
    buffer = ctypes.create_string_buffer(max(count, 1))
    return ctypes.string_at(buffer, checked(libc.read(descriptor, buffer, ctypes.c_size_t(count))))


def pread(descriptor, count, offset):
    buffer = ctypes.create_string_buffer(count)
    return ctypes.string_at(
        buffer, checked(libc.pread(descriptor, buffer, ctypes.c_size_t(count), ctypes.c_long(offset))))


def write(descriptor, data):
    return checked(libc.write(descriptor, data, ctypes.c_size_t(len(data))))


def ioctl(descriptor, command, argument=0):
    """`argument` by value, or a bytearray that the kernel reads and writes."""
    if isinstance(argument, bytearray):
        address = (ctypes.c_char * len(argument)).from_buffer(argument)
        return checked(libc.ioctl(descriptor, ctypes.c_ulong(command), address))
    return checked(libc.ioctl(descriptor, ctypes.c_ulong(command), ctypes.c_ulong(argument & (1 << 64) - 1)))


def get_int(descriptor, command):
    memory = bytearray(4)
    ioctl(descriptor, command, memory)
    return struct.unpack("I", memory)[0]


def set_int(descriptor, command, value):
    return ioctl(descriptor, command, bytearray(struct.pack("I", value & 0xFFFFFFFF)))


def poll(descriptor, wanted=EVERYTHING, seconds=0.0):
    poller = select.poll()
    poller.register(descriptor, wanted)
    found = poller.poll(seconds * 1000)
    return found[0][1] if found else 0


def fionread(descriptor):
    return get_int(descriptor, FIONREAD)


class Termios:
    """The kernel's termios2, 44 bytes; of these TCGETS and TCSETS carry 36."""

    LAYOUT = "4IB19s2I"

    def __init__(self, memory):
        (self.iflag, self.oflag, self.cflag, self.lflag, self.line, cc, self.ispeed, self.ospeed) = struct.unpack(
            self.LAYOUT, bytes(memory) + bytes(44 - len(memory)))
        self.cc = bytearray(cc)

    def encode(self, count=44):
        return bytearray(struct.pack(
            self.LAYOUT, self.iflag, self.oflag, self.cflag, self.lflag, self.line, bytes(self.cc), self.ispeed,
            self.ospeed)[:count])

    @property
    def flags(self):
        return (self.iflag, self.oflag, self.cflag, self.lflag)


def tcgets(descriptor):
    memory = bytearray(36)
    ioctl(descriptor, TCGETS, memory)
    return Termios(memory)


def tcsets(descriptor, termios, when=TCSETS):
    ioctl(descriptor, when, termios.encode(36))


def tcgets2(descriptor):
    memory = bytearray(44)
    ioctl(descriptor, TCGETS2, memory)
    return Termios(memory)


def tcsets2(descriptor, termios, when=TCSETS2):
    ioctl(descriptor, when, termios.encode(44))


def speeds(descriptor):
    termios = tcgets2(descriptor)
    return (termios.ispeed, termios.ospeed)


def speed_code(baud):
    if baud in RATES:
        return RATES.index(baud)
    return 0x1001 + RATES_EXTENDED.index(baud) if baud in RATES_EXTENDED else BOTHER


def counters(descriptor):
    memory = bytearray(80)
    ioctl(descriptor, TIOCGICOUNT, memory)
    names = "cts dsr rng dcd rx tx frame overrun parity brk buf_overrun".split()
    return dict(zip(names, struct.unpack("20i", memory)))


# setgroups, setresgid, setresuid: the bare system calls change the calling thread alone.
IDENTITY_CALLS = {"x86_64": (116, 119, 117), "aarch64": (159, 149, 147)}
NOBODY = 65534


def become_nobody():
    """Switches this thread to an unprivileged user in group dialout."""
    import grp
    groups = (ctypes.c_uint * 1)(grp.getgrnam("dialout").gr_gid)
    setgroups, setresgid, setresuid = IDENTITY_CALLS[platform.machine()]
    checked(libc.syscall(setgroups, 1, groups))
    checked(libc.syscall(setresgid, NOBODY, NOBODY, NOBODY))
    checked(libc.syscall(setresuid, NOBODY, NOBODY, NOBODY))


def as_nobody(body):
    """Does it as an unprivileged user, in a thread that ends with it."""
    found = {}

    def work():
        try:
            become_nobody()
            found["value"] = body()
        except Exception as error:  # whatever it is, the caller gets it
            found["error"] = error

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if "error" in found:
        raise found["error"]
    return found["value"]
