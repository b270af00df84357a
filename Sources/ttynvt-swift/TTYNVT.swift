import ArgumentParser

@main
struct TTYNVT: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ttynvt-swift",
        abstract: "Network serial ports as real character devices, over RFC 2217.",
        version: "0.1.0",
        subcommands: [Simulate.self])
}
