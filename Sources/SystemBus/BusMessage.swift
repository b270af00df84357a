import CSystemd
import SystemPackage

/// An sd-bus message, with its reference.
struct BusMessage: ~Copyable {
    let raw: OpaquePointer

    /// Takes ownership of a reference.
    init(owning raw: OpaquePointer) { self.raw = raw }

    deinit { csystemd_bus_message_unref(raw) }

    /// A method call with its arguments.
    static func make(_ call: BusCall, on bus: OpaquePointer) throws(BusError) -> BusMessage {
        var raw: OpaquePointer?
        let result = csystemd_bus_message_new_method_call(
            bus, &raw, call.destination, call.path, call.interface, call.member)
        guard result >= 0, let raw else { throw .result(result, "\(call.member): illegal call") }
        let message = BusMessage(owning: raw)
        if !call.startsDestination { csystemd_bus_message_set_auto_start(raw, 0) }
        for argument in call.arguments { try append(argument, to: raw, call) }
        return message
    }

    private static func append(_ value: BusValue, to message: OpaquePointer, _ call: BusCall) throws(BusError) {
        func check(_ result: Int32) throws(BusError) {
            guard result >= 0 else {
                throw .result(result, "\(call.member): cannot encode an argument of type '\(value.signature)'")
            }
        }
        func basic<Value>(_ type: UnicodeScalar, _ value: Value) throws(BusError) {
            try check(withUnsafePointer(to: value) { csystemd_bus_message_append_basic(message, type.code, $0) })
        }
        func container(_ type: UnicodeScalar, _ contents: String, _ items: [BusValue]) throws(BusError) {
            try check(csystemd_bus_message_open_container(message, type.code, contents))
            for item in items { try append(item, to: message, call) }
            try check(csystemd_bus_message_close_container(message))
        }
        switch value {
        case .byte(let value): try basic("y", value)
        case .boolean(let value): try basic("b", Int32(value ? 1 : 0))
        case .int16(let value): try basic("n", value)
        case .uint16(let value): try basic("q", value)
        case .int32(let value): try basic("i", value)
        case .uint32(let value): try basic("u", value)
        case .int64(let value): try basic("x", value)
        case .uint64(let value): try basic("t", value)
        case .double(let value): try basic("d", value)
        case .string(let text): try check(csystemd_bus_message_append_basic(message, UnicodeScalar("s").code, text))
        case .objectPath(let text):
            try check(csystemd_bus_message_append_basic(message, UnicodeScalar("o").code, text))
        case .signature(let text): try check(csystemd_bus_message_append_basic(message, UnicodeScalar("g").code, text))
        case .bytes(let bytes):
            try check(csystemd_bus_message_append_array(message, UnicodeScalar("y").code, bytes, bytes.count))
        case .array(let item, let items): try container("a", item, items)
        case .structure(let fields): try container("r", fields.map(\.signature).joined(), fields)
        case .entry(let key, let value): try container("e", key.signature + value.signature, [key, value])
        case .variant(let value): try container("v", value.signature, [value])
        }
    }

    /// The values of a message. sd-bus has checked its form: signatures, lengths, depth, UTF-8.
    static func values(of message: OpaquePointer) throws(BusError) -> [BusValue] {
        var values: [BusValue] = []
        while true {
            var type: CChar = 0
            var contents: UnsafePointer<CChar>?
            let result = csystemd_bus_message_peek_type(message, &type, &contents)
            guard result >= 0 else { throw .result(result, "cannot read a message") }
            guard result > 0, type != 0 else { return values }
            values.append(
                try value(of: message, UnicodeScalar(UInt8(bitPattern: type)), contents.map { String(cString: $0) }))
        }
    }

    private static func value(
        of message: OpaquePointer, _ type: UnicodeScalar, _ contents: String?
    ) throws(BusError) -> BusValue {
        switch type {
        case "y": return .byte(try basic(message, type, 0))
        case "b": return .boolean(try basic(message, type, Int32(0)) != 0)
        case "n": return .int16(try basic(message, type, 0))
        case "q": return .uint16(try basic(message, type, 0))
        case "i", "h": return .int32(try basic(message, type, 0))
        case "u": return .uint32(try basic(message, type, 0))
        case "x": return .int64(try basic(message, type, 0))
        case "t": return .uint64(try basic(message, type, 0))
        case "d": return .double(try basic(message, type, 0))
        case "s": return .string(try text(message, type))
        case "o": return .objectPath(try text(message, type))
        case "g": return .signature(try text(message, type))
        case "a" where contents == "y":
            var items: UnsafeRawPointer?
            var size = 0
            try check(csystemd_bus_message_read_array(message, UnicodeScalar("y").code, &items, &size))
            return .bytes(items.map { Array(UnsafeRawBufferPointer(start: $0, count: size)) } ?? [])
        default: return try container(message, type, contents ?? "")
        }
    }

    private static func container(
        _ message: OpaquePointer, _ type: UnicodeScalar, _ contents: String
    ) throws(BusError) -> BusValue {
        try check(csystemd_bus_message_enter_container(message, type.code, contents))
        let items = try values(of: message)
        try check(csystemd_bus_message_exit_container(message))
        switch type {
        case "a": return .array(of: contents, items)
        case "r": return .structure(items)
        case "e" where items.count == 2: return .entry(items[0], items[1])
        case "v" where items.count == 1: return .variant(items[0])
        default: throw .unexpected("a message with a container '\(type)'")
        }
    }

    private static func basic<Value>(_ message: OpaquePointer, _ type: UnicodeScalar, _ zero: Value) throws(BusError)
        -> Value
    {
        var value = zero
        try check(withUnsafeMutablePointer(to: &value) { csystemd_bus_message_read_basic(message, type.code, $0) })
        return value
    }

    private static func text(_ message: OpaquePointer, _ type: UnicodeScalar) throws(BusError) -> String {
        try basic(message, type, UnsafePointer<CChar>?.none).map { String(cString: $0) } ?? ""
    }

    private static func check(_ result: Int32) throws(BusError) {
        guard result >= 0 else { throw .result(result, "cannot read a message") }
    }
}

extension UnicodeScalar {
    /// A type code as a C char; all type codes are ASCII.
    fileprivate var code: CChar { CChar(truncatingIfNeeded: value) }
}
