//go:build !unix

package main

func checkLinks(string) error      { return nil }
func checkStateLinks(string) error { return nil }
