import PortControl
import SerialLine
import Testing

@testable import ttynvt_swift

/// The table of `status`.
@Suite struct StatusTextTests {
    private static let now: Int64 = 1_000_000

    private func status(_ link: LinkState, age: Int64, started: Int64 = 5000) throws -> PortStatus {
        var status = PortStatus(name: try DeviceName("ttyA"))
        status.link = link
        status.servers = [Endpoint(host: "192.0.2.7", port: 10000)]
        status.since = Self.now - age
        status.started = Self.now - started
        status.settings = "115200 8N1"
        return status
    }

    @Test(arguments: [
        (LinkState.connected, 192, "connected 3m 12s"), (.idle, 5000, "ready (never opened)"),
        (.idle, 40, "ready (closed 40s ago)"), (.lost, 12, "lost 12s, retrying"),
        (.connecting, 7400, "connecting 2h 3m"),
        (.connected, 200_000, "connected 2d 7h"), (.disconnecting, 1, "disconnecting"),
    ])
    func itsState(_ link: LinkState, _ age: Int64, _ text: String) throws {
        #expect(StatusText.state(try status(link, age: age), Self.now) == text)
    }

    @Test func aRetiringPort() throws {
        var status = try status(.connected, age: 115)
        status.isRetiring = true
        #expect(StatusText.state(status, Self.now) == "connected 1m 55s, retiring")
    }

    private func table(_ statuses: [PortStatus], _ screen: StatusText.Screen = .init()) -> [String] {
        StatusText.table(
            statuses.map { Status.Row(name: $0.name, answer: .success($0)) }, now: Self.now, screen)
    }

    /// The last error belongs to a port without a connection, below its row.
    @Test func theLastError() throws {
        var lost = try status(.lost, age: 12)
        lost.lastError = PortStatus.Fault("connection lost: the server closed it", at: Self.now - 12)
        var connected = try status(.connected, age: 1)
        connected.lastError = lost.lastError
        let lines = table([lost, connected])
        #expect(lines.count == 4)
        #expect(lines[2] == "  12s ago: connection lost: the server closed it")
    }

    /// On a narrow terminal columns are dropped; name and state remain.
    @Test func aNarrowTerminal() throws {
        let status = try status(.connected, age: 192)
        for width in [30, 40, 60, 80, 120] {
            let lines = table([status], StatusText.Screen(width: width))
            #expect(lines.allSatisfy { $0.count <= width }, "\(width): \(lines)")
            #expect(lines[0].hasPrefix("PORT") && lines[0].contains("STATE"))
            #expect(lines[1].contains("connected 3m 12s"))
        }
        #expect(table([status])[0].contains("RECONNECTS"))
    }

    @Test func colours() throws {
        let status = try status(.lost, age: 12)
        #expect(
            table([status], StatusText.Screen(hasColour: true))[1].contains("\u{1B}[31mlost 12s, retrying\u{1B}[0m"))
        #expect(!table([status])[1].contains("\u{1B}"))
    }
}
