import RFC2217
import TestSupport

@testable import VirtualTTY

/// A `Wire` under random calls, next to a plain model of it: a list of bytes and commands, each whole.
struct WireBench {
    private enum Token: Equatable {
        case data(UInt8)
        case command([UInt8])
        /// A 0xFF of data that was flushed when its first half was sent. It still goes out on this connection.
        case half

        var encoded: [UInt8] {
            switch self {
            case .data(0xFF): [0xFF, 0xFF]
            case .data(let byte): [byte]
            case .command(let bytes): bytes
            case .half: [0xFF, 0xFF]
            }
        }

        var isData: Bool { if case .command = self { false } else { true } }
        var byte: UInt8? { if case .data(let byte) = self { byte } else { nil } }
    }

    private var random: SplitMix64
    private var wire = Wire()
    private var buffer: [UInt8] = []

    // The model.
    private var waiting: [Token] = []
    /// Taken by a sender.
    private var taken: [Token] = []
    private var isTaken = false
    private var flushesTaken = false
    private var isTakenOutdated = false
    /// Bytes of the first token that were sent.
    private var cut = 0

    private(set) var failure: String?
    var isRight: Bool { failure == nil }

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func doSomething() {
        switch random.below(12) {
        case 0...3: appendData()
        case 4, 5: appendCommands()
        case 6...9: if isTaken { returnUnsent() } else { take() }
        case 10: flush()
        default: endConnection()
        }
        let data = waiting.count { $0.isData } + (flushesTaken ? 0 : taken.count { $0.isData })
        if wire.dataCount != data { fail("\(wire.dataCount) bytes of data, not \(data)") }
        if wire.isEmpty != (waiting.isEmpty && !isTaken) { fail("isEmpty is \(wire.isEmpty)") }
    }

    /// Gives taken bytes back, and ends the connection.
    mutating func finish() {
        if isTaken { returnUnsent() }
        endConnection()
        if !wire.isEmpty || wire.dataCount != 0 { fail("something is left") }
    }

    private mutating func fail(_ what: String) { failure = failure ?? what }

    private mutating func appendData() {
        guard wire.room > 0 else { return }
        let bytes = random.escapeHeavyBytes(random.below(6))
        wire.appendData(bytes.span)
        waiting += bytes.map { .data($0) }
    }

    private mutating func appendCommands() {
        var encoded: [UInt8] = []
        for _ in 0...random.below(2) {
            var command: [UInt8] = []
            command.appendComPort(.setBaudRate(UInt32(random.byte()) << 24 | 0xFF), from: .client)
            waiting.append(.command(command))
            encoded += command
        }
        wire.appendCommands(encoded)
    }

    private mutating func take() {
        let encoded = Array(waiting.flatMap(\.encoded).dropFirst(cut))
        let isAny = wire.take(into: &buffer)
        if isAny == encoded.isEmpty || buffer != encoded { fail("taken \(hex(buffer)), not \(hex(encoded))") }
        isTaken = isAny
        guard isAny else { return }
        swap(&waiting, &taken)
    }

    private mutating func returnUnsent() {
        let count = random.below(3) == 0 ? buffer.count : random.below(buffer.count + 1)
        let returned = wire.returnUnsent(&buffer, sent: count)
        let sent = send(count)
        if returned.sentData != sent { fail("\(returned.sentData) bytes sent, not \(sent)") }
        if !buffer.isEmpty { fail("the buffer is not empty") }
        if isTakenOutdated {
            let rest = flushesTaken ? [] : taken.compactMap(\.byte)
            if returned.outdated != rest { fail("outdated: \(returned.outdated as Any), not \(rest)") }
            cut = 0
        } else {
            if returned.outdated != nil { fail("outdated: \(returned.outdated as Any)") }
            if flushesTaken { drop(from: &taken) }
            waiting = taken + waiting
        }
        taken = []
        (isTaken, flushesTaken, isTakenOutdated) = (false, false, false)
    }

    /// - Returns: bytes of data that were sent whole.
    private mutating func send(_ count: Int) -> Int {
        var left = count
        var data = 0
        while left > 0, let first = taken.first {
            let rest = first.encoded.count - cut
            if left < rest {
                cut += left
                break
            }
            left -= rest
            cut = 0
            if taken.removeFirst().isData { data += 1 }
        }
        return data
    }

    /// Drops data, but not a byte that was half sent.
    private func drop(from tokens: inout [Token]) {
        // A command that was half sent stays as it is.
        let first = cut > 0 ? tokens.first.map { $0.isData ? .half : $0 } : nil
        tokens = (first.map { [$0] } ?? []) + tokens.dropFirst(first == nil ? 0 : 1).filter { !$0.isData }
    }

    private mutating func flush() {
        wire.flushData()
        if isTaken {
            waiting.removeAll { $0.isData }
            flushesTaken = true
        } else {
            drop(from: &waiting)
        }
    }

    private mutating func endConnection() {
        let reclaimed = wire.reclaim()
        let data = waiting.compactMap(\.byte)
        if reclaimed != data { fail("reclaimed \(hex(reclaimed)), not \(hex(data))") }
        waiting = []
        if isTaken { isTakenOutdated = true } else { cut = 0 }
    }
}
