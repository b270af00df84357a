"""A pyserial session on a port whose far end is wired as a loopback; prints what it sees, fails if it is wrong."""
import array
import fcntl
import sys
import time

import serial
import serial.rs485

TIOCGRS485 = 0x542E


def show(what, seen, expected):
    print(f"{what:<44} {seen}")
    if seen != expected:
        sys.exit(f"expected {expected!r}")


def settled(read, expected):
    """A line follows within a round trip; wait for it, a second at most."""
    deadline = time.monotonic() + 1
    while read() != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    return read()


with serial.Serial(sys.argv[1], 115200, timeout=2) as port:
    port.write(b"hello, serial world")
    show("write, read back", port.read(19), b"hello, serial world")
    data = bytes(range(256)) * 16
    port.write(data)
    show("every byte value, 4 KiB", port.read(len(data)) == data, True)
    for baud in (460800, 74880):
        port.baudrate = baud
        port.write(b"U" * 100)
        show(f"at {baud} baud, 100 bytes back", len(port.read(100)), 100)
    for value in (False, True):
        port.rts = value
        show(f"RTS {'on' if value else 'off'}: CTS", settled(lambda: port.cts, value), value)
    for value in (False, True):
        port.dtr = value
        show(f"DTR {'on' if value else 'off'}: DSR, DCD", settled(lambda: (port.dsr, port.cd), (value, value)), (value, value))
    port.flush()
    started = time.monotonic()
    port.send_break(0)
    show("break sent, 250 ms as tcsendbreak(3) has it", 0.25 <= time.monotonic() - started < 0.5, True)
    port.rs485_mode = serial.rs485.RS485Settings()
    mode = array.array("I", [0] * 8)
    fcntl.ioctl(port.fd, TIOCGRS485, mode)
    show("RS485 half duplex, read back (TIOCGRS485)", "on" if mode[0] & 1 else "off", "on")
