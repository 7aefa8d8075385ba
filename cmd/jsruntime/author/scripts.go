package author

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
)

// apiScript is what commands read of a script.
type apiScript struct {
	ID            string  `json:"id"`
	Name          string  `json:"name"`
	Type          string  `json:"type"`
	Status        string  `json:"status"`
	Version       int     `json:"version"`
	LatestVersion int     `json:"latest_version"`
	HTTPPath      *string `json:"http_path"`
}

// connectScript returns a client of the node that is meant, and the script of that name.
func (t *Target) connectScript(ctx context.Context, p *Program, name string) (*client.Client, *apiScript, error) {
	api, err := t.connect(p)
	if err != nil {
		return nil, nil, err
	}
	script, err := scriptNamed(ctx, api, name)
	return api, script, err
}

// scriptNamed finds a script by its name, or by its id.
func scriptNamed(ctx context.Context, api *client.Client, name string) (*apiScript, error) {
	var page struct {
		Items []apiScript `json:"items"`
	}
	if err := api.Get(ctx, "/api/v1/scripts", url.Values{"name": {name}, "limit": {"1"}}, &page); err != nil {
		return nil, err
	}
	if len(page.Items) == 0 {
		return nil, &client.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: fmt.Sprintf("script %s: there is none of this name", name)}
	}
	return &page.Items[0], nil
}

// scriptPath is the path of a script's route.
func scriptPath(s *apiScript, rest string) string {
	return "/api/v1/scripts/" + url.PathEscape(s.ID) + rest
}

// apiExecution is what commands read of an execution.
type apiExecution struct {
	ID          string          `json:"id"`
	ScriptID    string          `json:"script_id"`
	ScriptName  string          `json:"script_name"`
	Version     int             `json:"version"`
	Status      string          `json:"status"`
	TriggerType string          `json:"trigger_type"`
	TriggerData json.RawMessage `json:"trigger_data,omitempty"`
	Input       json.RawMessage `json:"input,omitempty"`
	Output      json.RawMessage `json:"output,omitempty"`
	HTTPStatus  *int            `json:"http_status"`
	Error       *string         `json:"error"`
	ErrorCode   *string         `json:"error_code"`
	Attempt     int             `json:"attempt"`
	Metrics     *apiMetrics     `json:"metrics"`
	QueuedAt    time.Time       `json:"queued_at"`
	CompletedAt *time.Time      `json:"completed_at"`
}

type apiMetrics struct {
	DurationMS      float64 `json:"duration_ms"`
	CPUMS           float64 `json:"cpu_ms"`
	QueueMS         float64 `json:"queue_ms"`
	ColdStart       bool    `json:"cold_start"`
	PeakMemoryBytes int     `json:"peak_memory_bytes"`
	APICalls        int     `json:"api_calls"`
	OutputBytes     int     `json:"output_bytes"`
	LogBytes        int     `json:"log_bytes"`
}

func (m *apiMetrics) line() string {
	if m == nil {
		return ""
	}
	start := "warm"
	if m.ColdStart {
		start = "cold"
	}
	return fmt.Sprintf("%.1f ms, %.1f ms CPU, %s memory, %d calls, %s start", m.DurationMS, m.CPUMS, size(m.PeakMemoryBytes), m.APICalls, start)
}

// apiLog is a line of an execution's log.
type apiLog struct {
	Seq     int       `json:"seq"`
	Level   string    `json:"level"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// logsOf reads an execution's log, oldest first.
func logsOf(ctx context.Context, api *client.Client, execution string) ([]apiLog, error) {
	var logs []apiLog
	err := eachPage(ctx, api, "/api/v1/executions/"+url.PathEscape(execution)+"/logs", nil, maxListed, func(l apiLog) { logs = append(logs, l) })
	return logs, err
}

// maxListed is how much of a list is read where no limit is given.
const maxListed = 10000

// eachPage calls do for the items of a list, page by page, up to limit.
func eachPage[T any](ctx context.Context, api *client.Client, path string, query url.Values, limit int, do func(T)) error {
	q := url.Values{}
	for name, values := range query {
		q[name] = values
	}
	for limit > 0 {
		q.Set("limit", fmt.Sprint(min(limit, 200)))
		var page struct {
			Items      []T     `json:"items"`
			NextCursor *string `json:"next_cursor"`
		}
		if err := api.Get(ctx, path, q, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			do(item)
		}
		if limit -= len(page.Items); page.NextCursor == nil || *page.NextCursor == "" {
			return nil
		}
		q.Set("cursor", *page.NextCursor)
	}
	return nil
}
