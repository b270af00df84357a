/// The open files: few, so a plain list is the fastest table.
struct FileTable: Sendable {
    private(set) var list: [OpenFile] = []

    var isEmpty: Bool { list.isEmpty }

    /// The file of an ID; nil once it is closed.
    subscript(id: FileID) -> OpenFile? { index(of: id).map { list[$0] } }

    private func index(of id: FileID) -> Int? { list.firstIndex { $0.id == id } }

    mutating func insert(_ file: OpenFile) { list.append(file) }

    /// Forgets a file.
    /// - Returns: the file, if it was there.
    mutating func remove(_ id: FileID) -> OpenFile? { index(of: id).map { list.remove(at: $0) } }

    /// Changes a file, where it is open.
    mutating func update(_ id: FileID, _ change: (inout OpenFile) -> Void) {
        if let index = index(of: id) { change(&list[index]) }
    }

    mutating func updateAll(_ change: (inout OpenFile) -> Void) {
        for index in list.indices { change(&list[index]) }
    }
}
