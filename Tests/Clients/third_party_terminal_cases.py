"""Terminal programs with somebody at the far end: lines typed arrive there, lines sent from there are shown."""
import fcntl
import os
import struct
import subprocess
import termios
import time

import fixture
from fixture import case, eventually, read_exactly, termios2, wait_until, write_all
from terminal import Terminal

LINES = 50
EIGHT_BITS = termios.CS8


def read_line(descriptor, seconds=5.0):
    """Up to a carriage return or line feed, or what came until time was over."""
    data = b""
    while not data.endswith((b"\r", b"\n")):
        more = read_exactly(descriptor, 1, seconds)
        if not more:
            break
        data += more
    return data


def conversation(t, program, terminal, far):
    """Lines in turn: one is typed, and read at the far end; the answer from there is shown."""
    lost = "" if terminal.takes_keys() else "it takes no keys"
    started = time.monotonic()
    for number in range(LINES):
        question = "{}: is line {} there?".format(program, number).encode()
        terminal.type(question + b"\r")
        got = read_line(far)
        if got != question + b"\r":
            lost = "line {} came as {!r}".format(number, got)
            break
        answer = "yes, {} of {}".format(number, program).encode()
        write_all(far, answer + b"\r\n")
        if not terminal.expect(answer, 5):
            lost = "the answer to line {} was shown as {!r}".format(number, terminal.shown)
            break
    seconds = time.monotonic() - started
    return t.check("{}: {} lines both ways in {:.2f} s".format(program, LINES, seconds), not lost, lost)


def settings(path):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        fields = termios2(descriptor)
    finally:
        os.close(descriptor)
    return fields[6], fields[2] & (termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB)


def has_settings(t, port, wanted):
    """Settings come a moment after the program has said that it is connected."""
    return t.check("the port has its settings", eventually(lambda: settings(port.path) == wanted), settings(port.path))


@case(60)
def third_party_picocom(t):
    """It has a file sent by a program of lrzsz, which gets the port as its standard input and output."""
    near, far_port = t.null_modem()
    far = t.open_raw(far_port, baud=termios.B230400)
    terminal = Terminal("picocom", "-b", "230400", "--send-cmd", "sz -q", near.path)
    if not t.check("picocom is ready", terminal.expect(b"Terminal ready"), terminal.shown):
        return terminal.wait(0)
    has_settings(t, near, (230400, EIGHT_BITS))
    conversation(t, "picocom", terminal, far)
    source = os.path.join(t.directory, "sent")
    data = os.urandom(100000)
    with open(source, "wb") as file:
        file.write(data)
    directory = os.path.join(t.directory, "received")
    os.mkdir(directory)
    receiver = subprocess.Popen(["rz", "-q"], stdin=far, stdout=far, stderr=subprocess.DEVNULL, cwd=directory)
    terminal.type(b"\x01\x13")
    terminal.expect(b"file: ")
    started = time.monotonic()
    os.write(terminal.master, source.encode() + b"\r")
    t.check("the transfer ends well", terminal.expect(b"exit status: 0", 30), terminal.shown)
    took = time.monotonic() - started
    t.equal("at the far end, too", receiver.wait(10), 0)
    with open(os.path.join(directory, "sent"), "rb") as file:
        got = file.read()
    t.check("picocom: {} bytes by ZMODEM, {:.0f} kB/s".format(len(data), len(data) / took / 1000), got == data,
            fixture.difference(got, data))
    fixture.set_raw(far, baud=termios.B230400)
    conversation(t, "picocom, afterwards", terminal, far)
    terminal.type(b"\x01\x18")
    t.equal("it ends by its own command", terminal.wait(), 0)
    os.close(far)


@case(60)
def third_party_minicom(t):
    """A port whose server has a serial port of its own, which is one of ours, too: two of them in a row."""
    inner, far_port = t.null_modem()
    near = t.port(t.simulator(wirings=("tty:" + inner.path,)))
    far = t.open_raw(far_port)
    terminal = Terminal("minicom", "-D", near.path, "-b", "115200", "-o", "-z", "-C", "/dev/null")
    if not t.check("minicom is ready", terminal.expect(b"CTRL-A Z"), terminal.shown[-400:]):
        return terminal.wait(0)
    has_settings(t, near, (115200, EIGHT_BITS))
    t.check("so has the server's own port", eventually(lambda: settings(inner.path) == (115200, EIGHT_BITS)),
            settings(inner.path))
    conversation(t, "minicom", terminal, far)
    terminal.type(b"\x01x")
    t.check("it asks before it ends", terminal.expect(b"eave", 5), terminal.shown)
    terminal.type(b"\r")
    t.equal("it ends by its own command", terminal.wait(), 0)
    os.close(far)


@case(60)
def third_party_tio(t):
    near, far_port = t.null_modem()
    far = t.open_raw(far_port, baud=termios.B57600)
    terminal = Terminal("tio", "-b", "57600", "-c", "none", "--rs-485", "--rs-485-config", "RTS_ON_SEND=1", near.path)
    if not t.check("tio is connected", terminal.expect(b"Connected"), terminal.shown):
        return terminal.wait(0)
    has_settings(t, near, (57600, EIGHT_BITS))
    descriptor = t.open(near, os.O_NONBLOCK)
    t.check("--rs-485 has set RS485", eventually(
        lambda: struct.unpack("I", fcntl.ioctl(descriptor, fixture.TIOCGRS485, bytes(32))[:4])[0] & 3 == 3))
    os.close(descriptor)
    conversation(t, "tio", terminal, far)
    terminal.type(b"\x14L")
    t.check("it shows the lines", terminal.expect(b"DTR", 5) and terminal.expect(b"CTS", 5), terminal.shown)
    terminal.type(b"\x14b")
    t.equal("its break is a NUL at the far end", read_exactly(far, 1), b"\0")
    # A port that goes and comes again, as a USB adapter does.
    t.equal("the port ends", near.stop(), 0)
    t.check("tio sees it go", terminal.expect(b"Disconnected", 10), terminal.shown)
    near.ends_cleanly = False
    t.port(near.address, name=near.name)
    t.check("and come again", terminal.expect(b"Connected", 10), terminal.shown)
    conversation(t, "tio, connected again", terminal, far)
    terminal.type(b"\x14q")
    t.equal("it ends by its own command", terminal.wait(), 0)
    os.close(far)


@case(60)
def third_party_screen(t):
    near, far_port = t.null_modem()
    far = t.open_raw(far_port, baud=termios.B19200)
    directory = os.path.join(t.directory, "screen")
    os.mkdir(directory, 0o700)
    os.environ["SCREENDIR"] = directory
    terminal = Terminal("screen", "-c", "/dev/null", near.path, "19200,cs8,-ixon,-ixoff")
    if not has_settings(t, near, (19200, EIGHT_BITS)):
        return terminal.wait(0)
    conversation(t, "screen", terminal, far)
    terminal.type(b"\x01b")
    t.equal("its break is a NUL at the far end", read_exactly(far, 1), b"\0")
    write_all(far, b"after the break")
    t.check("text after it is shown", terminal.expect(b"after the break", 5), terminal.shown)
    terminal.type(b"\x01k")
    t.check("it asks before it ends", terminal.expect(b"[y/n]", 5), terminal.shown)
    terminal.type(b"y")
    t.equal("it ends by its own command", terminal.wait(), 0)
    os.close(far)


@case(60)
def third_party_cu(t):
    """cu reads and writes in two processes that share one open file. Root's cu becomes the user uucp."""
    near, far_port = t.null_modem()
    os.chmod(near.path, 0o666)
    far = t.open_raw(far_port, baud=termios.B38400)
    terminal = Terminal("cu", "--nostop", "-l", near.path, "-s", "38400")
    if not t.check("cu is connected", terminal.expect(b"Connected."), terminal.shown):
        return terminal.wait(0)
    has_settings(t, near, (38400, EIGHT_BITS))
    conversation(t, "cu", terminal, far)
    source = os.path.join(t.directory, "put")
    os.chmod(t.directory, 0o755)
    text = "".join("line {} of a file\n".format(number) for number in range(100)).encode()
    with open(source, "wb") as file:
        file.write(text)
    started = time.monotonic()
    terminal.type(b"\r~>")
    read_line(far)
    terminal.expect(b"~>")
    # Bytes typed before cu reads the name as a line are flushed.
    wait_until(lambda: termios.tcgetattr(terminal.master)[3] & termios.ICANON, what="a line to be read")
    os.write(terminal.master, source.encode() + b"\r")
    got = b""
    while len(got) < len(text):
        line = read_line(far)
        if not line:
            break
        got += line
        write_all(far, b"\r")  # which cu awaits after each line
    seconds = time.monotonic() - started
    wanted = text.replace(b"\n", b"\r")
    terminal.look()
    t.check("cu: a file of {} bytes sent by ~> in {:.2f} s".format(len(text), seconds), got == wanted,
            (fixture.difference(got, wanted), terminal.shown))
    t.check("it is done", terminal.expect(b"[file transfer complete]"), terminal.shown)
    terminal.type(b"\r~.")
    t.equal("it ends by its own command", terminal.wait(), 0)
    os.close(far)


@case(60)
def third_party_kermit_terminal(t):
    near, far_port = t.null_modem()
    far = t.open_raw(far_port)
    terminal = Terminal("kermit", "-Y", "-l", near.path, "-b", "115200", "-C",
                        "set carrier-watch off,set flow none,set parity none,set terminal bytesize 8,connect")
    if not t.check("kermit is connected", terminal.expect(b"Connecting to " + near.path.encode(), 15), terminal.shown):
        return terminal.wait(0)
    terminal.look(0.5)
    has_settings(t, near, (115200, EIGHT_BITS))
    conversation(t, "kermit", terminal, far)
    terminal.type(b"\x1cb")
    t.equal("its break is a NUL at the far end", read_exactly(far, 1), b"\0")
    terminal.type(b"\x1cc")
    t.check("it comes back to its prompt", terminal.expect(b"C-Kermit>", 5), terminal.shown)
    terminal.type(b"show communications\r")
    t.check("it knows line and speed", terminal.expect(b"speed: 115200", 5) and near.path.encode() in terminal.shown,
            terminal.shown)
    terminal.type(b"exit\r")
    t.equal("it ends by its own command", terminal.wait(), 0)
    os.close(far)


@case(60)
def third_party_miniterm(t):
    """pyserial's own terminal: one thread reads, another writes."""
    near, far_port = t.null_modem()
    far = t.open_raw(far_port, baud=termios.B921600)
    terminal = Terminal("pyserial-miniterm", "--raw", "--eol", "CR", near.path, "921600")
    if not t.check("miniterm is ready", terminal.expect(b"--- Miniterm", 15), terminal.shown):
        return terminal.wait(0)
    has_settings(t, near, (921600, EIGHT_BITS))
    conversation(t, "miniterm", terminal, far)
    terminal.type(b"\x14\x09")
    t.check("it shows settings and lines", terminal.expect(b"CTS: active", 5), terminal.shown)
    terminal.type(b"\x14\x04")
    t.check("it lowers DTR", terminal.expect(b"DTR inactive", 5), terminal.shown)
    t.check("which the far end sees", eventually(lambda: not fixture.ioctl_int(far, termios.TIOCMGET) & fixture.CD))
    terminal.type(b"\x1d")
    t.equal("it ends by its own command", terminal.wait(), 0)
    os.close(far)


@case(40)
def third_party_setserial(t):
    """What setserial sets it reads back, also in a second process; and it changes nothing that it was not told to."""
    path = t.port(t.simulator()).path

    def shown():
        status, output = t.run("setserial", "-a", path)
        return output if status == 0 else "status {}: {}".format(status, output)

    before = shown()
    t.check("setserial -a", before.startswith(path + ", Line 0"), before)
    started = time.monotonic()
    steps = [
        (("close_delay", "30"), "close_delay: 30"),
        (("closing_wait", "700"), "closing_wait: 700"),
        (("closing_wait", "none"), "closing_wait: none"),
        (("closing_wait", "infinite"), "closing_wait: infinite"),
        (("closing_wait", "3000"), "closing_wait: 3000"),
        (("low_latency",), "low_latency"),
        (("^low_latency",), ""),
        (("spd_vhi",), "spd_vhi"),
        (("spd_normal",), "spd_normal"),
        (("baud_base", "115200", "divisor", "12", "spd_cust"), "divisor: 12"),
        (("spd_normal",), "spd_normal"),
    ]
    done = 0
    for words, wanted in steps:
        status, output = t.run("setserial", path, *words)
        if t.check("setserial " + " ".join(words), status == 0 and wanted in shown(), (status, output, shown())):
            done += 1
    t.check("setserial: {} of {} settings read back in {:.2f} s".format(done, len(steps), time.monotonic() - started),
            done == len(steps))
    status, output = t.run("setserial", path, "autoconfig")
    t.check("a port has nothing to configure by itself", status != 0, output)
