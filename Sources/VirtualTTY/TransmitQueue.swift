import LineDiscipline
import RFC2217
import SerialLine

/// Data and commands to send, in order. Commands stand between the data that they must not overtake.
struct TransmitQueue: Sendable {
    /// One page, as a uart driver's transmit buffer (serial_core.c).
    static let defaultCapacity = 4096

    enum Item: Sendable {
        case data(Int)
        case command(ComPortCommand, ComPortClient.Ticket)
    }

    /// In bytes of data.
    let capacity: Int
    private var ring: ByteRing
    private var items: [Item] = []

    init(capacity: Int = defaultCapacity) {
        self.capacity = capacity
        ring = ByteRing(capacity: capacity)
    }

    /// Bytes of data queued.
    var count: Int { ring.count }
    var room: Int { ring.room }
    var isEmpty: Bool { items.isEmpty }

    /// Queues as many of `bytes`, from `start` on, as there is room for.
    /// - Returns: the number of bytes queued.
    mutating func append(_ bytes: borrowing Span<UInt8>, from start: Int) -> Int {
        let taken = ring.append(bytes, from: start)
        guard taken > 0 else { return 0 }
        if case .data(let count) = items.last {
            items[items.count - 1] = .data(count + taken)
        } else {
            items.append(.data(taken))
        }
        return taken
    }

    /// Most commands queued; beyond it a newer command replaces the oldest one of its kind.
    static let commandLimit = 256

    /// Queues a command behind everything already queued.
    /// - Returns: the ticket of an older command that this one replaces.
    mutating func append(_ command: ComPortCommand, _ ticket: ComPortClient.Ticket) -> ComPortClient.Ticket? {
        defer { items.append(.command(command, ticket)) }
        guard items.count >= 2 * Self.commandLimit else { return nil }
        for (index, item) in items.enumerated() {
            guard case .command(let old, let ticket) = item, old.answerKind == command.answerKind else { continue }
            items.remove(at: index)
            return ticket
        }
        return nil
    }

    /// Takes the next piece: a command, or up to `limit` bytes of data appended to `data`.
    /// - Parameter holdsData: data is held, and commands overtake it.
    /// - Returns: the piece; nil if nothing may be sent.
    mutating func next(limit: Int, holdsData: Bool, data: inout [UInt8]) -> Item? {
        guard let index = holdsData ? firstBesideData : items.indices.first else { return nil }
        switch items[index] {
        case .command:
            return items.remove(at: index)
        case .data(let count):
            guard limit > 0 else { return nil }
            let taken = ring.move(min(count, limit), to: &data)
            if taken == count { items.remove(at: index) } else { items[index] = .data(count - taken) }
            return .data(taken)
        }
    }

    /// Returns whether a command of this kind is queued.
    func holds(_ kind: AnswerKinds) -> Bool {
        items.contains { if case .command(let command, _) = $0 { command.answerKind == kind } else { false } }
    }

    /// The first command that may be sent while data is held. A barrier confirms the data before it, so it stays
    /// behind that data.
    private var firstBesideData: Int? {
        let data = items.firstIndex { !$0.isCommand } ?? items.endIndex
        return items.indices.first { $0 < data || (items[$0].isCommand && !items[$0].isBarrier) }
    }

    /// Drops the data and keeps the commands.
    mutating func flushData() {
        ring.removeAll()
        items.removeAll { !$0.isCommand }
    }

    /// Drops the commands and keeps the data: a new connection sends all settings anew.
    /// - Returns: the dropped commands' tickets.
    mutating func flushCommands() -> [ComPortClient.Ticket] {
        var tickets: [ComPortClient.Ticket] = []
        for case .command(_, let ticket) in items { tickets.append(ticket) }
        items = ring.isEmpty ? [] : [.data(ring.count)]
        return tickets
    }
}

extension TransmitQueue.Item {
    var isCommand: Bool { if case .command = self { true } else { false } }

    /// A barrier stays behind the data before it.
    var isBarrier: Bool { if case .command(let command, _) = self { command.isBarrier } else { false } }
}

extension ComPortCommand {
    /// A request that changes nothing (`ComPortClient.barrier`).
    var isBarrier: Bool {
        switch self {
        case .setBaudRate(0), .setModemStateMask: true
        default: false
        }
    }
}
