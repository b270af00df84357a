"""Ports that appear and vanish by themselves: an announcing simulator, the supervisor, avahi, systemd and udev."""
import json
import os
import signal
import time

import system
from system import (PROGRAM, SUPERVISOR, Open, Service, case, check, holds_for, is_active, is_ready, journal, link,
                    listens, main_pid, node, number, output, rights, run, same, show, shown, simulator, unit_of,
                    wait_until, within)

MODULE = "MIO04-1"
NAMES = [MODULE + "-com1", MODULE + "-com2"]
# The next start of the machine compares with these.
NUMBERS = "/var/lib/numbers-before.json"
GRACE = 5


def all_ready(names=NAMES):
    return all(is_ready(name) for name in names)


def all_gone(names=NAMES):
    return not any(os.path.lexists(node(name)) or os.path.lexists(link(name)) for name in names)


def pids(names=NAMES):
    return [main_pid(name) for name in names]


def appear(names=NAMES, seconds=10):
    """Ports of a test that is about something else."""
    wait_until(lambda: all_ready(names), seconds, "ports")


def status(name):
    """What the port says of itself, asked by the operator."""
    ports = json.loads(system.as_operator(PROGRAM, "status", "--json", "tty" + name)[1])
    return ports[0]


def vanish(names=NAMES):
    within("they are removed when they are no longer announced", GRACE + 5, lambda: all_gone(names))


@case()
def announced_ports_appear():
    check("there are no ports before", all_gone())
    with Service("simulator", PROGRAM, "simulate", "--port", "10000", "--ports", "2", "--advertise", MODULE):
        within("both are there, with rights and links, within 3 s of the simulator's start", 3, all_ready)
        for name in NAMES:
            same(node(name), rights(node(name)), "root:dialout 660")
            same(link(name), os.path.realpath(link(name)), node(name))
            with Open(link(name)) as program:
                check("a user in group dialout has bytes back from {}".format(name), program.echoes("hello " + name))
                show("status while it is open", system.as_operator(PROGRAM, "status")[1])
                check("status names the program that has it open", system.OPERATOR or status(name))
        show("systemctl status", output("systemctl", "status", "--no-pager", unit_of(NAMES[0])))
        show("journal of {}".format(NAMES[0]), journal(unit_of(NAMES[0])))
        show("journal of the supervisor", journal(SUPERVISOR))
        show("browse", output(PROGRAM, "browse"))
        show("status", output(PROGRAM, "status", "tty" + NAMES[0]))
        check("the port's journal names node and server", node(NAMES[0]) in journal(unit_of(NAMES[0]))
              and "127.0.0.1:10000" in journal(unit_of(NAMES[0])))
    vanish()


@case()
def announcement_ends_while_open():
    # The server goes on; only the announcement ends.
    with simulator("simulator", 10000, "--listen", "0.0.0.0"):
        announcer = Service("announcer", "avahi-publish", "-s", NAMES[0], "_ttynvt._tcp", "10000")
        appear(NAMES[:1])
        pid = main_pid(NAMES[0])
        with Open(node(NAMES[0])) as program:
            check("before", program.echoes("before"))
            announcer.stop()
            check("the node stays while it is open, and the process", holds_for(
                GRACE + 3, lambda: os.path.exists(node(NAMES[0])) and main_pid(NAMES[0]) == pid))
            check("data still flows", program.echoes("after"))
        within("it goes after the close", 3, lambda: all_gone(NAMES[:1]))
        check("its unit has ended well", not is_active(unit_of(NAMES[0]))
              and shown(unit_of(NAMES[0]), "Result") == "success")


@case()
def back_on_another_port_number():
    first = simulator("simulator", 10000, "--advertise", MODULE)
    appear()
    before = [(number(name), os.stat(node(name)).st_ino) for name in NAMES] + pids()
    with Open(node(NAMES[0])) as program:
        check("before", program.echoes("before"))
        first.stop()
        with simulator("simulator2", 10010, "--advertise", MODULE):
            within("the open port is connected again", 20, lambda: status(NAMES[0])["link"] == "connected"
                   and "10010" in json.dumps(status(NAMES[0])))
            check("the program goes on", program.echoes("after"))
            same("same numbers, same nodes, same processes",
                 [(number(name), os.stat(node(name)).st_ino) for name in NAMES] + pids(), before)
            within("the port that was not open knows the new server", 2 * GRACE, lambda: "10011" in json.dumps(
                status(NAMES[1])["servers"]))
            with Open(node(NAMES[1])) as other:
                check("and connects to it", other.echoes("other"))
    vanish()


@case()
def a_port_is_killed():
    with simulator("simulator", 10000, "--advertise", MODULE):
        appear()
        before = pids()
        was = number(NAMES[0])
        with Open(node(NAMES[1])) as other:
            os.kill(before[0], signal.SIGKILL)
            within("kill -9: back", 2, lambda: main_pid(NAMES[0]) not in (0, before[0]) and is_ready(NAMES[0]))
            same("with its number", number(NAMES[0]), was)
            same("the other is untouched", main_pid(NAMES[1]), before[1])
            check("and so is the program that has it open", other.echoes("still here"))
        with Open(node(NAMES[0])) as program:
            check("the new one works", program.echoes("again"))
    vanish()


@case()
def others_are_restarted():
    with simulator("simulator", 10000, "--advertise", MODULE):
        appear()
        before = pids()
        with Open(node(NAMES[0])) as program:
            for what in (SUPERVISOR, "avahi-daemon.service", "systemd-udevd.service", "systemd-journald.service"):
                run("systemctl", "restart", what)
                check("restart of {}: no port is touched".format(what), holds_for(
                    2 if "systemd" in what else GRACE + 3, lambda: pids() == before and all_ready()))
                check("and data flows", program.echoes("after " + what))
            os.kill(int(shown(SUPERVISOR, "MainPID")), signal.SIGKILL)
            within("a killed supervisor is back", 5, lambda: is_active(SUPERVISOR))
            same("the package is installed again", run("dpkg", "-i", system.package, timeout=300)[0], 0)
            check("upgrade: the supervisor runs, no port is touched", holds_for(
                GRACE + 3, lambda: pids() == before and all_ready()) and is_active(SUPERVISOR))
            check("and data flows", program.echoes("after the upgrade"))
            if run("systemctl", "start", "polkit.service")[0] == 0:
                with simulator("simulator2", 10010, "--advertise", "MIO04-2"):
                    within("with polkitd about: ports are started", 10, lambda: all_ready(["MIO04-2-com1"]))
                vanish(["MIO04-2-com1", "MIO04-2-com2"])
    vanish()


@case()
def wrong_configuration():
    path = "/etc/ttynvt-swift/ttynvt-swift.conf"
    with open(path) as file:
        before = file.read()
    try:
        with open(path, "w") as file:
            file.write("[discovery]\ngrace = soon\n")
        check("a wrong configuration: the supervisor does not start", run("systemctl", "restart", SUPERVISOR)[0] != 0)
        check("and its journal names file and line", path + ":2: grace takes" in journal(SUPERVISOR))
    finally:
        with open(path, "w") as file:
            file.write(before)
        run("systemctl", "reset-failed", SUPERVISOR)
        same("put right, it starts", run("systemctl", "restart", SUPERVISOR), (0, ""))
    second = run(PROGRAM, "supervise", timeout=10)
    check("a second supervisor is refused, in one line", second[0] == 1 and second[1].count("\n") == 0, second)


@case()
def overrides_and_static_ports():
    path = "/etc/ttynvt-swift/ttynvt-swift.conf"
    with open(path) as file:
        before = file.read()
    try:
        with simulator("simulator", 10000):
            with open(path, "w") as file:
                file.write("[port bench]\nserver = 127.0.0.1:10000\nminor = 90\nowner = {}\ngroup = users\nmode = 0640\n".format(
                    system.OPERATOR))
            same("systemctl reload", run("systemctl", "reload", SUPERVISOR), (0, ""))
            within("a static port is there", 5, lambda: is_ready("bench"))
            same("with the owner, group and mode of the configuration", rights(node("bench")), system.OPERATOR + ":users 640")
            same("and the minor", number("bench"), "199:90")
            with open(path, "w") as file:
                file.write(before)
            run("systemctl", "reload", SUPERVISOR)
            within("taken out of the configuration: gone", 5, lambda: all_gone(["bench"]))
    finally:
        with open(path, "w") as file:
            file.write(before)
        run("systemctl", "reload", SUPERVISOR)


@case()
def numbers_before_the_next_start():
    # Another module first, so that the next start would give other numbers if these were forgotten.
    with simulator("simulator2", 10010, "--advertise", "MIO04-0"):
        appear(["MIO04-0-com1", "MIO04-0-com2"])
        with simulator("simulator", 10000, "--advertise", MODULE):
            appear()
            numbers = {name: number(name) for name in NAMES + ["MIO04-0-com1", "MIO04-0-com2"]}
            same("four ports, four numbers", len(set(numbers.values())), 4)
            with open(NUMBERS, "w") as file:
                json.dump(numbers, file)
            show("numbers", json.dumps(numbers))


@case(start=2)
def numbers_after_the_next_start():
    check("the supervisor runs after the start", is_active(SUPERVISOR))
    same("/dev/cuse after the start", rights("/dev/cuse"), "root:ttynvt 660")
    with open(NUMBERS) as file:
        numbers = json.load(file)
    with simulator("simulator", 10000, "--advertise", MODULE):
        appear()
        with simulator("simulator2", 10010, "--advertise", "MIO04-0"):
            appear(["MIO04-0-com1", "MIO04-0-com2"])
            same("the same numbers as before", {name: number(name) for name in numbers}, numbers)


@case(start=2)
def no_avahi():
    run("systemctl", "stop", "avahi-daemon.service", "avahi-daemon.socket")
    run("systemctl", "restart", SUPERVISOR)
    check("the supervisor runs without avahi-daemon", holds_for(2, lambda: is_active(SUPERVISOR)))
    show("its journal", journal(SUPERVISOR)[-600:])
    run("systemctl", "start", "avahi-daemon.socket", "avahi-daemon.service")
    with simulator("simulator", 10000, "--advertise", MODULE):
        within("avahi-daemon comes late: ports appear", 15, all_ready)
    vanish()
