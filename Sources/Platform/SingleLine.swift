extension String {
    /// Safe to print in one line: control characters, C1's too, as `\xNN`.
    package var singleLine: String {
        let isSafe = utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
        if isSafe { return self }
        var clean = ""
        for scalar in unicodeScalars {
            switch scalar.value {
            case ..<0x20, 0x7F...0x9F:
                let digits = String(scalar.value, radix: 16)
                clean += "\\x" + (digits.utf8.count < 2 ? "0" : "") + digits
            case 0x2028, 0x2029: clean += " "
            default: clean.unicodeScalars.append(scalar)
            }
        }
        return clean
    }
}
