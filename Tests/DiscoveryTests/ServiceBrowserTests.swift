import SerialLine
import SystemBus
import Testing

@testable import Discovery

struct ServiceBrowserTests {
    private let start = MonotonicTime(nanoseconds: .seconds(1000))

    private func itemNew(flags: BusValue, type: String = "_ttynvt._tcp") -> [BusValue] {
        [.int32(2), .int32(1), .string("a"), .string(type), .string("local"), flags]
    }

    @Test func whatAnItemSays() {
        let type = "_ttynvt._tcp"
        let item = ServiceItem(ServiceKey(name: "a", type: type, domain: "local"), interface: 2, transport: 1)
        #expect(ServiceBrowser.item(itemNew(flags: .uint32(0)), type) == item)
        #expect(ServiceBrowser.item(itemNew(flags: .uint32(0), type: "_TTYNVT._tcp."), type) == item)
        #expect(ServiceBrowser.item(itemNew(flags: .uint32(0), type: "_ssh._tcp"), type) == nil)
        #expect(ServiceBrowser.item([], type) == nil)
        // AVAHI_LOOKUP_RESULT_CACHED, _MULTICAST, _LOCAL and _OUR_OWN.
        for (flags, isLocal) in [(0, false), (1, false), (1 | 4, false), (8, true), (4 | 8 | 16, true)] {
            #expect(ServiceBrowser.isLocal(itemNew(flags: .uint32(UInt32(flags)))) == isLocal, "\(flags)")
        }
        #expect(ServiceBrowser.isLocal(itemNew(flags: .string("0"))))
    }

    @Test func aListingEndsWhenAllIsResolvedOrItsPatienceIsOver() {
        var schedule = ListingSchedule(settling: .seconds(1))
        schedule.begin(start)
        #expect(schedule.end(isSettled: true) == nil && schedule.awaits(start + .seconds(30)))
        schedule.heardAll(start + .seconds(2))
        schedule.heardAll(start + .seconds(9))
        #expect(schedule.end(isSettled: true) == start + .seconds(3))
        #expect(schedule.end(isSettled: false) == start + .seconds(63))
        #expect(schedule.awaits(start + .milliseconds(2900)) && !schedule.awaits(start + .seconds(3)))
        schedule.begin(start + .seconds(100))
        #expect(schedule.end(isSettled: true) == nil && schedule.awaits(start + .seconds(100)))
    }

    @Test func allIsListedAnewUntilNothingIsPassedOver() {
        var schedule = ListingSchedule(settling: 0)
        schedule.begin(start)
        for pause in [10, 20, 40, 80, 80, 80] as [UInt64] {
            schedule.ended(overflow: 7)
            #expect(schedule.next(overflow: 7) == start + .seconds(pause))
        }
        schedule.ended(overflow: 0)
        #expect(schedule.next(overflow: 0) == nil)
        // Something is passed over after a listing that was complete.
        #expect(schedule.next(overflow: 1) == start + .seconds(5))
    }
}
