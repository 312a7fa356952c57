package testnet

import (
	"errors"
	"testing"
	"time"
)

// Eventually calls check again and again until it returns no error. If that takes
// longer than Patience, the test fails with what was waited for and the last error.
func Eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	for end := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s: %v", Patience, what, err)
		}
	}
}

// Until is Eventually for a condition that says nothing of why it does not hold.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	Eventually(t, what, func() error {
		if !holds() {
			return errors.New("it does not hold")
		}
		return nil
	})
}
