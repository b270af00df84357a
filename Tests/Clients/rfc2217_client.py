#!/usr/bin/env python3
"""Tries a loopback COM port with pyserial's own RFC 2217 client.

usage: rfc2217_client.py HOST:PORT

The port is to be wired TX to RX, RTS to CTS, DTR to DSR and DCD.
"""
import sys
import time

import serial

passed = 0
failed = 0


def check(name, condition, seen=""):
    global passed, failed
    if condition:
        passed += 1
        print("ok - " + name)
    else:
        failed += 1
        print("not ok - {}{}".format(name, ": " + repr(seen) if seen != "" else ""))


def eventually(read, wanted, seconds=3.0):
    """Notifications arrive by themselves, some time after their cause."""
    end = time.monotonic() + seconds
    while read() != wanted and time.monotonic() < end:
        time.sleep(0.01)
    return read() == wanted


def echo(port, sent):
    port.write(sent)
    return port.read(len(sent))


def settings(port):
    for baud in (300, 9600, 115200, 460800, 1000000, 0xFF00FF):
        port.baudrate = baud
        check("baud rate {}".format(baud), port.baudrate == baud and echo(port, b"U") == b"U")
    port.baudrate = 115200
    for size in (serial.FIVEBITS, serial.SIXBITS, serial.SEVENBITS, serial.EIGHTBITS):
        port.bytesize = size
        check("{} data bits".format(size), port.bytesize == size)
    for parity in "OEMSN":
        port.parity = parity
        check("parity " + parity, port.parity == parity)
    for stop in (serial.STOPBITS_TWO, serial.STOPBITS_ONE_POINT_FIVE, serial.STOPBITS_ONE):
        port.stopbits = stop
        check("{} stop bits".format(stop), port.stopbits == stop)
    port.xonxoff = True
    check("XON/XOFF", port.xonxoff)
    port.xonxoff = False


def data(port):
    check("echo", echo(port, b"hello") == b"hello")
    every = bytes(range(256))
    got = echo(port, every)
    check("all byte values", got == every, got)
    check("only 0xFF", echo(port, b"\xff" * 100) == b"\xff" * 100)
    # This client takes each byte through a queue: 50000 take seconds on a slow machine.
    port.timeout = 30
    block = bytes(n % 251 for n in range(50000))
    got = echo(port, block)
    port.timeout = 3
    check("50000 bytes", got == block, len(got))
    check("nothing more", port.in_waiting == 0, port.in_waiting)


def lines(port):
    for on in (False, True):
        port.rts = on
        check("CTS follows RTS {}".format(on), eventually(lambda: port.cts, on))
    for on in (False, True):
        port.dtr = on
        check("DSR follows DTR {}".format(on), eventually(lambda: port.dsr, on))
        check("CD follows DTR {}".format(on), eventually(lambda: port.cd, on))
    check("RI stays low", not port.ri)


def breaks(port):
    port.break_condition = True
    check("break on", port.break_condition)
    port.break_condition = False
    got = port.read(1)
    check("a break without a line-state mask reads as NUL", got == b"\0", got)
    port.send_break(0.05)
    got = port.read(1)
    check("send_break", got == b"\0", got)
    check("data after a break", echo(port, b"x") == b"x")


def purges(port):
    port.write(b"lost")
    eventually(lambda: port.in_waiting, 4)
    port.reset_input_buffer()
    check("reset_input_buffer", port.in_waiting == 0, port.in_waiting)
    port.reset_output_buffer()
    check("reset_output_buffer", echo(port, b"y") == b"y")
    # Without RTS there is no CTS, and with hardware flow control nothing leaves.
    port.rtscts = True
    port.rts = False
    eventually(lambda: port.cts, False)
    port.write(b"held")
    port.timeout = 0.2
    check("hardware flow control holds", port.read(1) == b"")
    port.reset_output_buffer()
    port.rts = True
    check("the held bytes have been purged", port.read(1) == b"")
    port.timeout = 3
    port.rtscts = False
    check("echo goes on", echo(port, b"z") == b"z")


def second_client(url):
    try:
        serial.serial_for_url(url, timeout=1).close()
        check("a second client is refused", False)
    except OSError:  # serial.SerialException is one
        check("a second client is refused", True)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    url = "rfc2217://" + sys.argv[1]
    try:
        port = serial.serial_for_url(url, timeout=3)
        check("open", port.is_open)
        data(port)
        settings(port)
        lines(port)
        breaks(port)
        purges(port)
        second_client(url + "?timeout=0.5")
        check("the first is untouched", echo(port, b"still here") == b"still here")
        port.close()
        with serial.serial_for_url(url + "?poll_modem", timeout=3) as again:
            check("open again", echo(again, b"again") == b"again")
            check("modem state when polled", eventually(lambda: again.cts and again.dsr and again.cd, True))
    except (OSError, ValueError) as error:
        check("no exception", False, str(error))
    print("{} passed, {} failed".format(passed, failed))
    sys.exit(0 if failed == 0 and passed > 0 else 1)


if __name__ == "__main__":
    main()
