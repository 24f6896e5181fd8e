package fetch

import "os"

// What only tests look at.

// Dir is the cache's folder. It may not exist.
func (c *Cache) Dir() string { return c.dir }

// Raw returns the file, unpacked. From the cache, and where what was compiled of a user's
// file is used, it is read only now, which can fail. The caller must not change it.
func (r *Result) Raw() ([]byte, error) {
	if r.raw == nil && !r.FromCache && r.compiled != nil {
		raw, err := os.ReadFile(r.From)
		if err != nil {
			return nil, err
		}
		return unpack(raw, DefaultMaxBytes)
	}
	if r.raw == nil && r.entry != nil {
		raw, err := r.entry.raw()
		if err != nil {
			return nil, &Error{Feed: r.Name, Err: err, Hint: "fetch the feed again with --refresh"}
		}
		return raw, nil
	}
	return r.raw, nil
}
