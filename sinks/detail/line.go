package detail

import (
	"bytes"
	"encoding/json"

	"wormscope/internal/visible"
)

// Line encodes a document as JSON on one line without a newline. Names stay as
// they are: <, > and & are not escaped. What a terminal obeys, or turns text
// around, is: who looks at events sees what strangers wrote.
func Line(document any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		return nil, err
	}
	return visible.JSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}
