package main

// policySetting is what must be closed between zones.
type policySetting struct{}
