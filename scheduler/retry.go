package scheduler

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"example.com/jsruntime/engine"
)

// Bounds of a script's retry.
const (
	defaultAttempts = 4 // the first, and again after 2 s, 4 s and 8 s
	maxAttempts     = 25
	defaultBackoff  = 2 * time.Second
	maxBackoff      = time.Hour
	defaultJitter   = 0.2
)

// policy says how often a script's executions are tried, and how long after each other.
type policy struct {
	attempts   int
	backoff    time.Duration // after the first attempt; doubles with each
	maxBackoff time.Duration // of what has doubled
	jitter     float64       // the share by which a delay is shorter or longer, so that what failed together does not come back together
	explicit   bool          // the script names it
	retryLost  bool          // a tick whose worker was lost runs again
}

// policyOf reads a stored scripts.retry {max_attempts, backoff_ms, max_backoff_ms, jitter}. What is missing or makes no sense has the default.
func policyOf(retry json.RawMessage, retryLost bool) policy {
	p := policy{attempts: defaultAttempts, backoff: defaultBackoff, maxBackoff: maxBackoff, jitter: defaultJitter, retryLost: retryLost}
	var given struct {
		MaxAttempts  *float64 `json:"max_attempts"`
		BackoffMs    *float64 `json:"backoff_ms"`
		MaxBackoffMs *float64 `json:"max_backoff_ms"`
		Jitter       *float64 `json:"jitter"`
	}
	if json.Unmarshal(retry, &given) != nil {
		return p
	}
	if given.MaxAttempts != nil && *given.MaxAttempts >= 1 {
		p.explicit = true
		p.attempts = int(math.Min(*given.MaxAttempts, maxAttempts))
	}
	if given.BackoffMs != nil && *given.BackoffMs >= 0 {
		p.explicit = true
		p.backoff = min(time.Duration(math.Min(*given.BackoffMs, 1e9))*time.Millisecond, maxBackoff)
	}
	if given.MaxBackoffMs != nil && *given.MaxBackoffMs >= 0 {
		p.explicit = true
		p.maxBackoff = min(time.Duration(math.Min(*given.MaxBackoffMs, 1e9))*time.Millisecond, maxBackoff)
	}
	if given.Jitter != nil && *given.Jitter >= 0 && *given.Jitter <= 1 {
		p.explicit = true
		p.jitter = *given.Jitter
	}
	return p
}

// delay is the time from the end of an attempt to the next: doubling up to a bound, within the jitter around that.
func (p policy) delay(attempt int) time.Duration {
	d := float64(p.backoff) * math.Pow(2, float64(attempt-1))
	d = math.Min(d, float64(p.maxBackoff))
	return time.Duration(d * (1 - p.jitter + 2*p.jitter*rand.Float64()))
}

// action is what becomes of an execution that came back from the Executor.
type action int

const (
	actionEnd        action = iota // the ending is written, and that is all
	actionRetry                    // … and the next attempt is queued
	actionDeadLetter               // … and it becomes a dead letter
	actionResolve                  // … and the dead letter that it was a redrive of is removed
	actionKeepLetter               // … and that dead letter keeps the newer error
	actionGiveBack                 // no ending: it goes back to the queue, as if it had not run
	actionLost                     // no ending: it goes back to the queue, with lost_count + 1
	actionDrop                     // nothing is written: the lease is another node's
)

// attempt is what decide looks at.
type attempt struct {
	trigger   engine.Trigger
	number    int
	lostCount int
	redrive   bool
	refused   bool  // something that it asked for was not done, for want of a lease
	cause     error // of the cancellation
}

// decide says what becomes of an execution. It is a function of its arguments only.
func decide(a attempt, res *engine.Result, p policy) action {
	tick := a.trigger == engine.TriggerCron
	switch {
	case a.refused, res.Code == engine.CodeCancelled && errors.Is(a.cause, errLeaseLost):
		return actionDrop
	case res.Code == engine.CodeCancelled && errors.Is(a.cause, errDrained) && (!tick || p.retryLost || !res.Began):
		return actionGiveBack
	case res.Code == engine.CodeOverloaded, res.Code == engine.CodeConcurrencyLimit, res.Code == engine.CodeQuotaExceeded:
		return actionGiveBack
	case res.Code == engine.CodeWorkerLost && a.lostCount < maxLost && (!tick || p.retryLost || !res.Began):
		return actionLost
	case a.redrive && res.Code == engine.CodeNone:
		return actionResolve
	case a.redrive:
		return actionKeepLetter
	case res.Code == engine.CodeNone, res.Code == engine.CodeCancelled:
		return actionEnd
	}
	return decideFailed(a, res, p)
}

// decideFailed says what becomes of an execution that the script failed.
func decideFailed(a attempt, res *engine.Result, p policy) action {
	again := res.Code.Retryable() && !res.Code.Ours() && !res.NoRetry && a.number < p.attempts
	switch {
	case a.trigger == engine.TriggerEvent && again:
		return actionRetry
	case a.trigger == engine.TriggerEvent:
		return actionDeadLetter
	case (a.trigger == engine.TriggerCron || a.trigger == engine.TriggerHTTP) && p.explicit && again: // runs by hand are looked at by the person who started them
		return actionRetry
	}
	return actionEnd
}
