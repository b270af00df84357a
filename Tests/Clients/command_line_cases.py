"""What a user does wrong at the command line: one line that says so, and a non-zero exit. And with whose rights a
port runs."""
import os
import pwd
import signal
import stat
import time

from fixture import Helper, case, events, eventually, free_tcp_port, read_exactly, wait_until, write_all

# A /dev of its own in which there is no CUSE, or another node by its name.
PRIVATE_DEV = """mount -t tmpfs -o mode=755 tmpfs /dev && mknod -m 666 /dev/null c 1 3 && mknod /dev/zero c 1 5 || exit 99
{}
shift; exec "$@" """


def fails(t, name, arguments, wanted, dev=None, user=None, seconds=10):
    """The command ends by itself, not with success, and says in one line what these words are in."""
    command = [t.binary] + arguments
    if dev is not None:
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", PRIVATE_DEV.format(dev), "sh", "-"] + command
    if user is not None:
        command = ["setpriv", "--reuid", user, "--regid", "nogroup", "--clear-groups"] + command
    started = time.monotonic()
    status, output = t.run(*command, seconds=seconds)
    took = time.monotonic() - started
    lines = output.strip().splitlines()
    t.note("{}: {}".format(name, " | ".join(lines)))
    t.check(name + ": it ends by itself, not with success", status not in (None, 0, 99) and status > 0,
            "status {}".format(status))
    t.check(name + ": one line", len(lines) == 1, lines)
    missing = [word for word in wanted if word not in output]
    t.check(name + ": it names " + ", ".join(wanted), not missing, output)
    return took


def port(name="ttyNone", *more):
    return ["-S", "127.0.0.1:9", "-n", name] + list(more)


@case(40)
def no_cuse(t):
    fails(t, "no /dev/cuse", port(), ["/dev/cuse", "modprobe cuse"], dev="")
    fails(t, "node without its module", port(), ["/dev/cuse", "modprobe cuse"], dev="mknod /dev/cuse c 10 254 || exit 99")
    fails(t, "node that is something else", port(), ["/dev/cuse"], dev="mknod /dev/cuse c 1 3 || exit 99")
    fails(t, "node that is a file", port(), ["/dev/cuse"], dev=": >/dev/cuse || exit 99")


@case(40)
def not_permitted(t):
    mode = stat.S_IMODE(os.stat("/dev/cuse").st_mode)
    t.check("/dev/cuse is not for everybody here", not mode & 0o006, oct(mode))
    fails(t, "as nobody", port(), ["permission", "/dev/cuse"], user="nobody")


@case(40)
def name_taken(t):
    server = t.simulator()
    first = t.port(server)
    fails(t, "by another port", ["-S", str(server), "-n", first.name], [first.path, "exists"])
    descriptor = t.open_raw(first)
    write_all(descriptor, b"first")
    t.equal("the first goes on", read_exactly(descriptor, 5), b"first")
    path = "/dev/ttyTaken{}".format(t.number)
    os.mknod(path, 0o600 | stat.S_IFREG)
    try:
        fails(t, "by a file", port(path), [path, "exists"])
        t.check("the file is still there", os.path.isfile(path))
    finally:
        os.unlink(path)


@case(60)
def names_taken_at_the_same_time(t):
    """Started together, both find the name free: the kernel gives it to one, and the other has to notice."""
    server = t.simulator()
    from fixture import Port
    name = t.port_name()
    both = [Port(t, server, name, ()) for _ in range(2)]
    both[1].label = both[1].name  # one log for each
    wait_until(lambda: any(each.status is not None for each in both), 5, "end of one of the two")
    ended = [each for each in both if each.status is not None]
    t.equal("one of two ends", len(ended), 1)
    for each in ended:
        each.ends_cleanly = False
        t.check("it ends with failure", each.status > 0, each.status)
    t.check("the other serves", eventually(lambda: os.path.exists(both[0].path)))
    descriptor = t.open_raw(both[0])
    write_all(descriptor, b"one")
    t.equal("and works", read_exactly(descriptor, 3), b"one")


@case(60)
def illegal_names(t):
    for name, word in (("ttyS0", "driver"), ("ttyUSB7", "driver"), ("tty1", "driver"), ("ttyACM0", "driver"),
                       ("../x", "illegal"), ("a/b", "illegal"), ("ttya/b", "illegal"), ("tty..x", "illegal"),
                       ("tty" + "x" * 100, "longer"), ("x", "tty"), ("tty", "tty"), ("ttyä", "allowed"),
                       ("tty x", "allowed"), ("tty\nx", "allowed"), ("/dev/", "empty"), ("/dev/../etc/x", "illegal"),
                       ("null", "tty"), ("console", "tty"), ("tty!x", "allowed")):
        fails(t, repr(name), ["-S", "127.0.0.1:9", "-n=" + name if name.startswith("-") else "--name=" + name],
              ["name", word])


@case(40)
def device_numbers(t):
    server = t.simulator()
    first = t.port(server, "-M", "240", "-m", "7")
    status = os.stat(first.path)
    t.equal("major and minor as given", (os.major(status.st_rdev), os.minor(status.st_rdev)), (240, 7))
    fails(t, "number in use by a port", ["-S", str(server), "-n", "ttyOther", "-M", "240", "-m", "7"],
          ["240:7", first.name])
    fails(t, "number of a driver", port("ttyOther", "-M", "1", "-m", "3"), ["1:3", "null"])
    second = t.port(server, "-M", "240", "-m", "8")
    t.equal("a second minor of the major", os.minor(os.stat(second.path).st_rdev), 8)
    third = t.port(server, "-M", "240", "-m", "300")
    t.equal("a minor past 255", os.minor(os.stat(third.path).st_rdev), 300)
    fails(t, "major too large", port("ttyOther", "-M", "512"), ["512", "-M"])
    fails(t, "minor too large", port("ttyOther", "-M", "240", "-m", "1048576"), ["1048576", "-m"])
    # All minors of major 1 belong to a driver, in use or not: the kernel refuses, and says so in its log only.
    fails(t, "number of a driver that has no such device", port("ttyOther", "-M", "1", "-m", "200"), ["ttyOther"])


@case(40)
def illegal_servers(t):
    for server in ("127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x", "127.0.0.1:-1", ":4000",
                   "::1", "fe80::1:4000", "[::1]", "[::1:4000", "[]:4000", "host name:1", "127.0.0.1:4000:1"):
        fails(t, repr(server), ["--server=" + server, "-n", "ttyNone"], ["-S", server])


@case(40)
def illegal_options(t):
    """The parser's own errors show how it is used, too: here the first line counts."""
    for name, arguments, word in (
            ("unknown option", port("ttyNone", "--frobnicate"), "--frobnicate"),
            ("no server", ["-n", "ttyNone"], "--server"),
            ("no name", ["-S", "127.0.0.1:9"], "--name"),
            ("empty server", ["--server=", "-n", "ttyNone"], "--server"),
            ("empty name", ["-S", "127.0.0.1:9", "--name="], "--name"),
            ("number that is none", port("ttyNone", "-M", "x"), "x"),
            ("negative time", port("ttyNone", "--linger=-1"), "--linger"),
            ("time that is none", port("ttyNone", "--connect-timeout", "soon"), "soon"),
            ("endless time", port("ttyNone", "--connect-timeout", "inf"), "--connect-timeout"),
            ("not a number", port("ttyNone", "--connect-timeout", "nan"), "--connect-timeout"),
            ("loss timeout", port("ttyNone", "--loss-timeout", "x"), "loss-timeout"),
            ("RS485 codes", port("ttyNone", "--rs485-codes", "1"), "rs485-codes"),
            ("RS485 codes that are one", port("ttyNone", "--rs485-codes", "20,20"), "rs485-codes"),
            ("settings policy", port("ttyNone", "--settings", "x"), "settings"),
            ("dead-after", port("ttyNone", "--dead-after", "0"), "--dead-after"),
            ("word that is no option", port("ttyNone", "frobnicate"), "frobnicate"),
            ("unknown quirk", ["simulate", "--quirk", "x", "--port", "0"], "x"),
            ("unknown wiring", ["simulate", "--wiring", "x", "--port", "0"], "x")):
        status, output = t.run(t.binary, *arguments)
        first = output.strip().splitlines()[:1]
        t.note("{}: {}".format(name, " | ".join(output.strip().splitlines())))
        t.check(name + ": it fails", status is not None and status > 0, status)
        t.check(name + ": the first line names it", first and word in first[0], output)


@case(40)
def unknown_user(t):
    server = t.simulator()
    fails(t, "user that does not exist", ["-S", str(server), "-n", t.port_name(), "--user", "no-such-user"],
          ["no-such-user"])
    fails(t, "group that does not exist", ["-S", str(server), "-n", t.port_name(), "--group", "no-such-group"],
          ["no-such-group"])


@case(40)
def aborted_by_the_administrator(t):
    """A write to the device's abort file ends the port: with failure, so that it is started again."""
    port = t.port(t.simulator())
    descriptor = t.open_raw(port)
    with open("/sys/class/cuse/{}/abort".format(port.name), "w") as file:
        file.write("1")
    t.check("it ends with failure", port.wait() > 0, port.status)
    port.ends_cleanly = False
    t.check("and says why", "has removed" in port.log, port.log)
    t.check("a client gets errors", events(descriptor) & 8)


@case(60)
def check_option(t):
    closed = free_tcp_port()
    fails(t, "--check, no server", ["-S", "127.0.0.1:{}".format(closed), "-n", t.port_name(), "--check", "-D", "0"],
          ["127.0.0.1:{}".format(closed), "refused"])
    for quirk in ("raw", "wont-comport", "silent"):
        server = t.simulator("--quirk", quirk)
        took = fails(
            t, "--check, " + quirk,
            ["-S", str(server), "-n", t.port_name(), "--check", "--connect-timeout", "2", "-D", "0"],
            [str(server), "RFC 2217", {"raw": "echoes what", "wont-comport": "refuses", "silent": "no answer"}[quirk]])
        t.took("--check, {}: in the connect timeout".format(quirk), took, 0, 3.5)
    fails(t, "--check, SSH", ["-S", t.ssh_server(), "-n", t.port_name(), "--check", "--connect-timeout", "1", "-D", "0"],
          ["RFC 2217", "SSH-2.0"])
    good = t.port(t.simulator(), "--check")
    good.expect("speaks RFC 2217")
    t.note(good.log.strip().splitlines()[-1])
    descriptor = t.open_raw(good)
    write_all(descriptor, b"ok")
    t.equal("and the port works", read_exactly(descriptor, 2), b"ok")


def process_status(pid):
    with open("/proc/{}/status".format(pid)) as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@case(40)
def privileges_are_dropped(t):
    port = t.port(t.simulator())
    status = process_status(port.pid)
    nobody = pwd.getpwnam("nobody")
    t.equal("user ids", status["Uid"].split(), [str(nobody.pw_uid)] * 4)
    t.check("group ids", "0" not in status["Gid"].split(), status["Gid"])
    t.check("no group of root's is left", "0" not in status["Groups"].split(), status["Groups"])
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        t.equal(name, int(status[name], 16), 0)
    t.equal("no program started from it could gain any (NoNewPrivs)", status.get("NoNewPrivs"), "1")
    for task in os.listdir("/proc/{}/task".format(port.pid)):
        thread = process_status("{}/task/{}".format(port.pid, task))
        t.check("thread {} as well".format(thread["Name"]), thread["Uid"] == status["Uid"]
                and int(thread["CapEff"], 16) == 0 and int(thread["CapPrm"], 16) == 0, thread["Uid"] + thread["CapEff"])
    node = os.stat(port.path)
    t.equal("the node's mode", oct(stat.S_IMODE(node.st_mode)), oct(0o660))
    t.note("threads: {}, open files: {}".format(status["Threads"], len(os.listdir("/proc/{}/fd".format(port.pid)))))


def start_unprivileged(t, server, name):
    """As a service does: never root, with a group that may use /dev/cuse."""
    return ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--groups", "dialout", "--inh-caps=-all",
            "--bounding-set=-all", t.binary, "-S", str(server), "-n", name, "-D", "3", "-E"]


@case(40)
def never_root(t):
    import grp
    from fixture import Process
    before = os.stat("/dev/cuse")
    server = t.simulator()
    name = t.port_name()
    os.chown("/dev/cuse", 0, grp.getgrnam("dialout").gr_gid)
    os.chmod("/dev/cuse", 0o660)
    try:
        process = Process(t, name, start_unprivileged(t, server, name))
        process.expect("created ")
        t.equal("CapEff", int(process_status(process.pid)["CapEff"], 16), 0)
        descriptor = t.open_raw("/dev/" + name)
        write_all(descriptor, b"works")
        t.equal("a port that never was root works", read_exactly(descriptor, 5), b"works")
        os.close(descriptor)
        t.equal("exit status", process.stop(), 0)
    finally:
        os.chown("/dev/cuse", before.st_uid, before.st_gid)
        os.chmod("/dev/cuse", stat.S_IMODE(before.st_mode))


@case(40)
def compatible_options(t):
    """The original program's options in its own spelling."""
    from fixture import Process
    server = t.simulator()
    name = t.port_name()
    process = Process(t, name, [t.binary, "-f", "-E", "-D", "3", "-M", "241", "-m", "1", "-n", name, "-S", str(server)])
    process.expect("created ")
    status = os.stat("/dev/" + name)
    t.equal("device number", (os.major(status.st_rdev), os.minor(status.st_rdev)), (241, 1))
    t.equal("ends at SIGTERM", process.stop(), 0)
    name = t.port_name()
    process = Process(t, name, [t.binary, "-S", str(server), "-n", "/dev/" + name])
    process.expect("created ")
    t.check("a name with /dev/ before it", os.path.exists("/dev/" + name))
    process.stop()
    status, output = t.run(t.binary, "--version")
    t.check("--version", status == 0 and output.strip(), output)
    status, output = t.run(t.binary, "--help")
    t.check("--help names the options' meaning", status == 0 and "-S" in t.run(t.binary, "port", "--help")[1], output)
    status, output = t.run(t.binary)
    t.note("without arguments: " + " | ".join(output.strip().splitlines()))
    t.check("without arguments: a short help with three examples, and a usage error", status == 64
            and output.count("ttynvt-swift -S HOST:PORT -n NAME") == 1 and len(output.strip().splitlines()) == 5, output)
    t.equal("-V is --version", t.run(t.binary, "-V"), t.run(t.binary, "--version"))
    status, output = t.run(t.binary, "statsu")
    t.check("a mistyped command: the meant one, and a usage error",
            status == 64 and "unknown command 'statsu': did you mean 'status'?" in output, output)
    name = t.port_name()
    process = Process(t, name, [t.binary, "-E", "-S" + str(server), "-n" + name])
    process.expect("created ")
    t.equal("values behind short options: ends at SIGTERM", process.stop(), 0)


@case(60)
def log_levels(t):
    """-D 0 to 5: each louder than the one before."""
    server = t.simulator()
    sizes = []
    for level in range(6):
        port = t.port(server, "-D", str(level)) if level >= 2 else quiet_port(t, server, level)
        descriptor = t.open_raw(port)
        write_all(descriptor, b"x")
        read_exactly(descriptor, 1)
        os.close(descriptor)
        port.ends_cleanly = False
        t.equal("-D {}: ends at SIGTERM".format(level), port.stop(), 0)
        sizes.append(len(port.log.splitlines()))
        if level == 5:
            t.check("-D 5 shows every command in words", "SET-BAUDRATE 9600" in port.log, port.log[:600])
            t.note("-D 5: " + " | ".join(line.split(": ", 1)[-1] for line in port.log.splitlines()[:8]))
        if level < 2:
            t.equal("-D {} logs nothing without an error".format(level), port.log, "")
    t.check("each level says at least as much as the one before", sizes == sorted(sizes), sizes)


def quiet_port(t, server, level):
    from fixture import Port
    port = Port(t, server, t.port_name(), ("-D", str(level)))
    wait_until(lambda: os.path.exists(port.path) and os.stat(port.path).st_mode & 0o060, what="node")
    return port
