/// One open of the node: what a file descriptor, with its duplicates, stands for.
struct OpenFile: Sendable {
    let id: FileID
    /// The thread that opened it; 0 if that is not known.
    var opener: Int32 = 0
    /// Hung up: reads end, all else is EIO, until the file is closed.
    var isDead = false
    /// The kernel waits for a notification.
    var pollArmed = false
    /// The events it waits for.
    var pollEvents: UInt32 = 0
}

/// The open files: few, so a plain list is the fastest table.
struct FileTable: Sendable {
    private(set) var list: [OpenFile] = []
    private var lastID: UInt64 = 0

    var isEmpty: Bool { list.isEmpty }

    /// The file of an ID; nil once it is closed.
    subscript(id: FileID) -> OpenFile? { index(of: id).map { list[$0] } }

    private func index(of id: FileID) -> Int? { list.firstIndex { $0.id == id } }

    /// An ID that no file has had.
    mutating func makeID() -> FileID {
        lastID &+= 1
        return FileID(rawValue: lastID)
    }

    mutating func insert(_ file: OpenFile) { list.append(file) }

    /// Forgets a file.
    /// - Returns: the file, if it was there.
    mutating func remove(_ id: FileID) -> OpenFile? { index(of: id).map { list.remove(at: $0) } }

    /// Changes a file, if it is open.
    mutating func update(_ id: FileID, _ change: (inout OpenFile) -> Void) {
        if let index = index(of: id) { change(&list[index]) }
    }

    mutating func updateAll(_ change: (inout OpenFile) -> Void) {
        for index in list.indices { change(&list[index]) }
    }
}
