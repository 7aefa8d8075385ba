package httpapi

import (
	"context"
	"time"

	"github.com/google/uuid"

	"jsruntime/sqlc"
)

// Usage is what a tenant used from one day to another, both included.
type Usage struct {
	From  string     `json:"from" format:"date"`
	To    string     `json:"to" format:"date"`
	Items []UsageDay `json:"items" nullable:"false" doc:"Newest day first."`
	Total UsageSum   `json:"total"`
}

// UsageDay is what one script used on one day (UTC).
type UsageDay struct {
	Day        string    `json:"day" format:"date"`
	ScriptID   uuid.UUID `json:"script_id" format:"uuid"`
	ScriptName string    `json:"script_name" doc:"Empty once the script is deleted."`
	UsageSum
}

// UsageSum sums executions.
type UsageSum struct {
	Executions   int64            `json:"executions"`
	Outcomes     map[string]int64 `json:"outcomes" doc:"Executions by outcome: completed, or the error code."`
	CPUMS        float64          `json:"cpu_ms"`
	DurationMS   float64          `json:"duration_ms"`
	MemoryByteMS float64          `json:"memory_byte_ms" doc:"Peak memory times duration."`
	EgressBytes  int64            `json:"egress_bytes"`
	APICalls     int64            `json:"api_calls"`
}

func (s *UsageSum) add(r sqlc.UsageListRow) {
	if s.Outcomes == nil {
		s.Outcomes = map[string]int64{}
	}
	s.Executions += r.Executions
	s.Outcomes[r.Outcome] += r.Executions
	s.CPUMS += r.CpuMs
	s.DurationMS += r.DurationMs
	s.MemoryByteMS += r.MemoryByteMs
	s.EgressBytes += r.EgressBytes
	s.APICalls += r.ApiCalls
}

type usageIn struct {
	From     string `query:"from" format:"date" doc:"First day (UTC); 30 days before to by default."`
	To       string `query:"to" format:"date" doc:"Last day (UTC); today by default."`
	ScriptID string `query:"script_id" maxLength:"64"`
}

// maxUsageDays and maxUsageRows bound one answer.
const (
	maxUsageDays = 366
	maxUsageRows = 100_000
)

func (a *API) usage(ctx context.Context, in *usageIn) (*found[Usage], error) {
	to := time.Now().UTC().Truncate(24 * time.Hour)
	var err error
	if in.To != "" {
		if to, err = time.Parse(time.DateOnly, in.To); err != nil {
			return nil, invalid("query.to", "not a date")
		}
	}
	from := to.AddDate(0, 0, -30)
	if in.From != "" {
		if from, err = time.Parse(time.DateOnly, in.From); err != nil {
			return nil, invalid("query.from", "not a date")
		}
	}
	if from.After(to) || to.Sub(from) > maxUsageDays*24*time.Hour {
		return nil, invalid("query.from", "must be before to, by at most 366 days")
	}
	script, err := givenID("script_id", in.ScriptID)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.UsageListRow
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err = q.UsageList(ctx, sqlc.UsageListParams{TenantID: tenantOf(ctx), FromDay: from, ToDay: to, ScriptID: script, RowLimit: maxUsageRows})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := Usage{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), Items: []UsageDay{}, Total: UsageSum{Outcomes: map[string]int64{}}}
	for _, r := range rows {
		day := r.Day.Format(time.DateOnly)
		if n := len(out.Items); n == 0 || out.Items[n-1].Day != day || out.Items[n-1].ScriptID != r.ScriptID {
			out.Items = append(out.Items, UsageDay{Day: day, ScriptID: r.ScriptID, ScriptName: r.ScriptName})
		}
		out.Items[len(out.Items)-1].add(r)
		out.Total.add(r)
	}
	return &found[Usage]{out}, nil
}
