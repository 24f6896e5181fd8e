package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport/internal/errqueue"
	"sallyport/verifier"
)

// queryTries is how often a question is sent before a name server is silent.
const queryTries = 3

// A queried is the outcome of one question to one name server.
type queried struct {
	answer dnsAnswer
	ok     bool // there is an answer
	took   time.Duration
	ruling ruling // when there is none
}

// answered is how long an answer took; 0 where there is none.
func (q *queried) answered() time.Duration {
	if !q.ok {
		return 0
	}
	return q.took
}

// query asks one name server one question, over UDP and, when the answer does not
// fit, over TCP.
func (e *env) query(ctx context.Context, server netip.AddrPort, name string, typ dnsmessage.Type) queried {
	id := uint16(rand.Uint32())
	msg, q, err := question(id, name, typ)
	if err != nil {
		return queried{ruling: ruling{verdict: verifier.Inconclusive, why: err.Error()}}
	}
	began := time.Now()
	out := e.queryUDP(ctx, server, msg, id, q)
	out.took = time.Since(began)
	if !out.ok || !out.answer.truncated {
		return out
	}
	a, err := e.queryTCP(ctx, server, msg, id, q)
	if err != nil {
		return queried{ruling: ruling{verdict: verifier.Inconclusive,
			why: fmt.Sprintf("the answer is too long for UDP, and over TCP there is none: %v", err)}}
	}
	return queried{answer: a, ok: true, took: time.Since(began)}
}

func (e *env) queryUDP(ctx context.Context, server netip.AddrPort, msg []byte, id uint16, q dnsmessage.Question) queried {
	conn, err := e.net.DialUDP(ctx, server, errqueue.Options{})
	if err != nil {
		return queried{ruling: e.dialFailed(err, server).ruling}
	}
	defer conn.Close()
	out := queried{ruling: ruling{verdict: verifier.Silent, why: fmt.Sprintf("asked %s, nothing came back", times(queryTries))}}
	buf := make([]byte, 1<<16)
	for range queryTries {
		sent := time.Now()
		if err := conn.SetReadDeadline(sent.Add(e.timers.Query)); err != nil {
			break
		}
		_, err := conn.Write(msg)
		for err == nil {
			var n int
			if n, err = conn.Read(buf); err != nil {
				break
			}
			// Datagrams that are no answer to the question, such as forged ones, are ignored.
			if a, err := readDNS(buf[:n], id, q); err == nil {
				return queried{answer: a, ok: true}
			}
		}
		if x, ok := asError(err); ok {
			out.ruling = e.judge(sign{err: x, lag: time.Since(sent)}, server.Addr())
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			out.ruling = ruling{verdict: verifier.Inconclusive, why: fmt.Sprintf("the socket failed: %v", err)}
			break
		}
		if ctx.Err() != nil || !sleep(ctx, time.Until(sent.Add(e.timers.Query/4))) {
			break
		}
	}
	return out
}

func (e *env) queryTCP(ctx context.Context, server netip.AddrPort, msg []byte, id uint16, q dnsmessage.Question) (dnsAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, e.timers.Query*queryTries)
	defer cancel()
	conn, err := e.net.DialTCP(ctx, server, errqueue.Options{})
	if err != nil {
		return dnsAnswer{}, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return dnsAnswer{}, err
		}
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)); err != nil {
		return dnsAnswer{}, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return dnsAnswer{}, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, b); err != nil {
		return dnsAnswer{}, err
	}
	return readDNS(b, id, q)
}
