package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestLogNamesRequestAndTenant(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &API{log: slog.New(slog.NewJSONHandler(&out, nil))}
	logged := func() map[string]any {
		var line map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &line), out.String())
		out.Reset()
		return line
	}
	c := &call{requestID: "r1", principal: Principal{TenantID: uuid.New()}}
	ctx := context.WithValue(t.Context(), callKey{}, c)
	require.Equal(t, 500, a.problem(ctx, errors.New("unheard of")).Status)
	line := logged()
	require.Equal(t, []any{"r1", c.principal.TenantID.String(), "unheard of"}, []any{line["request_id"], line["tenant_id"], line["error"]})

	c.principal.TenantID = uuid.Nil
	a.problem(ctx, errors.New("the operator's"))
	require.NotContains(t, logged(), "tenant_id")

	router := NewRouter(a.log)
	router.GET("/", func(c *gin.Context) {
		c.Header("X-Request-Id", "r2")
		panic("no")
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.Equal(t, "r2", logged()["request_id"])
}
