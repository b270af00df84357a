import SerialLine
import Testing

@Suite struct LineCountersTests {
    @Test(arguments: [ModemLines.cts, .dsr, .dcd]) func bothEdgesCount(_ line: ModemLines) {
        func counter(_ counters: LineCounters) -> UInt32 {
            line == .cts ? counters.cts : line == .dsr ? counters.dsr : counters.dcd
        }
        var counters = LineCounters()
        counters.count(change: [], to: line)
        #expect(counter(counters) == 1)
        counters.count(change: line, to: line)
        #expect(counter(counters) == 1)
        counters.count(change: line, to: [])
        #expect(counter(counters) == 2)
    }

    /// As the kernel counts it (uart_handle_ri, TIOCMIWAIT): a ring is over when RI falls.
    @Test func ringCountsOnItsTrailingEdge() {
        var counters = LineCounters()
        counters.count(change: [], to: .ri)
        counters.count(change: .ri, to: .ri)
        #expect(counters == LineCounters())
        counters.count(change: .ri, to: [])
        #expect(counters.ri == 1)
    }

    @Test func everyLineAtOnce() {
        var counters = LineCounters()
        counters.count(change: .inputs, to: [])
        var expected = LineCounters()
        (expected.cts, expected.dsr, expected.dcd, expected.ri) = (1, 1, 1, 1)
        #expect(counters == expected)
    }

    /// Our own lines are no events.
    @Test func outputsDoNotCount() {
        var counters = LineCounters()
        counters.count(change: [], to: [.dtr, .rts])
        counters.count(change: [.dtr, .rts], to: [])
        #expect(counters == LineCounters())
    }

    @Test func lineStates() {
        var counters = LineCounters()
        counters.count(.errors)
        counters.count(.breakDetected)
        counters.count([.dataReady, .transmitHoldingEmpty, .transmitShiftEmpty, .timeout])
        var expected = LineCounters()
        (expected.overrun, expected.parity, expected.framing, expected.breaks) = (1, 1, 1, 2)
        #expect(counters == expected)
    }

    /// RFC 2217's bits, in its order.
    @Test func lineStateBits() {
        let states: [LineState] = [
            .dataReady, .overrun, .parity, .framing, .breakDetected, .transmitHoldingEmpty, .transmitShiftEmpty,
            .timeout,
        ]
        #expect(states.map(\.rawValue) == [1, 2, 4, 8, 16, 32, 64, 128])
        #expect(LineState.errors.rawValue == 2 + 4 + 8 + 16)
    }

    /// The kernel's counters go round too.
    @Test func countersGoRound() {
        var counters = LineCounters()
        counters.cts = .max
        counters.dsr = .max
        counters.dcd = .max
        counters.ri = .max
        counters.framing = .max
        counters.overrun = .max
        counters.parity = .max
        counters.breaks = .max
        counters.count(change: .inputs, to: [])
        counters.count(.errors)
        #expect(counters == LineCounters())
    }
}
