package main

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"jsruntime/httpapi/client"
	"jsruntime/migrations/dbtest"
)

func clientOf(t *testing.T, base, key string) *client.ClientWithResponses {
	t.Helper()
	c, err := client.NewClientWithResponses(base, client.WithHTTPClient(e2eClient), client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+key)
		return nil
	}))
	require.NoError(t, err)
	return c
}

func ptr[T any](v T) *T { return &v }

// TestWholeLifeThroughTheClient lives a tenant's life through the generated client: what the document says is what the server
// does, or the types would not fit.
func TestWholeLifeThroughTheClient(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	n := start(t, nodeConfig{databaseURL: dbtest.URL(t)})
	operator := clientOf(t, n.base, testAdminKey)
	tenant, err := operator.TenantCreateWithResponse(ctx, nil, client.TenantCreate{Slug: "acme", Name: "Acme"})
	require.NoError(t, err)
	require.NotNil(t, tenant.JSON201, "%s", tenant.Body)
	made, err := operator.TenantKeyCreateWithResponse(ctx, "acme", nil, client.KeyCreate{Name: "admin", Role: "admin"})
	require.NoError(t, err)
	require.NotNil(t, made.JSON201, "%s", made.Body)
	acme := clientOf(t, n.base, made.JSON201.Key)
	who, err := acme.WhoamiWithResponse(ctx, nil)
	require.NoError(t, err)
	require.EqualValues(t, "admin", who.JSON200.Role)

	// The five types.
	create := func(s client.ScriptCreate) *client.Script {
		t.Helper()
		s.Status = ptr(client.ScriptCreateStatusActive)
		a, err := acme.ScriptCreateWithResponse(ctx, nil, s)
		require.NoError(t, err)
		require.NotNil(t, a.JSON201, "%s", a.Body)
		return a.JSON201
	}
	scheduled := create(client.ScriptCreate{Name: "tick", Type: client.ScriptCreateTypeScheduled, CronExpression: ptr("* * * * * *"),
		Source: "export default { scheduled(c) { console.log('tick', c.cron); return 'ticked' } }"})
	web := create(client.ScriptCreate{Name: "web", Type: client.ScriptCreateTypeHTTP, HTTPPath: ptr("/hello/:who"), HTTPMethods: &[]client.ScriptCreateHTTPMethods{"GET"},
		Source: "export default { fetch(r, env, ctx) { return new Response('hello ' + ctx.params.who) } }"})
	failing := create(client.ScriptCreate{Name: "orders", Type: client.ScriptCreateTypeEvent, EventTypes: &[]string{"order.*"},
		Source: "export default { event() { throw new Error('not yet') } }", Metadata: &map[string]any{"retry": map[string]any{"max_attempts": 1}}})
	oneoff := create(client.ScriptCreate{Name: "once", Type: client.ScriptCreateTypeOneoff, Source: "export default { run(input) { return input.n + 1 } }"})
	create(client.ScriptCreate{Name: "twice", Type: client.ScriptCreateTypeEmbedded, Source: "export default (input) => input * 2"})

	// Each runs.
	ran, err := acme.ExecutionCreateWithResponse(ctx, oneoff.ID, &client.ExecutionCreateParams{Wait: ptr(true)}, client.ExecutionCreate{Input: ptr[any](map[string]any{"n": 41})})
	require.NoError(t, err)
	require.NotNil(t, ran.JSON200, "%s", ran.Body)
	require.EqualValues(t, "completed", ran.JSON200.Status, "%s", ran.Body)
	require.EqualValues(t, 42, ran.JSON200.Output)
	invoked, err := acme.ScriptInvokeWithResponse(ctx, "twice", nil, client.ScriptInvokeJSONRequestBody(21))
	require.NoError(t, err)
	require.NotNil(t, invoked.JSON200, "%s", invoked.Body)
	require.EqualValues(t, 42, invoked.JSON200.Output)
	n.live("/t/acme/hello/you")
	status, text := n.try("GET", "/t/acme/hello/you", "", nil)
	require.Equal(t, 200, status)
	require.Equal(t, "hello you", text)
	event, err := acme.EventPublishWithResponse(ctx, nil, client.EventPublish{Type: "order.paid", Data: map[string]any{"id": 7}})
	require.NoError(t, err)
	require.NotNil(t, event.JSON202, "%s", event.Body)
	require.EqualValues(t, 1, event.JSON202.Executions)

	// And is on record: the cron tick with its log, the request, the event's failure.
	history := func(trigger client.ExecutionListParamsTriggerType, state client.ExecutionListParamsStatus) []client.Execution {
		a, err := acme.ExecutionListWithResponse(ctx, &client.ExecutionListParams{TriggerType: &trigger, Status: &state})
		require.NoError(t, err)
		require.NotNil(t, a.JSON200, "%s", a.Body)
		return a.JSON200.Items
	}
	require.Eventually(t, func() bool { return len(history("cron", "completed")) > 0 }, 30*time.Second, 50*time.Millisecond)
	tick := history("cron", "completed")[0]
	require.Equal(t, scheduled.ID, tick.ScriptID)
	require.Equal(t, "ticked", tick.Output)
	logs, err := acme.ExecutionLogsWithResponse(ctx, tick.ID, nil)
	require.NoError(t, err)
	require.Contains(t, logs.JSON200.Items[0].Message, "tick")
	require.Eventually(t, func() bool { return len(history("http", "completed")) > 0 }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, web.ID, history("http", "completed")[0].ScriptID)

	// The dead letter, its cause mended, its redrive.
	letters := func() []client.DeadLetter {
		a, err := acme.DeadLetterListWithResponse(ctx, &client.DeadLetterListParams{EventType: ptr("order.paid")})
		require.NoError(t, err)
		return a.JSON200.Items
	}
	require.Eventually(t, func() bool { return len(letters()) == 1 }, 30*time.Second, 50*time.Millisecond)
	require.Contains(t, letters()[0].Error, "not yet")
	mended, err := acme.ScriptUpdateWithResponse(ctx, failing.ID, nil, client.ScriptPatch{Source: ptr("export default { event(e) { return e.data } }"), ChangeDescription: ptr("mended")})
	require.NoError(t, err)
	require.NotNil(t, mended.JSON200, "%s", mended.Body)
	require.EqualValues(t, 2, mended.JSON200.Version)
	redrive, err := acme.DeadLetterRetryWithResponse(ctx, letters()[0].ID, nil)
	require.NoError(t, err)
	require.NotNil(t, redrive.JSON202, "%s", redrive.Body)
	require.Eventually(t, func() bool { return len(letters()) == 0 }, 30*time.Second, 50*time.Millisecond)

	// Versions and restore.
	versions, err := acme.VersionListWithResponse(ctx, failing.ID, nil)
	require.NoError(t, err)
	require.Len(t, versions.JSON200.Items, 2)
	diff, err := acme.VersionDiffWithResponse(ctx, failing.ID, "2", &client.VersionDiffParams{Against: 1})
	require.NoError(t, err)
	require.Contains(t, string(diff.Body), "+export default { event(e) { return e.data } }")
	restored, err := acme.VersionRestoreWithResponse(ctx, failing.ID, "1", nil, client.VersionRestore{})
	require.NoError(t, err)
	require.NotNil(t, restored.JSON201, "%s", restored.Body)
	require.EqualValues(t, 3, restored.JSON201.VersionNumber)
	require.Contains(t, restored.JSON201.Source, "not yet")

	// The end of a script, and of the tenant.
	gone, err := acme.ScriptDeleteWithResponse(ctx, scheduled.ID, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, gone.StatusCode())
	missing, err := acme.ScriptGetWithResponse(ctx, scheduled.ID, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, missing.StatusCode())
	require.NotNil(t, missing.ApplicationProblemJSON4XX)
	require.Equal(t, "not_found", missing.ApplicationProblemJSON4XX.Code)
	ended, err := operator.TenantDeleteWithResponse(ctx, "acme")
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, ended.StatusCode())
	require.Eventually(t, func() bool {
		status, _ := n.try("GET", "/t/acme/hello/you", "", nil)
		return status == http.StatusNotFound
	}, 5*time.Second, 10*time.Millisecond)
}
