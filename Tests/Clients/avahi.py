"""A system bus and an Avahi of the case's own.

Programs find the bus by DBUS_SYSTEM_BUS_ADDRESS, which is set for all that the case starts afterwards. Avahi is the
real one, on lo and dummy0, with a configuration and static services of the case's own.
"""
import os
import subprocess
from xml.sax.saxutils import escape

from fixture import Process, wait_until

CONFIGURATION = """[server]
host-name={host}
use-ipv4=yes
use-ipv6={ipv6}
allow-interfaces={interfaces}
enable-dbus=yes
disallow-other-stacks=no
[publish]
publish-hinfo=no
publish-workstation=no
[rlimits]
"""
SERVICES = "/etc/avahi/services"
RUN = "/run/avahi-daemon"


class Bus:
    """dbus-daemon with the system's own configuration, on a socket of the case's."""

    def __init__(self, test):
        self.test = test
        self.socket = os.path.join(test.directory, "bus")
        self.address = "unix:path=" + self.socket
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = self.address
        os.chmod(test.directory, 0o755)
        self.process = None
        self.start()

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.test.names += 1
        self.process = Process(self.test, "dbus{}".format(self.test.names), [
            "dbus-daemon", "--config-file=/usr/share/dbus-1/system.conf", "--address=" + self.address, "--nofork",
            "--nopidfile", "--nosyslog"], prepare=lambda: os.umask(0o022))
        wait_until(lambda: os.path.exists(self.socket), what="the bus's socket")

    def stop(self):
        self.process.stop(9)

    def restart(self):
        self.stop()
        self.start()

    def has(self, name):
        return subprocess.run(
            ["dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus."
             "GetNameOwner", "string:" + name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Avahi:
    """avahi-daemon on that bus."""

    def __init__(self, test, bus, interfaces="lo,dummy0", ipv6=True, start=True):
        self.test = test
        self.bus = bus
        self.process = None
        self.mounted = False
        self.configuration = os.path.join(test.directory, "avahi.conf")
        with open(self.configuration, "w") as file:
            file.write(CONFIGURATION.format(host="guest", ipv6="yes" if ipv6 else "no", interfaces=interfaces))
        subprocess.run(["ip", "link", "set", "dummy0", "multicast", "on"], check=False)
        self.own_services()
        if start:
            self.start()

    def own_services(self):
        """The host's root is read-only: its services are hidden behind files of the case's, and its process id, where
        an Avahi runs on it, behind the case's."""
        unshare_mounts()
        os.makedirs(RUN, exist_ok=True)
        for directory in (SERVICES, RUN):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory], check=True)

    def start(self, seconds=20.0):
        self.test.names += 1
        self.process = Process(self.test, "avahi{}".format(self.test.names), [
            "avahi-daemon", "-f", self.configuration, "--no-drop-root", "--no-chroot", "--no-rlimits", "--no-proc-title"])
        self.process.expect("Server startup complete", seconds)
        wait_until(lambda: self.bus.has("org.freedesktop.Avahi"), what="Avahi on the bus")

    def stop(self, number=15):
        """By SIGTERM it takes back what it announced; by SIGKILL it is just gone."""
        self.process.stop(number)

    def restart(self, number=15):
        self.stop(number)
        self.start()

    def service_file(self, name, port=10000, type="_ttynvt._tcp", txt=(), file=None, xml=None):
        """A static service; `name` may hold what avahi-publish does not let through. Read when Avahi starts, and at
        reload()."""
        self.test.names += 1
        path = os.path.join(SERVICES, (file or "service{}".format(self.test.names)) + ".service")
        with open(path, "w", encoding="utf-8") as out:
            out.write("<service-group><name>{}</name><service><type>{}</type><port>{}</port>{}</service>"
                      "</service-group>\n".format(
                          xml or escape(name), type, port,
                          "".join("<txt-record>{}</txt-record>".format(escape(text)) for text in txt)))
        return path

    def reload(self):
        self.process.send(1)

    def publish(self, name, type="_ttynvt._tcp", port=10000, txt=(), seconds=10.0):
        """A service for as long as the process returned runs."""
        self.test.names += 1
        process = Process(self.test, "publish{}".format(self.test.names),
                          ["avahi-publish", "-s", name, type, str(port)] + list(txt))
        process.expect("Established under name", seconds)
        return process


def unshare_mounts():
    """Hides the mounts of this process and its children from other processes."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
