extension String {
    /// The text made safe to print in one line: control characters as `\xNN`; characters that break lines or change
    /// the direction of text as `\u{NNNN}`.
    package var singleLine: String {
        let isSafe = utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
        if isSafe { return self }
        var clean = ""
        for scalar in unicodeScalars {
            let digits = String(scalar.value, radix: 16)
            switch scalar.value {
            case 0..<0x20, 0x7F..<0xA0: clean += "\\x" + (digits.utf8.count < 2 ? "0" : "") + digits
            case 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: clean += "\\u{\(digits)}"
            default: clean.unicodeScalars.append(scalar)
            }
        }
        return clean
    }
}
