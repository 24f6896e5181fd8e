package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// watchful is a transport that ends a try when nothing arrives for the time silence,
// neither headers nor body. http.Client has only a limit for the whole, which must
// leave time for a slow line.
type watchful struct {
	base    http.RoundTripper
	silence time.Duration
}

func (w watchful) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(w.silence, func() { cancel(silentError{w.silence}) })
	resp, err := w.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		timer.Stop()
		err = silenceOr(ctx, err)
		cancel(nil)
		return nil, err
	}
	timer.Reset(w.silence)
	resp.Request = req
	resp.Body = &watchedBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, timer: timer, silence: w.silence}
	return resp, nil
}

// watchedBody restarts the timer whenever bytes arrive.
//
// A try that was ended can still read a clean end: the server notices that the client
// closes, and properly ends a body that is incomplete. So the end of a body counts only
// if the try was not ended.
type watchedBody struct {
	io.ReadCloser
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	silence time.Duration
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.timer.Reset(b.silence)
	}
	switch {
	case err == io.EOF && b.ctx.Err() != nil:
		err = context.Cause(b.ctx)
	case err != nil && err != io.EOF:
		err = silenceOr(b.ctx, err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// silentError is an ErrTimeout.
type silentError struct{ after time.Duration }

func (e silentError) Error() string {
	return ErrTimeout.Error() + ": the server was silent for " + inWords(e.after)
}
func (e silentError) Unwrap() error { return ErrTimeout }

// silenceOr returns the timer's error if the timer ended the try, else err.
func silenceOr(ctx context.Context, err error) error {
	if silent := (silentError{}); errors.As(context.Cause(ctx), &silent) {
		return silent
	}
	return err
}
