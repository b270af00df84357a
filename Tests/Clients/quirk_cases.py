"""Every server of the field that the simulator imitates: open, echo, settings read back, in bounded time."""
import errno
import json
import os
import subprocess
import sys
import termios
import time

from fixture import case, difference, eventually, exchange, read_exactly, set_raw, termios2, write_all

# Not RFC 2217 at all: lifecycle_cases has them.
REFUSED = {"raw", "wont-comport", "silent"}
# Opens wait this long for answers that never come.
SLOW = {"igrr": 2.5, "esp-link": 2.5, "no-acks": 2.5, "no-baud-ack": 2.5}


def quirks(binary):
    """The simulator's own list."""
    listing = subprocess.run([binary, "simulate", "--quirk", "help"], stdout=subprocess.PIPE, timeout=10)
    return [line.split()[0] for line in listing.stdout.decode().splitlines() if line and not line.startswith(" ")]


@case(240)
def quirks_of_servers(t):
    names = [name for name in quirks(t.binary) if name not in REFUSED]
    t.check("the simulator has quirks", len(names) >= 15, names)
    for name in names:
        one_quirk(t, name)


def one_quirk(t, name):
    port = t.port(t.simulator("--quirk", name, "-v"))
    started = time.monotonic()
    try:
        descriptor = t.open(port)
    except OSError as error:
        return t.check(name + ": open", False, error)
    t.took(name + ": open", time.monotonic() - started, 0, SLOW.get(name, 1.5))
    started = time.monotonic()
    set_raw(descriptor, baud=termios.B57600)
    t.took(name + ": settings", time.monotonic() - started, 0, 1.3)
    t.equal(name + ": the rate reads back", termios2(descriptor)[6], 57600)
    data = bytes(range(256)) * 16 + b"\xff" * 64
    got = exchange(descriptor, data, 10)
    t.check(name + ": echo", got == data, difference(got, data))
    t.equal(name + ": nothing more", read_exactly(descriptor, 1, 0.2), b"")
    fields = list(termios.tcgetattr(descriptor))
    fields[2] = fields[2] & ~termios.CSIZE | termios.CS7 | termios.PARENB
    started = time.monotonic()
    termios.tcsetattr(descriptor, termios.TCSANOW, fields)
    t.took(name + ": settings again", time.monotonic() - started, 0, 1.3)
    t.equal(name + ": size and parity read back", termios2(descriptor)[2] & 0x330, 0x120)
    write_all(descriptor, b"7E1")
    t.equal(name + ": echo after it", read_exactly(descriptor, 3), b"7E1")
    started = time.monotonic()
    termios.tcflush(descriptor, termios.TCIOFLUSH)
    write_all(descriptor, b"flushed")
    t.equal(name + ": echo after a flush", read_exactly(descriptor, 7), b"flushed")
    started = time.monotonic()
    termios.tcdrain(descriptor)
    t.took(name + ": drain", time.monotonic() - started, 0, 2.5)
    started = time.monotonic()
    os.close(descriptor)
    t.took(name + ": close", time.monotonic() - started, 0, 3)
    started = time.monotonic()
    descriptor = t.open_raw(port)
    t.took(name + ": open again, with other settings", time.monotonic() - started, 0, SLOW.get(name, 1.5) + 3)
    write_all(descriptor, b"again")
    t.equal(name + ": echo again", read_exactly(descriptor, 5), b"again")
    os.close(descriptor)


@case(60)
def baud_rate_that_the_server_has_not(t):
    port = t.port(t.simulator("--quirk", "different-baud"))
    descriptor = t.open_raw(port, baud=termios.B230400)
    t.equal("the server's rate reads back", termios2(descriptor)[6:], (115200, 115200))
    t.equal("as the rate it is", termios2(descriptor)[2] & 0o010017, termios.B115200)


@case(60)
def a_port_in_use_at_ser2net(t):
    """ser2net agrees to RFC 2217 before it says that another client uses the port: the text is a reason, not data."""
    server = t.server("ser2net")
    first = t.port(server)
    descriptor = t.open_raw(first.path)
    second = t.port(server)
    t.raises("open", errno.EBUSY, lambda: os.open(second.path, os.O_RDWR | os.O_NONBLOCK))
    t.check("the log quotes the server", 'it sent "Port already in use' in second.log, second.log)
    code, text = t.run(t.binary, "status", "--json", second.name)
    t.equal("no byte counts as received", json.loads(text)[0]["received"], 0)
    code, text = t.run(t.binary, "probe", str(server))
    t.check("probe: one line that quotes it, and failure", code == 1 and len(text.strip().splitlines()) == 1
            and "Port already in use" in text, (code, text))
    os.close(descriptor)

    def opens():
        try:
            os.close(t.open_raw(second.path))
            return True
        except OSError:
            return False

    t.check("once it is free, the second opens", eventually(opens, 10), second.log)
