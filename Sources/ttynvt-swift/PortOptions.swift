import ArgumentParser
import CUSEDevice
import SerialLine
import VirtualTTY

/// The options of one port.
struct PortOptions: ParsableArguments {
    @Option(name: .long, help: "When to be connected: open (from first open to last close) or always.")
    var connect = PortConfiguration.ConnectPolicy.open

    @Option(name: .long, help: ArgumentHelp("Time to keep the connection after the last close.", valueName: "seconds"))
    var linger = 0.0

    @Option(
        name: .long, help: ArgumentHelp("Time that open(2) waits for connection and negotiation.", valueName: "seconds")
    )
    var connectTimeout = 5.0

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Hang up if a lost connection is not restored within this time: seconds, 0 (at once) or never.",
            valueName: "time"))
    var lossTimeout = LossTimeout(nanoseconds: .seconds(15))

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Seconds without any acknowledgement before the server is considered dead.", valueName: "seconds"))
    var deadAfter: Int32 = 20

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Bytes of output to accept before a writer waits, or unlimited: as many as the connection takes.",
            valueName: "bytes"))
    var ahead = PortConfiguration.Ahead.bytes(4096)

    @Option(name: .long, help: "DTR and RTS at the first open and the last close: raise (and lower), or leave.")
    var dtrRts = PortConfiguration.LinePolicy.raise

    @Option(name: .long, help: "tcsetattr waits for the server's answer (sync) or not (async).")
    var settings = SettingsPolicy.sync

    @Option(
        name: .customLong("rs485-codes"),
        help: ArgumentHelp(
            "SET-CONTROL values of the vendor's RS485 extension. The default is unconfirmed: ask the vendor.",
            valueName: "on,off"))
    var rs485Codes = RS485Codes(on: 20, off: 21)

    @Flag(
        name: .long,
        help: "Allow line disciplines that need CAP_NET_ADMIN (slip, slcan); keeps that capability.")
    var kernelLdisc = false

    /// The part of the options that configures the port itself.
    var configuration: PortConfiguration {
        var configuration = PortConfiguration()
        configuration.connect = connect
        configuration.linger = UInt64(linger * 1e9)
        configuration.connectTimeout = UInt64(connectTimeout * 1e9)
        configuration.lossTimeout = lossTimeout.nanoseconds
        configuration.deadAfter = .seconds(UInt64(deadAfter))
        configuration.ahead = ahead
        configuration.lines = dtrRts
        configuration.awaitsSettings = settings == .sync
        configuration.rs485On = rs485Codes.on
        configuration.rs485Off = rs485Codes.off
        configuration.keepsNetworkAdministration = kernelLdisc
        return configuration
    }

    /// Converts seconds to nanoseconds; nil if no option accepts the time.
    static func nanoseconds(_ seconds: Double) -> UInt64? {
        seconds >= 0 && seconds <= 86400 ? UInt64(seconds * 1e9) : nil
    }

    /// The same for `--dead-after`.
    static func deadAfter(_ seconds: Int32) -> UInt64? {
        (1...3600).contains(seconds) ? .seconds(UInt64(seconds)) : nil
    }

    func validate() throws {
        for (name, value) in [("--linger", linger), ("--connect-timeout", connectTimeout)]
        where Self.nanoseconds(value) == nil {
            throw ValidationError("\(name) takes 0 to 86400 seconds, not \(value)")
        }
        guard Self.deadAfter(deadAfter) != nil else {
            throw ValidationError("--dead-after takes 1 to 3600 seconds, not \(deadAfter)")
        }
    }
}

extension PortConfiguration.ConnectPolicy: ExpressibleByArgument {}
extension PortConfiguration.LinePolicy: ExpressibleByArgument {}

extension PortConfiguration.Ahead: ExpressibleByArgument {
    package init?(argument: String) {
        if argument == "unlimited" {
            self = .unlimited
        } else {
            guard let count = Int(argument), Self.range.contains(count) else { return nil }
            self = .bytes(count)
        }
    }

    package var defaultValueDescription: String { if case .bytes(let count) = self { "\(count)" } else { "unlimited" } }
}

enum SettingsPolicy: String, ExpressibleByArgument, CaseIterable {
    case sync
    case async
}

struct LossTimeout: ExpressibleByArgument, CustomStringConvertible {
    /// nil for `never`.
    let nanoseconds: UInt64?

    init(nanoseconds: UInt64?) { self.nanoseconds = nanoseconds }

    init?(argument: String) {
        if argument == "never" {
            self.init(nanoseconds: nil)
        } else {
            guard let seconds = Double(argument), seconds >= 0, seconds <= 86400 else { return nil }
            self.init(nanoseconds: UInt64(seconds * 1e9))
        }
    }

    var description: String { nanoseconds.map { "\($0 / .seconds(1))" } ?? "never" }
    var defaultValueDescription: String { description }
}

struct RS485Codes: ExpressibleByArgument {
    let on: UInt8
    let off: UInt8

    init(on: UInt8, off: UInt8) {
        self.on = on
        self.off = off
    }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { UInt8($0) }
        guard parts.count == 2, let on = parts[0], let off = parts[1], on != off else { return nil }
        self.init(on: on, off: off)
    }

    var defaultValueDescription: String { "\(on),\(off)" }
}
