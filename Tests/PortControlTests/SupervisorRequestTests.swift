import Platform
import PortControl
import SerialLine
import Testing

@Suite struct SupervisorRequestTests {
    @Test func lines() throws {
        let name = try DeviceName("ttyA")
        for request in [
            SupervisorRequest.names(nil), .names(name), .accept(name, host: nil), .accept(name, host: "b.local"),
            .forget(name), .reload,
        ] {
            #expect(try SupervisorRequest(line: Array(request.line.utf8)) == request)
        }
    }

    @Test(arguments: [
        "", "names x y", "accept", "accept ../x", "accept ttyA b c", "accept ttyA\n", "forget  ttyA", "reload\0",
        "Names",
    ])
    func unknown(_ line: String) {
        #expect(throws: SupervisorRequest.Unknown.self) { try SupervisorRequest(line: Array(line.utf8)) }
    }

    @Test func rights() throws {
        let root = PeerCredentials(pid: 1, user: 0, group: 0)
        let user = PeerCredentials(pid: 1, user: 1000, group: 20)
        #expect(SupervisorRequest.names(nil).isAllowed(to: user))
        for request in [
            SupervisorRequest.accept(try DeviceName("ttyA"), host: nil), .forget(try DeviceName("ttyA")), .reload,
        ] {
            #expect(request.isAllowed(to: root))
            #expect(!request.isAllowed(to: user))
        }
    }

    @Test func reports() throws {
        let owner = NameReport.Party(
            host: "a.local", interfaces: ["eth0", "eth1"], servers: [Endpoint(host: "192.0.2.1", port: 10000)])
        let claimant = NameReport.Party(host: "b.local", interfaces: [], servers: [])
        let name = try DeviceName("ttyA")
        for report in [
            NameReport(name: name, owner: owner, claimant: claimant),
            NameReport(name: name, owner: nil, claimant: owner), NameReport(name: name, owner: owner, claimant: nil),
            NameReport(name: name, owner: nil, claimant: nil),
        ] {
            #expect(NameReport(line: report.line[...]) == report)
        }
    }

    @Test(arguments: ["", "x", "ttyA owner", "ttyA owner h eth0", "ttyA owner h eth0 x", "ttyA other h eth0 -"])
    func damagedReports(_ line: String) { #expect(NameReport(line: line[...]) == nil) }
}
