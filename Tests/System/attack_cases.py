"""The attacker: raw mDNS packets from hosts beside the modules, and users of the machine without rights. Ports that
were there before stay as they were. Also what changes by honest means, and in how long.
"""
import os
import random
import re
import subprocess
import time

import lab
import mdns
import system
from lab import GRACE, LONG, Module, Segment, configure, memory, snapshot, statuses
from system import (PROGRAM, SUPERVISOR, Open, Timeout, as_operator, case, check, holds_for, is_active, is_ready,
                    journal, node, number, output, rights, run, same, show, wait_until, within)

# Users without the supervisor's rights: a user of serial ports, the ports' own user, one without any right.
USERS = [system.OPERATOR, "ttynvt", "nobody"]


def took(condition, seconds):
    """Seconds until it holds, or None."""
    try:
        return wait_until(condition, seconds)
    except Timeout:
        return None


def ready_lab():
    """The lab with its ports there, each at its own module. What a failed case has left in caches is thrown away."""
    field = lab.lab()

    def is_whole():
        return all(is_ready(name) for name in field.names) and servers_of(field.names) == field.servers
    if took(is_whole, 15) is None:
        run("systemctl", "restart", "avahi-daemon.service")
        wait_until(is_whole, 30, "the modules' ports")
    return field


def servers_of(names):
    """The server that each port uses."""
    return {name: state and state[0] for name, state in snapshot(names).items()}


class Untouched:
    """A block after which honest ports must be as before it."""

    def __init__(self, field, what, settle=0.7):
        self.field, self.what, self.settle = field, what, settle

    def __enter__(self):
        self.before = snapshot(self.field.names)

    def __exit__(self, kind, *_):
        if kind:
            return
        good = holds_for(self.settle, lambda: snapshot(self.field.names) == self.before)
        if not check("{}: the honest ports keep server, process and number".format(self.what), good,
                     {name: now for name, now in snapshot(self.field.names).items() if now != self.before[name]}):
            # The next attack begins in the same state as this one.
            took(lambda: servers_of(self.field.names) == self.field.servers, 20)


def said_since(before):
    """What the supervisor has logged since it had logged that."""
    return journal(SUPERVISOR)[len(before):]


@case()
def an_impostor_gets_nothing():
    """MIO04-2 does not defend its records, as RFC 6762 asks, until others say goodbye for it."""
    field = ready_lab()
    evil, other = field.attacker, field.other_attacker
    first, idle, undefended, undefended_idle = field.names
    careless = field.modules[1].responder
    log = journal(SUPERVISOR)
    with Open(node(first)) as program, Open(node(undefended)) as program2:
        check("the open ports work before", program.echoes("before") and program2.echoes("before"))
        careless.defends = False
        with Untouched(field, "another host on the same link announces their names"):
            evil.send_for(2.5, *[record for name in field.names
                               for record in mdns.service(name, "EVIL", evil.address, 10000, ttl=20)])
        with Untouched(field, "another host on another interface, with a lower index"):
            other.send_for(1.5, *[record for name in field.names
                                for record in mdns.service(name, "EVIL2", other.address, 10000, ttl=20)])
        said = said_since(log)
        check("the log names both hosts and the command that would accept it", all(
            word in said for word in ("MIO04-2.local", "EVIL2.local", "accept MIO04-2-com1")), said[-400:])
        with Untouched(field, "the hosts' own names on another interface"):
            other.send_for(1.5, *[record for module in field.modules for name in module.names
                                for record in mdns.service(name, module.name, other.address, 10000, ttl=20)])
        with Untouched(field, "names that differ in case only"):
            evil.send_for(1.5, *[record for name in field.names
                               for record in mdns.service(name.swapcase(), "EVIL", evil.address, 10000, ttl=20)])
        same("and there is no second node",
             [name for name in field.names if os.path.lexists(node(name.swapcase()))], [])
        with Untouched(field, "an A record for the true hosts, with cache-flush"):
            evil.send_for(2.5, *[mdns.a(module.name, evil.address) for module in field.modules])
        with Untouched(field, "an SRV record with another port for the true hosts, with cache-flush"):
            evil.send_for(2.5, *[mdns.srv(name, module.name, 22) for module in field.modules for name in module.names])
        with Untouched(field, "security=yes in the TXT records, for longer than the grace", settle=2):
            evil.send_for(GRACE + 2, *[mdns.txt(name, "security=yes") for name in field.names])
        careless.defends = True
        with Untouched(field, "goodbyes for all they have announced, for longer than the grace", settle=2):
            evil.send_for(GRACE + 2, *[record.goodbye() for module in field.modules
                                       for record in module.responder.records])
        check("the open ports work after", program.echoes("after") and program2.echoes("after"))
    for name in (idle, undefended_idle):
        with Open(node(name)) as program:
            check("{}, which was idle, opens at its own module".format(name), program.echoes("idle"))
    same("clients that the attackers' servers have had", evil.traps.clients + other.traps.clients, 0)


@case()
def bare_names_fill_nothing():
    field = ready_lab()
    names = ["bare-{:04}".format(index) for index in range(2400)]
    with Untouched(field, "2,400 names without a host"):
        for start in range(0, len(names), 30):
            field.attacker.send(*[mdns.ptr(name, 40) for name in names[start:start + 30]])
            time.sleep(0.01)
    module = Module("MIO04-3", field.lan0, 4, ports=1)
    try:
        within("a new honest port appears all the same", 20, lambda: is_ready("MIO04-3-com1"))
        with Untouched(field, "the supervisor starts anew among them", settle=GRACE + 6):
            run("systemctl", "restart", SUPERVISOR)
        for start in range(0, len(names), 30):
            field.attacker.send(*[mdns.ptr(name, 0) for name in names[start:start + 30]])
            time.sleep(0.01)
        # Avahi loses packets of such a burst: names whose goodbye was lost would stay for the rest of their time to live.
        run("systemctl", "restart", "avahi-daemon.service")
        wait_until(lambda: "bare-" not in output("avahi-browse", "-pct", "_ttynvt._tcp"), 20, "the end of the bare names")
    finally:
        module.remove()
    within("the new port goes with its module", GRACE + 15, lambda: not os.path.exists(node("MIO04-3-com1")))


@case()
def foreign_addresses():
    field = ready_lab()
    addresses = {"loopback": "127.0.0.1", "unspecified": "0.0.0.0", "broadcast": "255.255.255.255",
                 "multicast": "224.0.0.1", "elsewhere": "8.8.8.8", "this-machine": "10.77.1.1",
                 "subnet-broadcast": "10.77.1.255", "other-subnet": "10.77.2.9", "documentation": "203.0.113.9"}
    trap = lab.Trap("0.0.0.0", 10022)

    def announce():
        for name, address in addresses.items():
            field.attacker.send(*mdns.service("bad-" + name, "bad-" + name, address, 10022, ttl=20))
        field.attacker.send(*mdns.service("good-one", "good-one", field.attacker.address, 10000, ttl=20))

    def there():
        return [name for name in addresses if os.path.lexists(node("bad-" + name))]

    def gone():
        return not there() and not os.path.lexists(node("good-one"))
    try:
        configure(more="[port bad-*]\nconnect = always\n")
        announce()
        wait_until(lambda: is_ready("good-one"), 15, "the port with a good address")
        announce()
        time.sleep(2)
        same("addresses that became ports", there(), [])
        same("connections to services of this machine", trap.clients, 0)
        configure("allow-addresses = 203.0.113.0/24")
        announce()
        within("a prefix in allow-addresses is let in", 10, lambda: is_ready("bad-documentation"))
        same("and nothing else", there(), ["documentation"])
    finally:
        trap.close()
        for name, address in list(addresses.items()) + [("good-one", field.attacker.address)]:
            instance = name if name == "good-one" else "bad-" + name
            field.attacker.send(*[r.goodbye() for r in mdns.service(instance, instance, address, 10022)])
        configure()
    within("all of them go", GRACE + 20, gone)


class Published:
    """Names that the operator announces from this machine."""

    def __init__(self, *names):
        self.processes = [subprocess.Popen(
            ["runuser", "-u", system.OPERATOR, "--", "avahi-publish", "-s", name, "_ttynvt._tcp", "10000"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for name in names]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.wait()


@case()
def plain_users_announce():
    field = ready_lab()
    names = ["GPS", "AML0", "MSM0", "bench-1"]

    def there():
        return [name for name in names if os.path.lexists(node(name))]
    log = journal(SUPERVISOR)
    with Published(*names):
        within("the log names the line that would let them in", 10, lambda: "local = yes" in said_since(log))
        time.sleep(2)
        same("devices that a user has made with avahi-publish", there(), [])
        configure("local = yes")
        within("with local = yes an ordinary name is there", 15, lambda: is_ready("bench-1"))
        time.sleep(1)
        same("and none that a kernel driver could give", [name for name in there() if name[-1] == "0"], [])
        check("the log names allow-names", "allow-names" in said_since(log), said_since(log)[-300:])
        configure("local = yes", "allow-names = AML0 MSM? MIO04-*")
        within("with allow-names these are there, too", 15, lambda: is_ready("AML0") and is_ready("MSM0"))
        within("and unlisted names are removed", GRACE + 10, lambda: not os.path.lexists(node("bench-1")))
        configure()
        within("a reload that takes local = yes away takes them all away", GRACE + 10, lambda: not there())
    for name in ["GPS0", "AML0"]:
        field.attacker.send(*mdns.service(name, "EVIL", field.attacker.address, 10000, ttl=5))
    time.sleep(2)
    same("such names from the network", [name for name in ("GPS0", "AML0") if os.path.lexists(node(name))], [])
    same("the modules' ports are as before", servers_of(field.names), field.servers)


def as_user(user, code, *arguments):
    return run("runuser", "-u", user, "--", "/usr/bin/python3", "-c", code, *arguments)[1]


LOCK = """
import fcntl, os, sys, time
held = []
for top in ("/run/ttynvt-swift", "/var/lib/ttynvt-swift"):
    for directory, _, files in os.walk(top):
        for name in files:
            try:
                file = os.open(os.path.join(directory, name), os.O_RDONLY)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.append(file)
            except OSError:
                pass
print(len(held), flush=True)
time.sleep(60)
"""

ASK = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(3)
try:
    sock.connect(sys.argv[1])
    sock.sendall(sys.argv[2].encode() + b"\\n")
    answer = sock.recv(200)
    print(answer.decode(errors="replace").strip() or "error nothing")
except OSError as error:
    print("error", error)
"""

READ = """
import sys
found = []
for path in sys.argv[2:]:
    try:
        with open(path, "rb") as file:
            if sys.argv[1].encode() in file.read():
                found.append(path)
    except OSError:
        pass
print(" ".join(found))
"""


@case()
def lock_sockets_and_files():
    field = ready_lab()
    name = field.names[0]
    before = snapshot(field.names)
    for user in USERS[:2]:
        run("systemctl", "stop", SUPERVISOR)
        holder = subprocess.Popen(["runuser", "-u", user, "--", "/usr/bin/python3", "-c", LOCK],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        held = int(holder.stdout.readline())
        run("systemctl", "start", SUPERVISOR)
        check("{} locks what can be opened ({} files): the supervisor starts".format(user, held),
              took(lambda: is_active(SUPERVISOR), 5) is not None)
        check("and goes on", holds_for(2, lambda: is_active(SUPERVISOR)))
        holder.terminate()
        holder.wait()
        holder.stdout.close()
        run("systemctl", "reset-failed", SUPERVISOR)
        run("systemctl", "start", SUPERVISOR)
    control = "/run/ttynvt-swift/port/tty{}/control".format(name)
    for user in USERS:
        for order in ("servers {}:10000".format(field.attacker.address), "retire", "keep"):
            answer = as_user(user, ASK, control, order)
            check("{} orders a port '{}': refused".format(user, order.split()[0]), answer.startswith("error"), answer)
        for path in ("/run/ttynvt-swift/starter.sock", "/run/ttynvt-swift/supervisor/control"):
            answer = as_user(user, ASK, path, "forget " + name)
            check("{} orders {}: refused".format(user, os.path.basename(path)), answer.startswith("error"), answer)
        for order in ("accept", "forget", "pin"):
            check("{}: ttynvt-swift {}: refused".format(user, order),
                  run("runuser", "-u", user, "--", PROGRAM, order, name)[0] != 0)
    pids = [state[1] for state in snapshot(field.names).values() if state]
    address = field.modules[0].address
    environment = ["/run/ttynvt-swift/env/tty" + each for each in field.names]
    lines = ["/proc/{}/cmdline".format(pid) for pid in pids]
    secrets = ["/proc/{}/{}".format(pid, file) for pid in pids for file in ("environ", "auxv", "maps")]
    for user in USERS:
        same("environment files and command lines in which {} finds a server".format(user),
             as_user(user, READ, address, *environment, *lines), "")
        same("what {} reads of the ports' memory and environment".format(user), as_user(user, READ, "", *secrets), "")
    same("all that did nothing", snapshot(field.names), before)
    status, text = as_operator(PROGRAM, "status", "--json", "tty" + name)
    check("the operator may still see the status", status == 0 and address in text, text)


def reopened(name, text):
    """Does a new open reach a port that echoes?"""
    try:
        with Open(node(name)) as program:
            return program.echoes(text, 3)
    except Exception:  # it does not open
        return False


def report(what, seconds, bound):
    """A figure for people, and a check with a generous bound."""
    print("# {}: {}".format(what, "never" if seconds is None else "{:.1f} s".format(seconds)))
    if not check("{}, within {} s".format(what, bound), seconds is not None):
        show("the supervisor's last words", "\n".join(journal(SUPERVISOR).splitlines()[-12:]))
        show("the ports", output(PROGRAM, "status"))


@case()
def honest_changes():
    field = ready_lab()
    module = field.modules[0]
    first, idle = module.names
    before = {name: state[1:] for name, state in snapshot(field.names).items()}
    old, new = module.address, field.lan0.address(20)
    with Open(node(first)) as program:
        program.echoes("before")
        module.fall_silent(goodbye=False)
        module.change_address(new)
        module.announce()
        report("another address by DHCP: an open port works at it",
               took(lambda: statuses()[first].get("peer") == new + ":10000", 60), 60)
        same("the program goes on", program.answer("after the change"), repr("after the change\n"))
    report("an idle port is opened, and works", took(lambda: reopened(idle, "idle"), 60), 60)
    module.fall_silent(goodbye=False)
    module.change_address(old)
    module.announce()
    report("back at the old address: an open works", took(lambda: reopened(first, "back"), 60), 60)
    same("processes and numbers are as before",
         {name: state[1:] for name, state in snapshot(field.names).items()}, before)

    usb = Segment("usb0", "10.77.3")
    stick = Module("USB-1", usb, 2, ports=1)
    name = stick.names[0]
    try:
        report("a USB module is plugged in: its port is there", took(lambda: is_ready(name), 30), 30)
        its = number(name)
        stick.fall_silent(goodbye=False)
        stick.unplug()
        usb.remove()
        usb = Segment("usb1", "10.77.4")
        stick.plug_in(usb, 2)
        stick.announce()
        report("replugged at once, as another interface: an open works", took(lambda: reopened(name, "usb"), 60), 60)
        same("its number is the same", number(name) if os.path.exists(node(name)) else None, its)
        stick.fall_silent()
        report("it says goodbye: the node goes", took(lambda: not os.path.lexists(node(name)), 30), 30)
        stick.unplug()
        stick.plug_in(field.lan1, 7)
        stick.announce()
        report("it comes back in another subnet, on another interface: an open works",
               took(lambda: is_ready(name) and reopened(name, "moved"), 60), 60)
        same("its number is the same again", number(name) if os.path.exists(node(name)) else None, its)
    finally:
        stick.remove()
        usb.remove()
    within("it goes", GRACE + 15, lambda: not os.path.lexists(node(name)))


@case()
def an_operator_accepts_another_host():
    field = ready_lab()
    module, evil = field.modules[1], field.attacker
    name = module.names[0]
    records = mdns.service(name, "NEW-BOX", evil.address, 10000)
    with evil.entered():
        responder = mdns.Responder(mdns.open_socket(evil.address), records)
    try:
        module.fall_silent()
        time.sleep(GRACE + 2)
        check("the name is the first host's, also when that is gone",
              servers_of([name])[name] in (None, field.servers[name]), servers_of([name]))
        check("browse names the host that wants it", "NEW-BOX" in output(PROGRAM, "browse"), output(PROGRAM, "browse"))
        same("ttynvt-swift accept", run(PROGRAM, "accept", name)[0], 0)
        within("the port is the other host's", 20, lambda: servers_of([name])[name] == evil.address + ":10000")
    finally:
        responder.stop()
    module.announce()
    run(PROGRAM, "forget", name)
    within("forgotten, it is the next host's that has it", 30, lambda: servers_of([name])[name] == field.servers[name])
    with open(lab.CONFIGURATION) as file:
        before = file.read()
    status, text = run(PROGRAM, "pin", name)
    same("ttynvt-swift pin: " + text, status, 0)
    with open(lab.CONFIGURATION) as file:
        after = file.read()
    check("it writes host and interface into the configuration", all(
        word in after for word in ("[port {}]".format(name), "MIO04-2", "lan0")), after)
    same("which is right", run(PROGRAM, "check-config")[0], 0)
    with open(lab.CONFIGURATION, "w") as file:
        file.write(before)
    run("systemctl", "reload", SUPERVISOR)


@case()
def a_flood():
    field = ready_lab()
    configure("max-ports = 24")
    minutes, each_second = (10 if LONG else 1), 100
    first = field.names[0]
    # A seed that has found a fault; the long run takes another one each time.
    seed = random.randrange(1 << 32) if LONG else 740386060
    print("# seed {}".format(seed))
    victims = [(name, module.name, 10000 + index)
               for module in field.modules for index, name in enumerate(module.names)]
    hostile = mdns.Hostile(seed, victims, [field.lan0.address(last) for last in (66, 67, 68)])
    wait_until(lambda: servers_of(field.names) == field.servers, 20, "the modules' own servers")
    field.attacker.traps.clients = 0
    log = len(journal(SUPERVISOR).splitlines())
    before, faults, sizes = snapshot(field.names), {}, []
    with Open(node(first)) as program:
        began, sent = time.monotonic(), 0
        while (elapsed := time.monotonic() - began) < 60 * minutes:
            while sent < elapsed * each_second:
                mdns.send(field.attacker.sock, hostile.packet())
                sent += 1
            time.sleep(0.02)
            if len(sizes) < elapsed / 2:
                sizes.append(memory(SUPERVISOR))
                faults.update({name: now for name, now in snapshot(field.names).items() if now != before[name]})
        sizes.append(memory(SUPERVISOR))
        check("{} hostile packets in {} min: the ports of two honest modules are never touched".format(sent, minutes),
              not faults, faults)
        check("the open port works", program.echoes("after the flood"))
    quarter = max(sizes[:len(sizes) // 4 + 1])
    print("# the supervisor's memory: {} KiB at first, {} after a quarter, {} at the end".format(
        sizes[0], quarter, sizes[-1]))
    check("its memory is flat: at most 2 MiB more after the first quarter", max(sizes) - quarter <= 2048, sizes)
    lines = journal(SUPERVISOR).splitlines()[log:]
    check("its log has {} lines more, at most 100".format(len(lines)), len(lines) <= 100, lines[-3:])
    same("the supervisor is the same process", is_active(SUPERVISOR), True)
    print("# ports while it lasted: {} at its end".format(len(statuses())))
    with Open(node(field.names[1])) as program:
        check("the idle port opens at its own module", program.echoes("idle"))
    seconds = took(lambda: set(statuses()) == set(field.names), 90)
    report("the attacker's ports go once it is silent", seconds, 90)
    configure()


# Ports as units, and deaths of the supervisor.
MANY = 200 if LONG else 12
DEATHS = 200 if LONG else 6


@case()
def many_ports_and_a_dying_supervisor():
    field = ready_lab()
    names = ["many-{:03}".format(index) for index in range(MANY)]
    server = "server = {}:10000\n".format(field.modules[0].address)

    def sections(chosen):
        return "".join("[port {}]\n{}".format(name, server) for name in chosen)

    def nodes():
        return {name[3:] for name in os.listdir("/dev") if name.startswith("ttymany-")}

    def active():
        units = output("systemctl", "list-units", "--plain", "--no-legend", "--state=active", "ttynvt@many*")
        return len(units.splitlines())
    free = available()
    try:
        configure(more=sections(names))
        report("{} ports as units are there".format(MANY), took(lambda: len(nodes()) == MANY, 300), 300)
        print("# memory for each: {} KiB; the supervisor has {} KiB".format(
            (free - available()) // MANY, memory(SUPERVISOR)))
        numbers = {name: number(name) for name in names}
        same("each has a number of its own", len(set(numbers.values())), MANY)
        chooser = random.Random(11)
        slowest = 0.0
        faults = []
        for death in range(DEATHS):
            wanted = set(chooser.sample(names, MANY - chooser.randrange(3)))
            lab.write_configuration(more=sections(sorted(wanted)))
            run("systemctl", "reload-or-restart", "--no-block", SUPERVISOR)
            time.sleep(chooser.random())
            # Between two supervisors there is no process to kill.
            run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", SUPERVISOR)
            seconds = took(lambda: nodes() == wanted and is_active(SUPERVISOR), 60)
            if seconds is None:
                faults.append((death, sorted(nodes() ^ wanted)))
            slowest = max(slowest, seconds or 60)
            if any(number(name) != numbers[name] for name in nodes() & wanted):
                faults.append((death, "numbers"))
        print("# the slowest way back to the wanted ports: {:.1f} s".format(slowest))
        check("killed {} times at random moments: the wanted ports each time, with their numbers".format(DEATHS),
              not faults, faults[:3])
        same("no unit has failed",
             output("systemctl", "list-units", "--failed", "--no-legend", "--plain", "ttynvt*"), "")
        check("the units say the same", took(lambda: active() == len(wanted), 10) is not None, active())
        same("the modules' ports are as before", servers_of(field.names), field.servers)
    finally:
        configure()
    within("without their sections they go", 120, lambda: not nodes())


def available():
    """Memory of the machine that is free, in KiB."""
    with open("/proc/meminfo") as file:
        return int(re.search(r"MemAvailable:\s+(\d+)", file.read()).group(1))


STATE = "/var/lib/ttynvt-swift"
FIRST_RELEASE = "# ttynvt-swift: minor numbers of ports, the longest unused first\n"


@case()
def upgrade_from_the_first_release():
    """What 0.1.0 has left is put there, owned by root, with ports that run and one that is open."""
    field = ready_lab()
    before = snapshot(field.names)
    run("systemctl", "stop", SUPERVISOR)
    # Every number that was given, also of ports that are away: numbers-after-the-next-start needs them.
    with open(STATE + "/ports") as file:
        given = [line.split()[:2] for line in file if line.startswith("tty")]
    old = {name[len("tty"):]: int(minor) for name, minor in given}
    same("the state has the numbers of the running ports", {name: old.get(name) for name in field.names},
         {name: state[2] for name, state in before.items()})
    old["ancient-1"] = 700
    for file in os.listdir(STATE):
        os.unlink(os.path.join(STATE, file))
    with open(STATE + "/minors", "w") as file:
        file.write(FIRST_RELEASE)
        file.writelines("tty{} {}\n".format(name, minor) for name, minor in old.items())
        file.write("end {}\n".format(len(old)))
    run("chown", "-R", "root:root", STATE)
    with open("/run/ttynvt-swift/supervisor.lock", "w") as file:
        file.write("1\n")
    for name in field.names:
        path = "/run/ttynvt-swift/env/tty" + name
        with open(path, "w") as file:
            file.write("TTYNVT_ARGUMENTS=-S {} -n tty{} -M 199 -m {}\n".format(field.servers[name], name, old[name]))
        os.chmod(path, 0o644)
    with Open(node(field.names[0])) as program:
        same("the package is installed over it", run("dpkg", "-i", system.package, timeout=300)[0], 0)
        within("the supervisor runs", 10, lambda: is_active(SUPERVISOR))
        check("no port is touched", holds_for(GRACE + 4, lambda: snapshot(field.names) == before),
              snapshot(field.names))
        check("the open one works", program.echoes("after the upgrade"))
    field.attacker.send(*mdns.service("ancient-1", "ancient", field.attacker.address, 10000, ttl=20))
    within("a name of old is there", 15, lambda: is_ready("ancient-1"))
    same("with its number", number("ancient-1"), "199:700")
    user = output("ps", "-o", "user:32=", "-p", system.shown(SUPERVISOR, "MainPID"))
    same("the state belongs to the supervisor's user", {rights(os.path.join(STATE, file)).split(":")[0]
                                                       for file in os.listdir(STATE)}, {user.strip()})
    same("the supervisor is not root", user.strip() == "root", False)
    same("environment files are root's alone", sorted({rights("/run/ttynvt-swift/env/tty" + name)
                                                      for name in field.names}), ["root:root 600"])
    field.attacker.send(*mdns.service("ancient-1", "ancient", field.attacker.address, 10000, ttl=0))
    within("the name of old goes", GRACE + 25, lambda: not os.path.lexists(node("ancient-1")))
