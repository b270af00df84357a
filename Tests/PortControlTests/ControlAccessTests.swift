import Glibc
import Platform
import SerialLine
import Testing

@testable import PortControl

/// The rights to send requests.
@Suite struct ControlAccessTests {
    private let access = ControlAccess(owner: 1000, group: 20, mode: 0o020660)
    private static let orders: [ControlRequest] = [.servers([Endpoint(host: "h", port: 1)]), .retire, .keep]

    private func peer(_ user: UInt32, _ group: UInt32 = 100, _ groups: [UInt32] = []) -> PeerCredentials {
        PeerCredentials(pid: 1, user: user, group: group, groups: groups)
    }

    @Test func rootAndTheSupervisorMayDoAll() {
        for request in Self.orders + [.status] {
            #expect(access.allows(request, by: peer(0), supervisor: 997))
            #expect(access.allows(request, by: peer(997), supervisor: 997))
        }
    }

    /// All ports share a user: one that is taken over gives the others no orders.
    @Test func thePortsOwnUserGivesNoOrders() {
        for request in Self.orders + [.status] {
            #expect(!access.allows(request, by: peer(geteuid() == 0 ? 65534 : geteuid()), supervisor: 997))
        }
    }

    @Test func whereThereIsNoSupervisorsUserRootGivesOrders() {
        for request in Self.orders {
            #expect(access.allows(request, by: peer(0), supervisor: nil))
            #expect(!access.allows(request, by: peer(997, 20), supervisor: nil))
        }
    }

    @Test func othersGiveNoOrders() {
        for request in Self.orders {
            #expect(!access.allows(request, by: peer(1000, 20, [20]), supervisor: 997))
        }
    }

    @Test func whoMayReadTheNodeMayAsk() {
        #expect(access.allows(.status, by: peer(1000), supervisor: 997))
        #expect(access.allows(.status, by: peer(1001, 20), supervisor: 997))
        #expect(access.allows(.status, by: peer(1001, 100, [5, 20, 7]), supervisor: 997))
        #expect(!access.allows(.status, by: peer(1001, 100, [5, 7]), supervisor: 997))
    }

    /// acl_permission_check: an owner without the right has it not by the group's.
    @Test func theFirstClassThatFitsCounts() {
        let odd = ControlAccess(owner: 1000, group: 20, mode: 0o044)
        #expect(!odd.allows(.status, by: peer(1000, 20), supervisor: 997))
        let others = ControlAccess(owner: 0, group: 20, mode: 0o604)
        #expect(!others.allows(.status, by: peer(1001, 20), supervisor: 997))
        #expect(others.allows(.status, by: peer(1001, 21), supervisor: 997))
    }

    @Test func withoutANodeItIsRootsAlone() throws {
        let none = ControlAccess(ofNode: try DeviceName("ttyThereIsNone"))
        #expect(!none.allows(.status, by: peer(1001, 0, [0]), supervisor: 997))
        #expect(none.allows(.status, by: peer(0), supervisor: 997))
    }
}
