"""One running check: its port, its far side, the observed and the expected result."""
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import calls
from calls import CC, CLOCAL, CREAD, CS8, HUPCL, VMIN, VTIME
from far_side import FarSide, PtyFarSide

checks = {}


class Conformance:
    def __init__(self, number, text, body, pty, seconds):
        self.number = number
        self.text = text
        self.body = body
        self.pty = pty
        self.seconds = seconds


def conformance(number, text, pty=True, seconds=15):
    """Makes a function the check of this number. `pty`: a kernel pty passes it as well."""

    def register(body):
        if number in checks:
            raise ValueError("two checks of number {}".format(number))
        checks[number] = Conformance(number, text, body, pty, seconds)
        return body

    return register


class Forbidden(Exception):
    """The kernel forbids it, and how."""


class Failed(Exception):
    """Nothing further can be checked."""


class Port:
    """One `ttynvt-swift` with a device of its own."""

    count = 0

    def __init__(self, binary, far, *options, name=None, wait=True):
        Port.count += 1
        self.name = name or "ttyConf{}".format(Port.count)
        self.path = "/dev/" + self.name
        self.far = far
        self.log_path = os.path.join(tempfile.gettempdir(), "conformance-{}.log".format(Port.count))
        command = [binary, "-S", far.address, "-n", self.name, "-E", "-D", "3"] + list(options)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        end = time.monotonic() + 5
        while "created " not in self.log or not os.path.exists(self.path):
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failed("the port does not start: " + self.log.strip()[-200:])
            time.sleep(0.01)

    @property
    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()

    def close(self):
        """Ends it as an operator does; not in time: by force."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.far.close()


class PtyPort:
    """A kernel pty in a port's place."""

    def __init__(self):
        self.far = PtyFarSide()
        self.path = self.far.path
        self.name = self.path[len("/dev/"):]
        os.chmod(self.path, 0o666)

    def kill(self):
        self.far.close()

    def close(self):
        if not self.far.closed:
            self.far.close()


class Blocked:
    """A call in a thread of its own, which may be interrupted by a signal."""

    def __init__(self, body):
        self.started = threading.Event()
        self.ended = threading.Event()
        self.value = None
        self.error = None
        self.begin = time.monotonic()
        self.body = body
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()
        self.started.wait()

    def work(self):
        self.task = threading.get_native_id()
        self.begin = time.monotonic()
        self.started.set()
        try:
            self.value = self.body()
        except Exception as error:  # whatever it is, result() tells
            self.error = error
        self.end = time.monotonic()
        self.ended.set()

    @property
    def done(self):
        return self.ended.is_set()

    @property
    def seconds(self):
        return self.end - self.begin

    def signal(self):
        signal.pthread_kill(self.thread.ident, signal.SIGUSR1)

    def wait(self, seconds=3.0):
        if not self.ended.wait(seconds):
            raise Failed("a call that should have ended still blocks")

    def result(self, seconds=3.0):
        self.wait(seconds)
        if self.error is not None:
            raise self.error
        return self.value

    def errno(self, seconds=3.0):
        """The errno of the failure; 0 after success."""
        self.wait(seconds)
        if self.error is None:
            return 0
        if isinstance(self.error, OSError):
            return self.error.errno
        raise self.error


class Child:
    """Runs a function in a process of its own, without this one's open files."""

    def __init__(self, body):
        self.pid = os.fork()
        if self.pid == 0:
            status = 99
            try:
                os.closerange(3, 1024)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
                    signal.signal(number, signal.SIG_DFL)
                status = body() or 0
            except OSError as error:
                status = error.errno
            finally:
                os._exit(status)
        self.status = None

    @property
    def state(self):
        try:
            with open("/proc/{}/stat".format(self.pid)) as file:
                return file.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            return None

    def has_ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == self.pid:
                self.status = status
        return self.status is not None

    def wait(self, seconds=2.0):
        """Its exit status, or minus the signal that ended it; None: it has not ended in time."""
        end = time.monotonic() + seconds
        while not self.has_ended():
            if time.monotonic() > end:
                return None
            time.sleep(0.005)
        return os.waitstatus_to_exitcode(self.status)

    def kill(self, number=signal.SIGKILL):
        if not self.has_ended():
            os.kill(self.pid, number)


class Rig:
    """Where checks get their port from. It is made anew after a check that hung."""

    def __init__(self, binary, is_pty):
        self.binary = binary
        self.is_pty = is_pty
        self.shared = None

    def port(self):
        if self.is_pty:
            if self.shared:
                self.shared.close()
            self.shared = PtyPort()
        elif self.shared is None or self.shared.process.poll() is not None:
            self.shared = Port(self.binary, FarSide())
        return self.shared

    def close(self):
        if self.shared:
            self.shared.close()
            self.shared = None


class Check:
    """A check while it runs. `self.port` is the port under test, `self.far` its far side."""

    def __init__(self, rig):
        self.rig = rig
        self.is_pty = rig.is_pty
        self.binary = rig.binary
        self.port = rig.port()
        self.far = self.port.far
        self.ports = [self.port]
        self.files = []
        self.children = []
        self.processes = []
        self.blocked_calls = []
        self.faults = []
        self.responding = False
        if not self.is_pty:
            self.far.defaults()
        self.far.forget()

    # Observations.

    def fault(self, what, seen, expected):
        self.faults.append("{}: {}, expected {}".format(what, seen, expected))

    def equal(self, what, seen, expected):
        if seen != expected:
            self.fault(what, shown(seen), shown(expected))
        return seen == expected

    def that(self, what, condition, seen, expected="otherwise"):
        if not condition:
            self.fault(what, shown(seen), expected)
        return bool(condition)

    def took(self, what, seconds, low, high):
        if not low <= seconds <= high:
            self.fault(what, "{:.3f} s".format(seconds), "{} to {} s".format(low, high))

    def error(self, what, number, body):
        """Does the call fail with this errno? 0: does it succeed?"""
        self.equal(what, Name(calls.error_of(body)), Name(number))

    def ends_with(self, what, number, blocked, seconds=3.0):
        self.equal(what, Name(blocked.errno(seconds)), Name(number))

    # The port.

    def fresh_port(self, *options, far=None, **more):
        """A new port."""
        port = Port(self.binary, far or FarSide(), *options, **more)
        self.ports.append(port)
        return port

    def use(self, port):
        self.port = port
        self.far = port.far

    def open(self, flags=0, access=os.O_RDWR, path=None):
        descriptor = calls.open_file(path or self.port.path, flags, access)
        self.files.append(descriptor)
        return descriptor

    def close(self, descriptor):
        self.files.remove(descriptor)
        calls.close(descriptor)

    def set(self, descriptor, iflag=0, oflag=0, cflag=CS8 | CREAD | CLOCAL | HUPCL, lflag=0, baud=None, cc=None,
            vmin=1, vtime=0, when=calls.TCSETS2):
        """All settings: raw 8N1 unless told otherwise, the default characters, at a rate that needs no time."""
        termios = calls.Termios(bytes(44))
        termios.iflag, termios.oflag, termios.lflag = iflag, oflag, lflag
        baud = baud or 4000000
        termios.cflag = cflag | calls.speed_code(baud)
        termios.ispeed = termios.ospeed = baud
        termios.cc = bytearray(CC)
        termios.cc[VMIN], termios.cc[VTIME] = vmin, vtime
        if lflag & calls.ICANON:
            termios.cc[VMIN], termios.cc[VTIME] = 1, 0
        for index, value in (cc or {}).items():
            termios.cc[index] = value
        calls.tcsets2(descriptor, termios, when)

    def raw(self, vmin=1, vtime=0, flags=0, **settings):
        """Opens the port, raw."""
        descriptor = self.open(flags)
        self.set(descriptor, vmin=vmin, vtime=vtime, **settings)
        return descriptor

    def canonical(self, lflag=0, flags=0, **settings):
        """Opens the port for lines, without echo."""
        descriptor = self.open(flags)
        self.set(descriptor, lflag=lflag | calls.ICANON, **settings)
        return descriptor

    def comes(self, descriptor, data):
        """The far side sends this, and the port has dealt with it."""
        self.far.send(data)
        self.far.settle(descriptor)

    def arrives(self, descriptor, data):
        """The far side sends this; returns once it can be read."""
        wanted = calls.fionread(descriptor) + len(data)
        self.far.send(data)
        self.until("what the far side sent can be read", lambda: calls.fionread(descriptor) >= wanted)

    def reads(self, what, descriptor, expected, count=None):
        """One read that must not block: it fails instead."""
        blocking = os.get_blocking(descriptor)
        os.set_blocking(descriptor, False)
        try:
            seen = calls.read(descriptor, count or 8192)
        except OSError as error:
            seen = Name(error.errno)
        os.set_blocking(descriptor, blocking)
        self.equal(what, seen, Name(expected) if isinstance(expected, int) else expected)

    def far_gets(self, what, expected):
        """The far side gets exactly this."""
        seen = self.far.take(len(expected)) + self.far.take_rest(0.04)
        self.equal(what, seen, expected)

    # Time, threads, users.

    def until(self, what, condition, seconds=3.0):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise Failed("{}: not within {} s".format(what, seconds))
            time.sleep(0.002)

    def eventually(self, what, condition, seconds=2.0):
        """As a check of its own, which goes on."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                self.fault(what, "not within {} s".format(seconds), "so")
                return False
            time.sleep(0.002)
        return True

    def blocked(self, body):
        blocked = Blocked(body)
        self.blocked_calls.append(blocked)
        return blocked

    def blocks(self, what, blocked, seconds=0.15):
        """Does it still block after a while?"""
        time.sleep(seconds)
        if blocked.done:
            self.fault(what, "ended with {}".format(blocked.error or shown(blocked.value)), "blocks")
        return not blocked.done

    def later(self, seconds, body):
        timer = threading.Timer(seconds, body)
        timer.daemon = True
        timer.start()

    def child(self, body):
        child = Child(body)
        self.children.append(child)
        return child

    def spawn(self, *command, **options):
        """A program that ends with the check."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.STDOUT)
        process = subprocess.Popen(command, **options)
        self.processes.append(process)
        return process

    def run(self, *command, seconds=10.0, **options):
        """Runs a program to its end: (status, output). Status None: it had to be killed."""
        process = self.spawn(*command, **options)
        try:
            output, _ = process.communicate(timeout=seconds)
            return process.returncode, output.decode(errors="replace")
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate(timeout=5)
            return None, (output or b"").decode(errors="replace")

    def finish(self):
        """Everything the check has started ends, and the port is free again."""
        self.responding = False
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for child in self.children:
            child.kill()
        for port in self.ports:
            port.far.release()
        for descriptor in self.files:
            for command, argument in ((calls.TCXONC, calls.TCOON), (calls.TCFLSH, calls.TCIOFLUSH)):
                calls.error_of(lambda: calls.ioctl(descriptor, command, argument))
        # A thread that still blocks holds its file: closing would not end it.
        for blocked in self.blocked_calls:
            if not blocked.done:
                blocked.signal()
                blocked.ended.wait(1)
        for descriptor in self.files:
            calls.error_of(lambda: calls.close(descriptor))
        for child in self.children:
            child.wait()
        if not self.is_pty:
            # What the last close has to say is not the next check's.
            self.ports[0].far.wait(lambda: self.ports[0].far.client is None, 2)
        for port in self.ports[1:]:
            port.close()


class Name(int):
    """An errno that shows its name."""

    def __repr__(self):
        return calls.error_name(int(self))


def shown(value):
    if isinstance(value, Name):
        return repr(value)
    if isinstance(value, (bytes, bytearray)) and len(value) > 40:
        return "{} bytes {!r}…{!r}".format(len(value), bytes(value[:12]), bytes(value[-12:]))
    return repr(value)


def run_check(check, rig):
    """Runs one check: ("pass" | "fail" | "n/a", what was seen)."""
    try:
        work = Check(rig)
    except Exception as error:
        return "fail", "no port: {}".format(error)
    late = []

    def give_up():
        # Whatever blocks, blocks in the port: without it the call ends.
        late.append(stack_of_main())
        for port in work.ports:
            port.kill()

    timer = threading.Timer(check.seconds, give_up)
    timer.daemon = True
    timer.start()
    forbidden = None
    try:
        check.body(work)
    except Forbidden as error:
        forbidden = str(error)
    except Failed as error:
        work.faults.append(str(error))
    except OSError as error:
        work.faults.append("{} ({})".format(error, where(error)))
    except Exception as error:  # any is a failure of the check
        work.faults.append("{}: {} ({})".format(type(error).__name__, error, where(error)))
    try:
        work.finish()
    except Exception as error:
        work.faults.append("not cleaned up: {}: {}".format(type(error).__name__, error))
    timer.cancel()
    if late:
        work.faults.insert(0, "not done within {} s, at {}".format(check.seconds, late[0]))
    if rig.shared and (late or any("not cleaned up" in fault for fault in work.faults)):
        rig.close()
    if work.faults:
        return "fail", "; ".join(work.faults)
    return ("n/a", forbidden) if forbidden else ("pass", None)


def where(error):
    """The check's own line that an exception came through."""
    frame = error.__traceback__
    place = ""
    while frame:
        name = os.path.basename(frame.tb_frame.f_code.co_filename)
        if name not in ("harness.py", "calls.py", "far_side.py", "threading.py"):
            place = "{}:{}".format(name, frame.tb_lineno)
        frame = frame.tb_next
    return place


def stack_of_main():
    frame = sys._current_frames().get(threading.main_thread().ident)
    places = []
    while frame:
        name = os.path.basename(frame.f_code.co_filename)
        if re.search(r"harness|calls|far_side|run$|threading", name) is None:
            places.append("{}:{}".format(name, frame.f_lineno))
        frame = frame.f_back
    return places[0] if places else "its end"


def pack(layout, *values):
    return bytearray(struct.pack(layout, *values))
