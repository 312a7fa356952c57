package ioc

import "errors"

// checkName reports what keeps a name from being canonical: lower-case ASCII
// labels of 1 to 63 bytes, two at least, without a dot at the end.
func checkName(name []byte) error {
	if len(name) == 0 || len(name) > maxName {
		return errors.New("not a name of 1 to 253 bytes")
	}
	labels, start := 1, 0
	for i, c := range name {
		switch {
		case c == '.':
			if i == start || i-start > 63 {
				return errLabel
			}
			labels, start = labels+1, i+1
		case c-'!' > '~'-'!' || c-'A' <= 'Z'-'A': // below '!' it is a large number
			return errors.New("a name with a byte that is not lower-case ASCII")
		}
	}
	if start == len(name) || len(name)-start > 63 {
		return errLabel
	}
	if labels < 2 {
		return errors.New("a name without a dot")
	}
	return nil
}

var errLabel = errors.New("a name with a label that is empty or longer than 63 bytes")
