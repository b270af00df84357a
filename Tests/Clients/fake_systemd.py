"""A systemd made of messages: it starts ports as a real one does, sends no signals, and gives wrong answers on demand."""
import os
import subprocess
import threading

from dbus_wire import (CALL, DESTINATION, ERROR, ERROR_NAME, MEMBER, NO_REPLY, REPLY_SERIAL, RETURN, SENDER, Connection,
                       Message)

NAME = "org.freedesktop.systemd1"
UNITS = "a(ssssssouso)"
ENVIRONMENT = "/run/ttynvt-swift/env/"


class FakeSystemd(threading.Thread):
    """It never says JobRemoved. `wrong` answers to lists of units are of another type; `empty` ones have no unit."""

    def __init__(self, bus, binary, wrong=0, empty=0):
        super().__init__(daemon=True)
        self.binary, self.wrong, self.empty = binary, wrong, empty
        self.processes = {}
        self.calls = {}
        self.connection = Connection(bus.socket)
        self.connection.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                             "su", [NAME, 4])
        self.start()

    def run(self):
        try:
            while True:
                message = self.connection.receive()
                if message.kind == CALL:
                    self.take(message)
        except (EOFError, OSError):
            pass

    def reply(self, call, signature="", body=()):
        if not call.flags & NO_REPLY:
            self.connection.send(Message(
                RETURN, {REPLY_SERIAL: call.serial, DESTINATION: call.fields[SENDER]}, signature, body))

    def take(self, call):
        member = call.fields[MEMBER]
        self.calls[member] = self.calls.get(member, 0) + 1
        if member == "StartUnit":
            self.start_unit(call.body[0])
            self.reply(call, "o", ["/job/{}".format(self.calls[member])])
        elif member == "StopUnit":
            self.processes[call.body[0]].terminate()
            self.reply(call, "o", ["/job/stop"])
        elif member == "ListUnitsByNames":
            self.reply(call, UNITS, [[self.state(unit) for unit in call.body[0]]])
        elif member == "ListUnitsByPatterns" and self.wrong:
            self.wrong -= 1
            self.reply(call, "s", ["no list"])
        elif member == "ListUnitsByPatterns":
            units = [] if self.empty else list(self.processes)
            self.empty = max(0, self.empty - 1)
            self.reply(call, UNITS, [[self.state(unit) for unit in units]])
        elif member in ("Subscribe", "ResetFailedUnit"):
            self.reply(call)
        elif not call.flags & NO_REPLY:
            self.connection.send(Message(
                ERROR, {REPLY_SERIAL: call.serial, DESTINATION: call.fields[SENDER],
                        ERROR_NAME: "org.freedesktop.DBus.Error.UnknownMethod"}, "s", [member]))

    def start_unit(self, unit):
        process = self.processes.get(unit)
        if process and process.poll() is None:
            return
        port = unit[len("ttynvt@"):-len(".service")].encode().decode("unicode_escape")
        with open(ENVIRONMENT + "tty" + port) as file:
            variables = dict(line.strip().split("=", 1) for line in file)
        self.processes[unit] = subprocess.Popen(
            [self.binary, "port"] + variables["TTYNVT_ARGUMENTS"].split(), env=dict(os.environ, **variables),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def state(self, unit):
        process = self.processes.get(unit)
        status = None if process is None else process.poll()
        active = "inactive" if process is None or status == 0 else "active" if status is None else "failed"
        return [unit, unit, "loaded", active, "running", "", "/unit", 0, "", "/"]

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait()
        self.connection.socket.shutdown(2)
        self.join(5)
