"""libmodbus (the C library) as far as an RTU master and an RTU slave need it."""
import ctypes

RTU_RS485 = 1
MAX_ADU = 256


class Mapping(ctypes.Structure):
    """modbus_mapping_t"""
    _fields_ = [(name, ctypes.c_int) for name in (
        "nb_bits", "start_bits", "nb_input_bits", "start_input_bits", "nb_input_registers", "start_input_registers",
        "nb_registers", "start_registers")] + [
            ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
            ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
            ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
            ("tab_registers", ctypes.POINTER(ctypes.c_uint16))]


library = ctypes.CDLL("libmodbus.so.5", use_errno=True)
library.modbus_new_rtu.restype = ctypes.c_void_p
library.modbus_new_rtu.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char, ctypes.c_int, ctypes.c_int]
library.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
library.modbus_strerror.restype = ctypes.c_char_p
for name, arguments in (
        ("connect", []), ("close", []), ("free", []), ("set_slave", [ctypes.c_int]),
        ("rtu_set_serial_mode", [ctypes.c_int]),
        ("set_response_timeout", [ctypes.c_uint32, ctypes.c_uint32]),
        ("write_registers", [ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_uint16)]),
        ("read_registers", [ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_uint16)]),
        ("receive", [ctypes.c_char_p]), ("reply", [ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(Mapping)])):
    getattr(library, "modbus_" + name).argtypes = [ctypes.c_void_p] + arguments


class RTU:
    """One side of an RS485 line at 8E1."""

    def __init__(self, path, baud, slave):
        self.context = library.modbus_new_rtu(path.encode(), baud, b"E", 8, 1)
        self.call("set_slave", slave)
        self.call("connect")
        self.call("rtu_set_serial_mode", RTU_RS485)

    def call(self, name, *arguments):
        value = getattr(library, "modbus_" + name)(self.context, *arguments)
        if value < 0:
            number = ctypes.get_errno()
            raise OSError(number, "modbus_{}: {}".format(name, library.modbus_strerror(number).decode()))
        return value

    def write_registers(self, address, values):
        return self.call("write_registers", address, len(values), (ctypes.c_uint16 * len(values))(*values))

    def read_registers(self, address, count):
        values = (ctypes.c_uint16 * count)()
        self.call("read_registers", address, count, values)
        return list(values)

    def serve(self):
        """Answers every request, for ever."""
        mapping = library.modbus_mapping_new(100, 100, 100, 100)
        query = ctypes.create_string_buffer(MAX_ADU)
        while True:
            length = library.modbus_receive(self.context, query)
            if length > 0:
                library.modbus_reply(self.context, query, length, mapping)

    def close(self):
        library.modbus_close(self.context)
        library.modbus_free(self.context)
