import Glibc
import Platform
import SystemPackage
import Testing

/// Addresses of Unix sockets, and credentials of peers.
@Suite struct UnixSocketTests {
    /// The address as the kernel sees it: family, and the name's bytes.
    private static func bytes(_ address: UnixAddress) -> [UInt8] {
        address.withSockaddr { pointer, length in
            Array(UnsafeRawBufferPointer(start: pointer, count: Int(length)).dropFirst(2))
        }
    }

    @Test func pathsEndWithANULAbstractNamesBeginWithOne() throws {
        let path = try #require(UnixAddress("/run/x"))
        #expect(Self.bytes(path) == Array("/run/x".utf8) + [0])
        let abstract = try #require(UnixAddress("@run/x"))
        #expect(Self.bytes(abstract) == [0] + Array("run/x".utf8))
    }

    @Test(arguments: ["", "@", "/a\u{0}b", "/" + String(repeating: "x", count: 107)])
    func namesThatAreNone(_ name: String) { #expect(UnixAddress(name) == nil) }

    @Test func theLongestPath() throws {
        let address = try #require(UnixAddress("/" + String(repeating: "x", count: 106)))
        #expect(Self.bytes(address).count == 108)
    }

    @Test func thePeerIsThisProcess() throws {
        var ends: [Int32] = [-1, -1]
        try syscall("socketpair") { socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) }
        let one = Descriptor(owning: ends[0])
        let other = Descriptor(owning: ends[1])
        let peer = try PeerCredentials(of: one.raw)
        #expect(peer == (try PeerCredentials(of: other.raw)))
        #expect(peer.pid == getpid() && peer.user == geteuid() && peer.group == getegid())
        var groups = [gid_t](repeating: 0, count: 65536)
        let count = getgroups(Int32(groups.count), &groups)
        #expect(peer.groups.sorted() == groups.prefix(Int(count)).sorted())
    }

    @Test func linesThatStayLines() {
        #expect("plain".singleLine == "plain")
        #expect("ä €".singleLine == "ä €")
        #expect("a\nb\u{1B}[2J\u{7F}\u{9B}c\u{2028}d".singleLine == "a\\x0ab\\x1b[2J\\x7f\\x9bc\\u{2028}d")
    }
}
