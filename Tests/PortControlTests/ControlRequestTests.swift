import SerialLine
import TestSupport
import Testing

@testable import PortControl

/// Requests as lines.
@Suite struct ControlRequestTests {
    @Test func requestsComeBack() throws {
        let servers = try [Endpoint](parsingList: "192.0.2.7:10000,[fe80::1%eth0]:10001,box.local:7")
        for request in [ControlRequest.status, .retire, .keep, .servers(servers)] {
            #expect(try ControlRequest(line: Array(request.line.utf8)) == request)
        }
    }

    @Test(arguments: [
        "", " ", "stat", "status now", "servers", "servers ", "servers h", "servers h:1,", "servers ,h:1", "retire x",
        "keep\u{0}", "status\r", "servers h:1 h:2", "STATUS",
    ])
    func anythingElseIsNone(_ line: String) {
        #expect(throws: ControlRequest.Unknown.self) { try ControlRequest(line: Array(line.utf8)) }
    }

    @Test func aListHasItsLimitAndNoDoubles() throws {
        let many = (1...17).map { "h:\($0)" }.joined(separator: ",")
        #expect(throws: EndpointListError.self) { try [Endpoint](parsingList: many) }
        #expect(try [Endpoint](parsingList: "h:1,i:1,h:1").listed == "h:1,i:1")
    }

    @Test func noiseIsAnErrorAndNoMore() {
        var random = SplitMix64(seed: 4)
        for _ in 0..<5000 {
            let line = random.bytes(random.below(60))
            #expect(throws: ControlRequest.Unknown.self) { try ControlRequest(line: line) }
        }
    }
}
