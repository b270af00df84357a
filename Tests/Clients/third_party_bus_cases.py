"""Field buses over two ports that are each other's far end: CAN frames by python-can, Modbus RTU over RS485 by two
implementations, each as master and as slave."""
import asyncio
import fcntl
import logging
import os
import random
import struct
import sys
import time

from fixture import TIOCGRS485, TIOCSRS485, case, eventually, termios2

BAUD = 57600
SLAVE = 17


@case(60)
def third_party_python_can(t):
    """Its `serial` interface: 0xAA, time, length, identifier, data, 0xBB. Frames both ways at the same time."""
    import can
    one, other = t.null_modem()
    count = 500
    randomness = random.Random(1)

    def frames(seed):
        return [can.Message(arbitration_id=randomness.randrange(1 << 29), is_extended_id=True,
                            data=randomness.randbytes(randomness.randrange(9)), timestamp=seed + number / 1000)
                for number in range(count)]

    sent = {"there": frames(1), "back": frames(1000)}
    with can.Bus(interface="serial", channel=one.path, baudrate=1000000, timeout=1) as a, \
            can.Bus(interface="serial", channel=other.path, baudrate=1000000, timeout=1) as b:
        t.equal("rate", termios2(a.fileno())[6], 1000000)
        got = {"there": [], "back": []}
        started = time.monotonic()
        # A handful is under way in each direction before the first is taken.
        for number in range(count + 8):
            if number < count:
                a.send(sent["there"][number])
                b.send(sent["back"][number])
            if number >= 8:
                got["there"].append(b.recv(1))
                got["back"].append(a.recv(1))
        took = time.monotonic() - started
        for direction, wanted in sent.items():
            wrong = [number for number, (a_frame, b_frame) in enumerate(zip(got[direction], wanted))
                     if b_frame is None or a_frame is None or a_frame.arbitration_id != b_frame.arbitration_id
                     or a_frame.data != b_frame.data or abs(a_frame.timestamp - b_frame.timestamp) > 0.0015]
            t.check("python-can, {}: {} frames, {:.0f} frames/s".format(direction, count, 2 * count / took),
                    not wrong, "wrong: {}".format(wrong[:10]))
        t.check("and no frame more", a.recv(0.1) is None and b.recv(0.1) is None)


def rs485_flags(path):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        return struct.unpack("I", fcntl.ioctl(descriptor, TIOCGRS485, bytes(32))[:4])[0]
    finally:
        os.close(descriptor)


class LibmodbusMaster:
    def __init__(self, path):
        import libmodbus
        self.line = libmodbus.RTU(path, BAUD, SLAVE)
        self.line.call("set_response_timeout", 2, 0)

    def write(self, address, values):
        self.line.write_registers(address, values)

    def read(self, address, count):
        return self.line.read_registers(address, count)

    def close(self):
        self.line.close()


class PymodbusMaster:
    def __init__(self, path):
        import serial.rs485
        from pymodbus.client import ModbusSerialClient
        self.client = ModbusSerialClient(port=path, baudrate=BAUD, parity="E", timeout=2)
        if not self.client.connect():
            raise OSError("pymodbus does not connect")
        self.client.socket.rs485_mode = serial.rs485.RS485Settings()

    def write(self, address, values):
        answer = self.client.write_registers(address, values, slave=SLAVE)
        if answer.isError():
            raise OSError(str(answer))

    def read(self, address, count):
        answer = self.client.read_holding_registers(address, count, slave=SLAVE)
        if answer.isError():
            raise OSError(str(answer))
        return answer.registers

    def close(self):
        self.client.close()


def libmodbus_slave(path):
    import libmodbus
    libmodbus.RTU(path, BAUD, SLAVE).serve()


def pymodbus_slave(path):
    from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
    from pymodbus.framer.rtu_framer import ModbusRtuFramer
    from pymodbus.server import StartAsyncSerialServer
    registers = ModbusSequentialDataBlock(0, [0] * 200)
    context = ModbusServerContext({SLAVE: ModbusSlaveContext(hr=registers, zero_mode=True)}, single=False)

    async def serve():
        server = await StartAsyncSerialServer(
            context=context, framer=ModbusRtuFramer, port=path, baudrate=BAUD, parity="E", bytesize=8, stopbits=1,
            timeout=0, defer_start=True)
        await server.start()
        fcntl.ioctl(server.transport.serial.fd, TIOCSRS485, struct.pack("I28x", 3))
        while True:
            await asyncio.sleep(60)

    logging.disable()
    asyncio.run(serve())


MASTERS = {"libmodbus": LibmodbusMaster, "pymodbus": PymodbusMaster}
SLAVES = {"libmodbus": libmodbus_slave, "pymodbus": pymodbus_slave}
PAIRS = ("libmodbus-libmodbus", "libmodbus-pymodbus", "pymodbus-libmodbus", "pymodbus-pymodbus")


@case(60, over=PAIRS)
def third_party_modbus(t, pair):
    """Master and slave at 57600 baud, 8E1, RS485 half duplex, on a line where bytes take their time."""
    master_name, slave_name = pair.split("-")
    near, far = t.null_modem("--pace", "-v")
    slave = t.helper(SLAVES[slave_name], far.path)
    t.check("the slave has RS485 on", eventually(lambda: rs485_flags(far.path) & 1, 15), rs485_flags(far.path))
    t.check("it has its settings", eventually(lambda: settings(far.path) == (BAUD, 0x130)), settings(far.path))
    master = MASTERS[master_name](near.path)
    t.check("the master has RS485 on", rs485_flags(near.path) & 1, rs485_flags(near.path))
    t.equal("and its settings", settings(near.path), (BAUD, 0x130))
    randomness = random.Random(2)
    count = 40
    wrong = []
    started = time.monotonic()
    for number in range(count):
        address = randomness.randrange(60)
        values = [randomness.randrange(1 << 16) for _ in range(randomness.randrange(1, 30))]
        try:
            master.write(address, values)
            got = master.read(address, len(values))
        except OSError as error:
            got = error
        if got != values:
            wrong.append((number, got))
            if len(wrong) > 2:
                break
    took = time.monotonic() - started
    master.close()
    slave.kill()
    t.check("{} master, {} slave: {} requests answered in {:.2f} s, {:.1f} ms each".format(
        master_name, slave_name, 2 * count, took, took * 500 / count), not wrong, wrong)


def settings(path):
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        fields = termios2(descriptor)
    finally:
        os.close(descriptor)
    return fields[6], fields[2] & 0x370
