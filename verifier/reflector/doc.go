// Package reflector is a reflector for datagrams, and the client's half of its
// protocol: it sends back what is authenticated with a shared key, stamped with its
// clock and its counts, so that a client can measure a path in both directions.
//
// # What it is safe against
//
// A reflector stands on the open internet, so it must be of no use to strangers:
//
//   - It answers only datagrams that carry an HMAC under the shared key. To anybody
//     else it looks like a host that drops everything.
//   - It never amplifies: one answer a request, never longer than the request.
//   - A request that was recorded and is sent again gets nothing. A session belongs to
//     one source address and port, by a cookie that only that address was sent; within
//     a session each sequence number is answered once; cookies expire; a hello is
//     answered only near its time of sending.
//   - Answers are limited by rate, for each source prefix and in all. Refusals, which
//     are all that an old recording can cause, have a small rate of their own.
//   - State is bounded: sessions, waiting answers and rate limiters have maximum numbers.
//
// Who holds the key is trusted to measure, and no more: the limits hold for them too.
// The content is authenticated and not encrypted; it holds no secrets.
//
// # Datagrams, version 1
//
// Numbers are big-endian. A header of 104 bytes, padding of any length, and a MAC of
// 16 bytes: 120 bytes at least, 1,472 at most. The MAC is the first half of
// HMAC-SHA256 over everything before it.
//
//	offset  bytes
//	  0     4    "SPR" and the version, 1
//	  4     1    kind
//	  5     1    reason: why a request was refused; else 0
//	  6     2    0
//	  8     8    session: chosen by the client, at random
//	 16     8    cookie: chosen by the reflector
//	 24     4    sequence number of the request
//	 28     4    delay in ms, of a later
//	 32     8    sent: the client's clock, ns since 1970
//	 40     8    received: the reflector's clock when it read the request, ns since 1970
//	 48     8    answered: the reflector's clock when it wrote the answer
//	 56     8    seen: bit i says that request sequence-1-i had arrived before this one
//	 64     4    echo requests of the session that arrived, without duplicates
//	 68     4    datagrams of the session that arrived again
//	 72     4    requests of the session that arrived and were not answered for the rate limit
//	 76     4    answers of the session that wait for their time
//	 80    16    the source address that the reflector saw; IPv4 as ::ffff:a.b.c.d
//	 96     2    the source port that it saw
//	 98     6    0
//	104          padding, then the MAC
//
// Where the request has the room, welcome and tallied begin their padding with what
// versions before did not have, and left at 0:
//
//	104     4    datagrams that the reflector's system had no room for so far
//	108     1    1 where the next byte is known
//	109     1    DSCP of the session's last echo as it arrived; answers carry that of their request
//	110     2    0
//	112     8    what to add to the reflector's times for those of its wall clock, ns
//	120     8    how wrong that clock may be, ns; 0: not synchronized, or not known
//
// Requests leave what the reflector fills in at 0. Kinds:
//
//	1 hello    opens a session; answered by 2 welcome, which carries the cookie
//	3 echo     counted and sent back at once as 4 echoed
//	5 tally    not counted; answered by 6 tallied, with the counts of the session
//	7 later    answered by 8 delayed when the session has been silent for the delay:
//	           each further request of the session puts the answer off
//	9 refused  the answer to a request that cannot be served, 120 bytes, with a reason:
//	           1 clock: the hello is too old or from the future; received has the time
//	           2 session: the cookie is not for this source, or has expired
//	           3 busy: no room for more sessions or waiting answers
//	           4 delay: longer than the reflector allows
//
// An answer repeats session, sequence and sent of its request, and is as long as it;
// refused is as long as the shortest request.
//
// A later shows whether a NAT keeps a mapping: after the delay in silence, the answer
// finds its way only if the mapping still stands. Idle does that.
package reflector
