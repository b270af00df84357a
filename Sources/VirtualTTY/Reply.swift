import SystemPackage

/// The obligation to answer one request of the kernel. A function that receives a `Reply` must pass it on: to an
/// answer, or to the table of parked requests. In debug builds the program stops if a reply is dropped.
struct Reply: ~Copyable {
    let id: RequestID

    init(_ id: RequestID) { self.id = id }

    /// Marks the reply as used.
    consuming func given() -> RequestID {
        let id = id
        discard self
        return id
    }

    deinit { assertionFailure("request \(id.rawValue) was dropped without an answer") }
}
