package httpapi

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/compile"
)

// Warning is about a source that was stored all the same.
type Warning struct {
	Location string `json:"location" doc:"source:LINE:COLUMN, or source where no place is known."`
	Message  string `json:"message"`
}

// Trial is a source that is to be loaded as its script would be.
type Trial struct {
	TenantID uuid.UUID
	Name     string
	Type     string
	Compiled *compile.Output
}

// trialTime is how long the author of a source waits for its trial. Where the workers have no time for it, there is none.
const trialTime = 5 * time.Second

// warnings says what is wrong with a source that compiles: what the compiler warns of, and a top level that fails, which would fail
// each execution.
func (a *API) warnings(ctx context.Context, t *Trial) []Warning {
	var out []Warning
	for _, d := range t.Compiled.Warnings {
		out = append(out, Warning{Location: d.Place(), Message: d.Message})
	}
	if a.cfg.TryLoad == nil {
		return out
	}
	ctx, cancel := context.WithTimeoutCause(ctx, trialTime, engine.WithoutGrace(errors.New("the trial takes too long")))
	defer cancel()
	res, err := a.cfg.TryLoad(ctx, t)
	if err != nil {
		return out // the workers are busy, or the client has left
	}
	switch res.Code {
	case engine.CodeNone, engine.CodeCancelled, engine.CodeWorkerLost:
		return out
	case engine.CodeHandlerMissing:
		return append(out, Warning{Location: "source", Message: "Each execution will fail: " + res.Message + "."})
	case engine.CodeExceededWallTime:
		return append(out, Warning{Location: "source", Message: "The top level takes long: it had not ended when its trial did. " + res.Message + "."})
	}
	w := Warning{Location: "source", Message: "The top level fails, so that each execution will: " + res.Message}
	if at := stackPlace.FindStringSubmatch(res.Stack); at != nil {
		w.Location += ":" + at[1] + ":" + at[2]
	}
	return append(out, w)
}

// stackPlace finds the place of a stack's first frame.
var stackPlace = regexp.MustCompile(`(?m)^\s+at .*?:(\d+):(\d+)\)?$`)
