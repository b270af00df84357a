"""Services on a port: a clock and place for gpsd, a login for the user at the far end, a TCP port for the network."""
import os
import shlex
import shutil
import signal
import socket
import tempfile
import termios
import threading
import time

import nmea_source
from fixture import CD, Process, case, difference, eventually, free_tcp_port, ioctl_int, read_exactly, write_all
from terminal import Terminal

HERE = os.path.dirname(os.path.abspath(__file__))


@case(60)
def third_party_gpsd(t):
    """A receiver behind the port, gpsd on it as its own user, and two of its clients."""
    import gps
    source = "exec:/usr/bin/python3 -u " + shlex.quote(os.path.join(HERE, "nmea_source.py"))
    port = t.port(t.simulator(wirings=(source,)))
    shutil.chown(port.path, group="dialout")
    os.chmod(port.path, 0o660)
    tcp_port = free_tcp_port()
    daemon = Process(t, "gpsd", ["gpsd", "-N", "-n", "-D", "1", "-S", str(tcp_port), port.path])
    started = time.monotonic()

    def listens():
        try:
            return socket.create_connection(("127.0.0.1", tcp_port), 1).close() is None
        except OSError:
            return False
    t.check("gpsd is there", eventually(listens))
    client = gps.gps(host="127.0.0.1", port=str(tcp_port), mode=gps.WATCH_ENABLE | gps.WATCH_NEWSTYLE)
    fixes = []
    drivers = set()
    first = None
    while len(fixes) < 10 and time.monotonic() - started < 30:
        report = client.next()
        if report["class"] == "DEVICES":
            t.equal("it has our port", [device["path"] for device in report["devices"]], [port.path])
        if report["class"] == "DEVICE":
            drivers.add(report.get("driver"))
        if report["class"] == "TPV" and report.get("mode") == 3:
            first = first or time.monotonic() - started
            fixes.append(report)
    client.close()
    t.check("gpsd: a 3D fix {:.1f} s after its start, ten in {:.1f} s".format(first or 0, time.monotonic() - started),
            len(fixes) == 10, daemon.log)
    t.check("the place is the receiver's",
            fixes and all(abs(fix["lat"] - nmea_source.LATITUDE) < 1e-6 and abs(fix["lon"] - nmea_source.LONGITUDE) < 1e-6
                          for fix in fixes), fixes[:1])
    terminal = Terminal("cgps", "-s", "127.0.0.1:{}".format(tcp_port))
    t.check("cgps shows the place", terminal.expect(b" 52.51627", 15) and terminal.expect(b"FIX", 5), terminal.shown)
    terminal.type(b"q")
    t.equal("it ends by its own command", terminal.wait(), 0)
    t.equal("gpsd ends", daemon.stop(), 0)


class FarEnd:
    """A person at a terminal at the far end."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.shown = b""

    def expect(self, text, seconds=10.0):
        end = time.monotonic() + seconds
        while text not in self.shown and time.monotonic() < end:
            self.shown += read_exactly(self.descriptor, max(ioctl_int(self.descriptor, termios.FIONREAD), 1), 0.5)
        return text in self.shown

    def type(self, text):
        self.shown = b""
        write_all(self.descriptor, text)


NAME, PASSWORD = "visitor", "open sesame"


def accounts(t):
    """Files of users with one more in them, and a command whose program sees them; with it all that it started ends."""
    import crypt
    lines = {"passwd": "{}:x:4711:100:somebody:{}:/bin/sh\n".format(NAME, t.directory),
             "shadow": "{}:{}:19000:0:99999:7:::\n".format(NAME, crypt.crypt(PASSWORD, crypt.METHOD_SHA512))}
    script = ""
    directory = tempfile.mkdtemp(dir=t.directory)  # for root only
    for name, line in lines.items():
        copy = os.path.join(directory, name)
        shutil.copy("/etc/" + name, copy)
        with open(copy, "a") as file:
            file.write(line)
        script += "mount --bind {} /etc/{} && ".format(shlex.quote(copy), name)
    os.chmod(t.directory, 0o755)
    with open(os.path.join(t.directory, ".hushlogin"), "w"):
        pass
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script + 'exec "$0" "$@"']


# The text typed in the shell, and the text that it shows afterwards. The last step ends the shell.
STEPS = (
    (b"echo $((6 * 7)) as $(id -un) with $TERM\r", b"\r\n42 as visitor with vt100\r\n$ "),
    (b"echo right wronk\x7f\x7f\x7f\x7f\x7fwords\r", b"\r\nright words\r\n$ "),
    (b"stty iexten\r", b"\r\n$ "),
    (b"echo not this\x17that\r", b"\r\nnot that\r\n$ "),
    (b"cat; echo done\r", b"cat; echo done\r\n"),
    (b"killed\x15one\r", b"one\r\none\r\n"),
    (b"no end\x04", b"no endno end"),
    (b"literally \x16\x04\r", b"literally \x04\r\n"),
    (b"\x04", b"done\r\n$ "),
    (b"seq 1 5000; echo\r", b"\r\n5000\r\n\r\n$ "),
    (b"stty -a\r", b"echoke -flusho -extproc\r\n$ "),
    (b"stty -echo; echo $(stty speed)\r", b"\r\n115200\r\n$ "),
    (b"exit\r", b"login: "),
)


def getty(t, name):
    """agetty again and again on /dev/NAME, as init does it."""
    script = "while :; do setsid -w agetty -L --noissue --nohostname 115200 {} vt100; done".format(name)
    return Process(t, "agetty-" + name.replace("/", "-"), accounts(t) + ["bash", "-c", script])


def log_in(t, far, where):
    """From the prompt to the shell; then everything of STEPS. Gives what was shown."""
    started = time.monotonic()
    shown = []
    dialogue = ((None, b"login: "), (NAME.encode() + b"\r", b"Password: "), (PASSWORD.encode() + b"\r", b"$ "))
    for typed, wanted in dialogue:
        if typed is not None:
            far.type(typed)
        if not t.check("{}: {!r}".format(where, wanted.decode()), far.expect(wanted), far.shown):
            return shown
        shown.append(far.shown)
    t.check("{}: agetty and login, a shell in {:.2f} s".format(where, time.monotonic() - started),
            PASSWORD.encode() not in far.shown, far.shown)
    started = time.monotonic()
    for typed, wanted in STEPS:
        far.type(typed)
        if not t.check("{}: {!r} is answered".format(where, typed.decode()), far.expect(wanted), far.shown[-300:]):
            break
        shown.append(far.shown)
    t.check("{}: a session of {} steps in {:.2f} s".format(where, len(STEPS), time.monotonic() - started),
            len(shown) == len(STEPS) + 3)
    return shown


@case(90)
def third_party_login(t):
    """agetty and login on the port, a shell reached through them; byte by byte what the same session shows on a kernel
    pty. A CUSE device cannot be a controlling terminal, which the shell complains of, and nothing else."""
    master, slave = os.openpty()
    kernel = getty(t, os.ttyname(slave)[len("/dev/"):])
    wanted = log_in(t, FarEnd(master), "on a pty")
    kernel.stop(signal.SIGKILL)
    os.close(slave)
    os.close(master)

    near, far_port = t.null_modem()
    far = FarEnd(t.open_raw(far_port))
    ours = getty(t, near.name)
    shown = log_in(t, far, "on our port")
    for step, (ours_shown, pty_shown) in enumerate(zip(shown, wanted)):
        lines = ours_shown.splitlines(True)
        if step == 2:
            lines = [line for line in lines if b"access tty" not in line]
        t.check("step {} shows what it shows on a pty".format(step), b"".join(lines) == pty_shown,
                difference(b"".join(lines), pty_shown))
    t.check("the far end sees agetty's DTR", ioctl_int(far.descriptor, termios.TIOCMGET) & CD)
    ours.stop(signal.SIGKILL)
    t.check("and that the client has gone",
            eventually(lambda: not ioctl_int(far.descriptor, termios.TIOCMGET) & CD))
    os.close(far.descriptor)


@case(60)
def third_party_login_refused(t):
    """A wrong password: not shown, and there is a new prompt."""
    near, far_port = t.null_modem()
    far = FarEnd(t.open_raw(far_port))
    process = getty(t, near.name)
    t.check("a prompt", far.expect(b"login: "), (far.shown, process.log))
    far.type(NAME.encode() + b"\r")
    t.check("the password is asked for", far.expect(b"Password: "), far.shown)
    started = time.monotonic()
    far.type(b"a wrong one\r")
    refused = far.expect(b"Login incorrect\r\n") and far.expect(b"login: ")
    t.check("agetty: refused after {:.1f} s".format(time.monotonic() - started), refused, far.shown)
    t.check("not echoed", b"wrong" not in far.shown, far.shown)
    process.stop(signal.SIGKILL)
    os.close(far.descriptor)


@case(60)
def third_party_ser2net_on_top(t):
    """A TCP client, ser2net, our device, and what hangs on it."""
    near, far_port = t.null_modem()
    far = t.open_raw(far_port)
    server = t.ser2net(near.path, accepter="tcp", settings="1000000n81")
    host, tcp_port = server.address.split(":")
    with socket.create_connection((host, int(tcp_port)), 5) as client:
        client.settimeout(20)
        client.sendall(b"hello")
        t.equal("what the client says", read_exactly(far, 5), b"hello")
        write_all(far, b"and to you")
        t.equal("what it is told", receive(client, 10), b"and to you")
        size = 256 << 10
        for direction in ("there", "back"):
            data = os.urandom(size)
            send = client.sendall if direction == "there" else lambda data: write_all(far, data)
            writer = threading.Thread(target=send, args=(data,), daemon=True)
            started = time.monotonic()
            writer.start()
            got = read_exactly(far, size, 20) if direction == "there" else receive(client, size)
            took = time.monotonic() - started
            writer.join(5)
            t.check("ser2net on our device, {}: {} bytes, {:.1f} MB/s".format(direction, size, size / took / 1e6),
                    got == data, difference(got, data))
    t.check("the port is let go with the client", eventually(lambda: not ioctl_int(far, termios.TIOCMGET) & CD))
    os.close(far)


def receive(client, count):
    data = b""
    while len(data) < count:
        more = client.recv(count - len(data))
        if not more:
            break
        data += more
    return data
