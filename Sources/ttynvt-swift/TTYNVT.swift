import ArgumentParser

@main
struct TTYNVT: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ttynvt-swift",
        abstract: "Serial ports on the network, usable as if plugged into this machine.",
        discussion: """
            ttynvt-swift -S 192.168.0.10:10000 -n ttyMIO04-1-com1

            creates /dev/ttyMIO04-1-com1 and connects it to the RFC 2217 server there whenever a program opens it.
            """,
        version: "0.1.0",
        subcommands: [
            PortCommand.self,
            Supervise.self,
            Status.self,
            Browse.self,
            Probe.self,
            Accept.self,
            Forget.self,
            Pin.self,
            CheckConfig.self,
            Simulate.self,
            StarterCommand.self,
        ],
        defaultSubcommand: PortCommand.self)

    /// Ports are the most frequent command, and many start at once. So a port's command line is first parsed without
    /// the argument parser, then with the parser for this command only. If both fail, the parser for all commands
    /// reports the error.
    static func main() {
        var arguments = CommandLine.arguments.dropFirst()
        guard arguments.first == "port" || arguments.first?.hasPrefix("-") == true else { return main(nil) }
        if arguments.first == "port" { arguments.removeFirst() }
        guard let settings = PortSettings(arguments: arguments) ?? (try? PortCommand.parse(Array(arguments)))?.settings
        else { return main(nil) }
        do {
            try settings.run()
        } catch {
            exit(withError: error)
        }
    }
}
