import Testing

@testable import Platform

@Suite struct PlaceholderPlatform {
    @Test func placeholder() {}
}
