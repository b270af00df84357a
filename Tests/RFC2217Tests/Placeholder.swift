import Testing

@testable import RFC2217

@Suite struct PlaceholderRFC2217 {
    @Test func placeholder() {}
}
