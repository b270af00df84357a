/// Suggests a word for a mistyped one.
package enum Suggestion {
    /// Longest word that is compared, in bytes.
    private static let longest = 40

    /// The candidate with the fewest edits from `word`, to print behind a message; empty if none is similar.
    package static func text(for word: String, among candidates: some Sequence<String>) -> String {
        nearest(to: word, among: candidates).map { ": did you mean '\($0)'?" } ?? ""
    }

    /// The candidate with the fewest edits from `word`: at most two, and fewer than half of the word.
    package static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
        guard word.utf8.count <= longest else { return nil }
        let most = min(2, (word.utf8.count - 1) / 2)
        return candidates.map { (word: $0, distance: distance(Array(word.utf8), Array($0.utf8))) }
            .filter { $0.distance <= most }
            .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
    }

    /// Insertions, deletions, replacements and exchanges of neighbours that turn `a` into `b` (optimal string alignment).
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var before: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, before[j - 1] + 1) }
                row.append(best)
            }
            (before, last) = (last, row)
        }
        return last[b.count]
    }
}
