import Discovery
import Platform
import PortPlan
import SerialLine

/// What the network says of itself: TXT records, and the names and addresses in announcements. The first byte chooses.
enum NamesFuzz {
    static func violation(_ bytes: [UInt8]) -> String? {
        Violation.of { () throws(Violation) in
            var feed = Feed(bytes)
            if feed.byte() & 1 == 0 {
                try record(&feed)
            } else {
                let text = String(decoding: feed.rest(), as: UTF8.self)
                try device(text)
                try host(text)
                try address(text)
                try Violation.unless(isOneLine(text.singleLine), "'\(text)' is no single line")
                if let unit = UnitName.name(of: text) {
                    try Violation.unless(UnitName.unit(of: unit).utf8.count <= 255, "too long a unit")
                }
            }
        }
    }

    /// Pieces of the input are the record's strings.
    private static func record(_ feed: inout Feed) throws(Violation) {
        var strings: [[UInt8]] = []
        while !feed.isEmpty { strings.append(feed.byte() == 255 ? feed.rest() : feed.piece()) }
        let record = TXTRecord(strings)
        try Violation.unless(record.entries.count <= TXTRecord.mostEntries, "\(record.entries.count) entries")
        for entry in record.entries {
            try Violation.unless(!entry.key.isEmpty && isOneLine(entry.key), "the key '\(entry.key)'")
            let size = entry.key.utf8.count + (entry.value?.count ?? 0)
            try Violation.unless(size <= TXTRecord.longestEntry, "an entry of \(size) bytes")
        }
        let written = record.entries.map { Array($0.key.utf8) + ($0.value.map { [UInt8(ascii: "=")] + $0 } ?? []) }
        try Violation.unless(TXTRecord(written) == record, "it reads differently when it is written again")
        let claim = Announcement.Claim(
            host: "h", interface: "eth0", endpoints: [], security: record.security,
            functionClass: record.functionClass, gensioStack: record.gensioStack)
        _ = claim.fault
        _ = (record.auxiliaryPort, record.auxiliaryScheme)
    }

    private static func isOneLine(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) && $0.value != 0x2028 }
    }

    /// A device's name: a file below /dev, and a unit of systemd's that has the name back.
    private static func device(_ text: String) throws(Violation) {
        guard let name = try? DeviceName(port: text) else {
            do throws(DeviceName.Illegal) { _ = try DeviceName(text) } catch { _ = error.description }
            return
        }
        try Violation.unless(name.port == text, "\(name.port) is not \(text)")
        let allowed = name.description.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") }
        try Violation.unless(allowed && name.description.utf8.count <= DeviceName.longest, "the name \(name)")
        let unit = UnitName.unit(of: name)
        try Violation.unless(unit.utf8.count <= 255, "the unit's name has \(unit.utf8.count) bytes")
        try Violation.unless(UnitName.name(of: unit) == name, "\(unit) is not \(name)'s")
    }

    private static func host(_ text: String) throws(Violation) {
        guard let host = HostName(text) else { return }
        let shown = host.description
        try Violation.unless(shown.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "the host '\(shown)'")
        try Violation.unless(shown.utf8.count <= HostName.longest, "a host of \(shown.utf8.count) bytes")
        try Violation.unless(HostName(shown) == host, "the host '\(shown)' reads differently")
        try Violation.unless(HostName(shown)?.description == shown, "the host '\(shown)' is written differently")
    }

    private static func address(_ text: String) throws(Violation) {
        if let address = IPAddress(text) {
            try Violation.unless(IPAddress("\(address)") == address, "\(address) reads differently")
            _ = address.scope
        }
        if let subnet = Subnet(text) {
            try Violation.unless(Subnet("\(subnet)") == subnet, "\(subnet) reads differently")
            try Violation.unless(subnet.contains(subnet.address), "\(subnet) is without its own address")
        }
        if let list = try? [Endpoint](parsingList: text) {
            try Violation.unless((try? [Endpoint](parsingList: list.listed)) == list, "\(list) reads differently")
        }
        _ = isServiceType(text)
    }
}
