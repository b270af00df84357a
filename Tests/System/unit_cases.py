"""A port's unit by itself, without a supervisor: who it is, what udev makes of its node, how it comes back."""
import errno
import fcntl
import os
import shutil
import signal
import struct
import time

import system
from system import (OPERATOR, PROGRAM, SUPERVISOR, Open, Service, case, check, device_unit, is_active, is_ready, journal,
                    link, main_pid, node, number, output, rights, run, same, show, shown, simulator, unit_of,
                    wait_until, within)

NAME = "by-hand.1"
ENVIRONMENT = "/run/ttynvt-swift/env/"
NEEDS = "/run/systemd/system/needs-port.service"
DROP_IN = "/run/systemd/system/ttynvt@.service.d/"
TIOCSETD, N_TTY, N_PPP, N_SLCAN = 0x5423, 0, 3, 17


class Port:
    """A port's unit, started as the supervisor would, with a simulator behind it."""

    def __init__(self, *lines, name=NAME):
        self.name = name
        self.servers = "127.0.0.1:11000"
        self.arguments = "--supervised=configured -n tty{} -M 199 -m 77".format(name)
        run("systemctl", "stop", SUPERVISOR)
        self.simulator = simulator("unit-simulator", 11000)
        os.makedirs(ENVIRONMENT, exist_ok=True)
        self.write(*lines)
        self.status, self.text = run("systemctl", "start", unit_of(name))

    def write(self, *lines):
        with open(ENVIRONMENT + "tty" + self.name, "w") as file:
            file.write("TTYNVT_SERVERS={}\nTTYNVT_ARGUMENTS={}\n".format(self.servers, self.arguments))
            file.writelines(line + "\n" for line in lines)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("systemctl", "stop", unit_of(self.name))
        run("systemctl", "reset-failed", unit_of(self.name))
        os.unlink(ENVIRONMENT + "tty" + self.name)
        self.simulator.stop()
        run("systemctl", "start", SUPERVISOR)


def process_status(pid):
    with open("/proc/{}/status".format(pid)) as file:
        return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)


@case()
def one_port_by_its_unit():
    with Port() as port:
        same("systemctl start", (port.status, port.text), (0, ""))
        within("the node is there, and linked", 3, lambda: is_ready(NAME))
        same("its owner, group and mode", rights(node(NAME)), "root:dialout 660")
        same("its number", number(NAME), "199:77")
        same("the link's target", os.path.realpath(link(NAME)), node(NAME))
        within("there is a unit to depend on", 3, lambda: is_active(device_unit(NAME)))
        properties = output("udevadm", "info", "--query=property", node(NAME))
        check("udev tells ModemManager to ignore it", "ID_MM_DEVICE_IGNORE=1" in properties, properties)

        status = process_status(main_pid(NAME))
        ids = {output("id", "-u", "ttynvt")}
        with Open(link(NAME)) as program:
            check("a user in group dialout has bytes back from it", program.echoes("through CUSE, TCP and back"))
            within("its unit says that it is connected", 2, lambda: "connected" in shown(unit_of(NAME), "StatusText"))
            show("while it reads from the network", "{}\nUid {Uid}\nGroups {Groups}\nCapEff {CapEff}\nCapBnd {CapBnd}".format(
                shown(unit_of(NAME), "StatusText"), **process_status(main_pid(NAME))))
            status = process_status(main_pid(NAME))
        same("the process is its own user in all ways", set(status["Uid"].split()), ids)
        same("it is in no other group", set((status["Gid"] + " " + status["Groups"]).split()), {output("id", "-g", "ttynvt")})
        same("it holds no capability and can get none",
             {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}, {"0" * 16})
        same("no new privileges, and system calls are filtered", (status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        same("systemd watches it", shown(unit_of(NAME), "WatchdogUSec"), "1min")
        text = output("systemctl", "status", "--no-pager", unit_of(NAME))
        show("systemctl status", text)
        check("its log is under the port's name, too",
              NAME in output("journalctl", "-q", "--no-pager", "-o", "cat", "TTYNVT_PORT=tty" + NAME))
        same("its status is the operator's to see, too", "127.0.0.1:11000" in system.as_operator(PROGRAM, "status")[1], True)
        same("and nobody's else", "127.0.0.1" in output("runuser", "-u", "nobody", "--", PROGRAM, "status"), False)

        before = main_pid(NAME)
        os.kill(before, signal.SIGKILL)
        within("kill -9: it is back", 2, lambda: main_pid(NAME) not in (0, before) and is_ready(NAME))
        same("with the same number, for the same group", (number(NAME), rights(node(NAME))), ("199:77", "root:dialout 660"))
    within("stopped: node and link are gone", 2, lambda: not os.path.lexists(node(NAME)) and not os.path.lexists(link(NAME)))
    check("its directory is gone", not os.path.exists("/run/ttynvt-swift/port/tty" + NAME))


@case()
def a_port_that_hangs():
    os.makedirs(DROP_IN)
    with open(DROP_IN + "test.conf", "w") as file:
        file.write("[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n")
    run("systemctl", "daemon-reload")
    with Port():
        before = main_pid(NAME)
        check("it is alive while it runs", system.holds_for(5, lambda: main_pid(NAME) == before))
        os.kill(before, signal.SIGSTOP)
        within("it is started again", 10, lambda: main_pid(NAME) not in (0, before) and is_ready(NAME))
    os.unlink(DROP_IN + "test.conf")
    os.rmdir(DROP_IN)
    run("systemctl", "daemon-reload")


def set_discipline(descriptor, number):
    """TIOCSETD: 0, or the error."""
    try:
        fcntl.ioctl(descriptor, TIOCSETD, struct.pack("i", number))
        return 0
    except OSError as error:
        return error.errno


@case()
def kernel_disciplines():
    """The line lent to the kernel's disciplines from within the unit's sandbox; with the drop-in of docs/line-disciplines.md, to those
    that want CAP_NET_ADMIN, too."""
    for module in ("ppp_async", "slcan"):
        run("modprobe", module)

    def interfaces():
        return {name for name in os.listdir("/sys/class/net") if name.startswith(("slcan", "can"))}

    others = interfaces()
    with Port() as port:
        wait_until(lambda: is_ready(NAME), 3, "the node")
        descriptor = os.open(node(NAME), os.O_RDWR | os.O_NOCTTY)
        same("PPP takes the line", set_discipline(descriptor, N_PPP), 0)
        same("and gives it back", set_discipline(descriptor, N_TTY), 0)
        same("SocketCAN is refused", set_discipline(descriptor, N_SLCAN), errno.EPERM)
        within("the log says what is missing", 2, lambda: "--kernel-ldisc" in journal(unit_of(NAME)))
        os.close(descriptor)
        os.makedirs(DROP_IN)
        try:
            with open(DROP_IN + "kernel-ldisc.conf", "w") as file:
                file.write("[Service]\nAmbientCapabilities=CAP_NET_ADMIN\nCapabilityBoundingSet=CAP_NET_ADMIN\n"
                           "SystemCallFilter=capset\n")
            port.arguments += " --kernel-ldisc"
            port.write()
            run("systemctl", "daemon-reload")
            same("with the drop-in it starts", run("systemctl", "restart", unit_of(NAME)), (0, ""))
            wait_until(lambda: is_ready(NAME), 3, "the node")
            descriptor = os.open(node(NAME), os.O_RDWR | os.O_NOCTTY)
            same("SocketCAN takes the line", set_discipline(descriptor, N_SLCAN), 0)
            within("there is an interface", 2, lambda: interfaces() - others)
            os.close(descriptor)
            within("and none once it is closed", 3, lambda: interfaces() == others)
        finally:
            shutil.rmtree(DROP_IN)
            run("systemctl", "daemon-reload")


@case()
def owner_group_and_mode():
    with Port("TTYNVT_OWNER=" + OPERATOR, "TTYNVT_GROUP=users", "TTYNVT_MODE=0640") as port:
        wait_until(lambda: is_ready(NAME), 3, "the node")
        same("as the environment file says", rights(node(NAME)), OPERATOR + ":users 640")
        for lines in (["TTYNVT_GROUP=no-such-group"], ["TTYNVT_OWNER=no-such-user"], ["TTYNVT_MODE=06666"], ["TTYNVT_MODE=660"],
                      ["TTYNVT_GROUP=dialout", "TTYNVT_GROUP=$(id)"], ["TTYNVT_OWNER=-x"]):
            port.write(*lines)
            # So many starts are more than systemd's limit.
            run("systemctl", "reset-failed", unit_of(NAME))
            run("systemctl", "restart", unit_of(NAME))
            wait_until(lambda: os.path.islink(link(NAME)), 3, "the link")
            run("udevadm", "settle")
            same("what means nothing leaves the node to root: " + " ".join(lines), rights(node(NAME)), "root:root 600")
        port.write("SYSTEMD_WANTS=evil.service", "TTYNVT_GROUP=users", "ID_MM_DEVICE_IGNORE=0")
        run("systemctl", "reset-failed", unit_of(NAME))
        run("systemctl", "restart", unit_of(NAME))
        wait_until(lambda: is_ready(NAME), 3, "the node")
        properties = output("udevadm", "info", "--query=property", node(NAME)).splitlines()
        same("udev takes three keys of the file, and no other", [line for line in properties if line.startswith(
            ("SYSTEMD_WANTS", "TTYNVT_", "ID_MM_DEVICE_IGNORE"))],
             ["TTYNVT_GROUP=users", "TTYNVT_MODE=0660", "ID_MM_DEVICE_IGNORE=1"])


@case()
def other_nodes_are_left_alone():
    run("systemctl", "stop", SUPERVISOR)
    # Whoever makes a port without root's directory for it is not ours to udev.
    with Service("foreign", "-p", "User=ttynvt", PROGRAM, "-S", "127.0.0.1:11000", "-n", "ttyFOREIGN", "-E"):
        wait_until(lambda: os.path.exists(node("FOREIGN")), 3, "the node")
        run("udevadm", "settle")
        same("a port started by hand, unprivileged: root's alone", rights(node("FOREIGN")), "root:root 600")
        check("and not linked", not os.path.lexists(link("FOREIGN")))
    with Service("by-root", PROGRAM, "-S", "127.0.0.1:11000", "-n", "ttyBYROOT", "-E", "--owner", OPERATOR):
        wait_until(lambda: os.path.exists(node("BYROOT")), 3, "the node")
        within("a port started by hand, by root: linked", 3, lambda: os.path.islink(link("BYROOT")))
        same("with the owner it was told", rights(node("BYROOT")), OPERATOR + ":dialout 660")
    run("systemctl", "start", SUPERVISOR)


@case()
def a_unit_that_needs_the_node():
    device = device_unit(NAME)
    with open(NEEDS, "w") as file:
        file.write("[Unit]\nBindsTo={0}\nAfter={0}\n[Service]\nExecStart=/bin/sleep 600\n".format(device))
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "--no-block", os.path.basename(NEEDS))
    time.sleep(0.5)
    check("it waits", not is_active("needs-port.service"))
    with Port():
        within("it starts when the node is there", 3, lambda: is_active("needs-port.service"))
    within("it ends with the node", 3, lambda: not is_active("needs-port.service"))
    os.unlink(NEEDS)
    run("systemctl", "daemon-reload")


@case()
def what_goes_wrong_is_said():
    with Port() as port:
        wait_until(lambda: is_ready(NAME), 3, "the node")
        run("systemctl", "stop", unit_of(NAME))
        os.unlink(ENVIRONMENT + "tty" + NAME)
        check("no environment file: it does not start", run("systemctl", "start", unit_of(NAME))[0] != 0)
        port.servers = "nonsense"
        port.write()
        run("systemctl", "reset-failed", unit_of(NAME))
        check("an illegal server: it does not start", run("systemctl", "start", unit_of(NAME))[0] != 0)
        check("and its journal says so in a line", "illegal server 'nonsense'" in system.journal(unit_of(NAME)))
