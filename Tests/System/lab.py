"""A network beside the machine: segments with modules and attackers on them, each in a network namespace of its own.

    lan0   10.77.1.0/24   modules MIO04-1, MIO04-2, an attacker
    lan1   10.77.2.0/24   another attacker
"""
import contextlib
import ctypes
import json
import os
import re
import socket
import threading
import time

import mdns
import system
from system import PROGRAM, SUPERVISOR, Service, output, run, wait_until

CONFIGURATION = "/etc/ttynvt-swift/ttynvt-swift.conf"
AVAHI = "/etc/avahi/avahi-daemon.conf"
INTERFACES = "lo,dummy0,lan0,lan1,usb0,usb1"
CLONE_NEWNET = 0x40000000
# Seconds: `grace` of the attacks' configuration, so that a port that is lost goes soon.
GRACE = 3
DEAD_AFTER = 6
LONG = os.environ.get("TTYNVT_LONG") == "1"

libc = ctypes.CDLL(None, use_errno=True)


def ip(*arguments):
    status, text = run("ip", *arguments)
    if status != 0:
        raise Exception("ip {}: {}".format(" ".join(arguments), text))


class Segment:
    """A network interface of the machine with a switch behind it; the machine has address 1."""

    def __init__(self, interface, network):
        self.interface, self.network = interface, network
        ip("link", "add", interface, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        ip("address", "add", self.address(1) + "/24", "dev", interface)
        ip("link", "set", interface, "up")

    def address(self, last):
        return "{}.{}".format(self.network, last)

    def remove(self):
        ip("link", "delete", self.interface)


class Station:
    """A host on a segment."""

    def __init__(self, name, segment, last):
        self.name, self.cable = name, "v-" + name
        ip("netns", "add", name)
        self.inside("link", "set", "lo", "up")
        self.plug_in(segment, last)

    def inside(self, *arguments):
        ip("-netns", self.name, *arguments)

    def plug_in(self, segment, last):
        self.address = segment.address(last)
        ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", self.cable, "master", segment.interface, "up")
        self.inside("link", "set", "eth0", "up")
        self.inside("address", "add", self.address + "/24", "broadcast", "+", "dev", "eth0")

    def unplug(self):
        ip("link", "delete", self.cable)

    def change_address(self, address):
        self.inside("address", "flush", "dev", "eth0")
        self.address = address
        self.inside("address", "add", address + "/24", "broadcast", "+", "dev", "eth0")

    @contextlib.contextmanager
    def entered(self):
        """Sockets made meanwhile by this thread are the station's."""
        with open("/proc/thread-self/ns/net") as home, open("/run/netns/" + self.name) as there:
            self.enter(there)
            try:
                yield
            finally:
                self.enter(home)

    @staticmethod
    def enter(namespace):
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def remove(self):
        run("ip", "netns", "delete", self.name)


class Module(Station):
    """A box with serial ports, each a loopback, which announces them as it should."""

    def __init__(self, name, segment, last, ports=2):
        super().__init__(name, segment, last)
        self.names = ["{}-com{}".format(name, index + 1) for index in range(ports)]
        self.serve()
        self.responder = None
        self.announce()

    def serve(self):
        name, ports = self.name, len(self.names)
        self.server = Service("module-" + name, "/usr/sbin/ip", "netns", "exec", name, PROGRAM, "simulate", "--listen",
                              "0.0.0.0", "--port", "10000", "--ports", str(ports))
        wait_until(lambda: "0.0.0.0:{}".format(9999 + ports) in self.sockets(), 10, "the start of " + name)

    def change_address(self, address):
        """As DHCP does: its stack drops its connections without a packet."""
        super().change_address(address)
        self.server.stop()
        self.serve()

    def sockets(self):
        return output("ip", "netns", "exec", self.name, "ss", "-Hltn")

    @property
    def servers(self):
        return ["{}:{}".format(self.address, 10000 + index) for index in range(len(self.names))]

    def announce(self):
        records = []
        for index, name in enumerate(self.names):
            records += mdns.service(name, self.name, self.address, 10000 + index)[:3]
        with self.entered():
            self.responder = mdns.Responder(
                mdns.open_socket(self.address), records + [mdns.a(self.name, self.address)])

    def fall_silent(self, goodbye=True):
        if self.responder:
            self.responder.stop(goodbye)
            self.responder = None

    def remove(self):
        self.fall_silent()
        self.server.stop()
        super().remove()


class Attacker(Station):
    """Sends what it likes, and counts who connects to its servers."""

    def __init__(self, name, segment, last):
        super().__init__(name, segment, last)
        with self.entered():
            self.sock = mdns.open_socket(self.address)
            self.traps = Trap("0.0.0.0", 10000)

    def send(self, *records):
        mdns.send(self.sock, mdns.message(records))

    def send_for(self, seconds, *records, pause=0.25):
        """The same again and again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(*records)
            time.sleep(pause)

    def remove(self):
        self.sock.close()
        self.traps.close()
        super().remove()


class Trap:
    """A server in the calling thread's namespace that counts its clients and drops them."""

    def __init__(self, address, port):
        self.clients = 0
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.clients += 1
            client.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Lab:
    """Two modules and two attackers. lan1 is there first: its index is the lower one."""

    def __init__(self):
        self.lan1 = Segment("lan1", "10.77.2")
        self.lan0 = Segment("lan0", "10.77.1")
        self.attacker = Attacker("attacker", self.lan0, 66)
        self.other_attacker = Attacker("attacker2", self.lan1, 66)
        self.modules = [Module("MIO04-1", self.lan0, 2), Module("MIO04-2", self.lan0, 3)]
        self.names = [name for module in self.modules for name in module.names]
        self.servers = dict(pair for module in self.modules for pair in zip(module.names, module.servers))

    def remove(self):
        for station in self.modules + [self.attacker, self.other_attacker]:
            station.remove()
        self.lan0.remove()
        self.lan1.remove()


_lab = None
_kept = {}


def lab():
    """The network, made when a case first asks for it; it goes after the last case."""
    global _lab
    if _lab is None:
        for path in (CONFIGURATION, AVAHI):
            with open(path) as file:
                _kept[path] = file.read()
        system.at_the_end.append(take_away)
        run("modprobe", "bridge")
        run("modprobe", "veth")
        configure()
        with open(AVAHI, "w") as file:
            file.write(re.sub("allow-interfaces=.*", "allow-interfaces=" + INTERFACES, _kept[AVAHI]))
        run("systemctl", "restart", "avahi-daemon.service")
        _lab = Lab()
    return _lab


def take_away():
    global _lab
    if _lab:
        _lab.remove()
        _lab = None
    for path, text in _kept.items():
        with open(path, "w") as file:
            file.write(text)
    run("systemctl", "restart", "avahi-daemon.service", timeout=200)
    run("systemctl", "reload-or-restart", SUPERVISOR, timeout=200)


def write_configuration(*discovery, more=""):
    """A dead peer is noticed sooner than by default: that is not what takes its time here."""
    with open(CONFIGURATION, "w") as file:
        file.write("[discovery]\ngrace = {}\nallow-interfaces = lan* usb* lo dummy0\n".format(GRACE))
        file.writelines(line + "\n" for line in discovery)
        file.write("[ports]\ndead-after = {}\n".format(DEAD_AFTER) + more)


def configure(*discovery, more=""):
    """Makes a configuration hold; without words, the one of the attacks."""
    write_configuration(*discovery, more=more)
    status, text = run("systemctl", "reload-or-restart", SUPERVISOR)
    if status != 0:
        raise Exception("the configuration is not taken: {} {}".format(text, run(PROGRAM, "check-config")[1]))


def statuses():
    """What the ports say of themselves, by name without tty, asked by root."""
    ports = json.loads(run(PROGRAM, "status", "--json")[1])
    return {port["name"].removeprefix("tty"): port for port in ports if "error" not in port}


def snapshot(names):
    """What may not change for a port: the server it uses, its process, its number."""
    ports = statuses()
    return {name: (ports[name]["servers"][0], ports[name]["pid"], ports[name]["minor"]) if name in ports else None
            for name in names}


def memory(unit):
    """The resident memory of a unit's main process, in KiB."""
    with open("/proc/{}/status".format(system.shown(unit, "MainPID"))) as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
