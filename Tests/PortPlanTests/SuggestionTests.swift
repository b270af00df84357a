import PortPlan
import Testing

/// Suggestions for mistyped words.
@Suite struct SuggestionTests {
    private static let commands = ["status", "browse", "probe", "supervise", "simulate", "pin"]

    @Test(arguments: [
        ("staus", "status"), ("statsu", "status"), ("borwse", "browse"), ("probee", "probe"), ("simulat", "simulate"),
        ("supervize", "supervise"),
    ])
    func aTypingError(_ word: String, _ meant: String) {
        #expect(Suggestion.nearest(to: word, among: Self.commands) == meant)
        #expect(Suggestion.text(for: word, among: Self.commands) == ": did you mean '\(meant)'?")
    }

    @Test(arguments: ["", "p", "xyz", "status-of-all", "ttyMIO04", String(repeating: "status", count: 100)])
    func anotherWord(_ word: String) { #expect(Suggestion.text(for: word, among: Self.commands) == "") }
}
