"""A simulated Avahi on the bus, for signals that the real one never sends, or not in time for a test."""
import threading

from dbus_wire import (CALL, DESTINATION, ERROR, ERROR_NAME, INTERFACE, MEMBER, NO_REPLY, PATH, REPLY_SERIAL, RETURN,
                       SENDER, SIGNAL, Connection, Message)

NAME = "org.freedesktop.Avahi"
ITEM, FOUND = "iisssu", "iissssisqaayu"
OBJECTS_MAX = 1024  # avahi-daemon.conf(5), objects-per-client-max


class FakeAvahi(threading.Thread):
    """`items`: {(interface, protocol, name): (host, address, port, [txt]) or None for what cannot be resolved}."""

    def __init__(self, bus, items=None, server2=True, early=False, own=True, objects_max=OBJECTS_MAX):
        super().__init__(daemon=True)
        self.connection = Connection(bus.socket)
        self.items = items or {}
        self.server2, self.early, self.objects_max = server2, early, objects_max
        self.objects = {}
        self.paths = 0
        self.most_objects = self.refused = 0
        self.calls = {}
        self.resolved_once = set()
        if own:
            self.connection.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                 "RequestName", "su", [NAME, 4])
            self.start()

    def run(self):
        try:
            while True:
                message = self.connection.receive()
                if message.kind == CALL:
                    self.take(message)
        except (EOFError, OSError):
            pass

    def stop(self):
        self.connection.socket.shutdown(2)
        self.join(5)

    def reply(self, call, signature="", body=()):
        if not call.flags & NO_REPLY:
            self.connection.send(Message(
                RETURN, {REPLY_SERIAL: call.serial, DESTINATION: call.fields[SENDER]}, signature, body))

    def fail(self, call, name, text=""):
        self.connection.send(Message(
            ERROR, {REPLY_SERIAL: call.serial, DESTINATION: call.fields[SENDER], ERROR_NAME: name}, "s", [text]))

    def signal(self, client, path, kind, member, signature="", body=()):
        self.connection.send(Message(SIGNAL, {
            PATH: path, INTERFACE: "{}.{}".format(NAME, kind), MEMBER: member, DESTINATION: client}, signature, body))

    def take(self, call):
        interface, member = call.fields.get(INTERFACE, ""), call.fields[MEMBER]
        self.calls[member] = self.calls.get(member, 0) + 1
        if interface == NAME + ".Server2" and not self.server2:
            return self.fail(call, "org.freedesktop.DBus.Error.UnknownMethod", "no such interface")
        if member in ("Start", "Free"):
            made = self.objects.get(call.fields[PATH])
            if made and member == "Start":
                self.speak(call.fields[PATH])
            elif made:
                del self.objects[call.fields[PATH]]
            return self.reply(call)
        for kind in ("ServiceBrowser", "ServiceResolver"):
            if member in (kind + "Prepare", kind + "New"):
                return self.make(call, kind, member.endswith("New"))
        if member == "ResolveService" and len(self.objects) >= self.objects_max:
            self.refused += 1
            return self.fail(call, NAME + ".TooManyObjectsError", "Too many objects")
        if member == "ResolveService":
            key = (call.body[0], call.body[1], call.body[2])
            self.resolved_once.add(key)
            place = self.items.get(key)
            if place is None:
                return self.fail(call, NAME + ".TimeoutError", "Timeout reached")
            return self.reply(call, FOUND, self.found(key, call.body[3], place))
        self.fail(call, "org.freedesktop.DBus.Error.UnknownMethod", member)

    def make(self, call, kind, at_once):
        if len(self.objects) >= self.objects_max:
            self.refused += 1
            return self.fail(call, NAME + ".TooManyObjectsError", "Too many objects")
        self.paths += 1
        path = "/Client1/{}{}".format(kind, self.paths)
        self.objects[path] = (kind, call.fields[SENDER], call.body)
        self.most_objects = max(self.most_objects, len(self.objects))
        if at_once and self.early:
            self.speak(path)
        self.reply(call, "o", [path])
        if at_once and not self.early:
            self.speak(path)

    def found(self, key, kind, place):
        host, address, port, txt = place
        return [key[0], key[1], key[2], kind, "local", host, 1 if ":" in address else 0, address, port,
                [list(text.encode()) if isinstance(text, str) else list(text) for text in txt], 0]

    def speak(self, path):
        """All that an object has to say."""
        kind, client, arguments = self.objects[path]
        if kind == "ServiceBrowser":
            for interface, protocol, name in sorted(self.items):
                self.signal(client, path, kind, "ItemNew", ITEM, [
                    interface, protocol, name, arguments[2], "local", 0])
            self.signal(client, path, kind, "AllForNow")
            return
        key = (arguments[0], arguments[1], arguments[2])
        place = self.items.get(key)
        if place is None:
            self.signal(client, path, kind, "Failure", "s", [NAME + ".TimeoutError"])
        else:
            self.signal(client, path, kind, "Found", FOUND, self.found(key, arguments[3], place))

    def browsers(self):
        return [(path, made[1]) for path, made in self.objects.items() if made[0] == "ServiceBrowser"]

    def announce(self, key, place, member="ItemNew"):
        """A change of the network's."""
        if member == "ItemNew":
            self.items[key] = place
        else:
            self.items.pop(key, None)
        for path, client in self.browsers():
            self.signal(client, path, "ServiceBrowser", member, ITEM, [*key, "_ttynvt._tcp", "local", 0])

    def change(self, key, place, said=None):
        """Another word of the resolvers that are there for the item; they may say something else than new ones will."""
        self.items[key] = place
        for path, (kind, client, arguments) in list(self.objects.items()):
            if kind == "ServiceResolver" and tuple(arguments[:3]) == key:
                self.signal(client, path, kind, "Found", FOUND, self.found(key, arguments[3], said or place))

    def move(self, key, place):
        """The service goes to another host: a resolver keeps the old address, as avahi-core's does."""
        old = self.items[key]
        self.change(key, place, said=(place[0], old[1], place[2], place[3]))
