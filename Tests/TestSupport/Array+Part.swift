extension [UInt8] {
    /// Are these bytes among `all`, in the same order?
    package func isPart(of all: [UInt8]) -> Bool {
        var rest = all[...]
        for byte in self {
            guard let found = rest.firstIndex(of: byte) else { return false }
            rest = rest[(found + 1)...]
        }
        return true
    }
}
