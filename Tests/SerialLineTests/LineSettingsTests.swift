import SerialLine
import Testing

@Suite struct LineSettingsTests {
    /// Start, data, parity and stop bits, counted by hand, over the rate.
    static let frameTimes: [(LineSettings, UInt64)] = [
        (LineSettings(), 1_041_666),  // 10 bits at 9600
        (LineSettings(baud: 115_200), 86_805),
        (LineSettings(baud: 9600, stopBits: .two), 1_145_833),  // 11
        (LineSettings(baud: 9600, parity: .even, stopBits: .two), 1_250_000),  // 12
        (LineSettings(baud: 300, dataBits: .seven, parity: .odd), 33_333_333),  // 10
        (LineSettings(baud: 110, dataBits: .five, stopBits: .oneAndHalf), 68_181_818),  // 7.5
        (LineSettings(baud: 50, dataBits: .six, parity: .mark, stopBits: .oneAndHalf), 190_000_000),  // 9.5
        (LineSettings(baud: 1, parity: .space, stopBits: .two), 12_000_000_000),
        (LineSettings(baud: .max), 2),
    ]

    @Test(arguments: frameTimes) func frameTime(_ settings: LineSettings, _ nanoseconds: UInt64) {
        #expect(settings.frameNanoseconds == nanoseconds)
    }

    /// A rate of 0 is invalid, but a peer may send it: the frame time is long, and there is no division by zero.
    @Test func frameTimeWithoutRate() {
        #expect(LineSettings(baud: 0).frameNanoseconds == LineSettings(baud: 1).frameNanoseconds)
    }

    static let descriptions: [(LineSettings, String)] = [
        (LineSettings(), "9600 8N1"),
        (LineSettings(baud: 115_200, dataBits: .seven, parity: .even), "115200 7E1"),
        (LineSettings(baud: 50, dataBits: .five, parity: .odd, stopBits: .oneAndHalf), "50 5O1.5"),
        (LineSettings(baud: 300, dataBits: .six, parity: .mark, stopBits: .two), "300 6M2"),
        (LineSettings(baud: 4_000_000, parity: .space), "4000000 8S1"),
    ]

    @Test(arguments: descriptions) func description(_ settings: LineSettings, _ text: String) {
        #expect(settings.description == text)
    }

    /// The raw values are RFC 2217's.
    @Test func rawValues() {
        #expect(DataBits.allCases.map(\.rawValue) == [5, 6, 7, 8])
        #expect([Parity.none, .odd, .even, .mark, .space].map(\.rawValue) == [1, 2, 3, 4, 5])
        #expect([StopBits.one, .two, .oneAndHalf].map(\.rawValue) == [1, 2, 3])
        #expect([FlowControl.none, .xonXoff, .hardware].map(\.rawValue) == [1, 2, 3])
        #expect([FlowControl.none, .xonXoff, .hardware].map(\.inboundValue) == [14, 15, 16])
    }

    @Test func inboundValues() {
        for value in UInt8.min...UInt8.max {
            let expected: FlowControl? =
                switch value {
                case 14: FlowControl.none
                case 15: .xonXoff
                case 16: .hardware
                default: nil
                }
            #expect(FlowControl(inboundValue: value) == expected, "value \(value)")
        }
    }
}
