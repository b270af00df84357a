import SystemPackage

// Requests that end from outside: signals, and the end of this program.
extension VirtualTTY {
    /// The kernel asks to end a request early: a signal came (FUSE_INTERRUPT).
    package mutating func interrupt(_ id: RequestID) {
        beginEvent()
        let wasClose = if case .close = requests[id] { true } else { false }
        interruptParked(id)
        // An open that waited for the closer continues: the lines fall behind the output, and rise again.
        if wasClose, requests.all(ParkedOpen.self).contains(where: { $0.request.wait == .turn }) { leaveClosing() }
    }

    /// The program ends: everything is hung up.
    package mutating func shutDown() {
        beginEvent()
        for open in requests.all(ParkedOpen.self) { fail(requests.take(open.id), .ioError) }
        hangUp("the port is ending", keepsWire: true)
        for close in requests.all(ParkedClose.self) { answer(requests.take(close.id), .done) }
        closing = nil
        isInUse = false
        configuration.connect = .open
        endConnection(graceful: true)
    }
}
