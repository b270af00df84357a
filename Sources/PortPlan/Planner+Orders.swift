import SerialLine

// What a person says about a name.
extension Planner {
    /// Gives a contested name to the host that announces it, too.
    /// - Parameter host: the host, if several announce the name.
    package mutating func accept(_ name: DeviceName, host: HostName? = nil, _ now: MonotonicTime) -> Acceptance {
        let claimants = contested.filter { $0.name == name && (host == nil || $0.claimant == host) }.map(\.claimant)
        guard let claimant = claimants.first else { return .notContested }
        guard claimants.count == 1 else { return .severalClaimants(claimants) }
        give(name, to: claimant, now)
        return .accepted(claimant)
    }

    /// Forgets which host a name belongs to. A host that announces it now keeps it, and is new; if its owner is not
    /// heard, the next host that announces it has it. The addresses in use are forgotten, too, for those announced now.
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
