"""What the end-to-end cases share: servers, ports, clients, time limits.

A case is a function of one argument, a `Test`, in a process of its own, which the runner ends at its deadline. What it
starts writes its output to files in the case's directory, and ends with it.
"""
import ctypes
import fcntl
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

# <asm-generic/ioctls.h>, <linux/serial.h>: what Python's termios module has no names for.
TCGETA, TCSETA = 0x5405, 0x5406
TCGETS2, TCSETS2, TCSETSW2, TCSETSF2 = 0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D
TIOCEXCL, TIOCNXCL, TIOCGEXCL = 0x540C, 0x540D, 0x80045440
TIOCMIWAIT, TIOCGICOUNT = 0x545C, 0x545D
TIOCGRS485, TIOCSRS485 = 0x542E, 0x542F
TCSBRKP, TIOCSBRK, TIOCCBRK = 0x5425, 0x5427, 0x5428
BOTHER, CBAUD, CRTSCTS, CMSPAR = 0o010000, 0o010017, 0o20000000000, 0o10000000000
CLONE_NEWNET = 0x40000000
DTR, RTS, CTS, CD, RI, DSR = 0x2, 0x4, 0x20, 0x40, 0x80, 0x100

libc = ctypes.CDLL(None, use_errno=True)
cases = []


class Case:
    def __init__(self, name, body, deadline, module):
        self.name = name
        self.body = body
        self.deadline = deadline
        self.module = module


def case(deadline=30, name=None, over=None):
    """Makes a function a case. With `over`, one case for each value, which the function gets as its second argument."""

    def register(body):
        base = name or body.__name__.replace("_", "-")
        if over is None:
            cases.append(Case(base, body, deadline, body.__module__))
        else:
            for value in over:
                cases.append(
                    Case(base + "-" + value, lambda t, value=value: body(t, value), deadline, body.__module__))
        return body

    return register


class Timeout(Exception):
    pass


def wait_until(condition, seconds=5.0, what="it", pause=0.01):
    """Asks until the condition holds; then gives what it gave."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout("{} did not happen within {} s".format(what, seconds))
        time.sleep(pause)


def eventually(condition, seconds=5.0):
    """Does the condition hold within that time?"""
    try:
        return bool(wait_until(condition, seconds))
    except Timeout:
        return False


def free_tcp_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program whose output goes to a file."""

    def __init__(self, test, label, command, prepare=None, environment=None):
        self.test = test
        self.label = label
        self.log_path = os.path.join(test.directory, label + ".log")
        with open(self.log_path, "wb") as log:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, preexec_fn=prepare,
                env=environment)
        test.processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def status(self):
        return self.popen.poll()

    @property
    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def expect(self, pattern, seconds=5.0):
        """Waits for a line of its output."""
        def look():
            found = re.search(pattern, self.log)
            if found is None and self.status is not None:
                raise Timeout("{} ended with status {}: {}".format(self.label, self.status, self.log.strip()[-300:]))
            return found
        return wait_until(look, seconds, "'{}' from {}".format(pattern, self.label))

    def send(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds=5.0):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Timeout("{} did not end within {} s".format(self.label, seconds))

    def stop(self, number=signal.SIGTERM, seconds=5.0):
        if self.status is None:
            self.send(number)
        return self.wait(seconds)


class Port(Process):
    """One `ttynvt-swift -S … -n …`."""

    ends_cleanly = True

    def __init__(self, test, server, name, options, prepare=None):
        self.name = name
        self.path = "/dev/" + name
        self.address = str(server)
        command = [test.binary, "-S", str(server), "-n", name]
        if "-D" not in options:
            command += ["-D", "3"]
        super().__init__(test, name, command + ["-E"] + list(options), prepare)

    def wait_ready(self):
        self.expect(r"created /dev/\S+ \(\d+:\d+\)")
        wait_until(lambda: os.path.exists(self.path), what="node " + self.path)
        return self

    def finish(self):
        """Ends it as an operator would, and looks at what it says of the kernel's requests."""
        test = self.test
        if not self.ends_cleanly:
            return
        test.check(self.name + " is still running", self.status is None, "status {}".format(self.status))
        try:
            status = self.stop()
        except Timeout as error:
            return test.check(self.name + " ends at SIGTERM", False, error)
        counts = re.search(r"(\d+) requests received, (\d+) answered", self.log)
        test.check(
            self.name + " answered every request and ended at SIGTERM",
            status == 0 and counts and counts.group(1) == counts.group(2),
            "status {}, {}".format(status, counts.group(0) if counts else "no count in the log"))


class Server(Process):
    """An RFC 2217 server; `address` is where."""

    address = None
    addresses = ()
    far_path = None

    def __str__(self):
        return self.address


class Namespace:
    """A network namespace of the case's own, with a link to the one it runs in.

    A case that has several numbers them.
    """

    def __init__(self, test, index=0):
        self.test = test
        self.name = "test{}-{}".format(test.number, index)
        self.link = "veth{}-{}".format(test.number, index)
        self.here, self.there = ("198.51.100.{}".format(4 * index + last) for last in (1, 2))
        self.ip("netns", "add", self.name)
        self.ip("link", "add", self.link, "type", "veth", "peer", "name", "veth1", "netns", self.name)
        self.ip("address", "add", self.here + "/30", "dev", self.link)
        self.ip("link", "set", self.link, "up")
        self.inside("address", "add", self.there + "/30", "dev", "veth1")
        self.inside("link", "set", "veth1", "up")
        self.inside("link", "set", "lo", "up")

    @staticmethod
    def ip(*arguments):
        subprocess.run(("ip",) + arguments, check=True, stdin=subprocess.DEVNULL)

    def inside(self, *arguments):
        self.ip("-netns", self.name, *arguments)

    def enter(self):
        """The calling process goes in."""
        descriptor = os.open("/run/netns/" + self.name, os.O_RDONLY)
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(descriptor)

    def pull(self):
        """Pulls the cable: packets vanish, and no connection is told: no FIN, no RST, no ICMP."""
        self.inside("link", "set", "veth1", "down")

    def plug_in(self):
        self.inside("link", "set", "veth1", "up")

    def remove(self):
        self.ip("link", "delete", self.link)
        self.ip("netns", "delete", self.name)


class Test:
    """One case at work."""

    def __init__(self, binary, directory, number, name):
        self.binary = binary
        self.directory = directory
        self.number = number
        self.name = name
        self.processes = []
        self.results = []
        self.names = 0
        self.at_the_end = []

    # Results.

    def check(self, name, condition, seen=""):
        text = "{}: {}".format(self.name, name)
        if condition:
            line = "ok - " + text
        else:
            line = "not ok - {}{}".format(text, ": " + " ".join(str(seen).split())[:600] if str(seen) else "")
        self.results.append(bool(condition))
        print(line, flush=True)
        return bool(condition)

    def equal(self, name, seen, wanted):
        return self.check(name, seen == wanted, "{!r}, not {!r}".format(seen, wanted))

    def raises(self, name, error_number, body):
        """Does the call fail with this errno?"""
        try:
            value = body()
        except OSError as error:
            return self.check(name, error.errno == error_number, repr(error))
        return self.check(name, False, "no error, {!r}".format(value))

    def took(self, name, seconds, low, high):
        return self.check("{} ({:.2f} s)".format(name, seconds), low <= seconds <= high,
                          "{:.3f} s, not {} to {} s".format(seconds, low, high))

    def note(self, text):
        print("# {}: {}".format(self.name, text), flush=True)

    # Servers.

    def simulator(self, *options, ports=1, wirings=("loopback",)):
        self.names += 1
        command = [self.binary, "simulate", "--port", "0", "--ports", str(ports)]
        for wiring in wirings:
            command += ["--wiring", wiring]
        server = Server(self, "simulator{}".format(self.names), command + list(options))
        server.expect(r"port {}: \S+:\d+".format(ports - 1))
        server.addresses = re.findall(r"port \d+: (\S+:\d+) ", server.log)
        server.address = server.addresses[0]
        return server

    def simulator_at(self, tcp_port, *options):
        """A simulator on a TCP port given: the same one, come back."""
        self.names += 1
        server = Server(
            self, "simulator{}".format(self.names),
            [self.binary, "simulate", "--port", str(tcp_port), "--ports", "1"] + list(options))
        server.expect(r"port 0: \S+:\d+")
        server.address = "127.0.0.1:{}".format(tcp_port)
        return server

    def ssh_server(self):
        """Something that speaks first, and no RFC 2217. Gives its address."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(4)

        def serve():
            while True:
                client, _ = listener.accept()
                client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\x1b[2J")
                threading.Timer(3, client.close).start()

        threading.Thread(target=serve, daemon=True).start()
        return "127.0.0.1:{}".format(listener.getsockname()[1])

    def scripted_server(self, *options, namespace=None):
        """An RFC 2217 server that stops, goes on and dies as the case tells it."""
        from scripted_server import ScriptedServer
        return ScriptedServer(self, options, namespace)

    def namespace(self, index=0):
        """A network namespace that goes when the case's processes have ended."""
        namespace = Namespace(self, index)
        self.at_the_end.append(namespace.remove)
        return namespace

    def pyserial_server(self, device):
        self.names += 1
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rfc2217_server.py")
        server = Server(self, "pyserial-server{}".format(self.names), [sys.executable, script, device])
        server.address = "127.0.0.1:" + server.expect(r"listening on (\d+)").group(1)
        server.far_path = device
        return server

    def ser2net(self, device, accepter="telnet(rfc2217),tcp", settings="9600n81"):
        self.names += 1
        tcp_port = free_tcp_port()
        configuration = os.path.join(self.directory, "ser2net{}.yaml".format(self.names))
        with open(configuration, "w") as file:
            file.write("connection: &port\n"
                       "  accepter: {},127.0.0.1,{}\n"
                       "  connector: serialdev,{},{},local\n".format(accepter, tcp_port, device, settings))
        server = Server(
            self, "ser2net{}".format(self.names), ["ser2net", "-n", "-d", "-u", "-c", configuration])

        def listens():
            with open("/proc/net/tcp") as table:
                return ":{:04X} 00000000:0000 0A".format(tcp_port) in table.read()
        wait_until(listens, what="ser2net listening")
        server.address = "127.0.0.1:{}".format(tcp_port)
        server.far_path = device
        return server

    def server(self, kind):
        """A server by name. The two that need a serial port get one that is wired as a loopback plug."""
        if kind == "simulator":
            return self.simulator("-v")
        device = self.port(self.simulator("-v")).path
        return self.pyserial_server(device) if kind == "pyserial" else self.ser2net(device)

    # The bus and Avahi.

    def bus(self):
        """A system bus of the case's own, which everything started from here on uses."""
        from avahi import Bus
        return Bus(self)

    def avahi(self, bus=None, **options):
        from avahi import Avahi
        return Avahi(self, bus or self.bus(), **options)

    # Ports and files.

    def port_name(self):
        self.names += 1
        return "ttyTest{}-{}".format(self.number, self.names)

    def port(self, server, *options, name=None, prepare=None):
        return Port(self, server, name or self.port_name(), options, prepare).wait_ready()

    def null_modem(self, *options):
        """Two ports that are each other's far end: bytes written to one are read from the other."""
        server = self.simulator(*options, ports=2, wirings=("null-modem",))
        return [self.port(address) for address in server.addresses]

    def open(self, path, flags=0):
        return os.open(getattr(path, "path", path), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | flags)

    def open_raw(self, path, vmin=1, vtime=0, flags=0, baud=termios.B115200):
        descriptor = self.open(path, flags)
        set_raw(descriptor, vmin, vtime, baud)
        return descriptor

    def run(self, *command, seconds=10.0, **options):
        """Runs a program to its end: (status, output of both kinds). Status None: it had to be killed."""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        try:
            output, _ = process.communicate(timeout=seconds)
            return process.returncode, output.decode(errors="replace")
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate(timeout=5)
            return None, output.decode(errors="replace")

    def side_by_side(self, *bodies, seconds):
        """Runs functions at the same time, each in a thread. Starts no process: bodies find theirs started."""
        def guarded(body):
            try:
                body()
            except Exception as error:  # any is a failure of the case
                self.check("no exception", False, "{}: {}".format(type(error).__name__, error))

        threads = [threading.Thread(target=guarded, args=(body,), daemon=True) for body in bodies]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0))
        self.equal("threads that have not ended in {} s".format(seconds), sum(t.is_alive() for t in threads), 0)

    def helper(self, body, *arguments, user=None):
        return Helper(body, arguments, user)

    def finish(self):
        for process in [p for p in self.processes if isinstance(p, Port)][::-1]:
            process.finish()
        for process in self.processes:
            if process.status is None:
                process.popen.kill()
            process.wait()
        for body in self.at_the_end:
            body()


class Helper:
    """Runs a function in a process of its own; its result is passed back as JSON."""

    def __init__(self, body, arguments, user=None):
        self.reader, writer = os.pipe()
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(self.reader)
                if user is not None:
                    become(user)
                try:
                    value = {"value": body(*arguments)}
                except OSError as error:
                    value = {"errno": error.errno, "error": str(error)}
                except Exception as error:  # whatever it is, it is told
                    value = {"errno": None, "error": repr(error)}
                os.write(writer, json.dumps(value).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        self.raw_status = None

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)

    @property
    def state(self):
        """Its state letter in /proc; None once it is gone."""
        try:
            with open("/proc/{}/stat".format(self.pid)) as file:
                return file.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            return None

    def has_ended(self):
        if self.raw_status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == self.pid:
                self.raw_status = status
        return self.raw_status is not None

    def wait(self, seconds=5.0):
        """Waits for its end. Gives seconds since its start."""
        try:
            wait_until(self.has_ended, seconds, pause=0.002)
        except Timeout:
            raise Timeout("a helper did not end within {} s (state {})".format(seconds, self.state))
        return time.monotonic() - self.started

    def result(self, seconds=5.0):
        """Returns the function's result, or raises its OSError."""
        self.wait(seconds)
        text = b""
        while True:
            more = os.read(self.reader, 65536)
            if not more:
                break
            text += more
        os.close(self.reader)
        if not text:
            raise RuntimeError("helper ended with status {} and said nothing".format(self.raw_status))
        value = json.loads(text.decode())
        if "error" in value:
            raise OSError(value["errno"], value["error"])
        return value["value"]


def become(user):
    """Another user for good, with the group that may use serial ports."""
    import grp
    import pwd
    entry = pwd.getpwnam(user)
    os.setgroups([grp.getgrnam("dialout").gr_gid])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


# Files.

def set_raw(descriptor, vmin=1, vtime=0, baud=termios.B115200, when=termios.TCSANOW):
    """cfmakeraw(3), 8N1, no carrier needed."""
    attributes = termios.tcgetattr(descriptor)
    attributes[0] = 0
    attributes[1] = 0
    attributes[2] = termios.CS8 | termios.CREAD | termios.CLOCAL | termios.HUPCL
    attributes[3] = 0
    attributes[4] = attributes[5] = baud
    attributes[6][termios.VMIN] = vmin
    attributes[6][termios.VTIME] = vtime
    termios.tcsetattr(descriptor, when, attributes)


def ioctl_int(descriptor, command, value=0):
    return struct.unpack("I", fcntl.ioctl(descriptor, command, struct.pack("I", value)))[0]


def termios2(descriptor):
    """(iflag, oflag, cflag, lflag, line, cc, ispeed, ospeed)"""
    fields = struct.unpack("4IB19s2I", fcntl.ioctl(descriptor, TCGETS2, bytes(44)))
    return fields


def set_termios2(descriptor, fields, command=TCSETS2):
    fcntl.ioctl(descriptor, command, struct.pack("4IB19s2I", *fields))


def set_speed(descriptor, baud):
    fields = list(termios2(descriptor))
    fields[2] = fields[2] & ~(CBAUD | CBAUD << 16) | BOTHER
    fields[6] = fields[7] = baud
    set_termios2(descriptor, fields)


def events(descriptor, wanted=select.POLLIN | select.POLLOUT, seconds=0.0):
    """What poll(2) says of one file."""
    poller = select.poll()
    poller.register(descriptor, wanted)
    found = poller.poll(seconds * 1000)
    return found[0][1] if found else 0


def read_exactly(descriptor, count, seconds=5.0):
    """Reads until this many bytes have arrived, or the time is over."""
    data = b""
    end = time.monotonic() + seconds
    while len(data) < count:
        left = end - time.monotonic()
        if left <= 0 or not events(descriptor, select.POLLIN, left):
            break
        more = os.read(descriptor, count - len(data))
        if not more:
            break
        data += more
    return data


def write_all(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view):]


def tcp_ends(address):
    """The connections of this network namespace to a server on IPv4, as the kernel's table shows them:
    (bytes that are not acknowledged, bytes that are not received, which timer runs)."""
    host, port = address.rsplit(":", 1)
    there = "{:08X}:{:04X}".format(int.from_bytes(socket.inet_aton(host), "little"), int(port))
    with open("/proc/net/tcp") as table:
        lines = [line.split() for line in table.readlines()[1:]]
    established = [line for line in lines if line[2] == there and line[3] == "01"]
    return [tuple(int(part, 16) for part in line[4].split(":") + line[5].split(":")[:1]) for line in established]


def read_rest(descriptor, quiet=0.2):
    """Everything until nothing has come for a while."""
    data = b""
    while events(descriptor, select.POLLIN, quiet) & select.POLLIN:
        more = os.read(descriptor, 65536)
        if not more:
            break
        data += more
    return data


def exchange(descriptor, data, seconds=60.0):
    """Writes it all and reads as much back, at the same time; gives what came."""
    os.set_blocking(descriptor, False)
    view = memoryview(data)
    got = bytearray()
    end = time.monotonic() + seconds
    poller = select.poll()
    while len(got) < len(data):
        left = end - time.monotonic()
        if left <= 0:
            break
        poller.register(descriptor, select.POLLIN | (select.POLLOUT if view else 0))
        for _, event in poller.poll(left * 1000):
            if event & select.POLLIN:
                try:
                    got += os.read(descriptor, 65536)
                except BlockingIOError:
                    pass
            if event & select.POLLOUT and view:
                try:
                    view = view[os.write(descriptor, view[:65536]):]
                except BlockingIOError:
                    pass
            if event & (select.POLLERR | select.POLLHUP):
                os.set_blocking(descriptor, True)
                return bytes(got)
    os.set_blocking(descriptor, True)
    return bytes(got)


def difference(got, wanted):
    """Where two byte strings differ, in few words."""
    if got == wanted:
        return "equal"
    for index, (a, b) in enumerate(zip(got, wanted)):
        if a != b:
            return "{} bytes for {}; first different at {}: {!r}, not {!r}".format(
                len(got), len(wanted), index, bytes(got[index:index + 16]), bytes(wanted[index:index + 16]))
    return "{} bytes for {}, equal as far as they go".format(len(got), len(wanted))
