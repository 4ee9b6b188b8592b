package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// slack writes the payload of an incoming webhook: mrkdwn, in which &, < and > stand for themselves as entities only. Without
// that a name could hold a link, or call everybody in the channel (https://docs.slack.dev/messaging/formatting-message-text).
func slack(w words) ([]byte, error) {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
	var b strings.Builder
	fmt.Fprintf(&b, "*%s*", escape(w.verdict))
	for _, l := range w.lines {
		fmt.Fprintf(&b, "\n%s: %s", l.label, escape(l.text))
	}
	if w.link != "" {
		fmt.Fprintf(&b, "\n<%s|Status page>", strings.ReplaceAll(escape(w.link), "|", "%7C"))
	}
	return document(map[string]any{"text": b.String()})
}

// teams writes what the workflow trigger "When a Teams webhook request is received" takes: a message with one Adaptive Card. All
// text stands in TextRuns, for TextBlock and Fact read Markdown, links among it, and TextRun does not
// (https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features).
func teams(w words) ([]byte, error) {
	type run struct {
		Type   string `json:"type"`
		Text   string `json:"text"`
		Weight string `json:"weight,omitempty"`
		Size   string `json:"size,omitempty"`
	}
	type block struct {
		Type    string `json:"type"`
		Inlines []run  `json:"inlines"`
	}
	type action struct {
		Type  string `json:"type"`
		Title string `json:"title"`
		URL   string `json:"url"`
	}
	type card struct {
		Schema  string            `json:"$schema"`
		Type    string            `json:"type"`
		Version string            `json:"version"`
		Teams   map[string]string `json:"msteams"`
		Body    []block           `json:"body"`
		Actions []action          `json:"actions,omitempty"`
	}
	type attachment struct {
		ContentType string  `json:"contentType"`
		ContentURL  *string `json:"contentUrl"`
		Content     card    `json:"content"`
	}
	c := card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4", Teams: map[string]string{"width": "Full"},
		Body: []block{{"RichTextBlock", []run{{Type: "TextRun", Text: w.verdict, Weight: "Bolder", Size: "Medium"}}}},
	}
	for _, l := range w.lines {
		c.Body = append(c.Body, block{"RichTextBlock", []run{{Type: "TextRun", Text: l.label + ": ", Weight: "Bolder"}, {Type: "TextRun", Text: l.text}}})
	}
	if w.link != "" {
		c.Actions = []action{{"Action.OpenUrl", "Status page", w.link}}
	}
	return document(map[string]any{"type": "message", "attachments": []attachment{{"application/vnd.microsoft.card.adaptive", nil, c}}})
}

// document encodes without the escapes that JSON in HTML needs: they would make six bytes of each & and <.
func document(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
