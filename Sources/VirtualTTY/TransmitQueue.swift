import LineDiscipline
import RFC2217
import SerialLine

/// What waits to be sent, in order: data as the programs wrote it, and between them the commands that must not
/// overtake it.
struct TransmitQueue: Sendable {
    /// As large as a uart driver's: one page (serial_core.c).
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

    /// Queues as much of `bytes` from `start` on as there is room for.
    /// - Returns: how many bytes.
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

    /// So many commands wait at most; a later one then takes the place of the oldest of its kind.
    static let commandLimit = 256

    /// Queues a command behind everything queued so far.
    /// - Returns: the ticket of a command that it has made needless.
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
    /// - Parameter holdsData: data stays, and commands overtake it.
    /// - Returns: the piece, or nil if nothing may go.
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

    /// Does a command of this kind wait?
    func holds(_ kind: AnswerKinds) -> Bool {
        items.contains { if case .command(let command, _) = $0 { command.answerKind == kind } else { false } }
    }

    /// The first command that may go while data is held. A barrier stays behind the data it is to vouch for.
    private var firstBesideData: Int? {
        let data = items.firstIndex { !$0.isCommand } ?? items.endIndex
        return items.indices.first { $0 < data || (items[$0].isCommand && !items[$0].isBarrier) }
    }

    /// Drops the data; the commands stay.
    mutating func flushData() {
        ring.removeAll()
        items.removeAll { !$0.isCommand }
    }

    /// Drops the commands; the data stays. For a new connection, to which everything is said anew.
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
