"""pyserial on a port, against each kind of server."""
import hashlib
import os
import sys
import termios
import time

import serial

from fixture import case, difference, eventually, exchange, termios2

KINDS = ("simulator", "pyserial", "ser2net")


def read_all(port, count, seconds=10.0):
    """Reads until this many bytes have arrived."""
    port.timeout = 0.2
    data = b""
    end = time.monotonic() + seconds
    while len(data) < count and time.monotonic() < end:
        data += port.read(count - len(data))
    return data


def echo(t, name, port, data):
    port.write(data)
    got = read_all(port, len(data))
    return t.check(name, got == data, difference(got, data))


@case(60, over=KINDS)
def pyserial_data(t, kind):
    path = t.port(t.server(kind)).path
    started = time.monotonic()
    with serial.Serial(path, 115200, timeout=2) as port:
        t.took("open", time.monotonic() - started, 0, 2)
        echo(t, "echo", port, b"hello")
        echo(t, "every byte value", port, bytes(range(256)))
        echo(t, "only 0xFF", port, b"\xff" * 1000)
        echo(t, "0xFF in turn with others", port, b"\xff\x00\xff\xff\x0d\x0a\xff\xfa\x2c\xff\xf0" * 100)
        echo(t, "line ends and flow control bytes", port, b"\r\n\r\0\x11\x13\n\r" * 50)
        for size in (1, 63, 64, 65, 255, 256, 1024, 4095, 4096, 4097):
            echo(t, "{} bytes at once".format(size), port, os.urandom(size))
        t.check("read_until", port.write(b"one\ntwo\n") == 8 and port.read_until(b"\n") == b"one\n"
                and port.readline() == b"two\n")
        port.timeout = 0.1
        t.equal("nothing more", port.read(1), b"")
    with serial.Serial(path, 115200, timeout=2) as port:
        echo(t, "echo after a reopen", port, b"again")


@case(60, over=KINDS)
def pyserial_timeouts(t, kind):
    path = t.port(t.server(kind)).path
    with serial.Serial(path, 115200) as port:
        for timeout in (0, 0.05, 0.5):
            port.timeout = timeout
            started = time.monotonic()
            got = port.read(10)
            t.took("read of nothing with timeout {}".format(timeout), time.monotonic() - started, timeout,
                   timeout + 0.25)
            t.equal("read of nothing with timeout {} gives nothing".format(timeout), got, b"")
        port.timeout = 0.5
        port.write(b"abc")
        started = time.monotonic()
        got = port.read(10)
        t.equal("read of less than asked for gives what came", got, b"abc")
        t.took("and waits for its timeout", time.monotonic() - started, 0.5, 0.9)
        port.timeout = None
        port.write(b"xyz")
        t.equal("read without timeout", port.read(3), b"xyz")
        port.timeout = 3
        port.inter_byte_timeout = 0.2
        port.write(b"frame")
        t.equal("read with inter-byte timeout", port.read(5), b"frame")
        port.inter_byte_timeout = None
        port.write_timeout = 1
        t.equal("write with timeout", port.write(b"0123456789"), 10)
        t.equal("the bytes written with a timeout", read_all(port, 10), b"0123456789")
        port.write_timeout = 0
        t.equal("write without waiting", port.write(b"abcdef"), 6)
        t.equal("the bytes written without waiting", read_all(port, 6), b"abcdef")
    with serial.VTIMESerial(path, 115200, timeout=0.5) as port:
        started = time.monotonic()
        t.equal("VTIMESerial: read of nothing", port.read(1), b"")
        t.took("VTIMESerial: its timeout", time.monotonic() - started, 0.45, 0.9)
        port.write(b"q")
        t.equal("VTIMESerial: read", port.read(1), b"q")
    with serial.PosixPollSerial(path, 115200, timeout=0.5) as port:
        port.write(b"poll")
        t.equal("PosixPollSerial: read", port.read(4), b"poll")


@case(30)
def pyserial_write_timeout(t):
    """The server stops reading: buffers fill up, and then a write must time out."""
    path = t.port(t.simulator("--stall-after", "1000")).path
    with serial.Serial(path, 115200, timeout=1, write_timeout=0.5) as port:
        data = b"\x55" * 65536
        written = 0
        started = time.monotonic()
        try:
            while time.monotonic() - started < 15:
                started = time.monotonic()
                port.write(data)
                written += len(data)
            t.check("write timeout", False, "{} bytes written".format(written))
        except serial.SerialTimeoutException:
            t.took("write timeout", time.monotonic() - started, 0.45, 1.0)
        t.check("out_waiting of a stalled port", port.out_waiting > 0, port.out_waiting)
        started = time.monotonic()
        port.reset_output_buffer()
        t.took("reset_output_buffer of a stalled port", time.monotonic() - started, 0, 1.5)
        started = time.monotonic()
    t.took("close of a stalled port after that", time.monotonic() - started, 0, 35)


@case(60, over=KINDS)
def pyserial_buffers(t, kind):
    path = t.port(t.server(kind)).path
    with serial.Serial(path, 115200, timeout=1) as port:
        t.equal("in_waiting of a fresh port", port.in_waiting, 0)
        t.equal("out_waiting of a fresh port", port.out_waiting, 0)
        port.write(b"0123456789")
        t.check("in_waiting", eventually(lambda: port.in_waiting == 10), port.in_waiting)
        t.equal("read of part", port.read(4), b"0123")
        t.equal("in_waiting after it", port.in_waiting, 6)
        port.reset_input_buffer()
        t.equal("in_waiting after reset_input_buffer", port.in_waiting, 0)
        echo(t, "data after reset_input_buffer", port, b"new")
        port.reset_output_buffer()
        echo(t, "data after reset_output_buffer", port, b"newer")
        started = time.monotonic()
        port.write(b"f" * 100)
        port.flush()
        t.took("flush of 100 bytes at 115200", time.monotonic() - started, 0.005, 1)
        t.equal("out_waiting after flush", port.out_waiting, 0)
        t.equal("what was flushed", read_all(port, 100), b"f" * 100)


@case(60, over=KINDS)
def pyserial_lines(t, kind):
    """The loopback plug leads RTS to CTS, DTR to DSR and CD. A server may look at its lines once a second only."""
    path = t.port(t.server(kind)).path
    patience = 3 if kind == "ser2net" else 1.5
    with serial.Serial(path, 115200, timeout=1) as port:
        t.check("all up after open", eventually(lambda: port.cts and port.dsr and port.cd, patience),
                (port.cts, port.dsr, port.cd))
        t.check("RI is low", not port.ri)
        for on in (False, True, False):
            port.rts = on
            t.check("CTS follows RTS {}".format(on), eventually(lambda: port.cts == on, patience))
        for on in (False, True, False):
            port.dtr = on
            t.check("DSR follows DTR {}".format(on), eventually(lambda: port.dsr == on, patience))
            t.check("CD follows DTR {}".format(on), eventually(lambda: port.cd == on, patience))
    port = serial.Serial()
    port.port = path
    port.rts = False
    port.dtr = False
    port.open()
    t.check("both down after an open with both down",
            eventually(lambda: not port.cts and not port.dsr, patience), (port.cts, port.dsr))
    port.close()


@case(60, over=KINDS)
def pyserial_break(t, kind):
    """The loopback plug leads a break back; who did not ask to be told of it reads a NUL, where the server's own port
    does not ignore it."""
    server = t.server(kind)
    path = t.port(server).path
    with serial.Serial(path, 115200, timeout=1) as port:
        read = b"\0"
        if kind == "ser2net":
            far = os.open(server.far_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            t.check("ser2net ignores breaks", termios2(far)[0] & termios.IGNBRK)
            os.close(far)
            read = b""
        port.break_condition = True
        time.sleep(0.1)
        port.break_condition = False
        t.equal("a break reads as {}".format(read), port.read(1), read)
        # On Linux pyserial asks for tcsendbreak(3) of one unit, 100 ms, whatever the duration.
        started = time.monotonic()
        port.send_break(0.3)
        t.took("send_break", time.monotonic() - started, 0.1, 0.5)
        t.equal("send_break reads as {}".format(read), port.read(1), read)
        echo(t, "data after a break", port, b"data")


def far_settings(server):
    """The settings of the serial port that the server serves: (baud, CSIZE, parity bits, CSTOPB)."""
    if server.far_path is not None:
        descriptor = os.open(server.far_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            fields = termios2(descriptor)
        finally:
            os.close(descriptor)
        return fields[7], 5 + (fields[2] >> 4 & 3), bool(fields[2] & termios.PARENB), bool(fields[2] & termios.CSTOPB)
    return None


@case(120, over=KINDS)
def pyserial_settings(t, kind):
    """Every setting is read back from the kernel, and at the far end if that is a device too."""
    server = t.server(kind)
    path = t.port(server).path
    with serial.Serial(path, 9600, timeout=2) as port:
        for baud in (300, 1200, 9600, 19200, 57600, 74880, 115200, 230400, 250000, 460800, 921600, 1000000, 2000000):
            started = time.monotonic()
            port.baudrate = baud
            took = time.monotonic() - started
            fields = termios2(port.fd)
            t.check("baud rate {} reads back".format(baud), fields[6] == fields[7] == baud, fields[6:])
            t.check("baud rate {} took less than 1.5 s".format(baud), took < 1.5, took)
            if server.far_path is not None:
                t.equal("baud rate {} at the far end".format(baud), far_settings(server)[0], baud)
            echo(t, "echo at {} baud".format(baud), port, b"U\xff")
        port.baudrate = 115200
        for size in (5, 6, 7, 8):
            port.bytesize = size
            t.equal("{} data bits read back".format(size), 5 + (termios2(port.fd)[2] >> 4 & 3), size)
            if server.far_path is not None:
                t.equal("{} data bits at the far end".format(size), far_settings(server)[1], size)
        for parity in "EOMSN":
            port.parity = parity
            cflag = termios2(port.fd)[2]
            seen = "N" if not cflag & termios.PARENB else (
                ("M" if cflag & termios.PARODD else "S") if cflag & 0o10000000000 else
                ("O" if cflag & termios.PARODD else "E"))
            t.equal("parity {} reads back".format(parity), seen, parity)
            if server.far_path is not None:
                t.equal("parity {} at the far end".format(parity), far_settings(server)[2], parity != "N")
        for stop in (2, 1):
            port.stopbits = stop
            t.equal("{} stop bits read back".format(stop), bool(termios2(port.fd)[2] & termios.CSTOPB), stop == 2)
            if server.far_path is not None:
                t.equal("{} stop bits at the far end".format(stop), far_settings(server)[3], stop == 2)
        echo(t, "echo at the end", port, b"end")
        port.rtscts = True
        echo(t, "echo with RTS/CTS", port, b"rtscts")
        port.rtscts = False
        port.xonxoff = True
        echo(t, "echo with XON/XOFF", port, b"xonxoff")
    if kind == "simulator":
        for text in ("SET-BAUDRATE 74880", "SET-BAUDRATE 250000", "SET-BAUDRATE 460800", "SET-DATASIZE 5"):
            t.check("the server was told " + text, text in server.log)


@case(180, over=KINDS)
def bulk_random(t, kind):
    """Random bytes there and back at the same time: equal checksums."""
    path = t.port(t.server(kind)).path
    megabytes = 16 if kind == "simulator" else 4
    data = os.urandom(megabytes << 20)
    port = t.open_raw(path)
    started = time.monotonic()
    got = exchange(port, data, 170)
    seconds = time.monotonic() - started
    t.check("{} MiB there and back ({:.1f} MB/s)".format(megabytes, len(got) / seconds / 1e6),
            hashlib.sha256(got).digest() == hashlib.sha256(data).digest(), difference(got, data))
    os.close(port)


@case(120, over=KINDS)
def bulk_0xff(t, kind):
    """0xFF doubles on the wire, and is where every Telnet implementation has had its bugs."""
    path = t.port(t.server(kind)).path
    size = 1 << 20 if kind == "simulator" else 1 << 18
    port = t.open_raw(path)
    bursts = b"".join(b"\xff" * (n % 300) + os.urandom(n % 7) for n in range(size // 150))[:size]
    for name, data in (("all 0xFF", b"\xff" * size), ("0xFF in turn with 0x00", b"\xff\x00" * (size // 2)),
                       ("bursts of 0xFF", bursts)):
        got = exchange(port, data, 35)
        t.check("{} KiB of {}".format(size >> 10, name), got == data, difference(got, data))
    os.close(port)


@case(90)
def pyserial_rfc2217_client(t):
    """pyserial's `rfc2217://` on the simulator: it is a server of its own worth."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rfc2217_client.py")
    status, output = t.run(sys.executable, script, t.simulator().address, seconds=80)
    for line in output.splitlines():
        if line.startswith(("ok - ", "not ok - ")):
            name, _, seen = line.split(" - ", 1)[1].partition(": ")
            t.check(name, line.startswith("ok"), seen)
    t.equal("exit status", status, 0)
