package publish

// Recover puts in place what a former run in dir had published but did not
// finish, sweeps what it had only begun, and returns the paths put in place.
// Publish begins so. It does nothing where dir is missing or clean.
func Recover(dir string) ([]string, error) {
	p := publisher{dir: dir, wait: lockWait}
	if missing(dir) {
		return nil, nil
	}
	if err := p.open(); err != nil {
		return nil, err
	}
	defer p.root.Close()
	if !p.leftovers() {
		return nil, nil
	}
	release, err := p.lock()
	if err != nil {
		return nil, err
	}
	defer release()
	return p.recover()
}
