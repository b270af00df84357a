"""F.9: programs and libraries, each once. Programs without a package of Debian or PyPI are represented by their system calls."""
import ctypes
import errno
import fcntl
import json
import os
import select
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time

import calls
from calls import (CLOCAL, CREAD, CS8, ECHO, ICANON, TIOCMGET, fionread, get_int, ioctl, read, set_int, speeds,
                   tcgets, tcsets)
from far_side import BREAK_OFF, BREAK_ON, DTR_OFF, DTR_ON, RTS_OFF, RTS_ON
from harness import Forbidden, conformance
from identity import set_discipline
from modem_lines import LOW_LATENCY, serial_struct

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "Clients"))
TOOLS = os.environ.get("TTYNVT_CONFORMANCE_TOOLS") or os.path.join(HERE, "..", "..", ".build", "conformance")
NONBLOCK = os.O_NONBLOCK


def responder(t, answer):
    """The far side answers: `answer(pending)` gives (bytes used, reply). Ends with the check."""
    far = t.far

    def work():
        used = 0
        while t.responding:
            far.wait(lambda: len(far.data) > used, 0.2)
            while True:
                count, reply = answer(far.data[used:])
                if not count:
                    break
                used += count
                if reply:
                    try:
                        far.send(reply)
                    except (OSError, RuntimeError):
                        return

    t.responding = True
    threading.Thread(target=work, daemon=True).start()


def terminal(t, *command):
    """A program on a terminal of its own."""
    from terminal_cases import Terminal
    found = Terminal(*command)
    t.terminals = getattr(t, "terminals", []) + [found]
    return found


def has_break(t):
    return t.far.event("SET-CONTROL", BREAK_ON) and t.far.event("SET-CONTROL", BREAK_OFF)


def line_changes(t):
    return [value for _, value in t.far.commands("SET-CONTROL") if value in (DTR_ON, DTR_OFF, RTS_ON, RTS_OFF)]


@conformance(149, "stty -F dev 115200 raw -echo; stty -a shows it")
def stty(t):
    keep = t.raw(baud=9600, lflag=ICANON | ECHO)
    t.equal("setting", t.run("stty", "-F", t.port.path, "115200", "raw", "-echo"), (0, ""))
    status, output = t.run("stty", "-F", t.port.path, "-a")
    t.equal("status of stty -a", status, 0)
    for word in ("speed 115200 baud", "-icanon", "-echo", "-opost", "min = 1", "cs8"):
        t.that("stty -a", word in output, output, word)
    t.equal("speeds", speeds(keep), (115200, 115200))


@conformance(150, "pyserial: exchange, flush, in_waiting, out_waiting, exclusive, 250000 baud, DTR, RTS, break",
             pty=False)
def pyserial(t):
    import serial
    with serial.Serial(t.port.path, 115200, timeout=2, exclusive=True) as port:
        t.equal("write", port.write(b"ping"), 4)
        port.flush()
        t.equal("out_waiting", port.out_waiting, 0)
        t.far_gets("output", b"ping")
        t.far.send(b"pong")
        t.until("in_waiting", lambda: port.in_waiting == 4)
        t.equal("read", port.read(4), b"pong")
        t.equal("exclusive", calls.error_name(getattr(failure_of(
            lambda: serial.Serial(t.port.path, exclusive=True)), "errno", None) or 0), "EAGAIN")
        port.baudrate = 250000
        t.that("far side", t.far.event("SET-BAUDRATE", 250000), t.far.commands("SET-BAUDRATE"), 250000)
        for dtr, rts in ((False, True), (True, False), (True, True)):
            port.dtr, port.rts = dtr, rts
            t.eventually("lines {} {}".format(dtr, rts), lambda: t.far.lines == (dtr, rts))
        t.equal("cts, dsr, cd, ri", (port.cts, port.dsr, port.cd, port.ri), (True, True, True, False))
        port.send_break(0.1)
        t.that("break", has_break(t), t.far.commands("SET-CONTROL"), "on, off")


def failure_of(body):
    try:
        body()
    except Exception as error:  # the caller looks at it
        return error
    return None


@conformance(151, "select with VMIN 0 is never ready without data: pyserial's way of reading, 300 bursts")
def exact_readiness(t):
    import serial
    with serial.Serial(t.port.path, 115200, timeout=1) as port:
        def bursts():
            for number in range(300):
                t.far.send(b"%03d;" % number)
                if number % 10 == 0:
                    time.sleep(0.002)

        threading.Thread(target=bursts, daemon=True).start()
        data = b""
        end = time.monotonic() + 8
        while len(data) < 1200 and time.monotonic() < end:
            data += port.read(3)
        t.equal("data", data, b"".join(b"%03d;" % number for number in range(300)))
        t.equal("ready afterwards", select.select([port.fd], [], [], 0.1)[0], [])


def exactly(t, what, port, wanted):
    t.equal(what, calls.poll(port, wanted, 1), wanted)


@conformance(152, "serialport-rs, its system calls: TIOCEXCL, flock, settings compared, TCSETS2, lines, poll")
def serialport_rs(t):
    port = t.open(NONBLOCK)
    ioctl(port, calls.TIOCEXCL)
    fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
    wanted = tcgets(port)
    wanted.cflag |= CLOCAL | CREAD
    wanted.iflag &= ~0x5EB
    wanted.oflag &= ~1
    wanted.lflag &= ~0x804B
    wanted.cflag = wanted.cflag & ~0x130 | CS8
    tcsets(port, wanted)
    t.equal("settings", tcgets(port).flags, wanted.flags)
    fcntl.fcntl(port, fcntl.F_SETFL, 0)
    settings = calls.tcgets2(port)
    settings.cflag = settings.cflag & ~(calls.CBAUD | calls.CIBAUD) | calls.BOTHER
    settings.ispeed = settings.ospeed = 1000000
    calls.tcsets2(port, settings)
    t.equal("speeds", speeds(port), (1000000, 1000000))
    exactly(t, "poll for output", port, select.POLLOUT)
    calls.write(port, b"out")
    t.far_gets("output", b"out")
    t.far.send(b"in")
    exactly(t, "poll for input", port, select.POLLIN)
    t.until("FIONREAD", lambda: fionread(port) == 2)
    t.equal("read", read(port, 100), b"in")
    get_int(port, calls.TIOCOUTQ)
    if not t.is_pty:
        set_int(port, calls.TIOCMBIC, calls.DTR)
        set_int(port, calls.TIOCMBIS, calls.DTR)
        t.equal("TIOCMGET", get_int(port, TIOCMGET) & (calls.DTR | calls.RTS), calls.DTR | calls.RTS)
        ioctl(port, calls.TIOCSBRK)
        ioctl(port, calls.TIOCCBRK)
        t.that("break", has_break(t), t.far.commands("SET-CONTROL"), "on, off")
    ioctl(port, calls.TIOCNXCL)


@conformance(153, "Go (albenik/go-serial, of go.bug.st/serial's line): open, SetDTR, exchange, close; a second is busy",
             pty=False)
def go(t):
    program = os.path.join(tempfile.gettempdir(), "go-client")
    shutil.copy(os.path.join(TOOLS, "go-client"), program)
    responder(t, lambda pending: (5, b"pong\n") if pending[:5] == b"ping\n" else (0, b""))
    status, output = t.run(program, t.port.path)
    t.equal("program", (status, output), (0, 'read "pong\\n", CTS true\n'))
    t.that("DTR", DTR_OFF in line_changes(t) and line_changes(t)[0] == DTR_ON, line_changes(t), "high, low, high")
    t.until("the far side disconnected", lambda: t.far.client is None)
    holder = t.spawn(program, t.port.path, "hold", stdin=-1)
    t.equal("first", holder.stdout.readline(), b"open\n")
    import grp
    status, output = t.run(
        program, t.port.path, user=calls.NOBODY, group=grp.getgrnam("dialout").gr_gid, extra_groups=[])
    t.that("second", status == 1 and "busy" in output, (status, output), "busy")
    holder.communicate(b"\n", timeout=5)


@conformance(154, "node-serialport, its system calls: open, set, low latency, write, drain, epoll", pty=False)
def node(t):
    port = t.open(NONBLOCK | os.O_SYNC)
    settings = tcgets(port)
    settings.iflag, settings.oflag, settings.lflag = 4, 0, 0
    settings.cflag = settings.cflag & ~0x130 | CS8 | CLOCAL | CREAD
    tcsets(port, settings)
    ioctl(port, calls.TCFLSH, calls.TCIOFLUSH)
    fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lines = get_int(port, TIOCMGET)
    for wanted in (lines & ~calls.RTS, lines | calls.RTS | calls.DTR):
        ioctl(port, calls.TIOCCBRK)
        set_int(port, calls.TIOCMSET, wanted)
    t.eventually("lines", lambda: t.far.lines == (True, True))
    memory = serial_struct(port)
    struct.pack_into("i", memory, 16, struct.unpack_from("i", memory, 16)[0] | LOW_LATENCY)
    ioctl(port, calls.TIOCSSERIAL, memory)
    poller = select.epoll()
    poller.register(port, select.EPOLLIN | select.EPOLLRDHUP)
    t.equal("write", calls.write(port, b"AT\r"), 3)
    ioctl(port, calls.TCSBRK, 1)
    t.far_gets("output", b"AT\r")
    t.far.send(b"OK\r\n")
    t.equal("epoll", poller.poll(2), [(port, select.EPOLLIN)])
    t.equal("read", read(port, 65536), b"OK\r\n")
    t.error("read again", errno.EAGAIN, lambda: read(port, 65536))
    poller.close()


def typed(t, name, program, ready):
    """Typed text is sent, received text is shown."""
    if not t.that(name, program.expect(ready, 8), program.shown[-300:], "ready"):
        return False
    program.look(0.3)
    t.far.take_rest(0.05)
    program.type(b"out")
    t.equal(name + ": output", t.far.take(3), b"out")
    program.shown = b""
    t.far.send(b"shown")
    return t.that(name + ": input", program.expect(b"shown", 3), program.shown[-300:], "shown")


def breaks(t, name, program, keys):
    t.far.forget()
    program.type(keys)
    t.that(name + ": break", has_break(t), t.far.commands("SET-CONTROL"), "on, off")


def ends(t, name, program, keys, answer=b""):
    program.type(keys)
    if answer:
        program.look(0.4)
        program.type(answer)
    t.that(name + "'s end", program.wait(6) is not None, "runs", "ends")
    t.until("the far side disconnected", lambda: t.far.client is None)
    t.far.forget()


@conformance(155, "picocom, minicom, tio, screen, kermit: typing, showing, break, hang-up", pty=False, seconds=60)
def terminals(t):
    path = t.port.path
    os.environ.update(TERM="vt100", LANG="C", HOME="/tmp", SCREENDIR="/tmp/screens")
    os.makedirs("/tmp/screens", 0o700, exist_ok=True)
    program = terminal(t, "picocom", "-b", "115200", path)
    if typed(t, "picocom", program, b"Terminal ready"):
        breaks(t, "picocom", program, b"\x01\x1c")
    ends(t, "picocom", program, b"\x01\x18")
    program = terminal(t, "minicom", "-D", path, "-b", "115200", "-o", "-z", "-C", "/dev/null")
    if typed(t, "minicom", program, b"CTRL-A Z"):
        breaks(t, "minicom", program, b"\x01f")
        program.look(0.5)
        # Its hang-up is B0 for a while.
        t.far.forget()
        program.type(b"\x01h")
        program.look(0.3)
        program.type(b"\r")
        t.that("minicom: hang-up", t.far.wait(lambda: DTR_OFF in line_changes(t) and line_changes(t)[-1] != DTR_OFF, 4),
               line_changes(t), "DTR low and high")
        program.look(0.5)
    ends(t, "minicom", program, b"\x01x", b"\r")
    program = terminal(t, "tio", "-b", "115200", "-n", path)
    if typed(t, "tio", program, b"onnected"):
        breaks(t, "tio", program, b"\x14b")
        program.look(0.5)
    ends(t, "tio", program, b"\x14q")
    program = terminal(t, "screen", "-c", "/dev/null", path, "115200")
    if typed(t, "screen", program, b""):
        breaks(t, "screen", program, b"\x01b")
        program.look(0.8)
    ends(t, "screen", program, b"\x01k", b"y")
    responder(t, lambda pending: (6, b"world") if pending[:6] == b"hello\r" else (0, b""))
    script = ("set line {}, set carrier-watch off, set flow none, set speed 115200, set input echo on, "
              "output hello\\13, input 5 world, if fail exit 1, output \\b, pause 1, hangup, exit 0").format(path)
    status, output = t.run("kermit", "-Y", "-H", "-C", script, seconds=20)
    t.equal("kermit", status, 0) or t.faults.append(output[-200:])
    t.that("kermit: break", has_break(t), t.far.commands("SET-CONTROL"), "on, off")
    t.that("kermit: hang-up", DTR_OFF in line_changes(t), line_changes(t), "DTR low")


@conformance(156, "socat - dev,raw,echo=0: both ways")
def socat(t):
    t.raw()
    program = t.spawn("socat", "-", t.port.path + ",raw,echo=0,b115200", stdin=-1)
    program.stdin.write(b"out")
    program.stdin.flush()
    t.equal("output", t.far.take(3), b"out")
    t.far.send(b"shown")
    t.equal("input", program.stdout.read(5), b"shown")
    program.stdin.close()
    t.equal("status", program.wait(5), 0)


def esp8266(pending):
    """The ROM loader of an ESP8266, as far as chip-id asks: SLIP frames, SYNC, READ_REG."""
    end = pending.find(b"\xc0", 1)
    if end < 0:
        return 0, b""
    frame = pending[1:end].replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
    if len(frame) < 8 or frame[0] != 0:
        return 1, b""
    command = frame[1]
    values = {0x40001000: 0xFFF0C101, 0x60000014: 443, 0x3FF00050: 0x11000000, 0x3FF00054: 0x02000022}
    value = 0
    if command == 0x0A:
        value = values.get(struct.unpack_from("<I", frame, 8)[0], 0)
    reply = struct.pack("<BBHI", 1, command, 2, value) + b"\0\0"
    reply = b"\xc0" + reply.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"
    return end + 1, reply * (8 if command == 8 else 1)


@conformance(157, "esptool chip_id over it, with its reset by DTR and RTS in one segment each", pty=False, seconds=40)
def esptool(t):
    t.raw()
    responder(t, esp8266)
    environment = dict(os.environ, PYTHONPATH=os.path.join(TOOLS, "python"), HOME="/tmp")
    status, output = t.run("/usr/bin/python3", "-m", "esptool", "--chip", "esp8266", "--port", t.port.path, "--no-stub",
                           "chip_id", seconds=30, env=environment)
    t.that("esptool", status == 0 and "Chip ID: 0x" in output, (status, output[-300:]), "Chip ID")
    # Into the loader: RTS (the chip's reset) low while DTR (its boot pin) is high, then the other way round.
    states = states_of(t)
    t.that("reset", (False, True) in states and (True, False) in states, states, "either line low with the other high")


def states_of(t):
    """(DTR, RTS) as the far side saw them one after the other, each segment one step."""
    dtr = rts = True
    found = []
    last = None
    for event in t.far.seen:
        if event.kind != "SET-CONTROL":
            continue
        dtr = {DTR_ON: True, DTR_OFF: False}.get(event.value, dtr)
        rts = {RTS_ON: True, RTS_OFF: False}.get(event.value, rts)
        if found and event.segment == last:
            found.pop()
        found.append((dtr, rts))
        last = event.segment
    return found


def optiboot(pending):
    """The bootloader of an ATmega328P, as far as reading its signature goes."""
    if not pending:
        return 0, b""
    least = {0x42: 22, 0x45: 6, 0x41: 3, 0x56: 6}.get(pending[0], 2)
    end = pending.find(b" ", least - 1)
    if end < 0:
        return 0, b""
    body = {0x41: b"\x04", 0x75: b"\x1e\x95\x0f", 0x56: b"\0"}.get(pending[0], b"")
    return end + 1, b"\x14" + body + b"\x10"


@conformance(158, "avrdude reads a signature, after its reset by DTR and RTS", pty=False, seconds=30)
def avrdude(t):
    t.raw()
    responder(t, optiboot)
    t.far.forget()
    status, output = t.run(
        "avrdude", "-c", "arduino", "-p", "m328p", "-P", t.port.path, "-b", "115200", "-n", seconds=20)
    t.that("avrdude", status == 0 and "0x1e950f" in output, (status, output[-300:]), "0x1e950f")
    t.that("reset", (False, False) in states_of(t) and (True, True) in states_of(t), states_of(t), "lines low and high")


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


def modbus_slave(pending):
    """Slave 1: holding register N is 1000 + N."""
    if len(pending) < 8:
        return 0, b""
    request = pending[:8]
    if crc(request[:6]) != request[6:] or request[:2] != b"\x01\x03":
        return 1, b""
    first, count = struct.unpack(">HH", request[2:6])
    reply = bytes([1, 3, 2 * count]) + struct.pack(">{}H".format(count), *(1000 + first + n for n in range(count)))
    return 8, reply + crc(reply)


@conformance(159, "pymodbus RTU master reads registers, 19200 8E1", pty=False, seconds=30)
def pymodbus(t):
    responder(t, modbus_slave)
    script = """
from pymodbus.client import ModbusSerialClient
client = ModbusSerialClient(port="{}", baudrate=19200, parity="E", timeout=2)
assert client.connect()
for first in range(5):
    print(*client.read_holding_registers(first, 3, slave=1).registers)
client.close()
""".format(t.port.path)
    status, output = t.run("/usr/bin/python3", "-c", script, seconds=25)
    t.equal("registers", (status, output), (0, "".join(
        "{} {} {}\n".format(1000 + n, 1001 + n, 1002 + n) for n in range(5))))
    t.that("parity", ("SET-PARITY", 3) in t.far.commands(), t.far.commands(), "SET-PARITY 3")


def sentence(text):
    total = 0
    for byte in text.encode():
        total ^= byte
    return "${}*{:02X}\r\n".format(text, total).encode()


@conformance(160, "gpsd reads NMEA from it; gpspipe and cgps show the position", pty=False, seconds=45)
def gpsd(t):
    stop = threading.Event()

    def receiver():
        second = 0
        while not stop.is_set():
            time_of_day = "{:02}{:02}{:02}.00".format(12 + second // 3600, second // 60 % 60, second % 60)
            second += 1
            try:
                t.far.send(sentence("GPRMC,{},A,5230.0000,N,01324.0000,E,0.5,54.7,211126,,,A".format(time_of_day))
                           + sentence("GPGGA,{},5230.0000,N,01324.0000,E,1,08,0.9,34.0,M,47.0,M,,".format(time_of_day))
                           + sentence("GPGSA,A,3,01,02,03,04,05,06,07,08,,,,,1.5,0.9,1.2"))
            except (OSError, RuntimeError):
                pass
            stop.wait(0.2)

    threading.Thread(target=receiver, daemon=True).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = str(probe.getsockname()[1])
    daemon = t.spawn("gpsd", "-N", "-n", "-D", "1", "-S", number, t.port.path)
    try:
        found = None
        end = time.monotonic() + 20
        while found is None and time.monotonic() < end and daemon.poll() is None:
            _, output = t.run("gpspipe", "-w", "-n", "12", "127.0.0.1:" + number, seconds=6)
            for line in output.splitlines():
                report = json.loads(line) if line.startswith("{") else {}
                if report.get("class") == "TPV" and "lat" in report:
                    found = (round(report["lat"], 3), round(report["lon"], 3))
            time.sleep(0.2)
        if not t.equal("gpspipe's position", found, (52.5, 13.4)):
            daemon.kill()
            t.faults.append(daemon.communicate(timeout=5)[0].decode(errors="replace")[-300:])
        if found:
            program = terminal(t, "cgps", "-s", "127.0.0.1:" + number)
            t.that("cgps", program.expect(b"52.5", 8), program.shown[-400:], "52.5")
            program.type(b"q")
            program.wait(3)
    finally:
        stop.set()


@conformance(161, "agetty: its login prompt works; a shell on it has no job control")
def agetty(t):
    t.raw()
    getty = t.spawn("setsid", "agetty", "-L", "115200", t.port.name, "vt100")
    t.that("prompt", t.far.wait(lambda: b"login: " in t.far.data, 6), t.far.data[-200:], "login:")
    t.far.send(b"somebody\r")
    t.that("after a name", t.far.wait(lambda: b"assword: " in t.far.data, 6), t.far.data[-200:], "Password:")
    getty.kill()
    getty.wait()
    t.far.forget()
    getty = t.spawn("setsid", "agetty", "-n", "-l", "/bin/bash", "-L", "115200", t.port.name, "vt100")
    t.far.wait(lambda: b"# " in t.far.data, 6)
    t.far.send(b"echo $((6*7))\r")
    t.that("the shell's answer", t.far.wait(lambda: b"42" in t.far.data, 6), t.far.data[-300:], 42)
    shown = t.far.data
    t.far.send(b"exit\r")
    if b"no job control" in shown:
        raise Forbidden("a CUSE device cannot be a controlling terminal: the shell runs, and says `no job control`")


@conformance(162, "bash `read -u3` twice gives two lines, canonical and raw")
def bash_read(t):
    script = "exec 3<{}; read -t 2 -u3 a; read -t 0.5 -u3 b; echo \"$a|$b\"".format(t.port.path)
    seen = {}
    for name, lflag in (("canonical", ICANON), ("raw", 0)):
        port = t.raw(lflag=lflag)
        t.comes(port, b"l1\nl2\n")
        status, seen[name] = t.run("bash", "-c", script)
        t.close(port)
    t.equal("canonical", seen["canonical"], "l1|l2\n")
    if seen["raw"] == "l1|l2\n":
        return
    t.equal("raw", seen["raw"], "l1|\n")
    raise Forbidden("CUSE's lseek succeeds, so bash reads ahead: in raw mode it loses what follows the first line")


@conformance(163, "pppd and slcand run, as on a kernel pty", pty=False, seconds=45)
def kernel_disciplines(t):
    master, slave = os.openpty()
    t.files += [master, slave]
    for module in ("ppp_async", "slcan"):
        t.run("modprobe", module)
    offered = {name: set_discipline(slave, number)[0] for name, number in (("ppp", 3), ("slcan", 17))}
    t.use(t.fresh_port("--kernel-ldisc"))
    daemon = t.spawn("pppd", t.port.path, "115200", "nodetach", "local", "noauth", "nocrtscts", "noipv6",
                     "10.1.1.1:10.1.1.2")
    if offered["ppp"] == "success":
        t.that("pppd", t.far.wait(lambda: b"\x7e\xff\x7d\x23\xc0\x21" in t.far.data, 8), t.far.data[:80],
               "an LCP request")
        daemon.terminate()
    output = daemon.communicate(timeout=10)[0]
    if offered["ppp"] != "success":
        t.that("pppd", b"Invalid argument" in output, output, "Invalid argument")
    t.until("the far side disconnected", lambda: t.far.client is None)
    t.far.forget()
    daemon = t.spawn("slcand", "-F", "-o", "-s6", t.port.path, "slcan7")
    if offered["slcan"] == "success":
        t.that("slcand", t.far.wait(lambda: b"S6\rO\r" in t.far.data, 5), t.far.data, b"S6 CR O CR")
        t.eventually("interface", lambda: os.path.exists("/sys/class/net/slcan7"))
        daemon.terminate()
    output = daemon.communicate(timeout=10)[0]
    if offered["slcan"] != "success":
        t.that("slcand", b"Invalid argument" in output, output, "Invalid argument")


@conformance(164, "libserialport finds the port by name")
def libserialport(t):
    library = ctypes.CDLL("libserialport.so.0")
    library.sp_last_error_message.restype = ctypes.c_char_p
    pointer = ctypes.c_void_p()
    result = library.sp_get_port_by_name(t.port.path.encode(), ctypes.byref(pointer))
    if result == 0:
        return
    message = (library.sp_last_error_message() or b"").decode()
    t.that("result", result < 0, result, "an error")
    t.equal("listed in /sys/class/tty", os.path.exists("/sys/class/tty/" + t.port.name), False)
    raise Forbidden("a CUSE device is not in /sys/class/tty, which the library searches ({})".format(
        message or "result {}".format(result)))
