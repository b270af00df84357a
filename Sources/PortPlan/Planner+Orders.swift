import SerialLine

// Orders of the user about a name.
extension Planner {
    /// Gives a contested name to the host that claims it.
    /// - Parameter host: the host, if several claim the name.
    package mutating func accept(_ name: DeviceName, host: HostName? = nil, _ now: MonotonicTime) -> Acceptance {
        let claimants = contested.filter { $0.name == name && (host == nil || $0.claimant == host) }.map(\.claimant)
        guard let claimant = claimants.first else { return .notContested }
        guard claimants.count == 1 else { return .severalClaimants(claimants) }
        give(name, to: claimant, now)
        return .accepted(claimant)
    }

    /// Forgets the owner of a name. A host that announces the name now keeps it, as a new host; if the owner is not
    /// announcing, the next host that announces the name gets it. The addresses in use are replaced by the announced
    /// ones.
    /// - Returns: false if nothing is remembered about the name.
    package mutating func forget(_ name: DeviceName, _ now: MonotonicTime) -> Bool {
        let record = book.remove(name)
        let isThere = ports[name] != nil
        guard record != nil || isThere else { return false }
        spellings = nil
        if let port = ports[name] {
            if port.missingSince == nil { renew(name, port, now) } else { ports[name] = nil }
        }
        judge(now)
        return true
    }
}
