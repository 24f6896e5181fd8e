package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// An Answer is what a service started by [Host.AnswerUDP] or [Host.AnswerTCP]
// says: one line of text, then the bytes that it was sent.
type Answer struct {
	Asked  netip.AddrPort // the address at which the service was asked
	Client netip.AddrPort // the client as the service saw it
	Echo   []byte         // what the client sent
}

// answerLine is the first line of an answer, with its newline.
func answerLine(asked, client netip.AddrPort) []byte {
	return fmt.Appendf(nil, "asked=%s client=%s\n", asked, client)
}

// ParseAnswer reads an answer, such as a whole datagram.
func ParseAnswer(b []byte) (Answer, error) {
	line, echo, ok := bytes.Cut(b, []byte("\n"))
	asked, client, ok2 := strings.Cut(string(line), " client=")
	asked, ok3 := strings.CutPrefix(asked, "asked=")
	if !ok || !ok2 || !ok3 {
		return Answer{}, fmt.Errorf("not an answer of the lab: %.80q", b)
	}
	a := Answer{Echo: echo}
	var err error
	if a.Asked, err = netip.ParseAddrPort(asked); err != nil {
		return Answer{}, fmt.Errorf("answer: %w", err)
	}
	if a.Client, err = netip.ParseAddrPort(client); err != nil {
		return Answer{}, fmt.Errorf("answer: %w", err)
	}
	return a, nil
}

// Exchange sends payload over conn, which leads to a service of the lab, and
// returns its answer. The caller sets deadlines and closes conn. A stream is
// closed for writing after payload. An error keeps its cause: a refusal is
// syscall.ECONNREFUSED, silence os.ErrDeadlineExceeded.
func Exchange(conn net.Conn, payload []byte) (Answer, error) {
	stream, ok := conn.(*net.TCPConn)
	if !ok {
		if _, err := conn.Write(payload); err != nil {
			return Answer{}, err
		}
		buf := make([]byte, 1<<16)
		n, err := conn.Read(buf)
		if err != nil {
			return Answer{}, err
		}
		return ParseAnswer(buf[:n])
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := stream.Write(payload)
		wrote <- errors.Join(err, stream.CloseWrite())
	}()
	b, err := io.ReadAll(stream)
	if err != nil {
		stream.Close() // ends the writer
		<-wrote
		return Answer{}, err
	}
	if err := <-wrote; err != nil {
		return Answer{}, err
	}
	return ParseAnswer(b)
}

// Ask sends payload from the host to a service of the lab at to, over "udp" or
// "tcp", and waits for its answer. timeout bounds the connection and the
// exchange together. Nothing is sent twice, except by TCP itself.
func (h *Host) Ask(network string, to netip.AddrPort, payload []byte, timeout time.Duration) (Answer, error) {
	deadline := time.Now().Add(timeout)
	conn, err := h.Dial(&net.Dialer{Deadline: deadline}, network, to.String())
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return Answer{}, err
	}
	return Exchange(conn, payload)
}
