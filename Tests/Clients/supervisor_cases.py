"""Ports that appear by themselves: `supervise` with a real Avahi, its ports as children of its own."""
import grp
import json
import os
import resource
import signal
import stat
import subprocess
import time

from fake_systemd import FakeSystemd
from fixture import Process, Timeout, case, eventually, set_raw, wait_until

STATE = "/run/ports"
GRACE = 1


class Supervisor(Process):
    """`ttynvt-swift supervise` with a configuration of the case's. Its ports end with it at the case's end."""

    def __init__(self, test, configuration="", *options, launcher="children", grace=GRACE, state=STATE, prepare=None):
        test.names += 1
        self.grace = grace
        self.configuration = os.path.join(test.directory, "supervisor{}.conf".format(test.names))
        self.write(configuration)
        super().__init__(
            test, "supervisor{}".format(test.names),
            [test.binary, "supervise", "-E", "-D", "3", "--config", self.configuration, "--launcher", launcher,
             "--state", state] + list(options), prepare)

    def write(self, configuration):
        if "[discovery]" not in configuration:
            configuration = "[discovery]\n" + configuration
        with open(self.configuration, "w") as file:
            # The cases announce on this machine, and addresses of the documentation's networks.
            file.write(configuration.replace(
                "[discovery]\n",
                "[discovery]\nlocal = yes\nallow-addresses = 192.0.2.0/24\ngrace = {}\n".format(self.grace)))

    def ready(self):
        self.expect("running ports by")
        return self


def supervisor(t, configuration="", *options, **named):
    return Supervisor(t, configuration, *options, **named).ready()


def status(t, name):
    """The port's status; None if it does not run."""
    code, text = t.run(t.binary, "status", "--json", name)
    return json.loads(text)[0] if code == 0 else None


def numbers(path):
    found = os.stat(path).st_rdev
    return os.major(found), os.minor(found)


def finish(t, *supervisors):
    """Ends supervisors and their ports as Ctrl-C does; then nothing may be left."""
    for made in supervisors:
        if made.status is None:
            made.stop(signal.SIGINT, 10)
    t.check("no device is left", eventually(lambda: not left(), 5), left())


def left():
    return [name for name in os.listdir("/dev") if name.startswith(("ttyM", "tty-"))]


def port_pids():
    """{device name: process id} of all port processes."""
    return dict(port_processes())


def port_processes():
    """(device name, process id) of each port process."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/{}/cmdline".format(entry), "rb") as file:
                    words = file.read().decode().split("\0")
            except OSError:
                continue
            if any(word.startswith("--supervised=") for word in words):
                found.append((words[words.index("-n") + 1], int(entry)))
    return found


def exchange(descriptor, data=b"hello"):
    os.write(descriptor, data)
    got = b""
    while len(got) < len(data):
        got += os.read(descriptor, 100)
    return got


@case(60)
def supervise_announced(t):
    avahi = t.avahi()
    server = t.simulator(ports=2)
    made = supervisor(t)
    started = time.monotonic()
    for index, address in enumerate(server.addresses):
        avahi.publish("MIO04-1-com{}".format(index + 1), port=int(address.rsplit(":", 1)[1]),
                      txt=["funcclass=ttynvt", "security=no"])
    wait_until(lambda: os.path.exists("/dev/ttyMIO04-1-com1") and os.path.exists("/dev/ttyMIO04-1-com2"), 10)
    t.took("both devices are there after the announcement", time.monotonic() - started, 0, 5)
    for index in (1, 2):
        path = "/dev/ttyMIO04-1-com{}".format(index)
        made.expect("created " + path + r" \(199:\d+\) for ")
        found = os.stat(path)
        t.equal("mode of " + path, stat.S_IMODE(found.st_mode), 0o660)
        t.equal("group of " + path, grp.getgrgid(found.st_gid).gr_name, "dialout")
        link = "/dev/serial/by-id/ttynvt-MIO04-1-com{}".format(index)
        t.check("link to " + path, eventually(lambda: os.path.realpath(link) == path), os.path.realpath(link))
    t.equal("major and minor", sorted(numbers("/dev/ttyMIO04-1-com{}".format(i)) for i in (1, 2)), [(199, 1), (199, 2)])

    def use():
        descriptor = t.open_raw("/dev/ttyMIO04-1-com1")
        return exchange(descriptor).decode()
    t.equal("a user of the group can use it", t.helper(use, user="nobody").result(), "hello")
    code, text = t.run(t.binary, "status")
    t.check("status lists both", code == 0 and text.count("ttyMIO04-1-com") == 2, text)
    finish(t, made)


@case(90)
def supervise_vanish_and_return(t):
    avahi = t.avahi()
    first = t.simulator()
    second = t.simulator()
    tcp = [int(server.address.rsplit(":", 1)[1]) for server in (first, second)]
    made = supervisor(t)
    announcement = avahi.publish("MIO04-1-com1", port=tcp[0])
    path = "/dev/ttyMIO04-1-com1"
    wait_until(lambda: os.path.exists(path), 10)
    before = numbers(path), port_pids()
    descriptor = t.open_raw(path)
    made.write("[discovery]\ndeny-names = MIO04-*\n")
    made.send(signal.SIGHUP)
    made.expect("ttyMIO04-1-com1 is no longer announced or configured", 10)
    t.equal("data flows although the configuration denies the name", exchange(descriptor), b"hello")
    t.check("status shows that it is retiring", status(t, "ttyMIO04-1-com1")["retiring"], status(t, "ttyMIO04-1-com1"))
    made.write("")
    made.send(signal.SIGHUP)
    made.expect("is wanted again; retirement cancelled", 10)
    announcement.stop()
    time.sleep(5 + GRACE)
    t.equal("a connected port is wanted although it is not announced", made.log.count("no longer announced or configured"), 1)
    t.equal("data flows while it is not announced", exchange(descriptor), b"hello")
    announcement = avahi.publish("MIO04-1-com1", port=tcp[1])
    time.sleep(2 + GRACE)
    t.equal("data flows on the old connection", exchange(descriptor), b"hello")
    first.stop()
    made.expect("ttyMIO04-1-com1: servers changed to .*:{}".format(tcp[1]), 20)
    t.equal("and on the new one, through the same open file", exchange(descriptor, b"again"), b"again")
    t.equal("same device, same process", (numbers(path), port_pids()), before)
    announcement.stop()
    os.close(descriptor)
    t.check("gone after the close", eventually(lambda: not os.path.exists(path), 10 + GRACE))
    made.expect("removed /dev/ttyMIO04-1-com1")
    announcement = avahi.publish("MIO04-1-com1", port=tcp[1])
    wait_until(lambda: os.path.exists(path), 10)
    t.equal("back with the same number", numbers(path), before[0])
    finish(t, made)


@case(60)
def supervise_flap(t):
    """An announcement that is back within the grace period changes nothing."""
    avahi = t.avahi()
    server = t.simulator()
    tcp = int(server.address.rsplit(":", 1)[1])
    made = supervisor(t, grace=8)
    announcement = avahi.publish("MIO04-1-com1", port=tcp)
    wait_until(lambda: port_pids(), 10)
    before = port_pids()
    for _ in range(3):
        announcement.stop()
        time.sleep(1)
        announcement = avahi.publish("MIO04-1-com1", port=tcp)
    time.sleep(1)
    t.equal("the same process", port_pids(), before)
    t.check("nothing was said of it", "no longer announced" not in made.log, made.log[-500:])
    finish(t, made)


@case(90)
def supervise_crash(t):
    server = t.simulator(ports=2)
    made = supervisor(t, "[port MIO-a]\nserver = {}\n[port MIO-b]\nserver = {}\n".format(*server.addresses))
    for name in "ab":
        made.expect("created /dev/ttyMIO-{} ".format(name))
    before = port_pids()
    where = numbers("/dev/ttyMIO-a")
    for round in range(2):
        now = port_pids()
        started = time.monotonic()
        os.kill(now["ttyMIO-a"], signal.SIGKILL)
        wait_until(lambda: port_pids().get("ttyMIO-a") not in (None, now["ttyMIO-a"])
                   and os.path.exists("/dev/ttyMIO-a") and status(t, "ttyMIO-a"), 10)
        t.took("back after a crash", time.monotonic() - started, 0, 2.0 if round == 0 else 4.0)
    t.equal("the other one is untouched", port_pids()["ttyMIO-b"], before["ttyMIO-b"])
    t.equal("same number", numbers("/dev/ttyMIO-a"), where)
    descriptor = t.open_raw("/dev/ttyMIO-a")
    t.equal("it works", exchange(descriptor), b"hello")
    made.expect("ttyMIO-a has ended: its process was ended by signal 9")
    finish(t, made)


@case(90)
def supervise_restart(t):
    """Supervisor, Avahi and the bus may go and come: no port is touched."""
    bus = t.bus()
    avahi = t.avahi(bus)
    server = t.simulator(ports=2)
    for index, address in enumerate(server.addresses):
        avahi.service_file("MIO04-1-com{}".format(index + 1), port=int(address.rsplit(":", 1)[1]))
    avahi.reload()
    # Avahi's own start takes its time, until it announces again what it announced before.
    made = supervisor(t, grace=6)
    for index in (1, 2):
        made.expect("created /dev/ttyMIO04-1-com{} ".format(index), 10)
    before = port_pids()
    descriptor = t.open_raw("/dev/ttyMIO04-1-com1")
    made.stop(signal.SIGTERM)
    t.equal("the supervisor's end leaves them", port_pids(), before)
    t.equal("data flows without it", exchange(descriptor), b"hello")
    made = supervisor(t, grace=6)
    made.expect("2 running ports found")
    time.sleep(8)
    t.equal("the next one adopts them", port_pids(), before)
    made.stop(signal.SIGKILL)
    made = supervisor(t, grace=6)
    made.expect("2 running ports found")
    avahi.stop(9)
    made.expect("Avahi is not running")
    time.sleep(2)
    avahi.start()
    made.expect("announcements are received again", 20)
    time.sleep(8)
    t.equal("Avahi's restart touches none", port_pids(), before)
    bus.restart()
    avahi.stop(9)
    avahi.start()
    made.expect("(?s)received again.*received again", 30)
    time.sleep(8)
    t.equal("nor does the bus's", port_pids(), before)
    t.equal("data flows still", exchange(descriptor), b"hello")
    t.check("nothing was retired", "no longer announced" not in made.log, made.log[-800:])
    os.close(descriptor)
    finish(t, made)


@case(60)
def supervise_late_avahi(t):
    bus = t.bus()
    avahi = t.avahi(bus, start=False)
    server = t.simulator()
    made = supervisor(t, "[port MIO-s]\nserver = {}\n".format(server.address))
    made.expect("Avahi is not running, so no announcements are received")
    wait_until(lambda: os.path.exists("/dev/ttyMIO-s"), 5, what="a static port without Avahi")
    avahi.start()
    made.expect("announcements are received again", 20)
    avahi.publish("MIO-d", port=int(server.address.rsplit(":", 1)[1]))
    t.check("announced ones follow", eventually(lambda: os.path.exists("/dev/ttyMIO-d"), 10))
    finish(t, made)


@case(60)
def supervise_options(t):
    """Static ports, options of all, of some and of one; what changes them is told from what only moves them."""
    server = t.simulator(ports=2)
    text = """
[ports]
major = 198
loss-timeout = 7
[port MIO-*]
connect = always
[port MIO-a]
server = {}
minor = 77
mode = 600
owner = nobody
group = tty
rs485-codes = 30,31
[port MIO-b]
server = {}
loss-timeout = never
""".format(*server.addresses)
    made = supervisor(t, text)
    for name in "ab":
        made.expect("created /dev/ttyMIO-{} ".format(name))
    found = os.stat("/dev/ttyMIO-a")
    t.equal("number", numbers("/dev/ttyMIO-a"), (198, 77))
    t.equal("mode", stat.S_IMODE(found.st_mode), 0o600)
    t.equal("owner and group", (found.st_uid, grp.getgrgid(found.st_gid).gr_name), (65534, "tty"))
    words = " ".join(open("/proc/{}/cmdline".format(port_pids()["ttyMIO-a"])).read().split("\0"))
    t.check("its options", all(w in words for w in ("--connect=always", "--loss-timeout=7", "--rs485-codes=30,31")), words)
    words = " ".join(open("/proc/{}/cmdline".format(port_pids()["ttyMIO-b"])).read().split("\0"))
    t.check("the other's", "--connect=always" in words and "--loss-timeout=never" in words and "rs485" not in words, words)
    before = port_pids()
    made.send(signal.SIGHUP)
    made.expect("configuration reloaded")
    time.sleep(0.5)
    t.equal("reading the same again changes nothing", port_pids(), before)
    descriptor = t.open_raw("/dev/ttyMIO-a")
    made.write(text.replace("rs485-codes = 30,31", "rs485-codes = 40,41"))
    made.send(signal.SIGHUP)
    made.expect("ttyMIO-a is no longer announced or configured")
    time.sleep(0.5)
    t.equal("an open port is not restarted for an option", port_pids(), before)
    os.close(descriptor)
    wait_until(lambda: port_pids().get("ttyMIO-a") not in (None, before["ttyMIO-a"]), 5)
    words = " ".join(open("/proc/{}/cmdline".format(port_pids()["ttyMIO-a"])).read().split("\0"))
    t.check("after the close it is", "--rs485-codes=40,41" in words, words)
    made.write("[ports]\nnonsense = 1\n")
    made.send(signal.SIGHUP)
    made.expect(r"supervisor\d+.conf:6: unknown key 'nonsense'")
    time.sleep(0.5)
    t.equal("a wrong file changes nothing", len(port_pids()), 2)
    made.write("")
    made.send(signal.SIGHUP)
    t.check("ports that are not in it any more go", eventually(lambda: not port_pids(), 20), made.log[-500:])
    finish(t, made)


@case(60)
def supervise_minors(t):
    """Numbers are remembered; a corrupt file is put aside, and its copy keeps the numbers."""
    for path in (STATE, STATE + ".backup"):
        if os.path.exists(path):
            os.unlink(path)
    server = t.simulator(ports=2)
    statics = ["[port MIO-{}]\nserver = {}\n".format(name, address) for name, address in zip("ba", server.addresses)]
    made = supervisor(t, statics[0])
    made.expect("created /dev/ttyMIO-b .199:1.")
    made.stop(signal.SIGINT, 10)
    made = supervisor(t, statics[0] + statics[1])
    for name in "ab":
        made.expect("created /dev/ttyMIO-{} ".format(name))
    t.equal("the first keeps its number", (numbers("/dev/ttyMIO-b"), numbers("/dev/ttyMIO-a")), ((199, 1), (199, 2)))
    made.stop(signal.SIGINT, 10)
    made = supervisor(t, statics[1])
    made.expect("created /dev/ttyMIO-a .199:2.")
    made.stop(signal.SIGINT, 10)
    with open(STATE, "r+") as file:
        text = file.read()
        file.seek(0)
        file.truncate()
        file.write(text[:-6])
    made = supervisor(t, statics[1])
    made.expect("/run/ports is corrupt .*: moved to /run/ports.corrupt")
    made.expect("/run/ports is missing; using its copy /run/ports.backup")
    made.expect("created /dev/ttyMIO-a .199:2.")
    t.equal("the corrupt file is kept", open(STATE + ".corrupt").read(), text[:-6])
    finish(t, made)


@case(90)
def supervise_hostile_names(t):
    """An announcement cannot name a path, an existing node or an option, nor forge a line of the log."""
    avahi = t.avahi()
    server = t.simulator()
    port = int(server.address.rsplit(":", 1)[1])
    names = ["../../etc/x", "x;reboot", "$(touch /tmp/owned)", "a b", "S0", "ACM0", "0", "..", "-S", "x\ny",
             "caf\u00e9", "a/b", "%s%n", "\u202eevil", "x" * 62, "MIO ok"]
    for name in names:
        avahi.service_file(name, port=port)
    avahi.service_file("MIO-good", port=port)
    avahi.service_file("MIO-secure", port=port, txt=["security=tls"])
    avahi.service_file("MIO-other", port=port, txt=["funcclass=other"])
    os.mknod("/dev/ttyMIO-taken", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    avahi.service_file("MIO-taken", port=port)
    devices = set(os.listdir("/dev"))
    avahi.reload()
    made = supervisor(t)
    made.expect("created /dev/ttyMIO-good ", 15)
    time.sleep(3)
    t.equal("only the legal names", set(os.listdir("/dev")) - devices - {"serial"}, {"ttyMIO-good", "tty-S"})
    t.equal("the node that was there is untouched", numbers("/dev/ttyMIO-taken"), (1, 3))
    log = made.log
    t.check("the collision is named", "not used: 'MIO-taken', because /dev/ttyMIO-taken already exists" in log, log[-1500:])
    t.check("security is named", "ignoring 'MIO-secure' (_ttynvt._tcp): it requires security" in log, log[-1500:])
    t.check("function class is named", "'MIO-other'" in log, log[-1500:])
    t.check("refusals are named", all(
        "illegal device name '{}'".format(name) in log for name in ("../../etc/x", "a b", "S0", "a/b")), log[-2500:])
    t.check("no control character, no turned text", "\u202e" not in log and "x\ny" not in log and "\\u{202e}" in log, log[-2500:])
    refusals = [line for line in log.splitlines() if "not used: " in line or "illegal" in line or "ignoring " in line]
    t.equal("each once", len(refusals), len(set(refusals)))
    time.sleep(5)
    t.equal("and not again", made.log.count("ttyMIO-taken already exists"), 1)
    os.unlink("/dev/ttyMIO-taken")
    t.check("the name is given once it is free", eventually(lambda: os.path.exists("/dev/ttyMIO-taken"), 20))
    finish(t, made)


@case(60)
def supervise_errors(t):
    server = t.simulator()
    made = supervisor(t, "[port MIO-a]\nserver = {}\n".format(server.address))
    made.expect("created /dev/")
    second = Supervisor(t, "")
    t.equal("a second supervisor: status", second.wait(), 1)
    t.equal("a second supervisor", second.log, "Error: another supervisor is running (process {})\n".format(made.pid))
    finish(t, made)
    wrong = Supervisor(t, "[ports]\nloss-timeout = abc\nwhatever = 1\n")
    t.equal("a wrong configuration: status", wrong.wait(), 1)
    lines = wrong.log.splitlines()
    t.check("each fault with its line", len(lines) == 3 and ":6: " in lines[0] and ":7: " in lines[1], wrong.log)
    code, text = t.run(t.binary, "check-config", wrong.configuration)
    shown = text.splitlines()
    t.check("check-config prints the same errors, with the lines and their number", code == 1 and shown
            == [lines[0], "    | loss-timeout = abc", lines[1], "    | whatever = 1", "2 errors"], text)
    code, text = t.run(t.binary, "check-config", made.configuration)
    t.check("and what is right", code == 0 and "no errors" in text, text)
    code, text = t.run(t.binary, "check-config", "/nonexistent")
    t.check("no such file", code == 1 and "cannot read /nonexistent: No such file" in text, text)
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nonexistent/bus"
    made = Supervisor(t, "[port MIO-a]\nserver = {}\n".format(server.address), launcher="systemd")
    t.equal("systemd without a bus: status", made.wait(), 1)
    t.check("and why, in one line", made.log.count("\n") <= 2 and "cannot reach the system bus" in made.log, made.log)
    made = supervisor(t, "[port MIO-a]\nserver = {}\n".format(server.address))
    made.expect("cannot reach the system bus at unix:path=/nonexistent/bus")
    made.expect("created /dev/ttyMIO-a ")
    t.check("static ports need no bus", True)
    finish(t, made)
    os.rename("/dev/cuse", "/dev/cuse.away")
    try:
        made = Supervisor(t, "")
        t.equal("no module: status", made.wait(), 1)
        t.check("no module: one line", made.log.endswith(
            "Error: no /dev/cuse: the kernel's cuse module is not loaded (modprobe cuse)\n"), made.log)
    finally:
        os.rename("/dev/cuse.away", "/dev/cuse")


@case(90)
def supervise_stopped_ports(t):
    """Ports that do not answer hold up neither the supervisor's start nor other ports."""
    server = t.simulator()
    names = ["MIO-{}".format(index) for index in range(30)]
    text = "".join("[port {}]\nserver = {}\n".format(name, server.address) for name in names)
    made = supervisor(t, text)
    wait_until(lambda: made.log.count("created /dev/") == 2 * len(names), 40, "{} ports".format(len(names)))
    before = port_pids()
    made.stop(signal.SIGTERM)
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        made = Supervisor(t, text + "[port MIO-new]\nserver = {}\n".format(server.address))
        made.expect("running ports by")
        t.took("it is ready", time.monotonic() - started, 0, 2)
        made.expect("created /dev/ttyMIO-new ")
        t.took("a port is there that was not before", time.monotonic() - started, 0, 4)
        made.expect("/dev/ttyMIO-7: .*does not answer: no reply within 1000 ms; retrying", 20)
        t.equal("that is said once for each", made.log.count("/dev/ttyMIO-7: "), 1)
        made.stop(signal.SIGKILL)
        made = Supervisor(t, text + "[port MIO-new]\nserver = {}\n".format(server.address))
        made.expect("1 running ports found", 20)
        t.check("they are neither ended nor started twice", all(os.path.exists("/proc/{}".format(pid))
                for pid in before.values()) and "ttyMIO-7 exists" not in made.log, made.log[-1500:])
    finally:
        for pid in before.values():
            os.kill(pid, signal.SIGCONT)
    made.write(text.replace("[port MIO-7]", "[port MIO-7]\nloss-timeout = 9\n"))
    made.send(signal.SIGHUP)
    t.check("one that goes on is taken over: a change of its options reaches it", eventually(
        lambda: port_pids().get("ttyMIO-7") not in (None, before["ttyMIO-7"]), 40), made.log[-1500:])
    after = port_pids()
    del before["ttyMIO-7"]
    t.equal("the others are the same processes", {name: after.get(name) for name in before}, before)
    made.stop(signal.SIGINT, 10)
    finish(t)


@case(60)
def supervise_few_descriptors(t):
    """With too few descriptors all ports run all the same, their ends are noticed, and the log says what to do."""
    server = t.simulator()
    names = ["MIO-{}".format(index) for index in range(18)]
    text = "".join("[port {}]\nserver = {}\n".format(name, server.address) for name in names)
    made = supervisor(t, text, prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20)))
    t.check("all are there", eventually(
        lambda: all(os.path.exists("/dev/tty" + name) for name in names), 30), made.log[-1500:])
    made.expect("The limit is 20 descriptors: raise LimitNOFILE=")
    before = port_pids()
    os.kill(before["ttyMIO-3"], signal.SIGKILL)
    t.check("one that is killed is back", eventually(
        lambda: port_pids().get("ttyMIO-3") not in (None, before["ttyMIO-3"]) and os.path.exists("/dev/ttyMIO-3"), 15),
        made.log[-1500:])
    t.equal("it is said once", made.log.count("LimitNOFILE="), 1)
    after = port_pids()
    t.check("the others are untouched", all(after[name] == before[name] for name in before if name != "ttyMIO-3"))
    finish(t, made)


def processor_ticks(pid):
    """Hundredths of a second that a process has had of the processor."""
    with open("/proc/{}/stat".format(pid)) as file:
        return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))


@case(60)
def supervise_fixed_minor(t):
    """A number that the configuration gives, and another device has: the port waits, and says so once."""
    server = t.simulator()
    other = t.port(server, "-M", "199", "-m", "77", name="ttyMIO-other")
    made = supervisor(t, "[port MIO-a]\nserver = {}\nminor = 77\n".format(server.address))
    made.expect(r"device number 199:77 of /dev/ttyMIO-a is in use by /dev/ttyMIO-other; waiting until it is free "
                r"\(or set another minor in \[port MIO-a\]\)")
    before = processor_ticks(made.pid)
    time.sleep(4)
    ticks = processor_ticks(made.pid) - before
    t.equal("lines about it", made.log.count("199:77"), 1)
    t.check("it gets no other one", not os.path.exists("/dev/ttyMIO-a"))
    # A loop would take most of 400.
    t.check("it does not loop", ticks < 50, "{} ticks".format(ticks))
    other.ends_cleanly = False
    other.stop()
    t.check("it gets the number once that is free", eventually(lambda: os.path.exists("/dev/ttyMIO-a"), 20))
    t.equal("number", numbers("/dev/ttyMIO-a"), (199, 77))
    made.expect("created /dev/ttyMIO-a .199:77.")
    finish(t, made)


@case(60)
def supervise_full_disk(t):
    """A state file that cannot be written is written once there is room; one that is lost is written anew."""
    directory = os.path.join(t.directory, "state")
    os.mkdir(directory)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", directory], check=True)
    try:
        ballast = os.path.join(directory, "ballast")
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        state = os.path.join(directory, "minors")
        server = t.simulator()
        made = supervisor(t, "[port MIO-a]\nserver = {}\n".format(server.address), state=state)
        made.expect("cannot write .*No space left on device; numbers and hosts of ports are not saved until it can be written")
        made.expect("created /dev/ttyMIO-a ")
        os.unlink(ballast)
        started = time.monotonic()
        t.check("it is written", eventually(lambda: os.path.exists(state), 12), made.log[-800:])
        t.took("after there is room", time.monotonic() - started, 0, 11)
        made.expect("was written; numbers and hosts of ports are saved again")
        with open(state) as file:
            t.check("what is in it", "ttyMIO-a " in file.read())
        t.equal("said once", made.log.count("are not saved until"), 1)
        finish(t, made)
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


@case(90)
def supervise_deaf_systemd(t):
    """A systemd whose signals are lost, and that answers wrongly: no port hangs, none is touched."""
    bus = t.bus()
    systemd = FakeSystemd(bus, t.binary, wrong=2)
    os.makedirs("/run/ttynvt-swift", exist_ok=True)
    # What ttynvt-starter.socket does.
    Process(t, "starter", ["systemd-socket-activate", "-l", "/run/ttynvt-swift/starter.sock", "-E",
                          "DBUS_SYSTEM_BUS_ADDRESS", t.binary, "starter"])
    server = t.simulator()
    names = ["MIO{}".format(index) for index in range(10)]
    text = "".join("[port {}]\nserver = {}\n".format(name, server.address) for name in names)
    made = supervisor(t, text, launcher="systemd")
    t.check("wrong answers: nothing is started until it is known what runs", not port_pids(), port_pids())
    wait_until(lambda: made.log.count("created /dev/") == len(names), 40, "{} ports".format(len(names)))
    t.check("more ports than may start at a time, and no signal", True)
    t.equal("each was started once", systemd.calls["StartUnit"], len(names))
    before = port_pids()
    os.kill(before["ttyMIO3"], signal.SIGKILL)
    t.check("one that is killed is back", eventually(
        lambda: port_pids().get("ttyMIO3") not in (None, before["ttyMIO3"]) and status(t, "ttyMIO3"), 15), made.log[-800:])
    made.stop(signal.SIGKILL)
    before = port_pids()
    systemd.empty = 1
    made = supervisor(t, text, launcher="systemd")
    made.expect("/dev/ttyMIO3 already exists")
    t.check("an empty list was no reason to touch them", port_pids() == before, port_pids())
    if os.environ.get("TTYNVT_LONG"):
        # The next list is complete.
        made.write(text.replace("[port MIO5]", "[port MIO5]\nloss-timeout = 9\n"))
        made.send(signal.SIGHUP)
        t.check("it finds them: a change of options reaches one", eventually(
            lambda: port_pids().get("ttyMIO5") not in (None, before["ttyMIO5"]), 45), made.log[-1500:])
    made.stop(signal.SIGTERM)
    systemd.stop()
    finish(t)


@case(60)
def supervise_killed_while_starting(t):
    """A supervisor that is killed between the start of a port and its answer: the next one finds the port."""
    server = t.simulator()
    names = ["MIO-{}".format(index) for index in range(12)]
    text = "".join("[port {}]\nserver = {}\n".format(name, server.address) for name in names)
    for round in range(8):
        made = Supervisor(t, text)
        time.sleep(0.02 + 0.06 * round)
        made.stop(signal.SIGKILL)
    made = supervisor(t, text)
    t.check("all are there", eventually(lambda: sorted(
        name for name in names if status(t, "tty" + name)) == sorted(names), 40), made.log[-2500:])
    time.sleep(1)
    processes = port_processes()
    t.equal("one process for each", len(processes), len(names))
    made.stop(signal.SIGINT, 10)
    t.check("the supervisor knew them all", eventually(lambda: not port_processes(), 5), port_processes())
    finish(t)


@case(60)
def supervise_leaves_others_alone(t):
    """A port that somebody runs by hand is not the supervisor's."""
    server = t.simulator()
    port = t.port(server, name="ttyMIO-mine")
    made = supervisor(t)
    time.sleep(GRACE + 3)
    t.check("it runs on", port.status is None and os.path.exists(port.path))
    t.check("and is in the status all the same", status(t, "ttyMIO-mine") is not None)
    made.stop(signal.SIGINT, 10)
    t.check("and on", port.status is None and os.path.exists(port.path))
