// Package report writes a verifier.Report for people and for other programs:
//
//	WriteTable    a terminal: what to do first, then every check
//	WriteHTML     one page: a manager's summary, plots of media trains, details
//	WriteJUnit    continuous integration
//	WriteProm     node_exporter's textfile collector
//	WriteChanges  what changed since another report; WriteChangesJSON the same
//	WriteTrend    what a History of runs shows
//
// Report.WriteJSON of package verifier is the canonical form, from which the others
// derive. [Progress] shows a run while it goes on.
//
// Writers are pure: equal reports and options give equal bytes. A report may come from
// somebody else's file, and hosts, issuers and evidence from the network: every text
// is cleaned of control and invisible characters before it is written, and then escaped
// for its format. The error of a writer is that of w.
//
// Findings that share a Key, such as those of several addresses of a name, are one
// check in everything that counts over time (JUnit, Prometheus, trend); the worst
// counts for all. A check that is inconclusive or was not tried is never shown as
// passed.
package report
