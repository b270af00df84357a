"""Files over two ports that are each other's far end: lrzsz's three protocols, Kermit, and socat's plain bytes."""
import hashlib
import os
import subprocess
import termios
import time

from fixture import case, difference, eventually

# Protocol: what sends a file, what receives one, how many bytes, the block that the last bytes are filled up to.
PROTOCOLS = {
    "xmodem": (("sx", "-k", "-q"), ("rx", "-c", "-q"), 24 << 10, 1024),
    "ymodem": (("sb", "-k", "-q"), ("rb", "-q"), 25000, 1),
    "zmodem": (("sz", "-q"), ("rz", "-q"), 40000, 1),
}


def make_file(t, name, size):
    path = os.path.join(t.directory, name)
    data = os.urandom(size)
    with open(path, "wb") as file:
        file.write(data)
    return path, data


def start(t, label, command, port, directory=None):
    """A program whose standard input and output are the port, as those of a shell that was logged in there."""
    descriptor = t.open(port)
    with open(os.path.join(t.directory, label + ".log"), "wb") as log:
        process = subprocess.Popen(command, stdin=descriptor, stdout=descriptor, stderr=log, cwd=directory)
    os.close(descriptor)
    return process


def has_raw(t, process, port):
    """Has the program the port, in raw mode?"""
    directory = "/proc/{}/fd".format(process.pid)
    try:
        files = [os.readlink(os.path.join(directory, name)) for name in os.listdir(directory)]
    except FileNotFoundError:  # a file was closed meanwhile
        return False
    if port.path not in files:
        return False
    descriptor = t.open(port, os.O_NONBLOCK)
    try:
        return not termios.tcgetattr(descriptor)[3] & termios.ICANON
    finally:
        os.close(descriptor)


def wait_both(sender, receiver, seconds):
    end = time.monotonic() + seconds
    statuses = []
    for process in (sender, receiver):
        try:
            statuses.append(process.wait(max(end - time.monotonic(), 0.1)))
        except subprocess.TimeoutExpired:
            statuses.append("not done within {} s".format(seconds))
            sender.kill()
            receiver.kill()
            process.wait()
    return statuses


def transfer(t, protocol, source, target, direction, size, seconds=25):
    """Sends a file from one port to the other; gives the seconds it took, or None."""
    send, receive, _, block = PROTOCOLS[protocol]
    name = "{}-{}".format(protocol, direction)
    path, data = make_file(t, name, size)
    data += b"\x1a" * (-len(data) % block)
    directory = os.path.join(t.directory, "received-" + direction)
    os.mkdir(directory)
    receiver = start(t, "receive-" + direction, receive + ((name,) if protocol == "xmodem" else ()), target, directory)
    started = time.monotonic()
    sender = start(t, "send-" + direction, send + (path,), source)
    statuses = wait_both(sender, receiver, seconds)
    took = time.monotonic() - started
    t.equal("{}: both end well".format(direction), statuses, [0, 0])
    try:
        with open(os.path.join(directory, name), "rb") as file:
            got = file.read()
    except FileNotFoundError:
        got = b""
    right = hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    t.check("{}: {} bytes by {}, SHA-256 {}…, {:.1f} kB/s".format(
        direction, len(data), protocol.upper(), hashlib.sha256(got).hexdigest()[:12], len(data) / took / 1000),
        right, difference(got, data))
    return took if right else None


@case(60, over=PROTOCOLS)
def third_party_lrzsz(t, protocol):
    """On a line of 115200 baud, where bytes take their time. lrzsz acknowledges a block and then flushes its input,
    block by block: the answer must not be there before the flush."""
    one, other = t.null_modem("--pace")
    for port in (one, other):
        t.equal("stty", t.run("stty", "-F", port.path, "115200", "raw", "-echo")[0], 0)
    for direction, source, target in (("there", one, other), ("back", other, one)):
        size = PROTOCOLS[protocol][2]
        took = transfer(t, protocol, source, target, direction, size)
        if took is not None:
            share = size / took / 11520
            t.check("{}: {:.0f} % of what the line can carry".format(direction, share * 100), 0.3 <= share <= 1.02,
                    took)


@case(60)
def third_party_lrzsz_bulk(t):
    """Without a line's time between: 1 MiB each way."""
    one, other = t.null_modem()
    transfer(t, "zmodem", one, other, "there", 1 << 20)
    transfer(t, "zmodem", other, one, "back", 1 << 20)


@case(60)
def third_party_kermit_transfer(t):
    one, other = t.null_modem()
    settings = "set carrier-watch off,set flow none,set parity none,set file type binary," \
        "set file collision overwrite,fast,set transfer display none,set quiet on"

    def kermit(label, port, action, directory):
        with open(os.path.join(t.directory, label + ".log"), "wb") as log:
            return subprocess.Popen(
                ["kermit", "-Y", "-l", port.path, "-b", "115200", "-C", settings + "," + action + ",exit \\v(status)"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=directory)

    for direction, source, target in (("there", one, other), ("back", other, one)):
        path, data = make_file(t, "kermit-" + direction, 200000)
        directory = os.path.join(t.directory, "received-" + direction)
        os.mkdir(directory)
        receiver = kermit("receive-" + direction, target, "receive", directory)
        started = time.monotonic()
        sender = kermit("send-" + direction, source, "send " + path, t.directory)
        statuses = wait_both(sender, receiver, 25)
        took = time.monotonic() - started
        t.equal("{}: both end well".format(direction), statuses, [0, 0])
        try:
            with open(os.path.join(directory, "kermit-" + direction), "rb") as file:
                got = file.read()
        except FileNotFoundError:
            got = b""
        t.check("{}: {} bytes by Kermit, SHA-256 {}…, {:.1f} kB/s".format(
            direction, len(data), hashlib.sha256(got).hexdigest()[:12], len(got) / took / 1000),
            got == data, difference(got, data))


@case(60)
def third_party_socat_transfer(t):
    """socat's own way to name a serial port, at both ends; the sender closes its port when the file is read."""
    one, other = t.null_modem()
    size = 2 << 20
    for direction, source, target in (("there", one, other), ("back", other, one)):
        path, data = make_file(t, "socat-" + direction, size)
        line = "FILE:{},raw,echo=0,b115200"
        receiver = subprocess.Popen(
            ["socat", "-u", line.format(target.path) + ",readbytes={}".format(size), "CREATE:" + path + ".received"])
        t.check("{}: it has the port raw".format(direction), eventually(lambda: has_raw(t, receiver, target)))
        started = time.monotonic()
        sender = subprocess.Popen(["socat", "-u", "FILE:" + path, line.format(source.path)])
        statuses = wait_both(sender, receiver, 20)
        took = time.monotonic() - started
        t.equal("{}: both end well".format(direction), statuses, [0, 0])
        with open(path + ".received", "rb") as file:
            got = file.read()
        t.check("{}: {} bytes from one socat to another, {:.1f} MB/s".format(direction, size, size / took / 1e6),
                got == data, difference(got, data))
