// Package media measures whether a path is good enough for calls: it sends a train of
// datagrams at the pace of audio to a reflector (package reflector), and judges what
// comes back against documented limits.
//
// Measure sends the train and returns raw samples; Train.Stats sums them up; Judge
// compares the sums with Limits; Assessment.Findings are its judgements as the findings
// of a verifier.Report. All but Measure are pure, so that kept samples can be judged
// again.
//
// # What is measured
//
//   - Round trip: from sending to receiving, without the time inside the reflector.
//     One-way latency is half of the round trip, because two clocks that are not
//     synchronized cannot tell more. Where both systems say that theirs are, the times
//     of each direction are told beside it.
//   - Loss, for each direction separately: the reflector counts, and each answer says
//     which of the 64 requests before it arrived there.
//   - Jitter: the interarrival jitter of RFC 3550 section 6.4.1, in order of arrival,
//     each direction by the clock of its receiver, so that the clocks' offset falls
//     out. A window's jitter is the mean of the running estimate over it.
//   - Reordering: the ratio of RFC 4737 section 4: packets that arrive with a
//     smaller number than one before them, among those that arrive.
//   - The sender's own lateness, because a train that is sent late measures the sender.
//
// # When a verdict is given
//
// No verdict is firmer than its samples.
//
//   - Loss and reordering are rates. They pass when the limit itself, as a true rate,
//     would show so few only once in 100 trains (an exact binomial test, which is the
//     Clopper-Pearson interval inverted), fail when it would show so many only
//     once in 100, and are inconclusive otherwise. With no loss at all, 1 % takes 459
//     packets to pass, 0.1 % takes 4,603, and 0.05 % of reordering 9,209.
//   - Loss in a burst is not a rate but what happened within 200 ms. At 50 packets a
//     second a window holds 10, so that one lost packet is 10 %: exactly the limit for
//     clients, and no finer step exists. So one lost packet is inconclusive, and two
//     in one window fail: even without one of them the limit would be reached. No loss
//     passes, if the limit is no finer than one packet of a window; 1 % would need
//     windows of 100 packets.
//   - The round trip passes when 95 of 100 packets are under the limit, and fails when
//     half of them are not.
//   - Jitter fails when a window's mean reaches the limit, passes when not even the
//     running estimate ever does, and is inconclusive between: the limit's page does
//     not say which of the two it means.
//   - Results are inconclusive where the train is shorter than the limit's window,
//     where the reflector held answers back, and where the sender was late by more than
//     a millisecond at the median and that may be the cause.
package media
