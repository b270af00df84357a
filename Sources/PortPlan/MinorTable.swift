import SerialLine

/// Which minor number belongs to which port: remembered from start to start, so that a device keeps its number.
package struct MinorTable: Equatable, Sendable {
    /// What may be given out: 20 bits (MINORBITS), from 1 as ever.
    package static let range: Range<UInt32> = 1..<(1 << 20)
    /// Names remembered; past that the one longest out of use is forgotten.
    package static let capacity = 4096

    /// The longest unused first.
    private var order: [DeviceName] = []
    private var minors: [DeviceName: UInt32] = [:]
    private var holders: [UInt32: DeviceName] = [:]

    package init() {}

    package var count: Int { order.count }

    package subscript(name: DeviceName) -> UInt32? { minors[name] }

    /// The minor of a port: the one it had, or the lowest free one.
    /// - Parameters:
    ///   - isInUse: may a name not be forgotten now, because its port is wanted or runs?
    ///   - isTaken: does a device that is not ours have this number?
    /// - Returns: nil where there is none left.
    package mutating func minor(
        for name: DeviceName, isInUse: (DeviceName) -> Bool, isTaken: (UInt32) -> Bool
    ) -> UInt32? {
        if let minor = minors[name] {
            // Used from now on: the last to be forgotten.
            if !isInUse(name), order.last != name, let index = order.firstIndex(of: name) {
                order.remove(at: index)
                order.append(name)
            }
            return minor
        }
        if order.count >= Self.capacity {
            guard let index = order.firstIndex(where: { !isInUse($0) }) else { return nil }
            forget(order[index])
        }
        guard let minor = Self.range.first(where: { holders[$0] == nil && !isTaken($0) }) else { return nil }
        insert(name, minor)
        return minor
    }

    /// Gives a port the number that its configuration asks for; whoever had it gets another one when it is next wanted.
    package mutating func fix(_ minor: UInt32, for name: DeviceName) {
        guard minors[name] != minor else { return }
        if let holder = holders[minor] { forget(holder) }
        forget(name)
        insert(name, minor)
    }

    /// Forgets a port's number, which turned out to be somebody else's.
    package mutating func forget(_ name: DeviceName) {
        guard let minor = minors.removeValue(forKey: name) else { return }
        holders[minor] = nil
        order.removeAll { $0 == name }
    }

    private mutating func insert(_ name: DeviceName, _ minor: UInt32) {
        minors[name] = minor
        holders[minor] = name
        order.append(name)
    }
}

// The state file.
extension MinorTable {
    private static let header = "# ttynvt-swift: minor numbers of ports, the longest unused first"

    /// Why a text is no table, and where.
    package struct Corrupt: Error, Equatable, CustomStringConvertible {
        package let line: Int
        package let why: String

        package var description: String { "line \(line): \(why)" }
    }

    /// One line for each port, and a last one that tells a whole file from a cut one.
    package var text: String {
        var text = Self.header + "\n"
        for name in order {
            if let minor = minors[name] { text += "\(name) \(minor)\n" }
        }
        return text + "end \(order.count)\n"
    }

    package init(parsing text: String) throws(Corrupt) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.first.map(String.init) == Self.header else {
            throw Corrupt(line: 1, why: "not the expected header")
        }
        for (index, line) in lines.enumerated().dropFirst() {
            func bad(_ why: String) -> Corrupt { Corrupt(line: index + 1, why: why) }
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 2, let number = UInt32(words[1]) else { throw bad("not 'NAME MINOR'") }
            if words[0] == "end" {
                guard Int(number) == order.count else { throw bad("\(order.count) ports, not \(number)") }
                guard index == lines.count - 2, lines[index + 1].isEmpty else { throw bad("more behind the end") }
                return
            }
            guard let name = try? DeviceName(String(words[0])), name.description == words[0] else {
                throw bad("no device name")
            }
            guard Self.range.contains(number) else { throw bad("no minor number") }
            guard minors[name] == nil, holders[number] == nil else { throw bad("given twice") }
            guard order.count < Self.capacity else { throw bad("more than \(Self.capacity) ports") }
            insert(name, number)
        }
        throw Corrupt(line: lines.count, why: "the end is missing")
    }
}
