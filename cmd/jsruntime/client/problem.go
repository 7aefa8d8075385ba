package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Problem is an answer that is no success.
type Problem struct {
	Status      int     `json:"status"`
	Code        string  `json:"code"`
	Title       string  `json:"title,omitempty"`
	Detail      string  `json:"detail"`
	ExecutionID string  `json:"execution_id,omitempty"`
	Errors      []Wrong `json:"errors,omitempty"`
}

// Wrong is one thing that is wrong with a request.
type Wrong struct {
	Location string `json:"location"` // source:LINE:COLUMN, or a field like body.http_path
	Message  string `json:"message"`
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	if p.Code != "" {
		fmt.Fprintf(&b, " (%s)", p.Code)
	}
	for _, e := range p.Errors {
		if line := e.Location + ": " + e.Message; !strings.Contains(p.Detail, line) {
			b.WriteString("\n  " + line)
		}
	}
	return b.String()
}

// JSON is the problem for programs.
func (p *Problem) JSON() any { return p }

// readProblem reads an answer that is no success, and closes it.
func readProblem(resp *http.Response) *Problem {
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem)) // the status says enough
	p := &Problem{}
	if json.Unmarshal(text, p) != nil || p.Detail == "" && p.Title == "" {
		p = &Problem{Title: resp.Status}
		if resp.StatusCode/100 == 3 {
			p.Detail = fmt.Sprintf("the node answered %s and points elsewhere: give the URL that it points to", resp.Status)
		}
	}
	p.Status = resp.StatusCode
	if p.Detail == "" {
		p.Detail = p.Title
	}
	if p.Detail == "" {
		p.Detail = resp.Status
	}
	if resp.StatusCode == http.StatusUnauthorized {
		p.Detail += " The key is unknown, or has expired."
	}
	return p
}
