import CUSEDevice
import Glibc
import Platform
import PortControl
import PortRuntime
import SerialLine
import VirtualTTY

/// Reports the port's status to the control socket's clients and to the service manager.
final class PortReport: PortObserver {
    private let port: Port
    private let notifier = ServiceNotifier()
    private let log: PortLog
    private let control: PortControlServer
    private let started = PortReport.unixTime
    private let options: [String]
    private let supervisor: UInt32?
    private let news = Monitor(News())
    /// The last message to the service manager was sent. Held during each message.
    private let hasEnded = Monitor(false)
    private let whenRetired: @Sendable () -> Void

    private struct News {
        var node: DeviceNode?
        /// READY was sent: no other message may come before it.
        var isReady = false
        /// The current status was not sent to the service manager yet.
        var hasPendingStatus = false
        /// Earliest time of the next message: programs may open and close a port a thousand times a second.
        var sendStatusAt = MonotonicTime(nanoseconds: 0)
        var pingAt: MonotonicTime?
    }

    private static let pause: UInt64 = .milliseconds(100)

    /// - Parameters:
    ///   - options: the options that the port was started with, without its servers.
    ///   - supervisor: the user that may give orders, besides root.
    ///   - whenRetired: called once, when no program has the port open, and none will.
    init(
        _ port: Port, _ control: PortControlServer, log: PortLog, options: [String], supervisor: UInt32?,
        whenRetired: @escaping @Sendable () -> Void
    ) {
        self.port = port
        self.control = control
        self.log = log
        self.options = options
        self.supervisor = supervisor
        self.whenRetired = whenRetired
    }

    private static var unixTime: Int64 { Int64(time(nil)) }

    // Events.

    /// The node exists.
    func begin(_ node: DeviceNode) {
        news.withLock {
            $0.node = node
            $0.pingAt = notifier?.watchdogInterval.map { .now + $0 }
        }
        notifier?.tell(["READY=1"], status: PortState().sentence)
        news.withLock { $0.isReady = true }
        // The control thread may sleep without a deadline, and the first watchdog message is due now.
        if notifier != nil { control.wake() }
    }

    /// Sends the last message to the service manager.
    func end() {
        hasEnded.withLock {
            $0 = true
            notifier?.tell(["STOPPING=1"])
        }
    }

    func portChanged() {
        guard notifier != nil else { return }
        news.withLock { $0.hasPendingStatus = true }
        control.wake()
    }

    func portRetired() { whenRetired() }

    // Messages to the service manager, sent by the control thread.

    /// The additional work of the control thread; nil without a service manager.
    var chore: PortControlServer.Chore? {
        notifier.map { notifier in PortControlServer.Chore { self.tell(notifier) } }
    }

    private func tell(_ notifier: ServiceNotifier) -> MonotonicTime? {
        let now = MonotonicTime.now
        let (isTelling, isPinging) = news.withLock { news -> (Bool, Bool) in
            guard news.isReady else { return (false, false) }
            let isTelling = news.hasPendingStatus && news.sendStatusAt <= now
            if isTelling {
                news.hasPendingStatus = false
                news.sendStatusAt = now + Self.pause
            }
            let isPinging = news.pingAt.map { $0 <= now } ?? false
            if isPinging { news.pingAt = notifier.watchdogInterval.map { now + $0 } }
            return (isTelling, isPinging)
        }
        // If the port's lock can be taken, the port is alive. If not, this thread waits for it, and the watchdog
        // fires.
        if isTelling || isPinging {
            let state = port.look { $0.state }
            let status = isTelling ? state.sentence : nil
            hasEnded.withLock { if !$0 { notifier.tell(isPinging ? ["WATCHDOG=1"] : [], status: status) } }
        }
        return news.withLock { news in
            [news.pingAt, news.hasPendingStatus ? news.sendStatusAt : nil].compactMap(\.self).min()
        }
    }

    // Answers to the control socket's clients, by the control thread.

    func answer(_ request: ControlRequest, _ peer: PeerCredentials) -> String {
        guard let node = news.withLock({ $0.node }) else { return ControlReply.refused("not ready").line + "\n" }
        guard ControlAccess(ofNode: node.name).allows(request, by: peer, supervisor: supervisor) else {
            return ControlReply.refused(PortControl.notPermitted).line + "\n"
        }
        if case .status = request { return status(node).text }
        return order(request).line + "\n"
    }

    private func order(_ request: ControlRequest) -> ControlReply {
        switch request {
        case .status: break
        case .servers(let servers):
            guard servers != port.look({ $0.servers }) else { break }
            log.setServers(servers)
            log.log(.notice, "servers changed to \(servers.listed)")
            port.withTTY { $0.setServers(servers) }
        case .retire: port.withTTY { $0.retire() }
        case .keep:
            let stays = port.withTTY { $0.keep() }
            if !stays { return .refused("the port is already ending") }
        }
        return .done
    }

    private func status(_ node: DeviceNode) -> PortStatus {
        let (state, servers) = port.look { ($0.state, $0.servers) }
        let here = MonotonicTime.now
        var unixNow = timespec()
        clock_gettime(CLOCK_REALTIME, &unixNow)
        // In nanoseconds, so that repeated conversions of a moment give the same second.
        func unix(_ time: MonotonicTime) -> Int64 {
            let ago = Int64(clamping: here.since(time))
            return (Int64(unixNow.tv_sec) * 1_000_000_000 + Int64(unixNow.tv_nsec) - ago) / 1_000_000_000
        }
        var status = PortStatus(name: node.name)
        status.major = node.major
        status.minor = node.minor
        status.pid = getpid()
        status.servers = servers
        status.peer = state.peer
        status.link = state.link
        status.since = max(unix(state.since), started)
        status.started = started
        status.settings = state.settings.withFlow
        status.outputs = state.outputs
        status.inputs = state.inputs
        status.received = state.counters.received
        status.transmitted = state.counters.transmitted
        status.errors.framing = UInt64(state.counters.framing)
        status.errors.parity = UInt64(state.counters.parity)
        status.errors.overrun = UInt64(state.counters.overrun)
        status.errors.breaks = UInt64(state.counters.breaks)
        status.errors.bufferOverrun = UInt64(state.counters.bufferOverrun)
        status.reconnects = state.reconnects
        status.openers = state.openers
        status.lastError = state.lastFault.map { PortStatus.Fault($0, at: unix(state.lastFaultAt)) }
        status.isRetiring = state.isRetiring
        status.options = options
        return status
    }
}

extension PortState {
    /// The text in `systemctl status`.
    var sentence: String {
        var parts: [String] = []
        switch link {
        case .idle: parts.append("idle")
        case .connecting: parts.append("connecting")
        case .connected: parts += ["connected to \(peer ?? "the server")", settings.withFlow]
        case .lost: parts.append("connection lost, retrying")
        case .disconnecting: parts.append("disconnecting")
        }
        let programs = Set(openers).count
        if programs > 0 { parts.append("open in \(programs) program\(programs == 1 ? "" : "s")") }
        if isRetiring { parts.append("ends once no program has it open") }
        return parts.joined(separator: ", ")
    }
}

extension LineSettings {
    /// `115200 8N1`, followed by the flow control, if any.
    var withFlow: String {
        func word(_ flow: FlowControl) -> String { flow == .hardware ? "RTS/CTS" : "XON/XOFF" }
        if flow == inboundFlow { return flow == .none ? "\(self)" : "\(self) \(word(flow))" }
        let out = flow == .none ? "" : " \(word(flow)) out"
        return "\(self)" + out + (inboundFlow == .none ? "" : " \(word(inboundFlow)) in")
    }
}
