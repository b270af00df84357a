import SerialLine

/// The minor numbers of ports, remembered over restarts, so that a device keeps its number.
///
/// The number of a name is not given to another name while any other number is free, because a container may hold a
/// node by its number. New numbers come from a high-water mark that only rises.
package struct MinorTable: Equatable, Sendable {
    /// The numbers that may be assigned: 20 bits (MINORBITS), from 1.
    package static let range: Range<UInt32> = 1..<(1 << 20)
    /// Most names remembered. Beyond that, the name that has been unused for the longest time is forgotten.
    package static let capacity = 4096

    /// The longest unused name first.
    private var order: [DeviceName] = []
    private var minors: [DeviceName: UInt32] = [:]
    private var holders: [UInt32: DeviceName] = [:]
    /// All lower numbers were assigned or skipped.
    package private(set) var next: UInt32 = range.lowerBound
    /// Numbers from `next` on that a name has had because its configuration asked for them. At most `capacity`.
    private var used: Set<UInt32> = []

    package init() {}

    package var count: Int { order.count }
    /// All names, the longest unused first.
    package var names: [DeviceName] { order }

    package subscript(name: DeviceName) -> UInt32? { minors[name] }

    /// The minor number of a port: its earlier one, or one that no name has had.
    /// - Parameters:
    ///   - isInUse: whether a name must not be forgotten now, because its port is wanted or running.
    ///   - isTaken: whether a device that is not ours has this number.
    /// - Returns: nil if no number is left.
    package mutating func minor(
        for name: DeviceName, isInUse: (DeviceName) -> Bool, isTaken: (UInt32) -> Bool
    ) -> UInt32? {
        if let minor = minors[name] {
            touch(name, isInUse)
            return minor
        }
        if order.count >= Self.capacity {
            guard let index = order.firstIndex(where: { !isInUse($0) }) else { return nil }
            forget(order[index])
        }
        guard let minor = unusedNumber(isTaken) ?? releasedNumber(isTaken) else { return nil }
        insert(name, minor)
        return minor
    }

    /// A name is in use: it becomes the last to be forgotten.
    private mutating func touch(_ name: DeviceName, _ isInUse: (DeviceName) -> Bool) {
        guard !isInUse(name), order.last != name, let index = order.firstIndex(of: name) else { return }
        order.remove(at: index)
        order.append(name)
    }

    /// The next number that no name has had.
    private mutating func unusedNumber(_ isTaken: (UInt32) -> Bool) -> UInt32? {
        while next < Self.range.upperBound {
            let number = next
            next += 1
            let wasUsed = used.remove(number) != nil
            if !wasUsed, holders[number] == nil, !isTaken(number) { return number }
        }
        return nil
    }

    /// After all numbers were assigned: one whose name is forgotten.
    private func releasedNumber(_ isTaken: (UInt32) -> Bool) -> UInt32? {
        Self.range.first { holders[$0] == nil && !isTaken($0) }
    }

    /// Assigns the number that a port's configuration asks for. Another name with that number gets a new one when its
    /// port is next wanted.
    package mutating func fix(_ minor: UInt32, for name: DeviceName) {
        guard minors[name] != minor else { return }
        if let holder = holders[minor] { forget(holder) }
        forget(name)
        if order.count >= Self.capacity, let oldest = order.first { forget(oldest) }
        insert(name, minor)
    }

    /// Forgets a port's number.
    package mutating func forget(_ name: DeviceName) {
        guard let minor = minors.removeValue(forKey: name) else { return }
        holders[minor] = nil
        order.removeAll { $0 == name }
        markUsed(minor)
    }

    /// Numbers that another copy of the table has assigned are not assigned again.
    package mutating func merge(numbersOf other: MinorTable) {
        next = max(next, other.next)
        for number in other.used.union(other.holders.keys) where holders[number] == nil { markUsed(number) }
        used = used.filter { $0 >= next }
    }

    private mutating func markUsed(_ minor: UInt32) {
        guard minor >= next else { return }
        used.insert(minor)
        guard used.count > Self.capacity, let lowest = used.min() else { return }
        // Numbers below the lowest are abandoned; 20 bits leave enough.
        next = lowest + 1
        used.remove(lowest)
    }

    private mutating func insert(_ name: DeviceName, _ minor: UInt32) {
        minors[name] = minor
        holders[minor] = name
        used.remove(minor)
        order.append(name)
    }
}

// The state file.
extension MinorTable {
    private static let header = "# ttynvt-swift: ports and their minor numbers, the longest unused first"
    /// The header of version 0.1.0, whose file lacks the high-water mark.
    private static let oldHeader = "# ttynvt-swift: minor numbers of ports, the longest unused first"

    /// The reason why a text is not a valid table, with the place.
    package struct Corrupt: Error, Equatable, CustomStringConvertible {
        package let line: Int
        package let why: String

        package var description: String { "line \(line): \(why)" }
    }

    /// The table as text: the high-water mark, the fixed numbers above it that names have had, one line for each
    /// port, and a last line that distinguishes a complete file from a truncated one.
    /// - Parameter details: returns the words behind a port's number.
    package func text(_ details: (DeviceName) -> String) -> String {
        var text = Self.header + "\nnext \(next)\n"
        for number in used.sorted() { text += "used \(number)\n" }
        for name in order {
            guard let minor = minors[name] else { continue }
            let details = details(name)
            text += "\(name) \(minor)" + (details.isEmpty ? "" : " " + details) + "\n"
        }
        return text + "end \(order.count)\n"
    }

    /// - Parameter details: receives the words behind a port's number; returns the error in them, or nil.
    package init(parsing text: String, details: (DeviceName, Substring) -> String? = { _, _ in nil }) throws(Corrupt) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let isOld = lines.first.map(String.init) == Self.oldHeader
        guard isOld || lines.first.map(String.init) == Self.header else {
            throw Corrupt(line: 1, why: "not the expected header")
        }
        var hasMark = isOld
        for (index, line) in lines.enumerated().dropFirst() {
            func bad(_ why: String) -> Corrupt { Corrupt(line: index + 1, why: why) }
            let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
            guard words.count >= 2, let number = UInt32(words[1]) else { throw bad("not 'NAME MINOR'") }
            switch words[0] {
            case "end":
                guard Int(number) == order.count, hasMark else { throw bad("\(order.count) ports, not \(number)") }
                guard index == lines.count - 2, lines[index + 1].isEmpty else { throw bad("text behind the end") }
                if isOld { next = (holders.keys.max() ?? 0) + 1 }
                return
            case "next" where index == 1 && !isOld:
                guard (Self.range.lowerBound...Self.range.upperBound).contains(number) else {
                    throw bad("invalid high-water mark")
                }
                next = number
                hasMark = true
            case "used" where order.isEmpty && !isOld:
                guard Self.range.contains(number), used.count < Self.capacity else { throw bad("invalid number") }
                if number >= next { used.insert(number) }
            default:
                if let why = takePort(words[0], number) { throw bad(why) }
                if words.count > 2, let name = order.last, let why = details(name, words[2]) { throw bad(why) }
            }
        }
        throw Corrupt(line: lines.count, why: "the end is missing")
    }

    /// - Returns: the error in a port's line; nil if the line is valid.
    private mutating func takePort(_ word: Substring, _ number: UInt32) -> String? {
        guard let name = try? DeviceName(String(word)), name.description == word else { return "invalid device name" }
        guard Self.range.contains(number) else { return "invalid minor number" }
        guard minors[name] == nil, holders[number] == nil else { return "assigned twice" }
        guard order.count < Self.capacity else { return "more than \(Self.capacity) ports" }
        insert(name, number)
        return nil
    }
}
