import ArgumentParser

struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Serve virtual COM ports over RFC 2217.")

    func run() throws {}
}
