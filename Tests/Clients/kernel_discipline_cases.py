"""The kernel's own line disciplines on our ports: PPP, SLIP and SocketCAN over two ports wired null-modem."""
import errno
import fcntl
import os
import re
import signal
import socket
import struct
import termios
import time

from fixture import Namespace, Timeout, case, eventually, events, read_exactly, termios2, wait_until, write_all

N_TTY, N_SLIP, N_PPP, N_SLCAN, N_NULL = 0, 1, 3, 17, 27
TIOCSETD, TIOCGETD = 0x5423, 0x5424
PPPIOCGCHAN, PPPIOCGASYNCMAP, SIOCGIFNAME = 0x80047437, 0x80047458, 0x8910
CAN_FRAME = "=IB3x8s"
SO_RCVBUFFORCE = 33


def set_discipline(descriptor, number):
    fcntl.ioctl(descriptor, TIOCSETD, struct.pack("i", number))


def discipline(descriptor):
    return struct.unpack("i", fcntl.ioctl(descriptor, TIOCGETD, bytes(4)))[0]


def interface_name(descriptor):
    return fcntl.ioctl(descriptor, SIOCGIFNAME, bytes(16)).rstrip(b"\0").decode()


def interfaces():
    return set(os.listdir("/sys/class/net"))


def null_modem(t, *options, other=None):
    """Two ports whose lines are wired to each other; the second one with options of its own."""
    server = t.simulator("-v", ports=2, wirings=("null-modem",))
    return (t.port(server.addresses[0], "-D", "4", *options),
            t.port(server.addresses[1], "-D", "4", *(options if other is None else other)), server)


def ping(t, address, count=1000):
    """Pings one after the other: the figure is what the way there and back takes."""
    status, output = t.run("ping", "-q", "-c", str(count), "-i", "0.002", "-w", "60", address, seconds=70)
    received = re.search(r"(\d+) received", output)
    times = re.search(r"= ([\d.]+)/([\d.]+)/", output)
    t.check("{} pings, none lost".format(count), received and int(received.group(1)) == count, output)
    if times:
        t.note("{} pings, {} ms each on average, {} ms at best".format(count, times.group(2), times.group(1)))
    return status


def serve_bytes(namespace, address, count):
    """In the namespace: accepts a connection and returns a checksum of the received bytes."""
    namespace.enter()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, 7777))
        listener.listen()
        connection, _ = listener.accept()
        total, seen = 0, 0
        while seen < count:
            data = connection.recv(65536)
            if not data:
                break
            seen += len(data)
            total += sum(data)
        connection.sendall(struct.pack("QQ", seen, total))
        connection.close()
    return seen


def transfer(t, namespace, address, interface, count):
    """Bulk data over TCP, in one direction; the figure is bytes a second."""
    helper = t.helper(serve_bytes, namespace, address, count)
    data = bytes(os.urandom(65536)) * (count // 65536)
    with socket.socket() as connection:
        connection.settimeout(60)
        wait_until(lambda: connection.connect_ex((address, 7777)) in (0, errno.EISCONN), 10, "the connection")
        started = time.monotonic()
        connection.sendall(data)
        answer = b""
        while len(answer) < 16:
            more = connection.recv(16)
            if not more:
                break
            answer += more
        seconds = time.monotonic() - started
    t.equal("all bytes came over, and right", answer, struct.pack("QQ", count, sum(data)))
    helper.wait()
    with open("/sys/class/net/{}/statistics/tx_bytes".format(interface)) as file:
        t.check("they went through {}".format(interface), int(file.read()) > count)
    t.note("{} bytes in {:.1f} s: {:.0f} kB/s".format(count, seconds, count / seconds / 1000))


PPP_OPTIONS = ("115200", "nodetach", "noauth", "local", "nocrtscts", "nolock", "noccp", "novj", "noipv6", "debug",
               "logfd", "1", "lcp-echo-interval", "0", "lcp-echo-failure", "0")


def start_pppd(t, port, addresses, *options, prepare=None):
    from fixture import Process
    return Process(t, "pppd-" + port.name, ["pppd", port.path, addresses] + list(PPP_OPTIONS) + list(options), prepare)


def ppp_pair(t, *options):
    """pppd on two ports, each in a network namespace; what each of them makes is in its port's."""
    t.run("modprobe", "ppp_generic")  # /dev/ppp, which pppd looks for first
    namespace = Namespace(t)
    server = t.simulator("--listen", "0.0.0.0", "-v", ports=2, wirings=("null-modem",))
    tcp_ports = [address.rsplit(":", 1)[1] for address in server.addresses]
    a = t.port("127.0.0.1:" + tcp_ports[0], "-D", "4", *options)
    b = t.port("{}:{}".format(namespace.here, tcp_ports[1]), "-D", "4", *options, prepare=namespace.enter)
    ours = start_pppd(t, a, "10.7.0.1:10.7.0.2", "unit", "7")
    theirs = start_pppd(t, b, "10.7.0.2:10.7.0.1", prepare=namespace.enter)
    ours.expect(r"remote IP address 10\.7\.0\.2", 30)
    theirs.expect(r"remote IP address 10\.7\.0\.1", 30)
    return namespace, server, a, b, ours, theirs


@case(150)
def kernel_discipline_ppp(t):
    """pppd needs no capability of the port's: the kernel asks none for N_PPP."""
    namespace, _, a, b, ours, theirs = ppp_pair(t)
    descriptor = t.open(a)
    t.equal("TIOCGETD shows N_PPP", discipline(descriptor), N_PPP)
    t.equal("c_line shows it", termios2(descriptor)[4], N_PPP)
    t.check("the channel's number can be asked", fcntl.ioctl(descriptor, PPPIOCGCHAN, bytes(4)) != bytes(4))
    t.equal("termios is the port's", termios2(descriptor)[6], 115200)
    t.raises("PPP refuses an ioctl of SLIP", errno.ENOTTY, lambda: interface_name(descriptor))
    t.raises("read is pppd's way to say no", errno.EAGAIN, lambda: os.read(descriptor, 1))
    t.equal("nothing is ready", events(descriptor), 0)
    ping(t, "10.7.0.2")
    transfer(t, namespace, "10.7.0.2", "ppp7", 4 << 20)
    t.equal("pppd ends at SIGTERM", ours.stop(seconds=15), 5)
    theirs.wait(15)
    t.equal("line attached to N_TTY again", discipline(descriptor), N_TTY)
    t.equal("c_line shows it", termios2(descriptor)[4], N_TTY)
    t.check("the interface is gone", "ppp7" not in interfaces(), interfaces())
    other = t.open_raw(b)
    from fixture import set_raw
    set_raw(descriptor)
    termios.tcflush(descriptor, termios.TCIOFLUSH)
    write_all(other, b"a port like any other")
    t.equal("bytes pass as before", read_exactly(descriptor, 21), b"a port like any other")
    os.close(descriptor)
    os.close(other)
    namespace.remove()


@case(90)
def kernel_discipline_ppp_and_a_lost_connection(t):
    """The connection's end is a hang-up: it ends the channel, and pppd with it."""
    namespace, server, a, b, ours, theirs = ppp_pair(t, "--loss-timeout", "0")
    server.stop(signal.SIGKILL)
    for daemon, port in ((ours, a), (theirs, b)):
        daemon.expect("Modem hangup", 10)
        t.check("pppd ends by itself", eventually(lambda: daemon.status is not None, 10), daemon.log[-300:])
        t.check("the log says so", "line attached to N_TTY again" in port.log, port.log)
    t.check("the interface is gone", "ppp7" not in interfaces(), interfaces())
    namespace.remove()


@case(90)
def kernel_discipline_slip(t):
    a, b, _ = null_modem(t, "--kernel-ldisc")
    from fixture import Process
    daemons = [Process(t, "slattach-" + port.name, ["slattach", "-L", "-p", "slip", "-s", "115200", port.path])
               for port in (a, b)]
    descriptors = [t.open(port) for port in (a, b)]
    for descriptor in descriptors:
        wait_until(lambda: discipline(descriptor) == N_SLIP, what="N_SLIP")
    names = [interface_name(descriptor) for descriptor in descriptors]
    t.check("each line has its interface", set(names) <= interfaces() and len(set(names)) == 2, names)
    t.raises("read has no meaning there", errno.EIO, lambda: os.read(descriptors[0], 1))
    t.raises("SLIP refuses an ioctl of PPP", errno.ENOTTY,
             lambda: fcntl.ioctl(descriptors[0], PPPIOCGCHAN, bytes(4)))
    namespace = Namespace(t)
    namespace.ip("link", "set", names[1], "netns", namespace.name)
    namespace.ip("address", "add", "10.8.0.1", "peer", "10.8.0.2", "dev", names[0])
    namespace.ip("link", "set", names[0], "up")
    namespace.inside("address", "add", "10.8.0.2", "peer", "10.8.0.1", "dev", names[1])
    namespace.inside("link", "set", names[1], "up")
    ping(t, "10.8.0.2")
    transfer(t, namespace, "10.8.0.2", names[0], 1 << 20)
    for descriptor in descriptors:
        os.close(descriptor)
    for daemon in daemons:
        daemon.stop(signal.SIGKILL)
    t.check("the last close ends the interface, a kill's too", eventually(lambda: names[0] not in interfaces()),
            interfaces())
    namespace.remove()


def open_can(name):
    can = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    # A frame takes the room of 50: the receiver, on the guest's only CPU, comes late.
    can.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    can.bind((name,))
    can.settimeout(10)
    return can


def send_frames(can, count, first):
    """Frames that say who and which they are; a full queue is waited for."""
    for number in range(count):
        frame = struct.pack(CAN_FRAME, first + number % 16, 8, struct.pack(">IHH", number, first, 0xBEEF))
        while True:
            try:
                can.send(frame)
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                time.sleep(0.001)


def receive_frames(can, count, first):
    """How many frames came as they were sent, and in their order."""
    for number in range(count):
        try:
            frame = can.recv(16)
        except OSError:
            return number
        if frame != struct.pack(CAN_FRAME, first + number % 16, 8, struct.pack(">IHH", number, first, 0xBEEF)):
            return number
    return count


@case(120)
def kernel_discipline_slcan(t):
    """slcand and SocketCAN: what one port's CAN interface sends, the other's receives."""
    from fixture import Process
    a, b, _ = null_modem(t, "--kernel-ldisc")
    names = ("canA{}".format(t.number), "canB{}".format(t.number))
    daemons = [Process(t, "slcand-" + port.name, ["slcand", "-F", "-S", "115200", port.name, name])
               for port, name in zip((a, b), names)]
    sockets = []
    for name in names:
        wait_until(lambda: name in interfaces(), what=name)
        Namespace.ip("link", "set", name, "txqueuelen", "100", "up")
        sockets.append(open_can(name))
    descriptor = t.open(a)
    t.equal("TIOCGETD shows N_SLCAN", discipline(descriptor), N_SLCAN)
    t.equal("the interface has the name it was given", interface_name(descriptor), names[0])
    os.close(descriptor)
    count = 2000
    for sender, receiver, first in ((0, 1, 0x100), (1, 0, 0x200)):
        started = time.monotonic()
        helper = t.helper(receive_frames, sockets[receiver], count, first)
        send_frames(sockets[sender], count, first)
        t.equal("{} frames from {} to {}, in order".format(count, names[sender], names[receiver]),
                helper.result(30), count)
        t.note("{:.0f} frames a second".format(count / (time.monotonic() - started)))
    helpers = [t.helper(receive_frames, sockets[0], count, 0x400), t.helper(receive_frames, sockets[1], count, 0x300),
               t.helper(send_frames, sockets[1], count, 0x400)]
    send_frames(sockets[0], count, 0x300)
    t.equal("{} each way at once".format(count), [helper.result(30) for helper in helpers[:2]], [count, count])
    helpers[2].wait()
    # TIOCSETD waits for the line, which at this rate has some seconds of frames to send.
    for daemon in daemons:
        daemon.stop(seconds=20)
    t.check("slcand's end ends the interfaces", eventually(lambda: not set(names) & interfaces()), interfaces())


def capabilities_of(pid):
    """What each thread of a process is: {name: (user, permitted, effective, inheritable, ambient)}"""
    found = {}
    for thread in os.listdir("/proc/{}/task".format(pid)):
        with open("/proc/{}/task/{}/status".format(pid, thread)) as file:
            fields = dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line)
        sets = tuple(int(fields["Cap" + name], 16) for name in ("Prm", "Eff", "Inh", "Amb"))
        found[fields["Name"].strip()] = (int(fields["Uid"].split()[1]), ) + sets
    return found


def try_discipline(path, number):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        set_discipline(descriptor, number)
        return discipline(descriptor)
    finally:
        os.close(descriptor)


@case(60)
def kernel_discipline_privileges(t):
    """CAP_NET_ADMIN is the program's to have and the port's to keep: both, or EPERM."""
    plain_port, port, _ = null_modem(t, other=("--kernel-ldisc",))
    for name, found in capabilities_of(plain_port.pid).items():
        t.equal("a plain port's thread '{}' has nothing".format(name), found, (65534, 0, 0, 0, 0))
    threads = capabilities_of(port.pid)
    t.equal("a thread keeps CAP_NET_ADMIN, and takes it up only to use it", threads.pop("discipline", None),
            (65534, 1 << 12, 0, 0, 0))
    for name, found in threads.items():
        t.equal("thread '{}' has nothing".format(name), found, (65534, 0, 0, 0, 0))
    t.raises("a plain port lends no SLIP", errno.EPERM, lambda: try_discipline(plain_port.path, N_SLIP))
    t.check("and says why", "--kernel-ldisc" in plain_port.log, plain_port.log)
    t.equal("one with --kernel-ldisc does", try_discipline(port.path, N_SLIP), N_SLIP)
    t.raises("not to a program without the capability", errno.EPERM,
             lambda: t.helper(try_discipline, port.path, N_SLIP, user="nobody").result())
    t.check("and says why", "lacks CAP_NET_ADMIN" in port.log, port.log)
    for each in (plain_port, port):
        t.equal("N_PPP is for all", t.helper(try_discipline, each.path, N_PPP, user="nobody").result(), N_PPP)


@case(60)
def kernel_discipline_ends(t):
    a, _, _ = null_modem(t, "--kernel-ldisc")
    before = interfaces()
    first = t.open_raw(a)
    for number in (99, -1, 30, 31, 28):
        t.raises("there is no discipline {}".format(number), errno.EINVAL, lambda: set_discipline(first, number))
        t.equal("N_TTY stays", discipline(first), N_TTY)
    set_discipline(first, N_TTY)
    t.equal("N_TTY can always be set", discipline(first), N_TTY)
    set_discipline(first, N_SLIP)
    name = interface_name(first)
    t.check("the interface is there", name in interfaces(), interfaces())
    set_discipline(first, N_SLIP)
    t.equal("the same once more changes nothing", interface_name(first), name)
    set_discipline(first, N_PPP)
    t.check("another one takes its place", name not in interfaces() and discipline(first) == N_PPP)
    t.raises("which has other ioctls", errno.ENOTTY, lambda: interface_name(first))
    t.raises("one that is refused", errno.EINVAL, lambda: set_discipline(first, 99))
    t.equal("leaves the one before", discipline(first), N_PPP)
    set_discipline(first, N_SLIP)
    second = t.open(a)
    os.close(first)
    t.equal("it is the port's, not a file's", discipline(second), N_SLIP)
    os.close(second)
    t.equal("gone when the last close returns", interfaces(), before)
    third = t.open(a)
    t.equal("the next open finds N_TTY", (discipline(third), termios2(third)[4]), (N_TTY, N_TTY))
    set_discipline(third, N_SLIP)
    set_discipline(third, N_TTY)
    t.equal("gone when TIOCSETD returns", interfaces(), before)
    for _ in range(50):
        set_discipline(third, N_SLIP)
        set_discipline(third, N_TTY)
    t.equal("again and again", interfaces(), before)
    os.close(third)

    def die():
        descriptor = os.open(a.path, os.O_RDWR | os.O_NOCTTY)
        set_discipline(descriptor, N_SLIP)
        os.kill(os.getpid(), signal.SIGKILL)
    t.helper(die).wait()
    t.check("gone with a killed program", eventually(lambda: interfaces() == before), interfaces())
    fourth = t.open(a)
    set_discipline(fourth, N_SLIP)
    a.ends_cleanly = False
    t.equal("the port ends with a discipline set", a.stop(), 0)
    t.check("gone with the port", eventually(lambda: interfaces() == before), interfaces())
    os.close(fourth)
