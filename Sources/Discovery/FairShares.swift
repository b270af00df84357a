/// A limited number of places, shared among network interfaces. One interface may use all of them until another one
/// needs some. If all are taken, an interface gets a place from the interface with the most places, which loses its
/// newest member, but only if that interface then still has at least as many. Therefore a flood on one interface can
/// neither keep other interfaces from their share, nor push out older members of its own interface.
package struct FairShares<Member: Hashable> {
    package enum Admission: Equatable {
        case taken
        /// A place was taken from this member, of this interface.
        case inPlaceOf(Member, interface: Int32)
        case refused
    }

    package let limit: Int
    package private(set) var count = 0
    private var shares: [Int32: [Member: UInt64]] = [:]
    /// Members are numbered in order of arrival: the newest has the highest number.
    private var admitted: UInt64 = 0

    package init(limit: Int) { self.limit = limit }

    package var isFull: Bool { count >= limit }

    package func count(of interface: Int32) -> Int { shares[interface]?.count ?? 0 }

    package mutating func admit(_ member: Member, to interface: Int32) -> Admission {
        guard shares[interface]?[member] == nil else { return .taken }
        guard isFull else {
            insert(member, interface)
            return .taken
        }
        let most = shares.max { ($0.value.count, $1.key) < ($1.value.count, $0.key) }
        guard let most, most.value.count > count(of: interface) + 1,
            let newest = most.value.max(by: { $0.value < $1.value })?.key
        else { return .refused }
        remove(newest, from: most.key)
        insert(member, interface)
        return .inPlaceOf(newest, interface: most.key)
    }

    package mutating func remove(_ member: Member, from interface: Int32) {
        guard shares[interface]?.removeValue(forKey: member) != nil else { return }
        count -= 1
        if shares[interface]?.isEmpty == true { shares[interface] = nil }
    }

    private mutating func insert(_ member: Member, _ interface: Int32) {
        shares[interface, default: [:]][member] = admitted
        admitted += 1
        count += 1
    }
}
