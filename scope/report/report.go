// Package report renders the scope document as an incident report: one HTML
// file that needs nothing else, for the person who decides and for the analyst
// who must believe it. It loads nothing, from the network or from disk, and
// its Content-Security-Policy holds it to that. Without JavaScript it still
// shows everything but the hosts beyond the first 200.
//
// The report follows from the document alone: the same document gives the same
// bytes.
//
// newPage, in page.go, works out what the templates show (page.gohtml, parts.gohtml):
// what to do (advice.go), the growth of the outbreak (curve.go), who infected whom
// (forest.go, made small enough by fold.go and laid out by tree.go), who attacked whom
// by zone (matrix.go), and the table of hosts that report.js draws (data.go).
package report

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"io"

	"wormscope/internal/plural"
	"wormscope/scope"
)

// Options are the settings of a report. The zero value is ready to use.
type Options struct {
	// Version is the version of the program, named at the end; empty to leave
	// it out.
	Version string
}

//go:embed page.gohtml parts.gohtml report.css report.js
var files embed.FS

// Write writes the report on a document to w. It reads no more of the document
// than what its JSON form holds, so that a document that was read back gives
// the same report. The size is bounded whatever the document holds: see
// maxHosts, maxData and maxListed.
func Write(w io.Writer, doc *scope.Document, o Options) error {
	if doc == nil {
		return errors.New("no scope document")
	}
	t, err := template.New("page.gohtml").Funcs(template.FuncMap{
		"number": grouped[uint64], "count": grouped[int], "clock": clock, "clean": clean, "percent": percent, "plural": plural.Word[uint64],
	}).ParseFS(files, "page.gohtml", "parts.gohtml")
	if err != nil {
		return err
	}
	p, err := newPage(doc, o)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	if err := t.Execute(out, p); err != nil {
		return err
	}
	return out.Flush()
}

// readEmbedded returns the style sheet and the script, and a Content-Security-Policy
// that lets these two run, by their hashes, and nothing else: not even what a name
// from the wire might smuggle into the page.
func readEmbedded() (style template.CSS, script template.JS, policy string, err error) {
	css, err := files.ReadFile("report.css")
	if err != nil {
		return "", "", "", err
	}
	js, err := files.ReadFile("report.js")
	if err != nil {
		return "", "", "", err
	}
	policy = "default-src 'none'; style-src " + hashSource(css) + "; script-src " + hashSource(js) +
		"; img-src data:; base-uri 'none'; form-action 'none'"
	return template.CSS(css), template.JS(js), policy, nil //nolint:gosec // G203: our own files, embedded when built
}

// hashSource returns the hash of a text as Content-Security-Policy writes it.
func hashSource(text []byte) string {
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
