package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/sqlc"
)

// Deployment says that a version went live.
type Deployment struct {
	ID              uuid.UUID  `json:"id" format:"uuid"`
	ScriptID        uuid.UUID  `json:"script_id" format:"uuid"`
	Version         int32      `json:"version"`
	PreviousVersion *int32     `json:"previous_version" doc:"The version that was live before; null of a script's first."`
	Percent         float64    `json:"percent" doc:"The share of executions that it got."`
	Status          string     `json:"status" enum:"active,superseded,reverted" doc:"active: in force; superseded: another one took its place; reverted: it was taken back."`
	Reason          *string    `json:"reason" doc:"Why it was reverted."`
	CreatedAt       time.Time  `json:"created_at"`
	CreatedBy       *int32     `json:"created_by"`
	EndedAt         *time.Time `json:"ended_at"`
}

func deploymentOfRow(d sqlc.ScriptDeployment) Deployment {
	return Deployment{
		ID: d.ID, ScriptID: d.ScriptID, Version: d.VersionNumber, PreviousVersion: d.PreviousVersion, Percent: d.Percent, Status: d.Status,
		Reason: d.Reason, CreatedAt: utc(d.CreatedAt), CreatedBy: d.CreatedBy, EndedAt: utcPtr(d.EndedAt),
	}
}

// rollout says to which share of executions a version is deployed.
type rollout struct {
	percent float64
}

// everything is the rollout of a version that takes the place of the one before.
var everything = rollout{percent: 100}

// deploy writes down that a version goes live.
func (a *API) deploy(ctx context.Context, c *change, script uuid.UUID, version int32, previous *int32, r rollout) (sqlc.ScriptDeployment, error) {
	err := c.DeploymentSupersede(ctx, sqlc.DeploymentSupersedeParams{TenantID: c.tenant, ScriptID: script, OnlyCandidates: r.percent < 100})
	if err != nil {
		return sqlc.ScriptDeployment{}, err
	}
	return c.DeploymentCreate(ctx, sqlc.DeploymentCreateParams{
		ID: newID(), ScriptID: script, TenantID: c.tenant, VersionNumber: version, PreviousVersion: previous, Percent: r.percent,
		CreatedBy: principalOf(ctx).UserID,
	})
}

type versionActivateIn struct {
	VersionPath
	Body struct {
		Percent *float64 `json:"percent,omitempty" minimum:"100" maximum:"100" doc:"The share of executions that it gets; 100 by default."`
	}
}

// versionActivate makes a version live that was saved, or was live before. Its endpoints, subscriptions and schedule take the place of those of the
// version before in the same transaction.
func (a *API) versionActivate(ctx context.Context, in *versionActivateIn) (*found[Deployment], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	out := &found[Deployment]{}
	err = a.change(ctx, func(c *change) error {
		before, err := c.ScriptGetForUpdate(ctx, sqlc.ScriptGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if err := a.unchangedSince(ctx, before); err != nil {
			return err
		}
		v, err := versionNamed(ctx, c.Queries, id, in.Version)
		if err != nil {
			return err
		}
		if v.VersionNumber == before.Version {
			if d, err := c.DeploymentActive(ctx, sqlc.DeploymentActiveParams{TenantID: c.tenant, ScriptID: id}); !errors.Is(err, pgx.ErrNoRows) {
				out.Body = deploymentOfRow(d)
				return err
			}
		}
		d := &draft{Script: before}
		d.Version = v.VersionNumber
		if err := a.applyVersion(d, v); err != nil {
			return err
		}
		after, err := a.updateScript(ctx, c, before, d)
		if err != nil {
			return err
		}
		row, err := c.DeploymentActive(ctx, sqlc.DeploymentActiveParams{TenantID: c.tenant, ScriptID: id})
		if err != nil {
			return err
		}
		out.Body = deploymentOfRow(row)
		return c.audit("script.activate", "script", id.String(), a.scriptOfRow(before, a.planLimits(ctx)), a.scriptOfRow(after, a.planLimits(ctx)))
	})
	return out, err
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
