/// The checked name of a node in /dev: `tty` and a suffix; never a path, and never a name of a kernel driver.
package struct DeviceName: Sendable, Hashable, CustomStringConvertible {
    /// Longest name, in bytes. Unit names and paths are derived from it.
    package static let longest = 64

    /// Longest name in the form that systemd's unit names use, with `\x2d` for each `-`, in bytes: `ttynvt@X.service`
    /// has at most 255.
    private static let longestEscaped = 240

    package let description: String

    /// The reason why a text is not a device name, in one line that quotes it.
    package struct Illegal: Error, Equatable, CustomStringConvertible {
        package let text: String
        package let why: String

        package var description: String { "illegal device name '\(text)': \(why)" }
    }

    /// Checks a name given by a user: `ttyX`, or `/dev/ttyX`.
    package init(_ text: String) throws(Illegal) {
        let name = text.hasPrefix("/dev/") ? String(text.dropFirst(5)) : text
        func bad(_ why: String) -> Illegal { Illegal(text: text, why: why) }
        guard !name.isEmpty else { throw bad("it is empty") }
        guard name.utf8.count <= Self.longest else { throw bad("it is longer than \(Self.longest) bytes") }
        guard name.utf8.allSatisfy(Self.isAllowed) else { throw bad("only A-Z a-z 0-9 . _ - are allowed") }
        guard !name.contains("..") else { throw bad("it contains '..'") }
        guard name.hasPrefix("tty") else { throw bad("it does not begin with 'tty'") }
        guard name.utf8.count > 3 else { throw bad("nothing follows 'tty'") }
        guard name.utf8.count + 3 * name.utf8.count(where: { $0 == UInt8(ascii: "-") }) <= Self.longestEscaped else {
            throw bad("it contains too many '-' for the name of a systemd unit")
        }
        guard !Self.isKernels(name) else { throw bad("it is a kernel driver's name") }
        description = name
    }

    /// The device name of a port that is announced, or configured, as `name`.
    package init(port name: String) throws(Illegal) {
        do throws(Illegal) { try self.init("tty" + name) } catch {
            throw Illegal(text: name, why: name.isEmpty ? "it is empty" : error.why)
        }
    }

    /// The port's name: the device's without `tty`.
    package var port: String { String(description.dropFirst(3)) }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// Prefixes that the kernel's drivers number.
    private static let drivers = [
        "", "S", "USB", "ACM", "AMA", "AP", "GS", "HS", "LP", "MXUSB", "O", "PS", "SC", "SAC", "THS", "UL", "XRUSB",
        "mxc", "printk", "p", "q", "r",
    ]

    /// Whether the name is a kernel driver's: its prefix and a number, as in tty0, ttyS4, ttyUSB0.
    private static func isKernels(_ name: String) -> Bool {
        let rest = name.dropFirst(3)
        if rest == "printk" { return true }
        let number = rest.reversed().prefix { $0.isASCII && $0.isNumber }
        guard !number.isEmpty else { return false }
        return drivers.contains(String(rest.dropLast(number.count)))
    }
}
