package measure

import (
	"fmt"

	"sallyport/verifier"
	"sallyport/verifier/media"
)

// mark judges whether the DSCP of a train survives to the reflector and back. It is false
// where the train had none.
func (opt Options) mark(base verifier.Finding, t *media.Train) (verifier.Finding, bool) {
	f := base
	f.Case = "dscp"
	sent := uint8(opt.DSCP)
	switch {
	case sent == 0:
		return f, false
	case !t.There.Marked:
		f.Outcome, f.Verdict = verifier.Unprobed, verifier.NotProbed
		f.Summary = fmt.Sprintf("%s: whether the mark of DSCP %d survives does not show: the reflector, or its system, does not tell", f.Target(), sent)
		return f, true
	case t.There.Mark != sent:
		f.Outcome = verifier.Warn
		f.Summary = fmt.Sprintf("%s: packets with DSCP %d arrive at the reflector with %d", f.Target(), sent, t.There.Mark)
	case t.Marked && t.Mark != sent:
		f.Outcome = verifier.Warn
		f.Summary = fmt.Sprintf("%s: the mark of DSCP %d arrives at the reflector, and answers with it come with %d", f.Target(), sent, t.Mark)
	case !t.Marked:
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("%s: the mark of DSCP %d arrives at the reflector; this system does not tell that of answers", f.Target(), sent)
	default:
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("%s: the mark of DSCP %d survives both ways", f.Target(), sent)
	}
	if f.Outcome == verifier.Warn {
		f.Remedy = "let the devices on the way trust the marks of this network, or mark again where they are taken off"
	}
	f.Note("the reflector sends answers with the mark that it sees")
	return f, true
}
