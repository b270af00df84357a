import ArgumentParser

@main
struct TTYNVT: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ttynvt-swift",
        abstract: "Serial ports somewhere on the network, as if plugged into this machine.",
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

    /// Ports are started most often, and many at once: theirs is tried without the tree of all commands, which takes
    /// longer to build than all else until the device is there. What it cannot read is told as for any other.
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.first == "port" || arguments.first?.hasPrefix("-") == true,
            let command = try? PortCommand.parse(Array(arguments.dropFirst(arguments.first == "port" ? 1 : 0)))
        else { return main(nil) }
        do {
            try command.run()
        } catch {
            exit(withError: error)
        }
    }
}
