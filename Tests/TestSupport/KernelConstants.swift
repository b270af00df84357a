import CLinux

/// The kernel's numbers and sizes by the names its headers give them.
package enum KernelConstants {
    private static let all: [String: UInt32] = {
        var count: Int32 = 0
        let table = clinux_constants(&count)
        var all: [String: UInt32] = [:]
        for index in 0..<Int(count) { all[String(cString: table[index].name)] = table[index].value }
        return all
    }()

    /// - Returns: nil if the table lacks the name.
    package static func value(_ name: String) -> UInt32? { all[name] }
}
