// Command wormscope shows how far a network worm has got, from traffic alone.
package main

import "os"

func main() {
	os.Exit(profiled(func() int { return run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr) }))
}
