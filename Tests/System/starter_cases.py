"""What a taken-over supervisor, a taken-over port and a user of the machine can do, by trying."""
import json
import os
import re
import socket
import stat

import system
from system import (OPERATOR, PROGRAM, SUPERVISOR, Service, case, check, is_active, is_ready, journal, main_pid, node,
                    number, output, rights, run, same, show, shown, simulator, unit_of, wait_until, within)

CONFIGURATION = "/etc/ttynvt-swift/ttynvt-swift.conf"
ENVIRONMENT = "/run/ttynvt-swift/env"
STARTER = "/run/ttynvt-swift/starter.sock"
LOCK = "/run/ttynvt-swift/supervisor/lock"
SANDBOX = "/run/systemd/system/ttynvt-sandboxed.service"
NAME = "bench"
SERVER = "127.0.0.1:11000"

# What the supervisor's process would do if it were somebody else's program: a line for each attempt.
ATTACK = r'''
import json, os, signal, socket, subprocess, sys

def attempt(what, body):
    try:
        body()
        print("DID " + what, flush=True)
    except BaseException as error:
        print("could not {}: {}".format(what, error), flush=True)

def call(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    if done.returncode != 0:
        raise Exception(done.stdout.decode().strip().splitlines()[-1:])

def write(path):
    with open(path, "a") as file:
        file.write("SYSTEMD_WANTS=evil.service\n")

def order(line):
    with socket.socket(socket.AF_UNIX) as starter:
        starter.settimeout(5)
        starter.connect(sys.argv[1])
        starter.send(line)
        return starter.recv(4096)

attempt("systemd-run", lambda: call("systemd-run", "--no-ask-password", "touch", "/run/owned"))
attempt("systemd-run as another user", lambda: call("systemd-run", "--uid=0", "--no-ask-password", "touch", "/run/owned"))
attempt("start a unit", lambda: call("systemctl", "--no-ask-password", "start", "evil.service"))
attempt("stop a unit", lambda: call("systemctl", "--no-ask-password", "stop", "avahi-daemon.service"))
attempt("set systemd's environment", lambda: call("systemctl", "--no-ask-password", "set-environment", "LD_PRELOAD=/tmp/x.so"))
attempt("set a unit's property", lambda: call("systemctl", "--no-ask-password", "set-property", "--runtime",
                                             "avahi-daemon.service", "CPUWeight=1"))
for path in ("/run/ttynvt-swift/env/ttybench", "/run/ttynvt-swift/env/ttyevil", "/run/ttynvt-swift/evil",
             "/run/ttynvt-swift/port/evil", "/run/systemd/system/evil.service", "/run/udev/rules.d/evil.rules",
             "/etc/ttynvt-swift/ttynvt-swift.conf", "/dev/evil", "/usr/bin/evil"):
    attempt("write " + path, lambda: write(path))
attempt("list the environment files", lambda: os.listdir("/run/ttynvt-swift/env"))
attempt("read an environment file", lambda: open("/run/ttynvt-swift/env/ttybench").read())
attempt("remove an environment file", lambda: os.unlink("/run/ttynvt-swift/env/ttybench"))
attempt("make a directory for udev", lambda: os.mkdir("/run/ttynvt-swift/port/ttyevil"))
attempt("replace the starter's socket", lambda: os.unlink("/run/ttynvt-swift/starter.sock"))
attempt("open /dev/cuse", lambda: os.open("/dev/cuse", os.O_RDWR))
attempt("open the port", lambda: os.open("/dev/ttybench", os.O_RDWR | os.O_NONBLOCK))
attempt("use the network", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("signal the port", lambda: os.kill(int(sys.argv[2]), signal.SIGTERM))
attempt("read the port's environment", lambda: open("/proc/{}/environ".format(sys.argv[2])).read())
attempt("become root", lambda: os.setuid(0))

good = ["write", "port", "bench", "-S", "127.0.0.1:11000", "--supervised=configured", "-n", "ttybench", "-M", "199", "-m",
        "90", "--group=dialout", "--mode=0660"]
poisons = ["SYSTEMD_WANTS=evil.service", "\nSYSTEMD_WANTS=evil.service", "\nSYSTEMD_WANTS=evil.service\n",
           "\nLD_PRELOAD=/tmp/evil.so", " LD_PRELOAD=/tmp/evil.so", "LD_PRELOAD=/tmp/evil.so", "../", "../../../etc/x", "/",
           "\n", "\r", "'", '"', "\\", "`id`", "$(id)", "$HOME", " ", "\t", ";id", "|id", "\x7f", "\u00e9", "--user=root",
           " --user=root", "\0--user=root", "\0--check", "\0", "=", "#"]
taken = []
for index in range(len(good)):
    for poison in poisons:
        for text in (poison, good[index] + poison, poison + good[index]):
            answer = order("\0".join(good[:index] + [text] + good[index + 1:]).encode() + b"\n")
            if not answer.startswith(b"error "):
                taken.append((index, text, answer.decode()))
print("TAKEN " + json.dumps(taken), flush=True)
for verb in ("start", "stop", "forget", "retire"):
    for name in ("../../../etc/x", "avahi-daemon", "x.service", "S0", "\\x2e", "x@y", "-f", "evil\nport"):
        answer = order("\0".join([verb, "port", name]).encode() + b"\n")
        # A name that no port has is legal, and there is nothing to stop.
        if answer.startswith(b"ok") and name not in ("avahi-daemon", "x.service", "-f"):
            print("DID {} {!r}".format(verb, name), flush=True)
print("the last order: " + order("\0".join(good).encode() + b"\n").decode().strip(), flush=True)
print("an order without an end: " + order(b"a" * 100000).decode().strip(), flush=True)
print("END", flush=True)
'''


def configure(text):
    with open(CONFIGURATION, "w") as file:
        file.write(text)
    run("systemctl", "reload", SUPERVISOR)


class Bench:
    """One configured port of the supervisor's."""

    def __enter__(self):
        with open(CONFIGURATION) as file:
            self.before = file.read()
        self.simulator = simulator("starter-simulator", 11000)
        configure("[port {}]\nserver = {}\nminor = 90\n".format(NAME, SERVER))
        try:
            wait_until(lambda: is_ready(NAME), 10, "the port")
        except system.Timeout:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        configure(self.before)
        within("it goes again", 5, lambda: not os.path.exists(node(NAME)))
        self.simulator.stop()


def as_user(user, *command, **options):
    return run("runuser", "-u", user, "--", *command, **options)


def ask(user, name, line):
    """A request to a port's control socket."""
    program = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(5); "
               "s.connect('/run/ttynvt-swift/port/tty{}/control'); s.send(b'{}\\n'); print(s.recv(9999).decode())")
    return as_user(user, "/usr/bin/python3", "-c", program.format(name, line))[1]


@case()
def a_taken_over_supervisor():
    """From within the supervisor's own sandbox: its unit with another program in it."""
    with open("/run/systemd/system/evil.service", "w") as file:
        file.write("[Service]\nExecStart=/bin/touch /run/owned\n")
    with Bench():
        pid = main_pid(NAME)
        with open(ENVIRONMENT + "/tty" + NAME) as file:
            before = file.read()
        with open("/usr/local/lib/attack.py", "w") as file:
            file.write(ATTACK)
        os.chmod("/usr/local/lib/attack.py", 0o644)
        with open(shown(SUPERVISOR, "FragmentPath")) as file:
            unit = file.read()
        unit = re.sub(r"(?m)^ExecStart=.*$", "ExecStart=/usr/bin/python3 -u /usr/local/lib/attack.py {} {}".format(STARTER, pid), unit)
        unit = re.sub(r"(?m)^(Type|NotifyAccess|Restart|RestartSec|WatchdogSec|TimeoutStartSec|ExecReload)=.*\n", "", unit)
        # The directories are the supervisor's, which runs.
        unit = re.sub(r"(?m)^(RuntimeDirectory|StateDirectory)=.*\n", "", unit)
        with open(SANDBOX, "w") as file:
            file.write(unit.replace("[Service]\n", "[Service]\nType=oneshot\nTimeoutStartSec=120\n"))
        run("systemctl", "daemon-reload")
        status, text = run("systemctl", "start", "ttynvt-sandboxed.service", timeout=150)
        said = journal("ttynvt-sandboxed.service")
        show("what it tried", "\n".join(line for line in said.splitlines() if line.startswith(("could", "DID", "TAKEN", "the last"))))
        check("it tried all", "END" in said, said[-400:])
        same("each attempt failed", [line for line in said.splitlines() if line.startswith("DID ")], [])
        taken = re.search(r"(?m)^TAKEN (.*)$", said)
        same("no field of an order takes more than itself", taken and json.loads(taken.group(1)), [])
        check("an order without an end is refused", "an order without an end: error" in said)
        check("a right order is carried out", "the last order: ok" in said)
        check("no unit of the attacker's has run", not os.path.exists("/run/owned"))
        same("the port is untouched", main_pid(NAME), pid)
        same("environment files", os.listdir(ENVIRONMENT), ["tty" + NAME])
        with open(ENVIRONMENT + "/tty" + NAME) as file:
            after = file.read()
        same("the file has what the order says", after, before.rstrip("\n").replace(
            "-m 90", "-m 90 --group=dialout --mode=0660") + "\nTTYNVT_GROUP=dialout\nTTYNVT_MODE=0660\n")
        check("the starter runs, or can", b"error" in order(b"nonsense\n"))
    for path in (SANDBOX, "/run/systemd/system/evil.service", "/usr/local/lib/attack.py"):
        os.unlink(path)
    run("systemctl", "daemon-reload")


def order(line):
    with socket.socket(socket.AF_UNIX) as starter:
        starter.settimeout(10)
        starter.connect(STARTER)
        starter.send(line)
        return starter.recv(4096)


@case()
def users_of_the_machine():
    with Bench():
        pid = main_pid(NAME)
        same("the directory of the environment files", rights(ENVIRONMENT), "root:root 700")
        same("an environment file", rights(ENVIRONMENT + "/tty" + NAME), "root:root 600")
        for user in (OPERATOR, "ttynvt", "nobody"):
            check(user + " cannot connect to the starter",
                  "PermissionError" in as_user(user, "/usr/bin/python3", "-c", "import socket; s = socket.socket(socket.AF_UNIX); "
                                               "s.connect('{}')".format(STARTER))[1])
            check(user + " cannot hold the lock", as_user(user, "flock", "-n", LOCK, "true")[0] != 0)
            lines = as_user(user, "sh", "-c", "cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' '")[1]
            check(user + " sees no server in command lines", "tty" + NAME in lines and SERVER not in lines, lines[-400:])
            check(user + " does not read a port's environment or memory",
                  as_user(user, "cat", "/proc/{}/environ".format(pid))[0] != 0
                  and as_user(user, "cat", "/proc/{}/maps".format(pid))[0] != 0)
            for request in ("servers 192.0.2.1:1", "retire", "keep"):
                same("{} gives no orders: {}".format(user, request), ask(user, NAME, request), "error not permitted")
            check(user + " does not see servers in the unit", SERVER not in as_user(user, "systemctl", "show", unit_of(NAME))[1])
            check(user + " does not see servers in udev's properties",
                  SERVER not in as_user(user, "udevadm", "info", "--query=all", node(NAME))[1])
        same("the supervisor's user gives orders", ask("ttynvt-supervisor", NAME, "keep"), "ok")
        check("a user who may read the node sees its status", SERVER in system.as_operator(PROGRAM, "status", "--json", "tty" + NAME)[1])
        same("the port is untouched", (main_pid(NAME), is_ready(NAME)), (pid, True))
        holder = Service("holder", "-p", "User=" + OPERATOR, "/bin/sh", "-c", "exec 9<{}; flock 9; sleep 100".format(LOCK))
        same("a restart while a user tries to hold the lock", run("systemctl", "restart", SUPERVISOR), (0, ""))
        holder.stop()
        # One that everybody may open, as 0.1.0 made it, held by a user.
        run("systemctl", "stop", SUPERVISOR)
        os.makedirs(os.path.dirname(LOCK), exist_ok=True)
        with open(LOCK, "w") as file:
            os.chmod(LOCK, 0o644)
        with Service("holder", "-p", "User=" + OPERATOR, "flock", LOCK, "sleep", "100"):
            same("a start while a user holds such a lock", run("systemctl", "start", SUPERVISOR), (0, ""))
            same("the lock is replaced", rights(LOCK), "ttynvt-supervisor:ttynvt-supervisor 600")
        same("no port was touched", main_pid(NAME), pid)
        show("the starter's journal", journal("ttynvt-starter.service")[-600:])


@case()
def a_regular_file_in_place_of_the_node():
    path, saved = node(NAME), node(NAME) + ".saved-file"
    with open(path, "w") as file:
        file.write("what a program wrote\n")
    with Bench():
        check("the port is there", stat.S_ISCHR(os.stat(path).st_mode))
        same("with its number", number(NAME), "199:90")
        with open(saved) as file:
            same("nothing is lost", file.read(), "what a program wrote\n")
        check("the starter says so", saved in journal("ttynvt-starter.service"), journal("ttynvt-starter.service")[-400:])
    os.unlink(saved)


@case()
def a_port_from_before_the_supervisor_had_a_user():
    """It refuses all but root: it is told by the starter to end, and its successor obeys."""
    unit = "/run/systemd/system/" + unit_of("OLD")
    told = "/run/told"
    program = """
import os, socket, struct
os.makedirs("/run/ttynvt-swift/port/ttyOLD", exist_ok=True)
path = "/run/ttynvt-swift/port/ttyOLD/control"
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, 0o666)
listener.listen()
while True:
    client = listener.accept()[0]
    user = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    line = client.recv(4096)
    client.send(b"ok\\n" if user == 0 else b"error not permitted\\n")
    client.close()
    if user == 0 and line == b"retire\\n":
        open("%s", "w").close()
        break
os.unlink(path)
os.rmdir("/run/ttynvt-swift/port/ttyOLD")
""" % told
    with open("/run/old-port.py", "w") as file:
        file.write(program)
    with open(unit, "w") as file:
        file.write("[Service]\nExecStart=/usr/bin/python3 /run/old-port.py\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", unit_of("OLD"))
    wait_until(lambda: os.path.exists("/run/ttynvt-swift/port/ttyOLD/control"), 10, "the old port")
    same("restart of the supervisor", run("systemctl", "restart", SUPERVISOR), (0, ""))
    within("root has told it to end when it is not used", 10, lambda: os.path.exists(told))
    within("its unit ends", 5, lambda: not is_active(unit_of("OLD")))
    for path in (unit, "/run/old-port.py", told):
        os.unlink(path)
    run("systemctl", "daemon-reload")


@case()
def state_of_the_version_before():
    """Files and a directory that belong to root become the supervisor's, and keep their contents."""
    run("systemctl", "stop", SUPERVISOR)
    state = "/var/lib/ttynvt-swift"
    names = os.listdir(state)
    contents = {name: open(os.path.join(state, name)).read() for name in names}
    for path in [state] + [os.path.join(state, name) for name in names]:
        os.chown(path, 0, 0)
    same("it starts", run("systemctl", "start", SUPERVISOR), (0, ""))
    for path in [state] + [os.path.join(state, name) for name in names]:
        same("owner of " + path, rights(path).split()[0], "ttynvt-supervisor:ttynvt-supervisor")
    same("nothing is lost", {name: open(os.path.join(state, name)).read() for name in names}, contents)
