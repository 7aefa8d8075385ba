package dev

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/term"
)

// tailEvent is what the node says of an execution: a line of its log, its start, its end.
type tailEvent struct {
	Kind           string    `json:"kind"` // log, execution.started, execution.ended
	ScriptName     string    `json:"script_name"`
	ExecutionID    string    `json:"execution_id"`
	Level          string    `json:"level"`
	Message        string    `json:"message"`
	At             time.Time `json:"at"`
	Dropped        int       `json:"dropped"`
	TriggerType    string    `json:"trigger_type"`
	Method         string    `json:"method"`
	Path           string    `json:"path"`
	EventType      string    `json:"event_type"`
	Attempt        int       `json:"attempt"`
	Status         string    `json:"status"`
	ResponseStatus int       `json:"response_status"`
	DurationMS     *float64  `json:"duration_ms"`
	ErrorCode      string    `json:"error_code"`
	Error          string    `json:"error"`
	ErrorStack     string    `json:"error_stack"`

	raw json.RawMessage
}

// tail follows the node's stream until ctx ends.
func tail(ctx context.Context, api *client.Client) <-chan tailEvent {
	events := make(chan tailEvent, 64)
	go func() {
		for ctx.Err() == nil {
			follow(ctx, api, events)
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return events
}

// follow reads one stream. When it ends, the next begins.
func follow(ctx context.Context, api *client.Client, to chan<- tailEvent) {
	resp, err := api.Send(ctx, client.Call{Method: http.MethodGet, Path: "/api/v1/logs/tail"})
	if err != nil {
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var e tailEvent
		if json.Unmarshal([]byte(data), &e) != nil || e.Kind == "" {
			continue // a notice of the stream
		}
		e.raw = json.RawMessage(strings.TrimSpace(data))
		select {
		case to <- e:
		case <-ctx.Done():
			return
		}
	}
}

// show writes an event.
func (l *Loop) show(e tailEvent) {
	if e.Kind == "execution.started" {
		return
	}
	if e.Kind == "execution.ended" {
		l.last = e.ExecutionID
	}
	l.tell(event{Event: "tail", Script: e.ScriptName, Tail: e.raw}, func() { l.print(e) })
}

func (l *Loop) print(e tailEvent) {
	at := term.Dim(e.At.Local().Format("15:04:05"))
	if e.Dropped > 0 {
		fmt.Fprintf(l.t.Out, "%s\n", term.Yellow(fmt.Sprintf("%d lines were left out: they came too fast", e.Dropped)))
	}
	if e.Kind == "log" {
		fmt.Fprintf(l.t.Out, "%s %s  %s %s\n", at, term.Dim(term.Line(e.ScriptName)), level(e.Level), indent(term.Clean(e.Message)))
		return
	}
	status := term.Status(e.Status)
	if e.ResponseStatus != 0 {
		status = fmt.Sprint(e.ResponseStatus)
		if e.Status != "completed" {
			status = term.Red(status + " " + e.Status)
		} else if e.ResponseStatus >= 400 {
			status = term.Yellow(status)
		} else {
			status = term.Green(status)
		}
	}
	took := ""
	if e.DurationMS != nil {
		took = term.Dim(fmt.Sprintf("%.1f ms", *e.DurationMS))
	}
	fmt.Fprintf(l.t.Out, "%s %s  %s  %s  %s\n", at, term.Bold(term.Line(e.ScriptName)), term.Line(e.trigger()), status, took)
	if e.Error != "" {
		text := e.Error
		if e.ErrorStack != "" {
			text = e.ErrorStack
		}
		if e.ErrorCode != "" && e.ErrorCode != "exception" {
			text = e.ErrorCode + ": " + text
		}
		for line := range strings.Lines(term.Clean(text)) {
			fmt.Fprintf(l.t.Out, "  %s\n", term.Red(strings.TrimRight(line, "\n")))
		}
	}
}

// trigger is what made the script run.
func (e tailEvent) trigger() string {
	switch {
	case e.Method != "":
		return e.Method + " " + e.Path
	case e.EventType != "":
		return "event " + e.EventType
	}
	return e.TriggerType
}

func level(name string) string {
	switch name {
	case "error":
		return term.Red(name)
	case "warn":
		return term.Yellow(name)
	case "debug":
		return term.Dim(name)
	}
	return term.Cyan(name)
}

// indent keeps the lines of a text below its first.
func indent(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}
