import ArgumentParser
import Platform
import PortControl
import PortPlan
import SerialLine

/// `ttynvt-swift accept`: gives a name to another host.
struct Accept: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a port's name to another host that announces it.",
        discussion: """
            A name belongs to the host that had it first. After a module was replaced, this gives the name to the new \
            one. Programs that have the port open go on with the new host.
            """)

    @Argument(help: ArgumentHelp("The port's name, as announced, or /dev/ttyNAME.", valueName: "name")) var name: String
    @Argument(help: ArgumentHelp("The host, if several announce the name.", valueName: "host")) var host: String?

    func run() throws {
        let name = try portName(self.name)
        if let host, HostName(host) == nil || host.contains(" ") { throw Failure("'\(host)' is not a host name") }
        do {
            try SupervisorControl.order(.accept(name, host: host))
            let owner = try SupervisorControl.names(name).first?.owner
            print("'\(name.port)' now belongs to \(owner?.host ?? "the other host")")
        } catch { throw Failure("\(error)") }
    }
}

/// `ttynvt-swift forget`: forgets the host of a name.
struct Forget: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forget the host that a port's name belongs to.",
        discussion: "The next host that announces the name gets it. The name keeps its minor number.")

    @Argument(help: ArgumentHelp("The port's name, as announced, or /dev/ttyNAME.", valueName: "name")) var name: String

    func run() throws {
        let name = try portName(self.name)
        do { try SupervisorControl.order(.forget(name)) } catch { throw Failure("\(error)") }
        print("'\(name.port)' no longer belongs to a host")
    }
}

/// `ttynvt-swift pin`: writes a port's host and interface into the configuration.
struct Pin: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a port's host and interface into the configuration.",
        discussion: """
            From then on only this host, on this interface, may announce the port. The section [port NAME] of the \
            configuration gets the lines; the supervisor reads it anew.
            """)

    @Argument(help: ArgumentHelp("The port's name, as announced, or /dev/ttyNAME.", valueName: "name")) var name: String
    @Option(help: ArgumentHelp("The configuration.", valueName: "file")) var config = ConfigurationFile.defaultPath

    func run() throws {
        let name = try portName(self.name)
        do {
            guard let owner = try SupervisorControl.names(name).first?.owner, let interface = owner.interfaces.first
            else { throw Failure("no known host announces '\(name.port)': see ttynvt-swift browse") }
            let text = try ConfigurationEdit.set(
                [("host", owner.host), ("interface", interface)], ofPort: name.port,
                in: FileSystem.exists(config) ? String(decoding: FileSystem.contents(of: config), as: UTF8.self) : "")
            try FileSystem.replace(config, with: text)
            try SupervisorControl.order(.reload)
            print("[port \(name.port)] in \(config): host = \(owner.host), interface = \(interface)")
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure("cannot pin '\(name.port)': \(error)")
        }
    }
}

/// The device of a port's name, with or without `tty` and `/dev/`.
private func portName(_ text: String) throws -> DeviceName {
    do throws(DeviceName.Illegal) {
        return text.hasPrefix("tty") || text.hasPrefix("/dev/") ? try DeviceName(text) : try DeviceName(port: text)
    } catch { throw Failure("\(error)") }
}

/// Names that are claimed by other hosts than their owners, as the supervisor reports them.
struct Claims {
    private let contested: [NameReport]

    /// Empty if no supervisor answers.
    init() { contested = ((try? SupervisorControl.names()) ?? []).filter { $0.claimant != nil } }

    /// One line for each name.
    /// - Parameter only: nil for all.
    func lines(_ only: DeviceName? = nil) -> [String] {
        contested.filter { only == nil || $0.name == only }.compactMap { report in
            guard let claimant = report.claimant else { return nil }
            let owner = report.owner.map(Self.text) ?? "another host"
            return
                "'\(report.name.port)' belongs to \(owner); \(Self.text(claimant)) also announces it, and is refused "
                + "(sudo ttynvt-swift accept \(report.name.port))"
        }
    }

    /// The host that claims a name, and its servers; null otherwise.
    func json(_ name: DeviceName) -> JSON {
        guard let claimant = contested.first(where: { $0.name == name })?.claimant else { return .null }
        return [
            "host": .string(claimant.host), "servers": .array(claimant.servers.map { .string("\($0)") }),
            "interfaces": .array(claimant.interfaces.map { .string($0) }),
        ]
    }

    private static func text(_ party: NameReport.Party) -> String {
        let places = party.servers.map { "\($0)" } + party.interfaces
        return (party.host + (places.isEmpty ? "" : " (\(places.joined(separator: ", ")))")).singleLine
    }
}
