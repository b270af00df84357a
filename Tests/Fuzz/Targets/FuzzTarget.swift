/// One thing that is given hostile bytes, and what must hold whatever they are.
///
/// `make fuzz` runs each under libFuzzer; `swift test` plays its corpus and some damaged copies of it.
package struct FuzzTarget: Sendable {
    /// Names the program, the corpus and the dictionary.
    package let name: String
    /// - Returns: what should never be; nil if all held.
    package let violation: @Sendable (_ bytes: [UInt8]) -> String?

    package static let all: [FuzzTarget] = [
        FuzzTarget(name: "telnet", violation: TelnetFuzz.violation),
        FuzzTarget(name: "client", violation: ClientFuzz.violation),
        FuzzTarget(name: "server", violation: ServerFuzz.violation),
        FuzzTarget(name: "discipline", violation: DisciplineFuzz.violation),
        FuzzTarget(name: "configuration", violation: ConfigurationFuzz.violation),
        FuzzTarget(name: "names", violation: NamesFuzz.violation),
        FuzzTarget(name: "control", violation: ControlFuzz.violation),
        FuzzTarget(name: "ledger", violation: LedgerFuzz.violation),
        FuzzTarget(name: "device", violation: DeviceFuzz.violation),
    ]
}

/// A broken property.
struct Violation: Error {
    let text: String

    init(_ text: String) { self.text = text }

    /// - Throws: `Violation` if the condition does not hold.
    static func unless(_ holds: Bool, _ text: @autoclosure () -> String) throws(Violation) {
        if !holds { throw Violation(text()) }
    }

    /// - Returns: the error thrown; nil without an error.
    static func of(_ body: () throws(Violation) -> Void) -> String? {
        do throws(Violation) {
            try body()
            return nil
        } catch {
            return error.text
        }
    }
}

/// The input, read as choices from its beginning on.
struct Feed {
    private let bytes: [UInt8]
    private var at = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isEmpty: Bool { at >= bytes.count }

    /// 0 behind the end.
    mutating func byte() -> UInt8 {
        guard at < bytes.count else { return 0 }
        defer { at += 1 }
        return bytes[at]
    }

    mutating func number() -> UInt32 { (0..<4).reduce(0) { value, _ in value << 8 | UInt32(byte()) } }

    mutating func pick<Element>(_ list: [Element]) -> Element { list[Int(byte()) % list.count] }

    /// Up to this many bytes.
    mutating func bytes(_ count: Int) -> [UInt8] {
        let end = min(at + count, bytes.count)
        defer { at = end }
        return Array(bytes[at..<end])
    }

    /// A length in one byte, and as many bytes as there are of it.
    mutating func piece() -> [UInt8] { bytes(Int(byte())) }

    mutating func rest() -> [UInt8] { bytes(bytes.count - at) }
}

extension [UInt8] {
    /// Cut into pieces of this length.
    func pieces(of length: Int) -> [[UInt8]] {
        stride(from: 0, to: count, by: length).map { Array(self[$0..<Swift.min($0 + length, count)]) }
    }
}
