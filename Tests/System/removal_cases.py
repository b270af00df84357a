"""The state after removal of the package."""
import glob
import os

from system import SUPERVISOR, case, check, is_active, node, output, run, same, simulator, within


def leftovers():
    found = []
    for pattern in ("/etc/**/*ttynvt*", "/run/ttynvt*", "/run/systemd/**/*ttynvt*", "/var/lib/ttynvt*", "/lib/systemd/system/*ttynvt*",
                    "/lib/udev/rules.d/*ttynvt*", "/usr/bin/ttynvt*", "/usr/lib/*.d/ttynvt*", "/usr/share/man/**/ttynvt*",
                    "/usr/share/*/*/*ttynvt*", "/var/lib/systemd/deb-systemd-helper-enabled/**/*ttynvt*", "/dev/tty*-com*", "/dev/serial/by-id/*"):
        found += glob.glob(pattern, recursive=True)
    return sorted(path for path in found if "guest" not in path)


@case(start=2)
def remove_and_purge():
    with simulator("simulator", 10000, "--advertise", "MIO04-9"):
        within("ports are there", 10, lambda: os.path.exists(node("MIO04-9-com1")) and os.path.exists(node("MIO04-9-com2")))
        status, text = run("dpkg", "--remove", "ttynvt-swift", timeout=120)
        same("dpkg --remove", status, 0)
        check("the supervisor is stopped", not is_active(SUPERVISOR))
        same("no process is left", run("pgrep", "-af", "ttynvt-swift (port|supervise)")[1], "")
        same("no unit is left", output("systemctl", "list-units", "--no-legend", "--plain", "ttynvt*"), "")
        same("none has failed", output("systemctl", "list-units", "--failed", "--no-legend", "--plain"), "")
        within("no node is left", 2, lambda: not os.path.exists(node("MIO04-9-com1")))
    check("configuration and state stay until the purge", os.path.exists("/etc/ttynvt-swift/ttynvt-swift.conf")
          and os.path.exists("/var/lib/ttynvt-swift/ports"), leftovers())
    same("dpkg --purge", run("dpkg", "--purge", "ttynvt-swift", timeout=120)[0], 0)
    same("nothing is left", leftovers(), [])
