package quota

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

const (
	// refreshEvery is how often what other nodes used is read for tenants that are asked about.
	refreshEvery = time.Second
	// idleAfter is how long a tenant is refreshed that nothing is asked about.
	idleAfter = time.Minute
	// statementTimeout bounds one reading.
	statementTimeout = 10 * time.Second
	// pageTenants is how many tenants one statement reads.
	pageTenants = 1000
)

// Marks of a quota.
const (
	Soft = "soft"
	Hard = "hard"
)

// Amount is what was used.
type Amount struct {
	Executions  int64
	CPUMs       float64
	EgressBytes int64
}

func (a Amount) plus(b Amount) Amount {
	return Amount{a.Executions + b.Executions, a.CPUMs + b.CPUMs, a.EgressBytes + b.EgressBytes}
}

func (a Amount) minus(b Amount) Amount {
	return Amount{max(a.Executions-b.Executions, 0), max(a.CPUMs-b.CPUMs, 0), max(a.EgressBytes-b.EgressBytes, 0)}
}

func (a Amount) most(b Amount) Amount {
	return Amount{max(a.Executions, b.Executions), max(a.CPUMs, b.CPUMs), max(a.EgressBytes, b.EgressBytes)}
}

// Of is the amount that a quota of that name bounds.
func (a Amount) Of(name string) float64 {
	switch name {
	case catalog.QuotaExecutions:
		return float64(a.Executions)
	case catalog.QuotaCPU:
		return a.CPUMs
	case catalog.QuotaEgress:
		return float64(a.EgressBytes)
	}
	return 0
}

// Passed is a mark that a tenant has passed.
type Passed struct {
	TenantID    uuid.UUID `json:"-"`
	Quota       string    `json:"quota"`
	Per         string    `json:"per"`
	Mark        string    `json:"mark"`
	Limit       float64   `json:"limit"`
	Used        float64   `json:"used"`
	PeriodStart time.Time `json:"period_start"`
	PeriodEnd   time.Time `json:"period_end"`
}

// Config says what a Meter counts for.
type Config struct {
	// DB has the totals. Required.
	DB *pgxpool.Pool
	// Quotas returns what a tenant's plan says; it is called often. Required.
	Quotas func(tenantID uuid.UUID) catalog.Quotas
	// Notify tells that a tenant has passed a mark, in the transaction of its note; it returns what is to be done once that is committed, which
	// may be nil. Nil: no mark is told.
	Notify func(ctx context.Context, tx *sqlc.Queries, passed Passed) (committed func(), err error)
	// Observer is told of executions that are refused. Nil: no observer.
	Observer engine.Observer
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Log gets failures. nil: slog.Default().
	Log *slog.Logger
}

// Meter knows what tenants with quotas have used. Its methods may be called from any goroutine; those of a nil Meter refuse nothing.
type Meter struct {
	cfg     Config
	queries *sqlc.Queries
	wake    wake.Signal

	mu      sync.Mutex // guards tenants and what they point to
	tenants map[uuid.UUID]*tenant
}

type tenant struct {
	days    map[time.Time]Amount // written, by day of the present month; of all nodes, as of the last refresh
	pending Amount               // ended on this node and recorded, not yet written
	running int64                // executions of this node that have not ended
	loaded  bool                 // the whole month has been read
	dirty   bool                 // usage was written, or the plan has changed
	asked   time.Time
	told    map[Passed]bool // with TenantID, Used, Limit and PeriodEnd zero; by this or another node

	// sums of days, as of summed
	day, month Amount
	summed     time.Time // midnight of the day for which the sums are
}

// New makes a Meter. Load reads what tenants have used, Run keeps it fresh.
func New(cfg Config) (*Meter, error) {
	switch {
	case cfg.DB == nil:
		return nil, errors.New("DB is required")
	case cfg.Quotas == nil:
		return nil, errors.New("Quotas is required")
	}
	if cfg.Observer == nil {
		cfg.Observer = engine.NopObserver{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	return &Meter{cfg: cfg, queries: sqlc.New(cfg.DB), wake: wake.New(), tenants: map[uuid.UUID]*tenant{}}, nil
}

// Today is the day of usage at a moment.
func Today(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour) }

// Period returns the first moment of the period that a moment is in, and that of the next one.
func Period(per string, at time.Time) (start, end time.Time) {
	start = Today(at)
	if per == catalog.PerMonth {
		start = start.AddDate(0, 0, 1-start.Day())
		return start, start.AddDate(0, 1, 0)
	}
	return start, start.AddDate(0, 0, 1)
}

// of returns a tenant's counts. m.mu is held.
func (m *Meter) of(id uuid.UUID) *tenant {
	t := m.tenants[id]
	if t == nil {
		t = &tenant{days: map[time.Time]Amount{}, told: map[Passed]bool{}, dirty: true}
		m.tenants[id] = t
		m.wake.Set()
	}
	return t
}

// sum brings the sums up to date. m.mu is held.
func (t *tenant) sum(today time.Time) {
	if t.summed.Equal(today) {
		return
	}
	t.summed, t.day, t.month = today, t.days[today], Amount{}
	for day, amount := range t.days {
		if day.Year() == today.Year() && day.Month() == today.Month() {
			t.month = t.month.plus(amount)
		}
	}
}

// written is what is written of a period.
func (t *tenant) written(per string, today time.Time) Amount {
	t.sum(today)
	if per == catalog.PerMonth {
		return t.month
	}
	return t.day
}

// passed returns the first of the quotas whose hard mark is reached. m.mu is held.
func (t *tenant) passed(quotas catalog.Quotas, now time.Time) (Passed, bool) {
	today := Today(now)
	for _, name := range catalog.QuotaNames() {
		quota, ok := quotas[name]
		if !ok || quota.Hard == nil {
			continue
		}
		used := t.written(quota.Per, today).plus(t.pending)
		used.Executions += t.running
		if used.Of(name) >= *quota.Hard {
			start, end := Period(quota.Per, now)
			return Passed{Quota: name, Per: quota.Per, Mark: Hard, Limit: *quota.Hard, Used: used.Of(name), PeriodStart: start, PeriodEnd: end}, true
		}
	}
	return Passed{}, false
}

// Exceeded reports whether a tenant may begin nothing, because the hard mark of a quota is reached.
func (m *Meter) Exceeded(tenantID uuid.UUID) (Passed, bool) {
	if m == nil {
		return Passed{}, false
	}
	quotas := m.cfg.Quotas(tenantID)
	if len(quotas) == 0 {
		return Passed{}, false
	}
	now := m.cfg.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.of(tenantID)
	t.asked = now
	return t.passed(quotas, now)
}

// Refused is Exceeded as the error with which a run is refused; nil: the tenant may begin one.
func (m *Meter) Refused(tenantID uuid.UUID) error {
	if passed, over := m.Exceeded(tenantID); over {
		return refused(passed, m.cfg.Now())
	}
	return nil
}

// Over is how many of the tenants that this node knows have reached the hard mark of a quota.
func (m *Meter) Over() int {
	if m == nil {
		return 0
	}
	now, over := m.cfg.Now(), 0
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, t := range m.tenants {
		if _, passed := t.passed(m.cfg.Quotas(id), now); passed {
			over++
		}
	}
	return over
}

// begin counts an execution that is about to begin; end is nil where the tenant has no quotas.
func (m *Meter) begin(tenantID uuid.UUID) (end func(), err error) {
	quotas := m.cfg.Quotas(tenantID)
	if len(quotas) == 0 {
		return nil, nil
	}
	now := m.cfg.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.of(tenantID)
	t.asked = now
	if passed, ok := t.passed(quotas, now); ok {
		return nil, refused(passed, now)
	}
	t.running++
	var once sync.Once
	return func() {
		once.Do(func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			t.running--
		})
	}, nil
}

func refused(p Passed, now time.Time) *engine.RefusedError {
	return &engine.RefusedError{
		Code: engine.CodeQuotaExceeded, Scope: engine.ScopeTenant, Limit: int(p.Limit), RetryAfter: p.PeriodEnd.Sub(now),
		Detail: fmt.Sprintf("%s: the tenant's quota is %.0f a %s, %.0f are used; the next %s begins at %s.",
			p.Quota, p.Limit, p.Per, p.Used, p.Per, p.PeriodEnd.Format(time.RFC3339)),
	}
}

// Recorded counts what an execution used that is not written yet, and reports whether it did: then either Written or Dropped must follow.
func (m *Meter) Recorded(tenantID uuid.UUID, amount Amount) bool {
	if m == nil || len(m.cfg.Quotas(tenantID)) == 0 {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.of(tenantID)
	t.pending = t.pending.plus(amount)
	return true
}

// Dropped takes back what Recorded has counted.
func (m *Meter) Dropped(tenantID uuid.UUID, amount Amount) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.of(tenantID)
	t.pending = t.pending.minus(amount)
}

// Written says that usage of a day is committed. recorded is the part of it that Recorded has counted.
func (m *Meter) Written(tenantID uuid.UUID, day time.Time, amount, recorded Amount) {
	if m == nil || recorded == (Amount{}) && len(m.cfg.Quotas(tenantID)) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.of(tenantID)
	t.pending = t.pending.minus(recorded)
	t.days[day] = t.days[day].plus(amount)
	t.summed = time.Time{}
	t.dirty = true
	m.wake.Set()
}

// Changed says that a tenant's plan may have changed; the zero UUID stands for all tenants.
func (m *Meter) Changed(tenantID uuid.UUID) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case tenantID == uuid.Nil:
		for _, t := range m.tenants {
			t.dirty = true
		}
	case len(m.cfg.Quotas(tenantID)) == 0:
		if t := m.tenants[tenantID]; t != nil && t.running == 0 && t.pending == (Amount{}) {
			delete(m.tenants, tenantID)
		}
	default:
		m.of(tenantID).dirty = true
	}
	m.wake.Set()
}

// Load reads what all tenants with quotas have used.
func (m *Meter) Load(ctx context.Context) error {
	var after uuid.UUID
	for {
		page, err := m.queries.QuotaTenants(ctx, sqlc.QuotaTenantsParams{AfterID: after, RowLimit: pageTenants})
		if err != nil {
			return fmt.Errorf("read tenants with quotas: %w", err)
		}
		m.mu.Lock()
		for _, id := range page {
			m.of(id)
		}
		m.mu.Unlock()
		if err := m.read(ctx, page); err != nil {
			return err
		}
		if len(page) < pageTenants {
			return nil
		}
		after = page[len(page)-1]
	}
}

// Run keeps what is known fresh, and tells which marks were passed, until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	failing := false
	next := m.cfg.Now()
	for {
		err := m.Refresh(ctx, !m.cfg.Now().Before(next))
		if !m.cfg.Now().Before(next) {
			next = m.cfg.Now().Add(refreshEvery)
		}
		if err != nil && !failing && ctx.Err() == nil {
			m.cfg.Log.Warn("quotas not refreshed", "error", err)
		}
		failing = err != nil
		if failing && !wake.Pause(ctx, refreshEvery) || !m.wake.Sleep(ctx, refreshEvery) {
			return nil
		}
	}
}

// Refresh reads the totals of tenants whose usage or plan has changed. With asked it also reads recently queried tenants.
func (m *Meter) Refresh(ctx context.Context, asked bool) error {
	now := m.cfg.Now()
	var ids []uuid.UUID
	m.mu.Lock()
	for id, t := range m.tenants {
		if t.dirty || asked && now.Sub(t.asked) < idleAfter {
			t.dirty = false
			ids = append(ids, id)
		}
	}
	m.mu.Unlock()
	var failed error
	for page := range slices.Chunk(ids, pageTenants) {
		if err := m.read(ctx, page); err != nil {
			failed = err
			m.mu.Lock()
			for _, id := range page {
				m.of(id).dirty = true
			}
			m.mu.Unlock()
		}
	}
	return failed
}

// read reads the totals of some tenants, and tells of the marks that they have passed.
func (m *Meter) read(ctx context.Context, ids []uuid.UUID) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	now := m.cfg.Now()
	today := Today(now)
	first, _ := Period(catalog.PerMonth, now)
	var params sqlc.QuotaUsageParams
	m.mu.Lock()
	for _, id := range ids {
		from := first
		// Yesterday may still be written to.
		if t := m.tenants[id]; t != nil && t.loaded && today.AddDate(0, 0, -1).After(first) {
			from = today.AddDate(0, 0, -1)
		}
		params.TenantIds = append(params.TenantIds, id)
		params.FromDays = append(params.FromDays, from)
	}
	m.mu.Unlock()
	rows, err := m.queries.QuotaUsage(ctx, params)
	if err != nil {
		return fmt.Errorf("read usage: %w", err)
	}
	m.mu.Lock()
	for _, row := range rows {
		t := m.of(row.TenantID)
		t.days[Today(row.Day)] = t.days[Today(row.Day)].most(Amount{row.Executions, row.CpuMs, row.EgressBytes})
	}
	var passed []Passed
	for _, id := range ids {
		t := m.of(id)
		t.loaded, t.summed = true, time.Time{}
		for day := range t.days {
			if day.Before(first) {
				delete(t.days, day) // of last month
			}
		}
		passed = append(passed, t.untold(id, m.cfg.Quotas(id), now)...)
	}
	m.mu.Unlock()
	for _, p := range passed {
		if err := m.tell(ctx, p); err != nil {
			return fmt.Errorf("tell of a quota: %w", err)
		}
	}
	return nil
}

// untold are the marks that a tenant has passed and that this node has not told. m.mu is held.
func (t *tenant) untold(id uuid.UUID, quotas catalog.Quotas, now time.Time) (all []Passed) {
	for _, name := range catalog.QuotaNames() {
		quota, ok := quotas[name]
		if !ok {
			continue
		}
		used := t.written(quota.Per, Today(now)).Of(name)
		start, end := Period(quota.Per, now)
		for mark, limit := range map[string]*float64{Soft: quota.Soft, Hard: quota.Hard} {
			if limit != nil && used >= *limit && !t.told[Passed{Quota: name, Per: quota.Per, Mark: mark, PeriodStart: start}] {
				all = append(all, Passed{TenantID: id, Quota: name, Per: quota.Per, Mark: mark, Limit: *limit, Used: used, PeriodStart: start, PeriodEnd: end})
			}
		}
	}
	return all
}

// tell notes a mark and tells of it, unless another node did.
func (m *Meter) tell(ctx context.Context, p Passed) error {
	var committed func()
	first := false
	err := pgx.BeginTxFunc(ctx, m.cfg.DB, tenantdb.ServiceTx(), func(tx pgx.Tx) error {
		queries := m.queries.WithTx(tx)
		rows, err := queries.QuotaNotice(ctx, sqlc.QuotaNoticeParams{TenantID: p.TenantID, Quota: p.Quota, Per: p.Per, PeriodStart: p.PeriodStart, Mark: p.Mark})
		if err != nil || len(rows) == 0 {
			return err
		}
		first = true
		if m.cfg.Notify == nil {
			return nil
		}
		committed, err = m.cfg.Notify(ctx, queries, p)
		return err
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	t := m.of(p.TenantID)
	for told := range t.told {
		if told.PeriodStart.Before(p.PeriodStart.AddDate(0, -1, 0)) {
			delete(t.told, told)
		}
	}
	t.told[Passed{Quota: p.Quota, Per: p.Per, Mark: p.Mark, PeriodStart: p.PeriodStart}] = true
	m.mu.Unlock()
	if first {
		m.cfg.Log.Info("a tenant has passed a mark of a quota", "tenant_id", p.TenantID, "quota", p.Quota, "mark", p.Mark)
		err = m.queries.QuotaNoticePrune(ctx, sqlc.QuotaNoticePruneParams{TenantIds: []uuid.UUID{p.TenantID}, BeforeDay: p.PeriodStart.AddDate(0, -2, 0)})
	}
	if committed != nil {
		committed()
	}
	return err
}

// PublishEvent is a part of Config.Notify: the built-in event quota.warning for a soft mark. It reports how many executions it queued.
func PublishEvent(ctx context.Context, tx *sqlc.Queries, p Passed) (int32, error) {
	if p.Mark != Soft {
		return 0, nil
	}
	data, err := json.Marshal(p)
	if err != nil {
		return 0, err
	}
	return tx.EventPublishBuiltIn(ctx, sqlc.EventPublishBuiltInParams{TenantID: p.TenantID, Type: "quota.warning", Data: data})
}

// Executor refuses executions of tenants that have reached a hard mark, and counts the others while they run.
func (m *Meter) Executor(next engine.Executor) engine.Executor {
	if m == nil {
		return next
	}
	return &executor{meter: m, next: next}
}

type executor struct {
	meter *Meter
	next  engine.Executor
}

// Execute implements engine.Executor.
func (e *executor) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	end, err := e.meter.begin(inv.Script.TenantID)
	if err != nil {
		if refused := (*engine.RefusedError)(nil); errors.As(err, &refused) {
			e.meter.cfg.Observer.ExecutionRefused(inv, refused)
		}
		return nil, err
	}
	if end == nil {
		return e.next.Execute(ctx, inv)
	}
	if ended := inv.OnEnd; ended != nil {
		inv.OnEnd = func(inv *engine.Invocation, res *engine.Result) {
			defer end()
			ended(inv, res)
		}
	}
	res, err := e.next.Execute(ctx, inv)
	if err != nil || !res.GoesOn {
		end()
	}
	return res, err
}
