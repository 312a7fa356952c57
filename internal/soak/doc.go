// Package soak has nothing but a test: a sensor runs for long while everything
// that can change under it (feeds, files, its interface) changes.
package soak
