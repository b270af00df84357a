import SystemPackage

/// The one answer that a request of the kernel's is owed. Whoever holds a `Reply` has to give it away: to an answer, or
/// to the table of parked requests. In debug builds a reply that is dropped stops the program.
struct Reply: ~Copyable {
    let id: RequestID

    init(_ id: RequestID) { self.id = id }

    /// The reply is given.
    consuming func given() -> RequestID {
        let id = id
        discard self
        return id
    }

    deinit { assertionFailure("request \(id.rawValue) was dropped without an answer") }
}
