package reflector_test

import (
	"context"
	"fmt"
	"net"

	"sallyport/verifier/reflector"
)

// A reflector on loopback, and a client that opens a session with it.
func Example() {
	key, err := reflector.ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=") // from a file, really
	if err != nil {
		panic(err)
	}
	sockets, err := reflector.Listen("127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := reflector.NewServer(key, reflector.Options{})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, sockets...) }()

	conn, err := net.Dial("udp", sockets[0].LocalAddr().String())
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	session, err := reflector.Open(ctx, conn, key, nil)
	if err != nil {
		panic(err)
	}
	fmt.Println("no NAT between:", session.Observed().String() == conn.LocalAddr().String())
	stop()
	fmt.Println(<-done, server.Counters().Answered)
	// Output:
	// no NAT between: true
	// <nil> 1
}
