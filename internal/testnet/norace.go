//go:build !race

package testnet

// Race says that the race detector is on, which multiplies what memory and time
// things take: bounds on these hold without it.
const Race = false
