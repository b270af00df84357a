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
        let words = splitShortOptions(Array(CommandLine.arguments.dropFirst()))
        guard let first = words.first else { return printShortHelp() }
        guard first == "port" || first.hasPrefix("-") else { return main(words) }
        let arguments = words[(first == "port" ? 1 : 0)...]
        guard let settings = PortSettings(arguments: arguments) ?? (try? PortCommand.parse(Array(arguments)))?.settings
        else { return main(words) }
        do {
            try settings.run()
        } catch {
            exit(withError: error)
        }
    }

    /// Options of the port command and of `supervise` with a value, which getopt(3) also accepts without a blank.
    private static let shortOptions: Set<Character> = ["S", "n", "M", "m", "D"]

    /// Splits `-S127.0.0.1:1` into `-S` and `127.0.0.1:1`, and replaces a leading `-V` by `--version`. `-S=…` is left to
    /// the parser.
    static func splitShortOptions(_ arguments: [String]) -> [String] {
        guard let first = arguments.first else { return [] }
        if first == "-V" { return ["--version"] + arguments.dropFirst() }
        guard first.hasPrefix("-") || first == "port" || first == "supervise" else { return arguments }
        return arguments.flatMap { argument -> [String] in
            let characters = Array(argument.prefix(3))
            guard characters.count == 3, characters[0] == "-", shortOptions.contains(characters[1]),
                characters[2] != "="
            else { return [argument] }
            return [String(argument.prefix(2)), String(argument.dropFirst(2))]
        }
    }

    /// The program was called without arguments.
    private static func printShortHelp() {
        print(
            """
            usage: ttynvt-swift -S HOST:PORT -n NAME     create /dev/NAME for an RFC 2217 server
                   ttynvt-swift browse                   list the ports that servers announce
                   ttynvt-swift status                   show the status of the running ports

            ttynvt-swift --help lists all commands and options.
            """, to: &StandardError.stream)
        exit(withError: ExitCode.validationFailure)
    }
}
