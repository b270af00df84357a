import Logging
import Platform
import PortControl
import PortPlan
import SerialLine

// Requests of users to the supervisor.
extension Supervisor {
    /// Opens the control socket. If that fails, ports still work.
    func openControl() -> ControlClients {
        do throws(ControlSocketError) {
            return ControlClients(try ControlSocket(inDirectory: SupervisorControl.directory))
        } catch {
            log.warning("\(error); accept, forget and pin are unavailable")
            return ControlClients(nil)
        }
    }

    /// The reply to a request's line, including its last line feed.
    func answer(_ line: [UInt8], _ peer: PeerCredentials) -> String {
        do throws(SupervisorRequest.Unknown) {
            let request = try SupervisorRequest(line: line)
            guard request.isAllowed(to: peer) else { return reply(.refused(PortControl.notPermitted)) }
            switch request {
            case .names(let name): return names(name, showsServers: peer.user == 0)
            case .accept(let name, let host): return accept(name, host)
            case .forget(let name): return forget(name)
            case .reload:
                return reply(reload() ? .done : .refused("the configuration has errors: run ttynvt-swift check-config"))
            }
        } catch { return reply(.refused(error.description)) }
    }

    private func reply(_ reply: ControlReply) -> String { reply.line + "\n" }

    private func accept(_ name: DeviceName, _ host: String?) -> String {
        let before = planner.owned[name]?.host
        switch planner.accept(name, host: host.flatMap { HostName($0) }, .now) {
        case .accepted(let host):
            log.notice(
                "'\(name.port)' now belongs to \(host), no longer to \(before.map { "\($0)" } ?? "another host")")
            return reply(.done)
        case .notContested: return reply(.refused("no other host announces '\(name.port)'"))
        case .severalClaimants(let hosts):
            let list = hosts.map { "\($0)" }.joined(separator: ", ")
            return reply(.refused("several hosts announce '\(name.port)': choose one of \(list)"))
        }
    }

    private func forget(_ name: DeviceName) -> String {
        guard planner.forget(name, .now) else {
            return reply(.refused("nothing is remembered about '\(name.port)'"))
        }
        log.notice("'\(name.port)' no longer belongs to a host: the next one that announces it gets it")
        return reply(.done)
    }

    /// One line for each name that belongs to a host, or that another host claims.
    /// - Parameters:
    ///   - only: nil for all.
    ///   - showsServers: whether to include the addresses of servers, which only root may see.
    private func names(_ only: DeviceName?, showsServers: Bool) -> String {
        let owned = planner.owned
        let contests = Dictionary(planner.contested.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var text = ""
        var count = 0
        let names = Set(owned.keys).union(contests.keys).filter { only == nil || $0 == only }
        // A reply has a size limit, so contested names come first.
        let order = names.sorted {
            (contests[$0] == nil ? 1 : 0, $0.description) < (contests[$1] == nil ? 1 : 0, $1.description)
        }
        for name in order {
            let claimant = contests[name].map {
                NameReport.Party(
                    host: "\($0.claimant)", interfaces: [$0.interface], servers: showsServers ? $0.addresses : [])
            }
            let owner = owned[name].map {
                NameReport.Party(
                    host: "\($0.host)", interfaces: $0.interfaces, servers: showsServers ? $0.addresses : [])
            }
            let line = NameReport(name: name, owner: owner, claimant: claimant).line + "\n"
            guard text.utf8.count + line.utf8.count < PortControl.longestReply - 100 else { break }
            text += line
            count += 1
        }
        return text + "end \(count)\n"
    }
}
