#!/usr/bin/env python3
"""A serial port served by pyserial's own RFC 2217 server code, one client after the other.

usage: rfc2217_server.py DEVICE [TCPPORT]

Says `listening on TCPPORT`.
"""
import select
import socket
import sys
import threading
import time

import serial
import serial.rfc2217


class Connection:
    """What PortManager writes its Telnet commands to."""

    def __init__(self, client):
        self.client = client
        self.lock = threading.Lock()

    def write(self, data):
        with self.lock:
            self.client.sendall(data)


class Bridge:
    def __init__(self, port, client):
        self.port = port
        self.client = client
        self.connection = Connection(client)
        self.manager = serial.rfc2217.PortManager(port, self.connection)
        self.alive = True

    def from_port(self):
        while self.alive:
            try:
                data = self.port.read(self.port.in_waiting or 1)
                if data:
                    self.connection.write(b"".join(self.manager.escape(data)))
            except OSError as error:
                print("receiving ended: {}".format(error), flush=True)
                break
        self.alive = False

    def watch_lines(self):
        while self.alive:
            self.manager.check_modem_lines()
            time.sleep(0.1)

    def from_client(self):
        while self.alive:
            try:
                readable, _, _ = select.select([self.client], [], [], 0.5)
                if not readable:
                    continue
                data = self.client.recv(4096)
                if not data:
                    break
                self.port.write(b"".join(self.manager.filter(data)))
            except OSError as error:
                print("transmitting ended: {}".format(error), flush=True)
                break
        self.alive = False

    def run(self):
        others = [threading.Thread(target=self.from_port), threading.Thread(target=self.watch_lines)]
        for thread in others:
            thread.start()
        self.from_client()
        for thread in others:
            thread.join()


def main():
    port = serial.serial_for_url(sys.argv[1], timeout=0.1)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0))
    listener.listen(1)
    print("listening on {}".format(listener.getsockname()[1]), flush=True)
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        settings = port.get_settings()
        port.rts = port.dtr = True
        Bridge(port, client).run()
        client.close()
        port.apply_settings(settings)


if __name__ == "__main__":
    main()
