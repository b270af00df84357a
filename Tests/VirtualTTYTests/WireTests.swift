import RFC2217
import TestSupport
import Testing

@testable import VirtualTTY

/// The encoded bytes on their way to the socket, whatever part of them the socket takes.
@Suite struct WireTests {
    /// The socket's data and the reclaimed data are the appended data, whatever happens in between.
    @Test(arguments: 0..<400 as Range<UInt64>) func everyByteIsSentReclaimedOrFlushed(_ seed: UInt64) {
        var bench = WireBench(seed: seed)
        for _ in 0..<200 {
            bench.doSomething()
            guard bench.isRight else { break }
        }
        bench.finish()
        #expect(bench.isRight, "seed \(seed): \(bench.failure ?? "")")
    }

    /// The second half of a doubled 0xFF that was half sent belongs to the next connection, as the byte itself.
    @Test func aByteWhoseEscapeIsCutIsReclaimed() {
        var wire = Wire()
        wire.appendData([1, 0xFF, 2].span)
        var buffer: [UInt8] = []
        let isTaken = wire.take(into: &buffer)
        #expect(isTaken && buffer == [1, 0xFF, 0xFF, 2])
        let returned = wire.returnUnsent(&buffer, sent: 2)
        #expect(returned.sentData == 1 && returned.outdated == nil)
        let reclaimed = wire.reclaim()
        #expect(reclaimed == [0xFF, 2])
        #expect(wire.isEmpty && wire.dataCount == 0)
    }

    /// A sender still has bytes when the connection ends: there is no room for data until it gives them back.
    @Test func aSenderHasBytesWhenTheConnectionEnds() {
        var wire = Wire()
        wire.appendData([1, 0xFF, 2].span)
        var buffer: [UInt8] = []
        _ = wire.take(into: &buffer)
        wire.appendData([3].span)
        let reclaimed = wire.reclaim()
        #expect(reclaimed == [3])
        #expect(wire.room == 0 && wire.owesOutdated && wire.dataCount == 3)
        wire.appendCommands([0xFF, 0xF1])
        let returned = wire.returnUnsent(&buffer, sent: 2)
        #expect(returned.sentData == 1 && returned.outdated == [0xFF, 2])
        // The next connection's own bytes begin afresh.
        let isTaken = wire.take(into: &buffer)
        #expect(isTaken && buffer == [0xFF, 0xF1])
        #expect(!wire.owesOutdated && wire.dataCount == 0)
    }

    /// All bytes were sent before the connection ended, and the sender says so afterwards.
    @Test func nothingIsLeftIfAllWasSent() {
        var wire = Wire()
        wire.appendData([1, 2].span)
        var buffer: [UInt8] = []
        _ = wire.take(into: &buffer)
        let reclaimed = wire.reclaim()
        #expect(reclaimed == [])
        let returned = wire.returnUnsent(&buffer, sent: 2)
        #expect(returned.sentData == 2 && returned.outdated == [])
    }
}
