"""What a port that systemd started says to the journal."""
import json
import os
import socket
import subprocess

from fixture import case, wait_until

JOURNAL = "/run/systemd/journal/socket"


def fields_of(datagram):
    """The journal's native protocol: lines NAME=value (systemd's JOURNAL_NATIVE_PROTOCOL); ours have no others."""
    return dict(line.split("=", 1) for line in datagram.decode().splitlines() if "=" in line)


def start_under_journal(t, name):
    """A port whose standard error is the stream that JOURNAL_STREAM names, as it is in a unit."""
    stream, end = os.pipe()
    status = os.fstat(end)
    environment = dict(os.environ, JOURNAL_STREAM="{}:{}".format(status.st_dev, status.st_ino))
    process = subprocess.Popen(
        [t.binary, "-S", "127.0.0.1:9", "-n", name], stderr=end, stdin=subprocess.DEVNULL, env=environment)
    os.close(end)
    return process, stream


@case(20)
def journal_entries_have_fields(t):
    name = t.port_name()
    has_journal = os.path.exists(JOURNAL)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if not has_journal:
        os.makedirs(os.path.dirname(JOURNAL), exist_ok=True)
        listener.bind(JOURNAL)
        os.chmod(JOURNAL, 0o666)  # like journald's: the port runs as user nobody by then
        listener.settimeout(5)
    process, stream = start_under_journal(t, name)
    try:
        wait_until(lambda: os.path.exists("/dev/" + name), what="the node")
        if has_journal:
            def entry():
                lines = subprocess.run(
                    ["journalctl", "-o", "json", "TTYNVT_PORT=" + name], stdout=subprocess.PIPE, check=True).stdout
                return json.loads(lines.splitlines()[0]) if lines.strip() else None
            wait_until(entry, what="an entry in the journal")
            fields = entry()
        else:
            fields = fields_of(listener.recv(65536))
        t.check("MESSAGE", "created " in fields.get("MESSAGE", ""), fields)
        t.equal("PRIORITY of a notice", fields.get("PRIORITY"), "5")
        t.equal("TTYNVT_PORT", fields.get("TTYNVT_PORT"), name)
        t.equal("TTYNVT_SERVER", fields.get("TTYNVT_SERVER"), "127.0.0.1:9")
        t.equal("SYSLOG_IDENTIFIER", fields.get("SYSLOG_IDENTIFIER"), "ttynvt-swift")
    finally:
        process.terminate()
        t.equal("status at SIGTERM", process.wait(5), 0)
        listener.close()
        if not has_journal:
            os.unlink(JOURNAL)
    t.equal("nothing on standard error as well", os.read(stream, 65536), b"")
