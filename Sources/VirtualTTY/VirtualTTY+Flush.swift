import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage

// Flushes and flow (tty_ioctl.c tty_perform_flush, n_tty_ioctl_helper).
extension VirtualTTY {
    /// TCXONC.
    mutating func flowAction(_ reply: consuming Reply, _ action: UInt32) {
        switch action {
        case 0: discipline.suspendOutput()
        case 1: discipline.resumeOutput()
        case 2: sendFlowCharacter(.VSTOP)
        case 3: sendFlowCharacter(.VSTART)
        default: return fail(reply, .invalidArgument)
        }
        answerIoctl(reply)
    }

    /// TCFLSH.
    mutating func flush(_ reply: consuming Reply, _ which: UInt32) {
        guard which <= 2 else { return fail(reply, .invalidArgument) }
        if which != 1 { flushReceived() }
        if which != 0 { dropTransmit() }
        answerIoctl(reply)
    }

    /// Drops received bytes. If the server is known to answer a purge, bytes on the way are dropped as well: no byte
    /// sent before the purge can arrive after its answer.
    mutating func flushReceived() {
        flushInput()
        guard remote.isUp else { return }
        let isAnswered = remote.client.answered.contains(.purge)
        let ticket = sendAtOnce(.purgeData(PurgeBuffers.receive.rawValue))
        if isAnswered { reception.purge = PendingPurge(ticket: ticket, deadline: now + ComPortClient.answerWithin) }
    }
}
