package httpapi

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/sqlc"
)

// Usage is what a tenant used from one day to another, both included.
type Usage struct {
	From  string     `json:"from" format:"date"`
	To    string     `json:"to" format:"date"`
	Items []UsageDay `json:"items" nullable:"false" doc:"Newest day first."`
	Total UsageSum   `json:"total"`
	// Storage is of now, whatever days are asked for.
	Storage Storage `json:"storage" doc:"What is stored now."`
	// Quotas are of their present periods, whatever days are asked for.
	Quotas []QuotaUsage `json:"quotas" nullable:"false" doc:"What is used of each quota in its present period."`
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
			return nil, invalid("query.to", notADate)
		}
	}
	from := to.AddDate(0, 0, -30)
	if in.From != "" {
		if from, err = time.Parse(time.DateOnly, in.From); err != nil {
			return nil, invalid("query.from", notADate)
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
	var stored Storage
	var quotas []QuotaUsage
	err = a.list(ctx, func(q *sqlc.Queries) error {
		if stored, err = a.storageOf(ctx, q, tenantOf(ctx)); err != nil {
			return err
		}
		if quotas, err = a.quotasOf(ctx, q, tenantOf(ctx)); err != nil {
			return err
		}
		rows, err = q.UsageList(ctx, sqlc.UsageListParams{TenantID: tenantOf(ctx), FromDay: from, ToDay: to, ScriptID: script, RowLimit: maxUsageRows})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := Usage{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), Items: []UsageDay{}, Total: UsageSum{Outcomes: map[string]int64{}}, Storage: stored, Quotas: quotas}
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

// TenantsUsage is what all tenants used in a month.
type TenantsUsage struct {
	Period string        `json:"period" example:"2026-11"`
	Items  []TenantUsage `json:"items" nullable:"false" doc:"By tenant_id."`
}

// TenantUsage is what one tenant used. A tenant that was deleted has no slug and no name.
type TenantUsage struct {
	TenantID uuid.UUID `json:"tenant_id" format:"uuid"`
	Slug     *string   `json:"slug"`
	Name     *string   `json:"name"`
	Deleted  bool      `json:"deleted"`
	UsageSum
}

type tenantsUsageIn struct {
	Accept string `header:"Accept" doc:"text/csv gives one line for each tenant, for a spreadsheet; JSON otherwise."`
	Period string `query:"period" maxLength:"7" doc:"A month (UTC), such as 2026-11; the current one by default."`
}

type tenantsUsageOut struct {
	ContentType string `header:"Content-Type"`
	Vary        string `header:"Vary"`
	Body        []byte
}

func (a *API) tenantsUsage(ctx context.Context, in *tenantsUsageIn) (*tenantsUsageOut, error) {
	month := time.Now().UTC()
	if in.Period != "" {
		var err error
		if month, err = time.Parse("2006-01", in.Period); err != nil {
			return nil, invalid("query.period", "must be a month, such as 2026-11")
		}
	}
	from := time.Date(month.Year(), month.Month(), 1, 0, 0, 0, 0, time.UTC)
	out := TenantsUsage{Period: from.Format("2006-01"), Items: []TenantUsage{}}
	var rows []sqlc.UsageOfTenantsRow
	err := a.listOperator(ctx, func(q *sqlc.Queries) (err error) {
		rows, err = q.UsageOfTenants(ctx, sqlc.UsageOfTenantsParams{FromDay: from, ToDay: from.AddDate(0, 1, -1), RowLimit: maxUsageRows})
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if n := len(out.Items); n == 0 || out.Items[n-1].TenantID != r.TenantID {
			out.Items = append(out.Items, TenantUsage{TenantID: r.TenantID, Slug: r.Slug, Name: r.Name, Deleted: r.Slug == nil})
		}
		out.Items[len(out.Items)-1].add(sqlc.UsageListRow{
			Outcome: r.Outcome, Executions: r.Executions, CpuMs: r.CpuMs, DurationMs: r.DurationMs, MemoryByteMs: r.MemoryByteMs,
			EgressBytes: r.EgressBytes, ApiCalls: r.ApiCalls,
		})
	}
	answer := &tenantsUsageOut{ContentType: "application/json", Vary: "Accept"}
	if prefersCSV(in.Accept) {
		answer.ContentType = "text/csv; charset=utf-8; header=present"
		answer.Body, err = out.csv()
	} else {
		answer.Body, err = json.Marshal(out)
	}
	return answer, err
}

// prefersCSV reports whether a client takes CSV more gladly than JSON (RFC 9110, 12.5.1): a range of all types stands for JSON.
func prefersCSV(accept string) bool {
	table, others := 0.0, 0.0
	for element := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(element, ";")
		q := 1.0
		for parameter := range strings.SplitSeq(parameters, ";") {
			if key, _, _ := strings.Cut(parameter, "="); strings.EqualFold(strings.TrimSpace(key), "q") {
				q = quality(parameter)
			}
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "text/csv", "text/*":
			table = max(table, q)
		case "application/json", "application/*":
			others = max(others, q)
		}
	}
	return table > others
}

// csv is one line for each tenant, after a line of names (RFC 4180).
func (u *TenantsUsage) csv() ([]byte, error) {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	w.UseCRLF = true
	_ = w.Write([]string{"period", "tenant_id", "slug", "name", "deleted", "executions", "completed", "cpu_ms", "duration_ms", "memory_byte_ms", "egress_bytes", "api_calls"})
	cell := func(s *string) string {
		switch {
		case s == nil || *s == "":
			return ""
		case strings.ContainsRune("=+-@\t\r", rune((*s)[0])):
			return "'" + *s // a spreadsheet would take it for a formula
		}
		return *s
	}
	float := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	for _, t := range u.Items {
		_ = w.Write([]string{
			u.Period, t.TenantID.String(), cell(t.Slug), cell(t.Name), strconv.FormatBool(t.Deleted), strconv.FormatInt(t.Executions, 10),
			strconv.FormatInt(t.Outcomes["completed"], 10), float(t.CPUMS), float(t.DurationMS), float(t.MemoryByteMS),
			strconv.FormatInt(t.EgressBytes, 10), strconv.FormatInt(t.APICalls, 10),
		})
	}
	w.Flush()
	return text.Bytes(), w.Error()
}
