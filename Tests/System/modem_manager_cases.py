"""ModemManager, which asks every serial port for a modem unless it is told not to: ours it leaves alone."""
from system import (Open, Service, case, check, holds_for, is_ready, journal, node, output, run, same, show, shown,
                    unit_of, wait_until, within)
from unit_cases import NAME, Port

MANAGER = "modem-manager.service"


def is_connected():
    """A port is connected while a program has it open."""
    return shown(unit_of(NAME), "StatusText").startswith("connected")


@case()
def modem_manager():
    with Port():
        wait_until(lambda: is_ready(NAME), 3, "the node")
        properties = output("udevadm", "info", "--query=property", node(NAME)).splitlines()
        for name in ("ID_MM_DEVICE_IGNORE", "ID_MM_PORT_IGNORE", "ID_MM_TTY_BLACKLIST"):
            check("udev says " + name, name + "=1" in properties, properties)
        check("and does not offer it", "ID_MM_CANDIDATE=1" not in properties, properties)
        with Service("modem-manager", "ModemManager", "--debug"):
            within("ModemManager is on the bus", 20, lambda: "ModemManager1" in output(
                "busctl", "--no-legend", "list", "--acquired"))
            same("it scans for modems", run("mmcli", "--scan-modems")[0], 0)
            check("nothing opens the port meanwhile", holds_for(4, lambda: not is_connected()))
            lines = journal(MANAGER).splitlines()
            ours = [line for line in lines if NAME in line]
            ports = {word for line in lines for word in line.split() if word.startswith("(tty/")}
            show("its log lines about our port", "\n".join(ours) or "nothing")
            check("it has looked at {} serial ports".format(len(ports)), ports, lines[-20:])
            check("ours is not one of them", not any(NAME in port for port in ports), ours)
            same("and it has found none", output("mmcli", "--list-modems"), "No modems were found")
        with Open(node(NAME)):
            within("a program that opens the port is seen to", 3, is_connected)
