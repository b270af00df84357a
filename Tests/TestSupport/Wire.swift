/// Bytes written as annotated hexadecimal: one field a line, its meaning after `|`.
package func wire(_ text: String) -> [UInt8] {
    text.split(separator: "\n").flatMap { line in
        let digits = line.prefix { $0 != "|" }
        return digits.split(separator: " ").map { field in
            guard field.utf8.count == 2, let byte = UInt8(field, radix: 16) else {
                preconditionFailure("'\(field)' is not two hexadecimal digits")
            }
            return byte
        }
    }
}

/// The bytes as `FF FA 2C`, to be pasted into a test.
package func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined(separator: " ")
}
