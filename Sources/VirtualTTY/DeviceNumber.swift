/// A device's major and minor number.
package struct DeviceNumber: Equatable, Sendable {
    package let major: UInt32
    package let minor: UInt32

    package init(major: UInt32 = 0, minor: UInt32 = 0) {
        self.major = major
        self.minor = minor
    }

    /// As TIOCGDEV has it (new_encode_dev): the minor's low byte, the major, the rest of the minor.
    var encoded: UInt32 { minor & 0xFF | major << 8 | (minor & ~0xFF) << 12 }
}
