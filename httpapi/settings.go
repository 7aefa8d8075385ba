package httpapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/text"
)

// HTTPSettings say whom the endpoint of a script admits, and which pages of other origins may read its answers.
type HTTPSettings struct {
	Auth *EndpointAuth `json:"auth,omitempty"`
	CORS EndpointCORS  `json:"cors,omitempty"`
}

// EndpointAuth says whom an endpoint admits.
type EndpointAuth struct {
	Type string `json:"type" enum:"none,api_key" doc:"none: everybody; api_key: who holds a key of the tenant."`
}

// EndpointCORS is {"origins", "methods", "headers", "expose_headers", "credentials", "max_age_seconds"}, or a boolean: whether any origin may read.
type EndpointCORS json.RawMessage

// Schema documents EndpointCORS.
func (EndpointCORS) Schema(huma.Registry) *huma.Schema {
	most, longest := 100, 255
	word := &huma.Schema{Type: huma.TypeString, MaxLength: &longest}
	words := func(doc string) *huma.Schema {
		return &huma.Schema{Description: doc, OneOf: []*huma.Schema{word, {Type: huma.TypeArray, Items: word, MaxItems: &most}}}
	}
	zero, day := 0.0, 86400.0
	s := &huma.Schema{
		Description: "Which pages of other origins may read the answers. true: all of them.",
		OneOf: []*huma.Schema{{Type: huma.TypeBoolean}, {
			Type: huma.TypeObject, AdditionalProperties: false,
			Properties: map[string]*huma.Schema{
				"origins": words("* by default."), "methods": words("Those of the endpoint by default."),
				"headers": words("Those that the browser asks for by default."), "expose_headers": words(""),
				"credentials":     {Type: huma.TypeBoolean},
				"max_age_seconds": {Type: huma.TypeInteger, Minimum: &zero, Maximum: &day},
			},
		}},
	}
	s.PrecomputeMessages()
	return s
}

// MarshalJSON writes the settings as they are.
func (c EndpointCORS) MarshalJSON() ([]byte, error) { return json.RawMessage(c).MarshalJSON() }

// UnmarshalJSON keeps the settings' bytes.
func (c *EndpointCORS) UnmarshalJSON(b []byte) error {
	*c = append((*c)[:0], b...)
	return nil
}

// RetrySettings say how often executions that failed are tried, and how long after each other.
type RetrySettings struct {
	MaxAttempts  *int     `json:"max_attempts,omitempty" minimum:"1" maximum:"25" nullable:"true" doc:"4 by default."`
	BackoffMS    *int     `json:"backoff_ms,omitempty" minimum:"0" maximum:"3600000" nullable:"true" doc:"After the first attempt; doubles with each. 2000 by default."`
	MaxBackoffMS *int     `json:"max_backoff_ms,omitempty" minimum:"0" maximum:"3600000" nullable:"true" doc:"What it doubles up to; an hour by default."`
	Jitter       *float64 `json:"jitter,omitempty" minimum:"0" maximum:"1" nullable:"true" doc:"The share by which a delay may be shorter or longer; 0.2 by default."`
}

// ScheduleSettings say what happens around the ticks of a schedule.
type ScheduleSettings struct {
	Overlap             *string `json:"overlap,omitempty" enum:"skip,queue_one,allow" nullable:"true" doc:"What becomes of a tick while the one before runs; skip by default."`
	Missed              *string `json:"missed,omitempty" enum:"run_once,skip,run_all" nullable:"true" doc:"What becomes of ticks that no node saw; run_once by default."`
	MissedWindowSeconds *int32  `json:"missed_window_seconds,omitempty" minimum:"0" maximum:"2592000" nullable:"true" doc:"Older ticks are not made up for; 3600 by default."`
	JitterSeconds       *int32  `json:"jitter_seconds,omitempty" minimum:"0" maximum:"3600" nullable:"true" doc:"By how much a tick may be late, so that many do not run at once; 0 by default."`
	RetryLost           *bool   `json:"retry_lost,omitempty" nullable:"true" doc:"Whether a tick whose worker was lost runs again; false by default."`
}

// settingsOf shows the settings that a script of the type has.
func (s *Script) settingsOf(http, retry, schedule json.RawMessage) {
	switch s.Type {
	case "http":
		s.HTTP = &HTTPSettings{Auth: &EndpointAuth{Type: string(catalog.AuthNone)}}
		if options, err := catalog.HTTPOf(http); err != nil {
			s.HTTP.Auth.Type = string(options.Auth) // as the endpoint behaves
		} else {
			_ = json.Unmarshal(http, s.HTTP)
		}
	case "scheduled":
		shown := scheduleOf(schedule)
		s.Schedule = &shown
		s.Retry = settingsGiven[RetrySettings](retry)
	case "event":
		s.Retry = settingsGiven[RetrySettings](retry)
	}
}

// scheduleOf reads a stored scripts.schedule, with the defaults of what is not there.
func scheduleOf(stored json.RawMessage) ScheduleSettings {
	overlap, missed, window, jitter, retryLost := "skip", "run_once", int32(3600), int32(0), false
	s := ScheduleSettings{Overlap: &overlap, Missed: &missed, MissedWindowSeconds: &window, JitterSeconds: &jitter, RetryLost: &retryLost}
	_ = json.Unmarshal(stored, &s) // what is not there stays
	return s
}

// storedSettings is an object of settings, as it is stored; nil is an empty one.
func storedSettings[T any](given *T) json.RawMessage {
	if given == nil {
		return json.RawMessage("{}")
	}
	raw, _ := json.Marshal(given)
	return mergePatch(nil, raw)
}

// settingsGiven are stored settings as an author gives them; nil where there are none.
func settingsGiven[T any](stored json.RawMessage) *T {
	given := new(T)
	if len(stored) <= 2 || json.Unmarshal(stored, given) != nil {
		return nil
	}
	return given
}

// checkSettings judges a script's settings by its type; the schema has judged their members one by one.
func checkSettings(d *draft) error {
	for _, s := range []struct {
		field  string
		stored json.RawMessage
		types  []string
	}{{"http", d.Http, []string{"http"}}, {"retry", d.Retry, []string{"event", "scheduled"}}, {"schedule", d.Schedule, []string{"scheduled"}}} {
		if len(s.stored) > 2 && !slices.Contains(s.types, d.Type) {
			return invalid("body."+s.field, "not for a script of type "+d.Type)
		}
	}
	if _, err := catalog.HTTPOf(d.Http); err != nil {
		field, message, _ := strings.Cut(err.Error(), ": ")
		return invalid("body."+field, text.Clip(message, 200))
	}
	return nil
}

// movedSettings are fields of a script that once stood in its metadata. There they would be read by nothing: a lock would stay open.
var movedSettings = map[string][]string{
	"http":     {"auth", "cors"},
	"retry":    {"max_attempts", "backoff_ms", "max_backoff_ms", "jitter"},
	"schedule": {"overlap", "missed", "missed_window", "missed_window_seconds", "jitter_seconds", "retry_lost"},
}

// checkMetadata refuses settings that are given as metadata, misspelt ones included. All else in metadata is the author's.
func checkMetadata(given Object) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(given.raw(), &members) != nil {
		return nil
	}
	for _, field := range []string{"http", "retry", "schedule"} {
		var settings map[string]json.RawMessage
		if json.Unmarshal(members[field], &settings) != nil {
			continue
		}
		for name := range settings {
			if known := text.Nearest(name, movedSettings[field]); known != "" {
				if known == "missed_window" {
					known = "missed_window_seconds"
				}
				return invalid("body.metadata."+field+"."+text.Clip(name, 80), fmt.Sprintf("metadata is free and read by nothing; did you mean %s? It belongs into the script's own field: body.%s.%s", known, field, known))
			}
		}
	}
	return nil
}
