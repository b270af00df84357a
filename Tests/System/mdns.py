"""Multicast DNS packets (RFC 6762), made and read with nothing but Python's standard library: any record from any
address, and a responder that keeps the rules.

A name is a tuple of labels, ("MIO04-1", "local").
"""
import os
import random
import select
import socket
import struct
import threading
import time

GROUP, PORT = "224.0.0.251", 5353
A, PTR, TXT, SRV, ANY = 1, 12, 16, 33, 255
IN, FLUSH = 1, 0x8000
RESPONSE = 0x8400
SERVICE = ("_ttynvt", "_tcp", "local")
# Seconds (RFC 6762, section 10).
HOST_TTL, OTHER_TTL = 120, 4500


def labels(name):
    return b"".join(bytes([len(label)]) + label for label in map(to_bytes, name)) + b"\0"


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


class Record:
    """`data` is as on the wire, with names whole."""

    def __init__(self, name, type, data, ttl, flush=False):
        self.name, self.type, self.data, self.ttl, self.flush = tuple(name), type, data, ttl, flush

    @property
    def key(self):
        return tuple(to_bytes(label).lower() for label in self.name), self.type

    def encoded(self):
        return labels(self.name) + struct.pack(
            "!HHIH", self.type, IN | (FLUSH if self.flush else 0), self.ttl, len(self.data)) + self.data

    def goodbye(self):
        return Record(self.name, self.type, self.data, 0, self.flush)


def ptr(instance, ttl=OTHER_TTL):
    return Record(SERVICE, PTR, labels((instance,) + SERVICE), ttl)


def srv(instance, host, port, ttl=HOST_TTL):
    return Record((instance,) + SERVICE, SRV, struct.pack("!HHH", 0, 0, port) + labels((host, "local")), ttl, True)


def txt(instance, *entries, ttl=OTHER_TTL):
    data = b"".join(bytes([len(entry)]) + entry for entry in map(to_bytes, entries)) or b"\0"
    return Record((instance,) + SERVICE, TXT, data, ttl, True)


def a(host, address, ttl=HOST_TTL):
    return Record((host, "local"), A, socket.inet_aton(address), ttl, True)


def service(instance, host, address, port, *entries, ttl=HOST_TTL):
    """All that announces one port."""
    return [ptr(instance, ttl), srv(instance, host, port, ttl), txt(instance, *entries, ttl=ttl), a(host, address, ttl)]


def message(records):
    return struct.pack("!6H", 0, RESPONSE, 0, len(records), 0, 0) + b"".join(record.encoded() for record in records)


class Malformed(Exception):
    pass


def read_name(packet, at):
    """The name at an offset, and the offset behind it."""
    name, end = [], None
    for _ in range(64):
        if at >= len(packet):
            raise Malformed()
        length = packet[at]
        if length >= 0xC0:
            if at + 1 >= len(packet):
                raise Malformed()
            end = end or at + 2
            at = struct.unpack_from("!H", packet, at)[0] & 0x3FFF
        elif length == 0:
            return tuple(name), end or at + 1
        else:
            name.append(packet[at + 1:at + 1 + length])
            at += 1 + length
    raise Malformed()


def parse(packet):
    """(is a response, [(name, type)] asked for, [Record] told); data of records is left as it is."""
    try:
        _, flags, questions, answers, _, _ = struct.unpack_from("!6H", packet)
        at, asked, told = 12, [], []
        for _ in range(questions):
            name, at = read_name(packet, at)
            asked.append((name, struct.unpack_from("!HH", packet, at)[0]))
            at += 4
        for _ in range(answers if flags & 0x8000 else 0):
            name, at = read_name(packet, at)
            type, cls, ttl, length = struct.unpack_from("!HHIH", packet, at)
            told.append(Record(name, type, packet[at + 10:at + 10 + length], ttl, bool(cls & FLUSH)))
            at += 10 + length
        return bool(flags & 0x8000), asked, told
    except struct.error:
        raise Malformed() from None


def open_socket(address):
    """A socket of the network namespace that the calling thread is in, which sends from that address."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", PORT))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(address))
    return sock


def send(sock, packet):
    """An interface that is gone, or full, takes nothing: as on a real network."""
    try:
        sock.sendto(packet, (GROUP, PORT))
    except OSError:
        pass


class Responder(threading.Thread):
    """Announces records, answers questions for them, and says them again when others contradict (RFC 6762, section 9,
    without the renaming) or say goodbye for them (section 10.1), at most once a second.
    """

    def __init__(self, sock, records):
        super().__init__(daemon=True)
        self.sock, self.records = sock, records
        # Many a small device does not.
        self.defends = True
        self.wake, self.end = os.pipe()
        # The first announcement is repeated after a second (section 8.3).
        self.due = [0.0, time.monotonic() + 1]
        self.last = 0.0
        self.start()

    def run(self):
        while True:
            wait = max(0.0, min(self.due) - time.monotonic()) if self.due else None
            ready = select.select([self.sock, self.wake], [], [], wait)[0]
            if self.wake in ready:
                return
            if self.sock in ready:
                self.heard(self.sock.recv(9000))
            now = time.monotonic()
            if self.due and min(self.due) <= now:
                self.due = [at for at in self.due if at > now]
                self.last = now
                send(self.sock, message(self.records))

    def heard(self, packet):
        try:
            is_response, asked, told = parse(packet)
        except Malformed:
            return
        own = {}
        for record in self.records:
            own.setdefault(record.key, []).append(record)
        if not is_response:
            keys = {(tuple(label.lower() for label in name), type) for name, type in asked}
            answers = [r for r in self.records if r.key in keys or (r.key[0], ANY) in keys]
            if answers:
                send(self.sock, message(self.records))
            return
        attacked = any(self.is_attacked(record, mine) for record in told for mine in own.get(record.key, []))
        if self.defends and attacked and not self.due:
            self.due = [max(time.monotonic(), self.last + 1)]

    @staticmethod
    def is_attacked(record, mine):
        """Would a cache that believes the record lose ours?"""
        if record.data == mine.data:
            return record.ttl * 2 < mine.ttl
        return mine.flush

    def stop(self, goodbye=True):
        os.write(self.end, b".")
        self.join()
        if goodbye:
            send(self.sock, message([record.goodbye() for record in self.records]))
        self.sock.close()
        os.close(self.wake)
        os.close(self.end)


class Hostile:
    """Packets of all kinds from a seed, against services [(instance, host, port)] of others.

    Names of its own end on `-x`; they have a short life, so that the network is soon as it was.
    """

    TTL = 10
    FOREIGN = ["127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "8.8.8.8", "169.254.1.1", "192.0.2.1"]

    def __init__(self, seed, victims, addresses):
        self.random = random.Random(seed)
        self.victims = victims
        # On the network's own subnet.
        self.addresses = addresses
        self.kinds = [self.bare_names, self.strangers, self.strangers, self.impostor, self.other_case, self.goodbye,
                      self.host_address, self.other_port, self.other_txt, self.foreign, self.many_addresses,
                      self.kernel_names, self.noise, self.cut, self.loop]

    def packet(self):
        return self.random.choice(self.kinds)()

    def name(self):
        return "{:08x}-x".format(self.random.getrandbits(32))

    def address(self):
        return self.random.choice(self.addresses)

    def bare_names(self):
        return message([ptr(self.name(), self.TTL) for _ in range(30)])

    def strangers(self):
        return message(service(self.name(), self.name(), self.address(), 10000, ttl=self.TTL))

    def impostor(self):
        instance, _, port = self.random.choice(self.victims)
        return message(service(instance, self.name(), self.address(), port, ttl=self.TTL))

    def other_case(self):
        instance, _, port = self.random.choice(self.victims)
        instance = "".join(self.random.choice((c.upper(), c.lower())) for c in instance)
        return message(service(instance, self.name(), self.address(), port, ttl=self.TTL))

    def goodbye(self):
        instance, host, port = self.random.choice(self.victims)
        return message([record.goodbye() for record in service(instance, host, self.address(), port)])

    def host_address(self):
        _, host, _ = self.random.choice(self.victims)
        return message([a(host, self.address(), self.TTL)])

    def other_port(self):
        instance, host, _ = self.random.choice(self.victims)
        return message([srv(instance, host, self.random.randrange(65536), self.TTL)])

    def other_txt(self):
        instance, _, _ = self.random.choice(self.victims)
        return message([txt(instance, "security=yes", "version=" + "9" * 200, ttl=self.TTL)])

    def foreign(self):
        return message(service(self.name(), self.name(), self.random.choice(self.FOREIGN), 22, ttl=self.TTL))

    def many_addresses(self):
        host = self.name()
        return message([ptr(self.name(), self.TTL)] + [
            Record((host, "local"), A, self.random.randbytes(4), self.TTL) for _ in range(40)])

    def kernel_names(self):
        name = self.random.choice(["GPS", "AML", "MSM", "S", "USB", "ACM", "X"]) + str(self.random.randrange(10))
        return message(service(name, self.name(), self.address(), 10000, ttl=self.TTL))

    def noise(self):
        return self.random.randbytes(self.random.randrange(1, 1400))

    def cut(self):
        whole = self.strangers()
        return whole[:self.random.randrange(len(whole))]

    def loop(self):
        """A name that points at itself."""
        return struct.pack("!6H", 0, RESPONSE, 0, 1, 0, 0) + struct.pack(
            "!HHHIHH", 0xC00C, PTR, IN, self.TTL, 2, 0xC00C)
