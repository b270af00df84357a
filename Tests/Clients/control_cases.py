"""The control socket of a port: status, servers, retire, keep; what a service manager is told; and the commands `status`
and `probe`."""
import grp
import json
import os
import pwd
import random
import re
import signal
import socket
import stat
import termios
import threading
import time

import fixture
from fixture import (Port, Process, Timeout, case, eventually, free_tcp_port, read_exactly, wait_until, write_all)
from command_line_cases import process_status

BASE = "/run/ttynvt-swift/port"


def connect(name):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    client.connect("{}/{}/control".format(BASE, name))
    return client


def hear(client):
    """Everything until the port closes the connection."""
    heard = b""
    while True:
        try:
            more = client.recv(65536)
        except ConnectionResetError:
            return heard
        if not more:
            return heard
        heard += more


def ask(name, line):
    with connect(name) as client:
        client.sendall(line.encode() + b"\n")
        return hear(client).decode()


def status_of(t, name):
    code, output = t.run(t.binary, "status", name, "--json")
    if code != 0:
        raise RuntimeError(output)
    return json.loads(output)[0]


def exchange(t, what, descriptor, data):
    write_all(descriptor, data)
    return t.equal(what, read_exactly(descriptor, len(data)), data)


def ends_with_success(t, what, port, seconds=5.0):
    port.ends_cleanly = False
    t.equal(what + ": exit status", port.wait(seconds), 0)
    counts = re.search(r"(\d+) requests received, (\d+) answered", port.log)
    t.check(what + ": every request was answered", counts and counts.group(1) == counts.group(2), port.log[-300:])
    t.check(what + ": the node is gone", eventually(lambda: not os.path.exists(port.path)))
    t.check(what + ": its socket is gone", not os.path.exists("{}/{}/control".format(BASE, port.name)))


@case(40)
def status_shows_what_a_port_does(t):
    server = t.simulator()
    port = t.port(server, "-M", "240", "-m", "9", "--linger", "0.5")
    idle = status_of(t, port.name)
    t.equal("link at the start", idle["link"], "idle")
    t.equal("openers at the start", idle["openers"], [])
    descriptor = t.open_raw(port)
    data = bytes(range(256)) * 8 + b"\xff" * 100
    exchange(t, "data comes back", descriptor, data)
    seen = status_of(t, port.name)
    t.note(json.dumps(seen))
    for key, wanted in (
            ("name", port.name), ("device", port.path), ("major", 240), ("minor", 9), ("pid", port.pid),
            ("servers", [str(server)]), ("peer", str(server)), ("link", "connected"), ("settings", "115200 8N1"),
            ("outputs", ["DTR", "RTS"]), ("inputs", ["CTS", "DSR", "DCD"]), ("received", len(data)),
            ("transmitted", len(data)), ("reconnects", 0), ("lastError", None), ("retiring", False),
            ("openers", [{"pid": os.getpid(), "program": "run"}]),
            ("options", ["-n", port.name, "-D", "3", "-E", "-M", "240", "-m", "9", "--linger", "0.5"])):
        t.equal("JSON: " + key, seen.get(key), wanted)
    t.check("JSON: since and started", time.time() - 20 < seen["started"] <= seen["since"] <= time.time() + 1, seen)
    code, table = t.run(t.binary, "status")
    t.note(" | ".join(table.splitlines()))
    row = [line for line in table.splitlines() if line.startswith(port.name)]
    t.check("table: one row with all of it", code == 0 and len(row) == 1 and all(word in row[0] for word in (
        str(server), "connected", "115200 8N1", "DTR RTS CTS DSR DCD", "2148 B", "run ({})".format(os.getpid()))), table)
    code, details = t.run(t.binary, "status", port.path)
    t.note(" | ".join(details.splitlines()))
    t.check("details", code == 0 and all(word in details for word in (
        "/dev/{} (240:9)".format(port.name), "2148 bytes", "out: DTR RTS, in: CTS DSR DCD", "open in:", "none")), details)
    os.close(descriptor)
    wait_until(lambda: status_of(t, port.name)["openers"] == [], what="no opener")


@case(40)
def status_counts_errors_and_reconnects(t):
    tcp_port = free_tcp_port()
    server = t.simulator_at(tcp_port, "--line-errors", "parity:10")
    port = t.port(server)
    descriptor = t.open_raw(port)
    attributes = termios.tcgetattr(descriptor)
    attributes[0] = termios.INPCK
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    write_all(descriptor, bytes(100))
    wait_until(lambda: status_of(t, port.name)["errors"]["parity"] == 10, what="10 parity errors")
    t.check("10 parity errors in 100 bytes", True)
    server.stop(signal.SIGKILL)
    wait_until(lambda: status_of(t, port.name)["link"] == "lost", what="link lost")
    lost = status_of(t, port.name)
    t.check("the last error says why", lost["lastError"] and "connect" in lost["lastError"]["text"], lost["lastError"])
    t.equal("no peer", lost["peer"], None)
    time.sleep(1.5)
    t.equal("lost since then, however often it was tried", status_of(t, port.name)["since"], lost["since"])
    t.simulator_at(tcp_port)
    wait_until(lambda: status_of(t, port.name)["link"] == "connected", 10, "link connected")
    t.equal("one reconnect", status_of(t, port.name)["reconnects"], 1)


@case(40)
def status_for_whom(t):
    port = t.port(t.simulator(), "--mode", "0640", "--owner", "daemon")
    node = os.stat(port.path)
    t.equal("--owner and --mode", (node.st_uid, oct(stat.S_IMODE(node.st_mode))), (pwd.getpwnam("daemon").pw_uid, "0o640"))

    def as_user(user, groups, *arguments):
        return t.run("setpriv", "--reuid", user, "--regid", "nogroup", *groups, t.binary, "status", *arguments)

    code, output = as_user("games", ["--groups", "dialout"])
    t.check("a user in the node's group sees it", code == 0 and port.name in output and "ready" in output, output)
    code, output = as_user("daemon", ["--clear-groups"], port.name)
    t.check("its owner sees it", code == 0 and port.name in output, output)
    code, output = as_user("games", ["--clear-groups"])
    row = [line for line in output.splitlines() if line.startswith(port.name)]
    t.check("another user sees only that the port exists",
            code == 0 and len(row) == 1 and "no permission" in row[0] and "ready" not in output, output)
    code, output = as_user("games", ["--clear-groups"], port.name)
    t.check("and is told so when asking for it", code == 1 and len(output.strip().splitlines()) == 1
            and "no permission" in output and port.name in output and "usermod -aG dialout games" in output, output)
    code, output = as_user("games", ["--clear-groups"], "--json")
    found = [each for each in json.loads(output) if each["name"] == port.name]
    t.check("in JSON, too", len(found) == 1 and set(found[0]) == {"name", "error"}, output)

    def order(line):
        return lambda: ask(port.name, line)
    for line in ("servers 127.0.0.1:1", "retire", "keep"):
        t.equal("a user in the group gives no orders: " + line, t.helper(order(line), user="games").result(),
                "error not permitted\n")
    t.equal("nor does the port's own user, which all ports share", t.helper(order("keep"), user="nobody").result(),
            "error not permitted\n")
    t.equal("root may", ask(port.name, "keep"), "ok\n")


@case(40)
def status_without_a_port(t):
    code, output = t.run(t.binary, "status")
    lines = output.strip().splitlines()
    t.check("no port: what runs and what to do, and success", code == 0 and len(lines) == 4
            and lines[0] == "no port is running" and "supervisor is not running" in lines[1] and "Avahi" in lines[2]
            and "ttynvt-swift browse" in lines[3], (code, output))
    code, output = t.run(t.binary, "status", "--exit-code")
    t.equal("no port: status with --exit-code", code, 2)
    code, output = t.run(t.binary, "status", "--json")
    t.check("no port in JSON", code == 0 and json.loads(output) == [], output)
    for name in ("ttyThereIsNone", "../x", "x", "ttyÄ\x1b[2J"):
        code, output = t.run(t.binary, "status", name)
        t.check("no such port: one line, and failure: {!r}".format(name),
                code == 1 and len(output.strip().splitlines()) == 1 and "\x1b" not in output, (code, output))
    port = t.port(t.simulator())
    port.ends_cleanly = False
    port.stop(signal.SIGKILL)
    t.check("what a killed port left is there", os.path.exists("{}/{}/control".format(BASE, port.name)))
    code, output = t.run(t.binary, "status")
    t.check("and is no port", code == 0 and port.name not in output, output)
    code, output = t.run(t.binary, "status", port.name)
    t.check("nor by name", code == 1 and "no port" in output, output)
    again = t.port(t.simulator(), name=port.name)
    t.equal("its successor takes the place", status_of(t, port.name)["pid"], again.pid)


@case(40)
def servers_move_while_open(t):
    first, second = t.simulator("-v"), t.simulator("-v")
    port = t.port(first)
    node = os.stat(port.path)
    descriptor = t.open_raw(port)
    exchange(t, "at the first server", descriptor, b"first")
    t.equal("servers", ask(port.name, "servers {}".format(second)), "ok\n")
    exchange(t, "the connection stays", descriptor, b"still the first")
    seen = status_of(t, port.name)
    t.equal("status: servers and peer", (seen["servers"], seen["peer"]), ([str(second)], str(first)))
    first.stop(signal.SIGKILL)
    wait_until(lambda: status_of(t, port.name)["peer"] == str(second), what="peer is the second server")
    exchange(t, "the same file at the second server", descriptor, b"second")
    after = os.stat(port.path)
    t.equal("the same node", (after.st_rdev, after.st_ino), (node.st_rdev, node.st_ino))
    t.equal("settings came along", status_of(t, port.name)["settings"], "115200 8N1")
    t.equal("one reconnect", status_of(t, port.name)["reconnects"], 1)


@case(40)
def servers_move_while_lost(t):
    """A port that waits between two attempts tries the new server at once, and one in the middle of a vain attempt too."""
    for name, nowhere in (("refused", "127.0.0.1:{}".format(free_tcp_port())), ("silent", "192.0.2.99:4000")):
        first, second = t.simulator(), t.simulator()
        port = t.port(first, "--loss-timeout", "never")
        descriptor = t.open_raw(port)
        t.equal(name + ": to nowhere", ask(port.name, "servers " + nowhere), "ok\n")
        first.stop(signal.SIGKILL)
        wait_until(lambda: status_of(t, port.name)["link"] == "lost", what="link lost")
        time.sleep(4)
        started = time.monotonic()
        ask(port.name, "servers {}".format(second))
        exchange(t, name + ": data flows again", descriptor, b"back")
        t.took(name + ": at once", time.monotonic() - started, 0, 1)
        t.equal(name + ": as told", ask(port.name, "servers h:1,h:2,").split()[0], "error")


@case(40)
def a_dead_first_server(t):
    server = t.simulator()
    for name, dead in (("refused", "127.0.0.1:{}".format(free_tcp_port())), ("silent", "192.0.2.99:4000"),
                       ("no such name", "no-such-host.invalid:1")):
        port = t.port("{},{}".format(dead, server), "--connect-timeout", "3")
        started = time.monotonic()
        descriptor = t.open_raw(port)
        t.took(name + ": open", time.monotonic() - started, 0, 2.5)
        exchange(t, name + ": data", descriptor, b"second address")
        t.equal(name + ": peer", status_of(t, port.name)["peer"], str(server))
        os.close(descriptor)
    both = ["127.0.0.1:{}".format(free_tcp_port()), "127.0.0.1:{}".format(free_tcp_port())]
    port = t.port(",".join(both))
    t.raises("none there", 111, lambda: t.open(port))
    t.check("the log names both", all(address in port.log for address in both), port.log)
    t.check("and so does the status", all(a in status_of(t, port.name)["lastError"]["text"] for a in both))


@case(40)
def retire_while_open(t):
    port = t.port(t.simulator())
    descriptor = t.open_raw(port)
    t.equal("retire", ask(port.name, "retire"), "ok\n")
    exchange(t, "data flows on", descriptor, b"still here")
    second = t.open(port)
    t.equal("status says so", status_of(t, port.name)["retiring"], True)
    os.close(descriptor)
    exchange(t, "one more file", second, b"not yet")
    time.sleep(0.3)
    t.check("it goes on while one is open", port.status is None)
    os.close(second)
    ends_with_success(t, "after the last close", port)


@case(40)
def retire_with_nothing_open(t):
    port = t.port(t.simulator())
    t.equal("retire", ask(port.name, "retire"), "ok\n")
    ends_with_success(t, "at once", port)


@case(40)
def retire_taken_back(t):
    port = t.port(t.simulator())
    descriptor = t.open_raw(port)
    ask(port.name, "retire")
    t.equal("keep", ask(port.name, "keep"), "ok\n")
    os.close(descriptor)
    time.sleep(0.5)
    t.check("it stays after the last close", port.status is None and os.path.exists(port.path))
    t.equal("and is not retiring", status_of(t, port.name)["retiring"], False)
    exchange(t, "and works", t.open_raw(port), b"again")


@case(60)
def retire_waits_for_output(t):
    port = t.port(t.simulator("--pace"))
    descriptor = t.open_raw(port, baud=termios.B1200)
    write_all(descriptor, bytes(240))  # 2 s
    ask(port.name, "retire")
    started = time.monotonic()
    closer = t.helper(lambda: os.close(descriptor))
    os.close(descriptor)
    closer.wait(10)
    ends_with_success(t, "after the output", port, 10)
    t.took("not before it was out", time.monotonic() - started, 1.5, 8)


@case(60)
def retire_against_opens(t):
    """Programs that open and close all the time: each open works or finds nothing, and the port ends well."""
    for round in range(8):
        port = t.port(t.simulator())
        errors = []
        opened = [0]

        def program():
            while True:
                try:
                    descriptor = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
                except OSError as error:
                    errors.append(error.errno)
                    return
                opened[0] += 1
                try:
                    os.write(descriptor, b"x")
                except OSError as error:
                    errors.append(-error.errno)
                os.close(descriptor)
                time.sleep(random.random() * 0.005)
        threads = [threading.Thread(target=program) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.1 * round)
        ask(port.name, "retire")
        for thread in threads:
            thread.join(15)
        # ENOENT, ENXIO, ENODEV; ECONNABORTED if the kernel still held the request when the device went.
        t.check("{} opens, then none".format(opened[0]), set(errors) <= {2, 6, 19, 103} and len(errors) == 2, errors)
        ends_with_success(t, "round {}".format(round), port)


class ServiceManager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if name.startswith("@"):
            self.socket.bind("\0" + name[1:])
        else:
            self.socket.bind(name)
            os.chmod(name, 0o666)  # like systemd's: the port runs as user nobody by then
        self.told = []
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            datagram = self.socket.recv(4096)
            self.told.append((time.monotonic(), datagram.decode().split("\n")))

    def lines(self):
        return [line for _, lines in self.told for line in lines]

    def expect(self, line, seconds=5.0):
        return wait_until(lambda: line in self.lines(), seconds, "'{}', of {}".format(line, self.lines()))

    def close(self):
        if not self.name.startswith("@"):
            os.unlink(self.name)


def port_of(t, manager, server, *options, **environment):
    port = Port.__new__(Port)
    port.name = t.port_name()
    port.path = "/dev/" + port.name
    Process.__init__(port, t, port.name, [t.binary, "-S", str(server), "-n", port.name, "-D", "3", "-E"] + list(options),
                     environment=dict(os.environ, NOTIFY_SOCKET=manager.name, **environment))
    return port


@case(40, over=("path", "abstract"))
def notify(t, kind):
    name = "/run/notify-{}".format(t.number) if kind == "path" else "@ttynvt/notify-{}".format(t.number)
    manager = ServiceManager(name)
    tcp_port = free_tcp_port()
    server = t.simulator_at(tcp_port)
    port = port_of(t, manager, server)
    manager.expect("READY=1")
    t.check("the node is there when READY=1 is", os.path.exists(port.path))
    t.equal("told first", manager.lines()[:2], ["READY=1", "STATUS=idle"])
    descriptor = t.open_raw(port)
    manager.expect("STATUS=connected to {}, 115200 8N1, open in 1 program".format(server))
    t.check("STATUS of an open port", True)
    server.stop(signal.SIGKILL)
    manager.expect("STATUS=connection lost, retrying, open in 1 program")
    t.check("STATUS of a lost connection", True)
    t.simulator_at(tcp_port)
    wait_until(lambda: manager.lines()[-1].startswith("STATUS=connected"), 10, "connected again")
    os.close(descriptor)
    wait_until(lambda: manager.lines()[-1] == "STATUS=idle", what="idle again")
    before = len(manager.lines())
    time.sleep(1)
    t.equal("nothing is told while nothing happens", len(manager.lines()), before)
    for _ in range(50):
        os.close(t.open(port))
    time.sleep(0.3)
    told = len(manager.lines()) - before
    t.check("fifty opens in a row are told in a few words: {}".format(told), 1 <= told <= 60, manager.lines()[before:])
    t.equal("and the last one holds", manager.lines()[-1], "STATUS=idle")
    t.check("no watchdog was asked for", not any("WATCHDOG" in line for line in manager.lines()))
    port.ends_cleanly = False
    t.equal("ends at SIGTERM", port.stop(), 0)
    t.equal("the last word", manager.lines()[-1], "STOPPING=1")
    manager.close()


@case(40)
def notify_watchdog(t):
    manager = ServiceManager("/run/notify-{}".format(t.number))
    port = port_of(t, manager, t.simulator(), WATCHDOG_USEC="400000")
    manager.expect("WATCHDOG=1")
    time.sleep(2)
    pings = [at for at, lines in manager.told if "WATCHDOG=1" in lines]
    gaps = [b - a for a, b in zip(pings, pings[1:])]
    t.check("pings well within 400 ms: {}".format(len(pings)), len(pings) >= 8 and max(gaps) < 0.4, gaps)
    t.check("and not more often than needed", len(pings) <= 13, len(pings))
    other = port_of(t, manager, t.simulator(), WATCHDOG_USEC="400000", WATCHDOG_PID="1")
    other.expect("created ")
    port.ends_cleanly = False
    port.stop()
    manager.told.clear()
    time.sleep(1)
    t.check("a watchdog for another process is not ours", "WATCHDOG=1" not in manager.lines(), manager.lines())
    other.stop()
    other.ends_cleanly = False
    manager.close()


@case(40)
def notify_nobody_listens(t):
    """A service manager that is gone, or never was, is no reason for a port not to work."""
    for name in ("/run/no-such-socket", "@no-such-socket", "", "relative", "/" + "x" * 200):
        manager = type("Nobody", (), {"name": name})
        port = port_of(t, manager, t.simulator(), WATCHDOG_USEC="x")
        port.wait_ready()
        exchange(t, "works with NOTIFY_SOCKET={:.20}".format(name), t.open_raw(port), b"ok")


@case(60)
def hostile_clients(t):
    port = t.port(t.simulator())
    descriptor = t.open_raw(port)

    def works(what):
        started = time.monotonic()
        exchange(t, what + ": data flows", descriptor, b"data")
        t.equal(what + ": status", status_of(t, port.name)["name"], port.name)
        t.took(what + ": at once", time.monotonic() - started, 0, 1)

    for what, data in (("garbage", bytes(range(255, -1, -1)) + b"\n"), ("an empty line", b"\n"),
                       ("no such request", b"frobnicate\n"), ("a long line", b"x" * (1 << 20)),
                       ("servers in a long line", b"servers " + b"h:1," * 2000 + b"\n"),
                       ("too many servers", b"servers " + b",".join(b"h:%d" % n for n in range(1, 30)) + b"\n"),
                       ("no servers", b"servers \n"), ("text that is none", b"status\x00\n")):
        with connect(port.name) as client:
            try:
                client.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            heard = hear(client)
        t.check(what + ": refused in one line", heard.startswith(b"error ") and heard.count(b"\n") == 1, heard[:100])
        works(what)
    silent = []
    for _ in range(50):
        silent.append(connect(port.name))
    works("50 silent ones")
    started = time.monotonic()
    for client in silent:
        t.results.append(hear(client) == b"")
    t.took("all of them are dropped", time.monotonic() - started, 0, 2)
    half = connect(port.name)
    half.sendall(b"stat")
    gone = connect(port.name)
    gone.sendall(b"status\n")
    gone.close()
    works("half a line, and one that does not listen")
    t.equal("half a line has no answer", hear(half), b"")

    def flood():
        end = time.monotonic() + 2
        count = 0
        while time.monotonic() < end:
            try:
                with connect(port.name) as client:
                    client.sendall(b"retire\n")
                    count += 1
            except OSError:
                pass
        return count
    floods = [t.helper(flood, user="games") for _ in range(3)]
    time.sleep(0.2)
    exchange(t, "data flows in a flood of requests", descriptor, b"data")
    t.check("the flood was one", sum(each.result(10) for each in floods) > 100)
    t.equal("orders of user nobody were refused", status_of(t, port.name)["retiring"], False)
    t.note("open files: {}".format(len(os.listdir("/proc/{}/fd".format(port.pid)))))


@case(40)
def rights_while_connected(t):
    port = t.port(t.simulator())
    descriptor = t.open_raw(port)
    exchange(t, "data", descriptor, b"network bytes are parsed")
    nobody = pwd.getpwnam("nobody")
    for task in os.listdir("/proc/{}/task".format(port.pid)):
        status = process_status("{}/task/{}".format(port.pid, task))
        t.equal("{}: uid".format(status["Name"]), status["Uid"].split(), [str(nobody.pw_uid)] * 4)
        t.equal("{}: gid".format(status["Name"]), status["Gid"].split(), [str(nobody.pw_gid)] * 4)
        t.equal("{}: groups".format(status["Name"]), status["Groups"].split(), [])
        t.equal("{}: capabilities".format(status["Name"]), (status["CapPrm"], status["CapEff"]), ("0" * 16, "0" * 16))
        t.equal("{}: NoNewPrivs".format(status["Name"]), status["NoNewPrivs"], "1")
    directory = os.stat("{}/{}".format(BASE, port.name))
    t.equal("its directory is its own", (directory.st_uid, oct(stat.S_IMODE(directory.st_mode))), (nobody.pw_uid, "0o755"))
    t.equal("everybody may connect", oct(stat.S_IMODE(os.stat("{}/{}/control".format(BASE, port.name)).st_mode)), "0o666")


@case(40)
def a_directory_with_surprises(t):
    """What a port's user can leave in its directory does root's next start no harm."""
    name = t.port_name()
    directory = "{}/{}".format(BASE, name)
    os.makedirs(directory, exist_ok=True)
    os.chown(directory, pwd.getpwnam("nobody").pw_uid, -1)
    target = "/run/victim-{}".format(t.number)
    with open(target, "w") as file:
        file.write("precious")
    os.chmod(target, 0o600)
    os.symlink(target, directory + "/control")
    port = t.port(t.simulator(), name=name)
    t.equal("asked", status_of(t, name)["pid"], port.pid)
    victim = os.stat(target)
    t.equal("what the link led to is untouched", (victim.st_uid, oct(stat.S_IMODE(victim.st_mode)), open(target).read()),
            (0, "0o600", "precious"))
    other = t.port_name()
    os.symlink("/run", "{}/{}".format(BASE, other))
    second = t.port(t.simulator(), name=other)
    t.check("a directory that is a link is not used", "status unavailable" in second.log and not os.path.exists("/run/control"),
            second.log)


@case(40)
def a_live_socket(t):
    name = t.port_name()
    os.makedirs("{}/{}".format(BASE, name), exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind("{}/{}/control".format(BASE, name))
    listener.listen(1)
    code, output = t.run(t.binary, "-S", "127.0.0.1:9", "-n", name)
    t.check("another process's socket is an error that names it",
            code == 1 and "{}/{}/control".format(BASE, name) in output, (code, output))
    listener.close()


@case(60)
def no_wake_ups(t):
    """Neither the control thread nor any other wakes up while nothing happens, with a service manager or without."""
    manager = ServiceManager("/run/notify-{}".format(t.number))
    for what, port in (("alone", t.port(t.simulator())), ("with a service manager", port_of(t, manager, t.simulator()))):
        port.wait_ready()
        descriptor = t.open_raw(port)
        exchange(t, what, descriptor, b"x")
        time.sleep(2.5)  # connecting leaves deadlines of a second or two

        def switches():
            tasks = os.listdir("/proc/{}/task".format(port.pid))
            return {task: process_status("{}/task/{}".format(port.pid, task))["voluntary_ctxt_switches"] for task in tasks}
        before = switches()
        time.sleep(3)
        t.equal(what + ": no thread woke in 3 s", switches(), before)
        t.check(what + ": five threads", len(before) == 5, before)
    manager.close()


# probe

def probe(t, server, *options, seconds=30):
    return t.run(t.binary, "probe", str(server), *options, seconds=seconds)


@case(60, over=("standard", "ser2net", "ser2net-4.3", "pyserial", "igrr", "esp-rs", "sredird", "moxa", "no-acks",
                "no-baud-ack"))
def probe_knows(t, quirk):
    server = t.simulator("-v", *([] if quirk == "standard" else ["--quirk", quirk]))
    code, output = probe(t, server, "--json")
    found = json.loads(output) if code == 0 else {}
    t.check("it speaks RFC 2217", code == 0 and found["rfc2217"], output)
    known = quirk not in ("no-acks", "no-baud-ack")
    t.check("like {}".format(quirk if known else "none"), (quirk in found["like"]) == known, found["like"])
    answered = {each["command"]: each["answered"] for each in found["answers"]}
    t.equal("SET-BAUDRATE is answered", answered["SET-BAUDRATE"], quirk not in ("no-acks", "no-baud-ack"))
    t.equal("SET-CONTROL DTR is answered", answered["SET-CONTROL DTR"], quirk not in ("no-acks", "pyserial"))
    barrier = {"no-acks": None, "ser2net-4.3": "SET-BAUDRATE", "pyserial": "SET-BAUDRATE", "igrr": "SET-BAUDRATE",
               "esp-rs": "SET-BAUDRATE"}.get(quirk, "SET-MODEMSTATE-MASK")
    t.equal("barrier", found["barrier"], barrier)
    settings = "? 8N1" if quirk == "no-baud-ack" else "? ??" + "?" if quirk == "no-acks" else "9600 8N1"
    t.equal("settings", found["settings"], settings)
    words = re.findall(r"port 0: (.*)", server.log)
    t.check("nothing was set, and nothing purged", not any(
        word in line for line in words for word in ("PURGE", "DTR on", "RTS on", "break on", "SET-BAUDRATE 1")), words)


@case(40)
def probe_in_words(t):
    server = t.simulator()
    code, output = probe(t, server)
    t.note(" | ".join(output.splitlines()))
    t.check("in words", code == 0 and all(word in output for word in (
        "{} speaks RFC 2217".format(server), "9600 8N1", "RFC 2217 simulator", "SET-MODEMSTATE-MASK", "PURGE-DATA",
        "RS485")), output)


@case(60, over=("pyserial", "ser2net"))
def probe_real_servers(t, kind):
    server = t.server(kind)
    code, output = probe(t, server)
    t.note(" | ".join(output.splitlines()))
    t.check("it speaks RFC 2217", code == 0 and "speaks RFC 2217" in output, output)
    like = {"pyserial": "pyserial", "ser2net": "ser2net"}[kind]
    line = [line for line in output.splitlines() if line.startswith("like:")]
    t.check("it is known: " + like, line and like in line[0], output)


@case(60)
def probe_what_is_none(t):
    closed = free_tcp_port()
    for name, server, words in (
            ("a closed port", "127.0.0.1:{}".format(closed), ["refused", str(closed)]),
            ("a silent host", "192.0.2.99:4000", ["timed out"]),
            ("an unknown host", "no-such-host.invalid:1", ["no-such-host.invalid"]),
            ("SSH", t.ssh_server(), ["does not speak RFC 2217", "SSH-2.0"]),
            ("an echo", t.simulator("--quirk", "raw"), ["does not speak RFC 2217", "echoes what"]),
            ("one that refuses", t.simulator("--quirk", "wont-comport"), ["does not speak RFC 2217", "refuses"]),
            ("one that says nothing", t.simulator("--quirk", "silent"), ["does not speak RFC 2217", "no answer"]),
            ("no address", "nowhere", ["nowhere", "port"])):
        for options in ([], ["--json"]):
            started = time.monotonic()
            code, output = probe(t, server, "--timeout", "1", *options)
            lines = output.strip().splitlines()
            t.check("{}: one line that says so, status 1 {}".format(name, options), code == 1 and len(lines) == 1
                    and all(word in output for word in words) and "\x1b" not in output, (code, output))
            t.took("{}: in time {}".format(name, options), time.monotonic() - started, 0, 3)


@case(20)
def mistyped_command(t):
    for arguments in (["stauts"], ["stauts", "-n", "ttyX1"], ["-S", "h:1", "-n", "ttyX1", "x\x1b[2J"]):
        code, output = t.run(t.binary, *arguments)
        first = output.splitlines()[0] if output else ""
        hint = "did you mean 'status'?" if arguments[0] == "stauts" else "--help"
        t.check("{!r} is named".format(arguments), code == 64 and "unknown command" in first
                and hint in first and "\x1b" not in output, (code, output))
