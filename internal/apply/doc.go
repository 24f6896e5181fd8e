// Package apply loads outputs on the machine that it runs on, and takes a load back that is
// not confirmed.
//
//	plan -> begun -> loading -> loaded -> confirmed
//	                    |          |
//	                    +----------+----> undoing -> undone
//
// A run is one change of the machine: for each deploy block, the files that are loaded, and
// those that were loaded before. All of it is in the state folder before anything is
// touched, as plain data, so that a run can be undone without the policy and its feeds:
// blobs are files by their SHA-256, and the journal has a line for each step.
//
// A guard, a process of its own, is armed before the first load. It takes the run back if
// nobody confirms it in time, if the program that loads dies, or if a command hangs. If the
// guard dies too, the next run takes it back first. Whoever takes a run back writes
// "undoing" first, and whoever confirms it looks for that under the same lock, so that only
// one of them happens.
//
// Outputs are published into their folder before they are loaded, and the old ones again
// before a run is taken back: a machine that starts anew finds what was loaded last.
package apply
