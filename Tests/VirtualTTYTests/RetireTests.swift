import LineDiscipline
import RFC2217
import SerialLine
import SystemPackage
import TestSupport
import Testing
import VirtualTTY

/// A port that ends once no program uses it.
@Suite struct RetireTests {
    private static let gone = Outcome.error(.noSuchAddressOrDevice)

    @Test func atOnceWhereNothingIsOpen() throws {
        try withPort { port in
            port.tell { $0.retire() }
            #expect(port.ends == 1)
            let id = port.open()
            #expect(port.outcome(id) == Self.gone)
            port.tell { $0.retire() }
            port.advance(.seconds(100))
            #expect(port.ends == 1)
        }
    }

    @Test func afterTheLastClose() throws {
        try withPort { port in
            let first = try port.openRaw()
            let second = try port.openRaw()
            port.tell { $0.retire() }
            port.far { $0.send(Array("still")) }
            let read = port.read(first)
            #expect(port.outcome(read) == .data(Array("still")))
            // One more may come while others are there.
            let third = try port.openFile()
            _ = port.release(first)
            _ = port.release(third)
            #expect(port.ends == 0)
            _ = port.release(second)
            port.advance(.seconds(1))
            #expect(port.ends == 1)
        }
    }

    @Test func notBeforeTheOutputIsOut() throws {
        try withPort { port in
            let file = try port.openRaw()
            try port.change(file) { $0.setBaud(300) }
            let write = port.write(file, [UInt8](repeating: 0x55, count: 300))
            #expect(port.outcome(write) == .written(300))
            port.tell { $0.retire() }
            let release = port.release(file)
            port.advance(.seconds(5))
            #expect(port.ends == 0 && port.outcome(release) == nil)
            port.advance(.seconds(10))
            #expect(port.ends == 1 && port.outcome(release) == .done)
        }
    }

    @Test func anOpenThatCameBeforeWins() throws {
        try withPort { port in
            port.delay = .milliseconds(50)
            let id = port.open()
            port.tell { $0.retire() }
            #expect(port.ends == 0)
            port.advance(.seconds(1))
            guard case .opened(let file) = port.outcome(id) else { return port.fail("not opened") }
            // In the drain of the last close, an open takes the port over.
            _ = port.write(file, Array("x"))
            _ = port.release(file)
            let again = port.open()
            port.advance(.seconds(1))
            guard case .opened(let file) = port.outcome(again) else { return port.fail("not opened again") }
            #expect(port.ends == 0)
            _ = port.release(file)
            port.advance(.seconds(1))
            #expect(port.ends == 1)
        }
    }

    @Test func anOpenThatFailsHoldsItNoLonger() throws {
        try withPort { port in
            port.network = .silent
            let id = port.open()
            port.tell { $0.retire() }
            #expect(port.ends == 0)
            port.interrupt(id)
            #expect(port.ends == 1)
        }
    }

    @Test func aHungUpFileHoldsItNoLonger() throws {
        try withPort({ $0.lossTimeout = .seconds(2) }) { port in
            _ = try port.openRaw()
            port.network = .refuses(.connectionRefused)
            port.tell { $0.retire() }
            port.breakLink()
            port.advance(.seconds(1))
            #expect(port.ends == 0)
            port.advance(.seconds(5))
            #expect(port.ends == 1)
        }
    }

    @Test func aLingeringConnectionDoesNotHoldIt() throws {
        try withPort({ $0.linger = .seconds(100) }) { port in
            let file = try port.openRaw()
            port.tell { $0.retire() }
            _ = port.release(file)
            port.advance(.seconds(1))
            #expect(port.ends == 1)
        }
    }

    @Test func keepTakesItBack() throws {
        try withPort { port in
            let file = try port.openRaw()
            port.tell { $0.retire() }
            #expect(port.tty.state.isRetiring)
            port.tell { tty in
                let stays = tty.keep()
                #expect(stays)
            }
            _ = port.release(file)
            port.advance(.seconds(1))
            #expect(port.ends == 0 && !port.tty.state.isRetiring)
            _ = port.release(try port.openFile())
            port.advance(.seconds(1))
            port.tell { $0.retire() }
            #expect(port.ends == 1)
            // It is too late now.
            port.tell { tty in
                let stays = tty.keep()
                #expect(!stays)
            }
        }
    }
}
