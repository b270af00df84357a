import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import VirtualTTY

// How a program ends, and what must hold then.
extension RandomProgram {
    /// Bytes that this connection's server has received count even if the connection ends.
    func keepHeard() {
        heard += port.server?.data ?? []
        port.server?.forget()
    }

    func end() {
        port.network = .accepts
        port.isMute = false
        // Who waits for carrier gets in.
        port.inputs = [.dcd]
        // A mute server may have reported the lines already, without effect.
        for lines in [[], [.dcd]] as [ModemLines] where port.server != nil {
            port.far { $0.setLines(lines, now: port.clock.now) }
        }
        port.makeRoom(.max)
        if let file = file() { _ = port.ioctl(file, .TCXONC, value: 1) }
        if port.server != nil { port.far { $0.send(.flowControlResume) } }
        // An attempt without an answer times out.
        port.tell { $0.connectFailed($0.connection, .timedOut) }
        // Long enough for the longest breaks, one after the other.
        port.advance(.seconds(2000))
        if isLossless, let file = files.first {
            // A blocked reader is in the way of others.
            for id in parked where reads[id] != nil && port.outcome(id) == nil { port.interrupt(id) }
            var before = -1
            while read.count != before {
                before = read.count
                startEmptying(file)
            }
        }
        keepHeard()
        var rounds = 0
        // A retiring port ends with the last close, once.
        let isEnded = port.ends > 0
        let isRetiring = port.tty.isRetiring
        while let file = files.first, rounds < 100 {
            rounds += 1
            close(file)
            port.advance(.seconds(1))
        }
        port.advance(.seconds(3600))
        if port.tty.parkedCount > 0 { port.fail("\(port.tty.parkedCount) requests wait for ever") }
        if let deadline = port.tty.nextDeadline(), deadline <= port.clock.now { port.fail("a deadline in the past") }
        if port.ends != (isRetiring || isEnded ? 1 : 0) { port.fail("ended \(port.ends) times") }
        let rest: Link = port.tty.configuration.connect == .always ? .up : .down
        if port.tty.link != rest { port.fail("ends \(port.tty.link)") }
    }

    func startEmptying(_ file: FileID) {
        let id = port.newRequest()
        reads[id] = 5000
        port.tell { $0.read(id, file, count: 5000, nonBlocking: true) }
    }

    func checkData() {
        if isLossless {
            if read != sent { port.fail("\(read.count) bytes read of \(sent.count) sent, or others") }
            if heard != written { port.fail("\(heard.count) bytes heard of \(written.count) written, or others") }
        } else if !isRaw {
            return
        } else if !sawErrors && !read.isPart(of: sent) {
            port.fail("bytes read that were not sent, or not in that order")
        } else if !heard.isPart(of: written) {
            port.fail("bytes heard that were not written, or not in that order")
        }
    }
}
