package httpapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/sqlc"
)

// Deployment says that a version went live.
type Deployment struct {
	ID              uuid.UUID     `json:"id" format:"uuid"`
	ScriptID        uuid.UUID     `json:"script_id" format:"uuid"`
	Version         int32         `json:"version"`
	PreviousVersion *int32        `json:"previous_version" doc:"The version that was live before, and still is where percent is below 100; null of a script's first."`
	Percent         float64       `json:"percent" doc:"The share of executions that it got."`
	Status          string        `json:"status" enum:"active,superseded,reverted" doc:"active: in force; superseded: another one took its place; reverted: it was taken back by its auto_rollback."`
	AutoRollback    *AutoRollback `json:"auto_rollback,omitempty"`
	Runs            int64         `json:"runs" doc:"Its executions that ended while percent was below 100, but for those that were cancelled."`
	Failures        int64         `json:"failures" doc:"How many of the runs ended as failed or timeout."`
	Reason          *string       `json:"reason" doc:"Why it was reverted."`
	CreatedAt       time.Time     `json:"created_at"`
	CreatedBy       *int32        `json:"created_by"`
	EndedAt         *time.Time    `json:"ended_at"`
}

// AutoRollback says when a version is taken back by itself.
type AutoRollback struct {
	ErrorRate float64 `json:"error_rate" minimum:"0" maximum:"1" example:"0.05" doc:"It is taken back once a larger share of its executions has failed."`
	MinRuns   int32   `json:"min_runs" minimum:"1" maximum:"1000000" example:"50" doc:"So many executions must have ended before."`
}

func deploymentOfRow(d sqlc.ScriptDeployment) Deployment {
	shown := Deployment{
		ID: d.ID, ScriptID: d.ScriptID, Version: d.VersionNumber, PreviousVersion: d.PreviousVersion, Percent: d.Percent, Status: d.Status,
		Runs: d.Runs, Failures: d.Failures, Reason: d.Reason, CreatedAt: utc(d.CreatedAt), CreatedBy: d.CreatedBy, EndedAt: utcPtr(d.EndedAt),
	}
	if d.ErrorRate != nil && d.MinRuns != nil {
		shown.AutoRollback = &AutoRollback{ErrorRate: *d.ErrorRate, MinRuns: *d.MinRuns}
	}
	return shown
}

// rollout says to which share of executions a version is deployed, and when it is taken back.
type rollout struct {
	percent float64
	auto    *AutoRollback // nil: by hand only
}

// everything is the rollout of a version that takes the place of the one before.
var everything = rollout{percent: 100}

// deploy writes down that a version goes live.
func (a *API) deploy(ctx context.Context, c *change, script uuid.UUID, version int32, previous *int32, r rollout) (sqlc.ScriptDeployment, error) {
	err := c.DeploymentSupersede(ctx, sqlc.DeploymentSupersedeParams{TenantID: c.tenant, ScriptID: script, OnlyCandidates: r.percent < 100})
	if err != nil {
		return sqlc.ScriptDeployment{}, err
	}
	p := sqlc.DeploymentCreateParams{
		ID: newID(), ScriptID: script, TenantID: c.tenant, VersionNumber: version, PreviousVersion: previous, Percent: r.percent,
		CreatedBy: principalOf(ctx).UserID,
	}
	if r.auto != nil {
		p.ErrorRate, p.MinRuns = &r.auto.ErrorRate, &r.auto.MinRuns
	}
	return c.DeploymentCreate(ctx, p)
}

type versionActivateIn struct {
	VersionPath
	Body struct {
		Percent      float64             `json:"percent,omitempty" minimum:"0.01" maximum:"100" default:"100" example:"10" doc:"The share of executions that it gets. The others stay on the live version."`
		AutoRollback patch[AutoRollback] `json:"auto_rollback,omitzero" doc:"Takes the version back by itself when it fails too often. For a percent below 100; where the version has a share already, what was given then holds on unless this is null."`
	}
}

// versionActivate makes a version live that was saved, or was live before, for all executions or for a share of them.
func (a *API) versionActivate(ctx context.Context, in *versionActivateIn) (*found[Deployment], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	r := rollout{percent: in.Body.Percent}
	if r.percent == 0 {
		r.percent = 100
	}
	if given := in.Body.AutoRollback; given.Set && !given.Null {
		if r.percent == 100 {
			return nil, invalid("body.auto_rollback", "needs a percent below 100: there is no version beside it to go back to")
		}
		r.auto = &given.Value
	}
	out := &found[Deployment]{}
	err = a.change(ctx, func(c *change) error {
		before, err := c.ScriptGetForUpdate(ctx, sqlc.ScriptGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if err := a.unchangedSince(ctx, c.Queries, before); err != nil {
			return err
		}
		v, err := versionNamed(ctx, c.Queries, id, in.Version)
		if err != nil {
			return err
		}
		var after sqlc.Script
		switch live := v.VersionNumber == before.Version; {
		case live && r.percent < 100:
			return conflict("version_live", fmt.Sprintf("body.percent: version %d is live; only another version can get a share of its executions.", v.VersionNumber))
		case live:
			after, err = a.endRollout(ctx, c, before)
		case r.percent < 100:
			after, err = a.rollOut(ctx, c, before, v, r, in.Body.AutoRollback.Set)
		default:
			d := &draft{Script: before}
			d.Version = v.VersionNumber
			if err := a.applyVersion(d, v); err != nil {
				return err
			}
			after, err = a.updateScript(ctx, c, before, d)
		}
		if err != nil {
			return err
		}
		row, err := c.DeploymentActive(ctx, sqlc.DeploymentActiveParams{TenantID: c.tenant, ScriptID: id})
		if errors.Is(err, pgx.ErrNoRows) { // the script was written by SQL
			row, err = a.deploy(ctx, c, id, after.Version, nil, everything)
		}
		if err != nil {
			return err
		}
		out.Body = deploymentOfRow(row)
		if after.Revision == before.Revision {
			return nil
		}
		return c.audit("script.activate", "script", id.String(), a.scriptOfRow(before, a.planLimits(ctx)), out.Body)
	})
	return out, err
}

// endRollout gives all executions back to the live version.
func (a *API) endRollout(ctx context.Context, c *change, before sqlc.Script) (sqlc.Script, error) {
	if before.CandidateVersion == nil {
		return before, nil
	}
	err := c.DeploymentSupersede(ctx, sqlc.DeploymentSupersedeParams{TenantID: c.tenant, ScriptID: before.ID, OnlyCandidates: true})
	if err != nil {
		return before, err
	}
	return c.ScriptRollout(ctx, sqlc.ScriptRolloutParams{TenantID: c.tenant, ID: before.ID})
}

// rollOut gives a share of the script's executions to a version.
func (a *API) rollOut(ctx context.Context, c *change, before sqlc.Script, v sqlc.ScriptVersion, r rollout, ruled bool) (sqlc.Script, error) {
	d := &draft{Script: before}
	if err := a.applyVersion(d, v); err != nil {
		return before, err
	}
	if field := decidedBefore(before, d.Script); field != "" {
		return before, conflict("rollout_conflict", fmt.Sprintf("body.percent: version %d has another %s than the live version %d. What decides before a version is chosen must be the same for a share of executions: activate it for all of them.",
			v.VersionNumber, field, before.Version))
	}
	if !ruled && before.CandidateVersion != nil && *before.CandidateVersion == v.VersionNumber {
		held, err := c.DeploymentActive(ctx, sqlc.DeploymentActiveParams{TenantID: c.tenant, ScriptID: before.ID})
		if err != nil {
			return before, err
		}
		r.auto = deploymentOfRow(held).AutoRollback
	}
	row, err := a.deploy(ctx, c, before.ID, v.VersionNumber, &before.Version, r)
	if err != nil {
		return before, err
	}
	after, err := c.ScriptRollout(ctx, sqlc.ScriptRolloutParams{
		TenantID: c.tenant, ID: before.ID, CandidateVersion: &v.VersionNumber, CandidatePercent: &r.percent, CandidateDeployment: &row.ID,
	})
	if err != nil || before.Status != "active" {
		return after, err
	}
	live := after
	live.Version = v.VersionNumber
	return after, a.tellActivated(ctx, c, live)
}

// decidedBefore returns the first differing setting that takes effect before a version is chosen for an execution, or independently of the
// choice; empty: none differs.
func decidedBefore(live, candidate sqlc.Script) string {
	was, is := settingsOfScript(live), settingsOfScript(candidate)
	for _, f := range []struct {
		name string
		same bool
	}{
		{"http_path", equalText(was.HTTPPath, is.HTTPPath)}, {"http_methods", slices.Equal(was.HTTPMethods, is.HTTPMethods)}, {"http", sameJSON(was.HTTP, is.HTTP)},
		{"event_types", slices.Equal(was.EventTypes, is.EventTypes)}, {"cron_expression", equalText(was.CronExpression, is.CronExpression)},
		{"timezone", equalText(was.Timezone, is.Timezone)}, {"schedule", sameJSON(was.Schedule, is.Schedule)}, {"retry", sameJSON(was.Retry, is.Retry)},
	} {
		if !f.same {
			return f.name
		}
	}
	return ""
}

type deploymentListIn struct {
	IDPath
	ListQuery
}

func (a *API) deploymentList(ctx context.Context, in *deploymentListIn) (*found[Page[Deployment]], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	bind := []string{"deployments", tenantOf(ctx).String(), id.String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.ScriptDeployment
	err = a.read(ctx, func(q *sqlc.Queries) error {
		if _, err := q.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: tenantOf(ctx), ID: id}); err != nil {
			return err
		}
		rows, err = q.DeploymentList(ctx, sqlc.DeploymentListParams{TenantID: tenantOf(ctx), ScriptID: id, BeforeAt: at.at, BeforeID: at.id, RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[Deployment]]{pageOf(a.cursors, rows, in.Limit, bind, deploymentOfRow, func(d sqlc.ScriptDeployment) position {
		return position{at: d.CreatedAt, id: d.ID}
	})}, nil
}
