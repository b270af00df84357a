import SerialLine

/// Names of the systemd units of ports: `ttynvt@INSTANCE.service`.
package enum UnitName {
    private static let prefix = "ttynvt@"
    private static let suffix = ".service"

    /// Matches every port's unit.
    package static let pattern = prefix + "*" + suffix

    /// The unit of a port, as printed by `systemd-escape --template=ttynvt@.service NAME`.
    package static func unit(of name: DeviceName) -> String { prefix + escape(name.port) + suffix }

    /// The port of a unit; nil if the unit is not a port's.
    package static func name(of unit: String) -> DeviceName? {
        guard unit.hasPrefix(prefix), unit.hasSuffix(suffix) else { return nil }
        let instance = unit.dropFirst(prefix.utf8.count).dropLast(suffix.utf8.count)
        guard let port = unescape(String(instance)) else { return nil }
        return try? DeviceName(port: port)
    }

    /// systemd's unit_name_escape(): `/` becomes `-`; all characters but letters, digits, `:` `_` `.` become `\xNN`,
    /// and so does a dot at the beginning.
    static func escape(_ text: String) -> String {
        var escaped: [UInt8] = []
        for (index, byte) in text.utf8.enumerated() {
            switch byte {
            case UInt8(ascii: "/"): escaped.append(UInt8(ascii: "-"))
            case UInt8(ascii: ".") where index == 0: escaped += hex(byte)
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: "."):
                escaped.append(byte)
            default: escaped += hex(byte)
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }

    private static func hex(_ byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return Array("\\x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }

    /// - Returns: nil if an escape is malformed.
    static func unescape(_ text: String) -> String? {
        var plain: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "-"): plain.append(UInt8(ascii: "/"))
            case UInt8(ascii: "\\"):
                guard rest.popFirst() == UInt8(ascii: "x"), rest.count >= 2,
                    let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
                else { return nil }
                plain.append(value)
                rest = rest.dropFirst(2)
            default: plain.append(byte)
            }
        }
        return String(validating: plain, as: UTF8.self)
    }
}
