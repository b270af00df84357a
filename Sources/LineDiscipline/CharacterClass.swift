/// The character class of a byte, by the kernel's ctype, which is Latin-1 (lib/ctype.c).
extension UInt8 {
    static let backspace: UInt8 = 0x08
    static let tab: UInt8 = 0x09
    static let newline: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let slash: UInt8 = 0x2F
    static let backslash: UInt8 = 0x5C
    static let caret: UInt8 = 0x5E
    static let underscore: UInt8 = 0x5F
    /// The byte that PARMRK puts before marked bytes, and therefore doubles.
    static let mark: UInt8 = 0xFF
    /// A c_cc of this value is disabled (_POSIX_VDISABLE).
    static let disabled: UInt8 = 0

    var isControl: Bool { self < 0x20 || self == 0x7F }

    var isUppercase: Bool {
        (0x41...0x5A).contains(self) || (0xC0...0xDE).contains(self) && self != 0xD7
    }

    var isLowercase: Bool {
        (0x61...0x7A).contains(self) || (0xDF...0xFF).contains(self) && self != 0xF7
    }

    var isAlphanumeric: Bool { isUppercase || isLowercase || (0x30...0x39).contains(self) }

    var lowercased: UInt8 { isUppercase ? self + 0x20 : self }

    /// 0xDF and 0xFF are lower case without an upper case; the kernel turns them into 0xBF and 0xDF.
    var uppercased: UInt8 { isLowercase ? self - 0x20 : self }

    /// Whether the byte is a continuation byte of UTF-8.
    var isUTF8Continuation: Bool { self & 0xC0 == 0x80 }
}
