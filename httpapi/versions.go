package httpapi

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/google/uuid"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/sqlc"
)

// Version is a version of a script in a list.
type Version struct {
	VersionNumber     int32     `json:"version_number"`
	ChangeDescription *string   `json:"change_description"`
	CreatedAt         time.Time `json:"created_at"`
	CreatedBy         *int32    `json:"created_by"`
	SourceSHA256      string    `json:"source_sha256"`
}

// VersionWithSource is one version in full.
type VersionWithSource struct {
	Version
	Source   string   `json:"source"`
	Handlers []string `json:"handlers" nullable:"false" doc:"The handlers that can be seen in the source."`
}

type versionListIn struct {
	IDPath
	ListQuery
}

func (a *API) versionList(ctx context.Context, in *versionListIn) (*found[Page[Version]], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	bind := []string{"versions", tenantOf(ctx).String(), id.String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.VersionListRow
	err = a.read(ctx, func(q *sqlc.Queries) error {
		if _, err := q.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: tenantOf(ctx), ID: id}); err != nil {
			return err
		}
		rows, err = q.VersionList(ctx, sqlc.VersionListParams{TenantID: tenantOf(ctx), ScriptID: id, BeforeNumber: int32(at.number), RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[Version]]{pageOf(a.cursors, rows, in.Limit, bind, func(v sqlc.VersionListRow) Version {
		return Version{VersionNumber: v.VersionNumber, ChangeDescription: v.ChangeDescription, CreatedAt: orZero(v.CreatedAt), CreatedBy: v.CreatedBy, SourceSHA256: v.SourceSha256}
	}, func(v sqlc.VersionListRow) position { return position{number: int64(v.VersionNumber)} })}, nil
}

// VersionPath names a version in a path.
type VersionPath struct {
	IDPath
	Version string `path:"version" maxLength:"20" doc:"Its number."`
}

func (in *VersionPath) parse() (uuid.UUID, int32, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return id, 0, err
	}
	n, err := strconv.ParseInt(in.Version, 10, 32)
	if err != nil || n < 1 {
		return id, 0, notFound()
	}
	return id, int32(n), nil
}

func (a *API) versionGet(ctx context.Context, in *VersionPath) (*found[VersionWithSource], error) {
	id, n, err := in.parse()
	if err != nil {
		return nil, err
	}
	out := &found[VersionWithSource]{}
	err = a.read(ctx, func(q *sqlc.Queries) error {
		v, err := q.VersionGet(ctx, sqlc.VersionGetParams{TenantID: tenantOf(ctx), ScriptID: id, VersionNumber: n})
		out.Body = VersionWithSource{
			Version: Version{VersionNumber: v.VersionNumber, ChangeDescription: v.ChangeDescription, CreatedAt: orZero(v.CreatedAt), CreatedBy: v.CreatedBy, SourceSHA256: v.SourceSha256},
			Source:  v.Source, Handlers: nonNil(v.Handlers),
		}
		return err
	})
	return out, err
}

type versionDiffIn struct {
	VersionPath
	Against int32 `query:"against" minimum:"1" maximum:"2147483647" required:"true" doc:"The version to compare with: the diff leads from it to this one."`
}

type versionDiffOut struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *API) versionDiff(ctx context.Context, in *versionDiffIn) (*versionDiffOut, error) {
	id, n, err := in.parse()
	if err != nil {
		return nil, err
	}
	var to, from sqlc.ScriptVersion
	err = a.read(ctx, func(q *sqlc.Queries) error {
		if to, err = q.VersionGet(ctx, sqlc.VersionGetParams{TenantID: tenantOf(ctx), ScriptID: id, VersionNumber: n}); err != nil {
			return err
		}
		from, err = q.VersionGet(ctx, sqlc.VersionGetParams{TenantID: tenantOf(ctx), ScriptID: id, VersionNumber: in.Against})
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := a.reserve(ctx, admission.UseAnswer, diffMemory(from.Source)+diffMemory(to.Source)); err != nil {
		return nil, err
	}
	text := udiff.Unified(fmt.Sprintf("version %d", from.VersionNumber), fmt.Sprintf("version %d", to.VersionNumber), from.Source, to.Source)
	return &versionDiffOut{ContentType: "text/x-diff; charset=utf-8", Body: []byte(text)}, nil
}

// diffMemory is what comparing a source takes, measured on 30 November 2026: two sources of 1 MiB that have a line for each one or two bytes, and
// none in common, took 0.8 s and 141 MiB. The library bounds its search at 100 differences, and is less exact beyond them.
func diffMemory(source string) int64 {
	return 4*int64(len(source)) + 100*int64(strings.Count(source, "\n"))
}

type versionRestoreIn struct {
	VersionPath
	Body struct {
		ChangeDescription *string `json:"change_description,omitempty" maxLength:"2000"`
	}
}

func (a *API) versionRestore(ctx context.Context, in *versionRestoreIn) (*created[VersionWithSource], error) {
	id, n, err := in.parse()
	if err != nil {
		return nil, err
	}
	var old sqlc.ScriptVersion
	var script sqlc.Script
	err = a.read(ctx, func(q *sqlc.Queries) error {
		if script, err = q.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: tenantOf(ctx), ID: id}); err != nil {
			return err
		}
		old, err = q.VersionGet(ctx, sqlc.VersionGetParams{TenantID: tenantOf(ctx), ScriptID: id, VersionNumber: n})
		return err
	})
	if err != nil {
		return nil, err
	}
	// It is compiled anew: what made an old version may have been an older compiler.
	compiled, err := a.compileSource(ctx, script.Type, old.Source)
	if err != nil {
		return nil, err
	}
	out := &created[VersionWithSource]{}
	err = a.change(ctx, func(c *change) error {
		before, err := c.ScriptGetForUpdate(ctx, sqlc.ScriptGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if err := a.unchangedSince(ctx, before); err != nil {
			return err
		}
		d := &draft{Script: before, compiled: compiled, description: in.Body.ChangeDescription}
		if d.description == nil {
			text := fmt.Sprintf("Restored from version %d", n)
			d.description = &text
		}
		d.Source = old.Source
		after, err := a.updateScript(ctx, c, before, d)
		if err != nil {
			return err
		}
		v, err := c.VersionGet(ctx, sqlc.VersionGetParams{TenantID: c.tenant, ScriptID: id, VersionNumber: after.Version})
		if err != nil {
			return err
		}
		out.Body = VersionWithSource{
			Version: Version{VersionNumber: v.VersionNumber, ChangeDescription: v.ChangeDescription, CreatedAt: orZero(v.CreatedAt), CreatedBy: v.CreatedBy, SourceSHA256: v.SourceSha256},
			Source:  v.Source, Handlers: nonNil(v.Handlers),
		}
		out.Location = fmt.Sprintf("/api/v1/scripts/%s/versions/%d", id, v.VersionNumber)
		return c.audit("script.restore", "script", id.String(), a.scriptOfRow(before, a.planLimits(ctx)), a.scriptOfRow(after, a.planLimits(ctx)))
	})
	return out, err
}
