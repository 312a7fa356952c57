// Package soak has a test alone: a sensor that runs for long, while all that
// changes under it does.
package soak
