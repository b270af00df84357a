"""Terminal programs, driven through a pseudo-terminal: the loopback plug returns the typed text."""
import os
import termios

from fixture import DTR, RTS, case, eventually, ioctl_int, read_exactly, termios2, write_all
from terminal import Terminal

KINDS = ("simulator", "pyserial", "ser2net")


def settings_of(path):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        return termios2(descriptor)
    finally:
        os.close(descriptor)


@case(60, over=KINDS)
def picocom(t, kind):
    path = t.port(t.server(kind)).path
    terminal = Terminal("picocom", "-b", "57600", "-d", "7", "-y", "e", path)
    if not t.check("picocom is ready", terminal.expect(b"Terminal ready"), terminal.shown):
        return terminal.wait(0)
    t.check("it shows the settings it read back", b"57600" in terminal.shown, terminal.shown)
    fields = settings_of(path)
    t.equal("the port has its settings", (fields[6], fields[2] & 0x130), (57600, 0x120))
    for text in (b"hello", b"The quick brown fox 0123456789 !\"$%&/()=?"):
        terminal.type(text)
        t.check("typing {} shows the echo".format(text.decode()), terminal.expect(text, 5), terminal.shown)
    for key, name in ((b"\x01\x15", "baud up"), (b"\x01\x14", "DTR toggled"), (b"\x01\x1c", "break"), (b"\x01\x07", "RTS")):
        terminal.type(key)
        terminal.look(0.6)
        t.check("it goes on after " + name, b"FATAL" not in terminal.shown, terminal.shown)
    terminal.type(b"after")
    t.check("typing after all that", terminal.expect(b"after", 5), terminal.shown)
    terminal.type(b"\x01\x18")
    t.equal("it ends by its own command", terminal.wait(), 0)


@case(60, over=KINDS)
def minicom(t, kind):
    path = t.port(t.server(kind)).path
    terminal = Terminal("minicom", "-D", path, "-b", "115200", "-o", "-z", "-C", "/dev/null")
    if not t.check("minicom is ready", terminal.expect(b"CTRL-A Z"), terminal.shown[-400:]):
        return terminal.wait(0)
    terminal.look(0.5)
    for text in (b"hello", b"fox 0123456789"):
        terminal.type(text)
        t.check("typing {} shows the echo".format(text.decode()), terminal.expect(text, 5), terminal.shown)
    t.equal("the port has its rate", settings_of(path)[6], 115200)
    terminal.type(b"\x01f")
    terminal.look(1.5)
    terminal.type(b"after break")
    t.check("typing after a break", terminal.expect(b"after break", 5), terminal.shown)
    terminal.type(b"\x01x")
    t.check("it asks before it ends", terminal.expect(b"eave", 5), terminal.shown)
    terminal.type(b"\r")
    t.equal("it ends by its own command", terminal.wait(), 0)
    # It leaves the port at B0, five bits and without CLOCAL (with -o, on any tty): the next program starts from there.
    # At B0 a loopback plug has no carrier, so only an open that does not wait for carrier succeeds.
    descriptor = t.open_raw(path, flags=os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    t.check("lines are up after B0", eventually(lambda: ioctl_int(descriptor, termios.TIOCMGET) & (DTR | RTS) == DTR | RTS))
    write_all(descriptor, b"next")
    t.equal("the next program's echo", read_exactly(descriptor, 4), b"next")


@case(30)
def socat_and_cat(t):
    """A shell's tools: data in, data out."""
    path = t.port(t.simulator()).path
    status, output = t.run("bash", "-c", """
        stty -F {0} raw -echo 115200 || exit 1
        exec 3<>{0}
        echo 'one line' >&3
        head -c 9 <&3
        exec 3>&-
        printf 'by socat' | timeout 10 socat -T 1 - {0},raw,echo=0,b115200
    """.format(path), seconds=25)
    t.check("head and socat", output == "one line\nby socat", repr(output))
    t.equal("exit status", status, 0)
