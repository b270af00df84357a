"""As much of D-Bus as a service of a test needs: D-Bus specification, "Message Protocol", little endian only."""
import os
import socket
import struct

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY = 1
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE = range(1, 9)
FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}
FIELDS = {PATH: "o", INTERFACE: "s", MEMBER: "s", ERROR_NAME: "s", REPLY_SERIAL: "u", DESTINATION: "s", SENDER: "s",
          SIGNATURE: "g"}


def split(signature):
    """Its complete types."""
    types = []
    while signature:
        end = 0
        while signature[end] == "a":
            end += 1
        if signature[end] in "({":
            depth = 0
            while True:
                depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[end], 0)
                if depth == 0:
                    break
                end += 1
        types.append(signature[:end + 1])
        signature = signature[end + 1:]
    return types


def alignment(kind):
    return {"y": 1, "g": 1, "v": 1, "n": 2, "q": 2, "x": 8, "t": 8, "d": 8, "(": 8, "{": 8}.get(kind[0], 4)


def pad(out, size):
    out.extend(bytes(-len(out) % size))


def write(out, kind, value):
    pad(out, alignment(kind))
    if kind in FIXED:
        out.extend(struct.pack("<" + FIXED[kind], value))
    elif kind in "so":
        data = value if isinstance(value, bytes) else value.encode()
        out.extend(struct.pack("<I", len(data)) + data + b"\0")
    elif kind == "g":
        out.extend(bytes([len(value)]) + value.encode() + b"\0")
    elif kind == "v":
        write(out, "g", value[0])
        write(out, value[0], value[1])
    elif kind[0] == "a":
        place = len(out)
        out.extend(bytes(4))
        pad(out, alignment(kind[1:]))
        start = len(out)
        for item in value:
            write(out, kind[1:], item)
        struct.pack_into("<I", out, place, len(out) - start)
    else:
        for inner, item in zip(split(kind[1:-1]), value):
            write(out, inner, item)


def read(data, at, kind):
    """(value, offset behind it)"""
    at += -at % alignment(kind)
    if kind in FIXED:
        return struct.unpack_from("<" + FIXED[kind], data, at)[0], at + struct.calcsize(FIXED[kind])
    if kind in "so":
        length = struct.unpack_from("<I", data, at)[0]
        return data[at + 4:at + 4 + length].decode(), at + 5 + length
    if kind == "g":
        return data[at + 1:at + 1 + data[at]].decode(), at + 2 + data[at]
    if kind == "v":
        inner, at = read(data, at, "g")
        return read(data, at, inner)
    values = []
    if kind[0] == "a":
        end = struct.unpack_from("<I", data, at)[0]
        at += 4
        at += -at % alignment(kind[1:])
        end += at
        while at < end:
            value, at = read(data, at, kind[1:])
            values.append(value)
    else:
        for inner in split(kind[1:-1]):
            value, at = read(data, at, inner)
            values.append(value)
    return values, at


class Message:
    def __init__(self, kind, fields, signature="", body=(), flags=0, serial=0):
        self.kind, self.fields, self.signature, self.body = kind, fields, signature, list(body)
        self.flags, self.serial = flags, serial

    def encode(self, serial):
        body = bytearray()
        for kind, value in zip(split(self.signature), self.body):
            write(body, kind, value)
        fields = dict(self.fields)
        if self.signature:
            fields[SIGNATURE] = self.signature
        out = bytearray(struct.pack("<cBBBII", b"l", self.kind, self.flags, 1, len(body), serial))
        write(out, "a(yv)", [(code, (FIELDS[code], value)) for code, value in fields.items()])
        pad(out, 8)
        return bytes(out + body)


class Connection:
    """A connection to a bus, blocking."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.buffer = b""
        self.serial = 0
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        while b"\r\n" not in self.buffer:
            self.fill()
        if not self.buffer.startswith(b"OK "):
            raise OSError("the bus says " + repr(self.buffer))
        self.buffer = b""
        self.socket.sendall(b"BEGIN\r\n")
        self.name = self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello").body[0]

    def fill(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError("the bus is gone")
        self.buffer += data

    def send(self, message):
        self.serial += 1
        self.socket.sendall(message.encode(self.serial))
        return self.serial

    def receive(self):
        while len(self.buffer) < 16:
            self.fill()
        kind, flags, _, size, serial, header = struct.unpack_from("<BBBIII", self.buffer, 1)
        start = 16 + header + -header % 8
        while len(self.buffer) < start + size:
            self.fill()
        # The fields' array begins at 12, so that its alignment holds.
        fields = {code: value for code, value in read(self.buffer, 12, "a(yv)")[0]}
        message = Message(kind, fields, fields.get(SIGNATURE, ""), flags=flags, serial=serial)
        data, at = self.buffer[start:start + size], 0
        for inner in split(message.signature):
            value, at = read(data, at, inner)
            message.body.append(value)
        self.buffer = self.buffer[start + size:]
        return message

    def call(self, destination, path, interface, member, signature="", body=()):
        """Calls and waits; whatever else comes meanwhile is dropped."""
        serial = self.send(Message(CALL, {PATH: path, INTERFACE: interface, MEMBER: member, DESTINATION: destination},
                                   signature, body))
        while True:
            reply = self.receive()
            if reply.fields.get(REPLY_SERIAL) == serial:
                if reply.kind == ERROR:
                    raise OSError(reply.fields.get(ERROR_NAME), reply.body)
                return reply
