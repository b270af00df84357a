import PortPlan
import SerialLine

/// The state file. The first byte chooses: a file is read, written and read again; or numbers are given, fixed,
/// forgotten and merged, and no number belongs to two names.
enum LedgerFuzz {
    static func violation(_ bytes: [UInt8]) -> String? {
        Violation.of { () throws(Violation) in
            var feed = Feed(bytes)
            if feed.byte() & 1 == 0 {
                guard let ledger = try? PortLedger(parsing: String(decoding: feed.rest(), as: UTF8.self)) else {
                    return
                }
                try survives(ledger)
            } else {
                try numbers(&feed)
            }
        }
    }

    private static func survives(_ ledger: PortLedger) throws(Violation) {
        let text = ledger.text
        let again: PortLedger
        do throws(MinorTable.Corrupt) { again = try PortLedger(parsing: text) } catch {
            throw Violation("its own text is corrupt, \(error): \(text)")
        }
        try Violation.unless(again.minors == ledger.minors, "the numbers read differently: \(text)")
        try Violation.unless(again.text == text, "the hosts read differently: \(text)")
    }

    private static func numbers(_ feed: inout Feed) throws(Violation) {
        var table = MinorTable(), other = MinorTable()
        var mark: UInt32 = 0
        for _ in 0..<300 where !feed.isEmpty {
            let choice = feed.byte()
            guard let name = try? DeviceName(port: "n\(feed.byte() & 31)x") else { return }
            switch choice % 6 {
            case 0, 1:
                let taken = UInt32(feed.byte())
                let busy = feed.byte()
                let minor = table.minor(for: name) { _ in
                    busy & 1 == 1
                } isTaken: {
                    $0 == taken
                }
                try Violation.unless(minor == nil || table[name] == minor, "\(name) has not the number it was given")
            case 2:
                let minor = 1 + feed.number() % (feed.byte() & 1 == 0 ? 64 : MinorTable.range.upperBound - 1)
                table.fix(minor, for: name)
                try Violation.unless(table[name] == minor, "\(name) has not its number")
            case 3: table.forget(name)
            case 4: table.merge(numbersOf: other)
            default: other.fix(1 + feed.number() % 256, for: name)
            }
            let minors = table.names.compactMap { table[$0] }
            try Violation.unless(Set(minors).count == table.count, "a number belongs to two names")
            try Violation.unless(table.next >= mark, "the mark falls to \(table.next)")
            mark = table.next
        }
        try survives(PortLedger(minors: table))
    }
}
