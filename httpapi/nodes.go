package httpapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/advisory"
)

// Node is one jsruntime process.
type Node struct {
	ID       uuid.UUID `json:"id" format:"uuid"`
	Hostname string    `json:"hostname"`
	Version  string    `json:"version"`
	Alive    bool      `json:"alive" doc:"It was heard of within 15 seconds."`
	Draining bool      `json:"draining"`
	CanRun   bool      `json:"can_run" doc:"Whether it had or could start worker processes at its last heartbeat. While it cannot, it claims nothing, and /readyz says no."`
	Load     NodeLoad  `json:"load"`
	EngineInfo
	V8AgeDays *int `json:"v8_age_days,omitempty" doc:"Days since that version of V8 came out; absent where that is not known."`

	StartedAt   time.Time `json:"started_at"`
	HeartbeatAt time.Time `json:"heartbeat_at"`
}

// EngineInfo is what a node's workers run scripts with. Empty fields are those of a node of an earlier version.
type EngineInfo struct {
	V8Version     string `json:"v8_version,omitempty"`
	JIT           string `json:"jit,omitempty" doc:"How far V8 compiles scripts: full, maglev, baseline or off. A tenant's plan may lower it for the tenant."`
	ICUVersion    string `json:"icu_version,omitempty" doc:"Of the library that does Intl."`
	TZDataVersion string `json:"tzdata_version,omitempty" doc:"Of Intl's time zone database."`
}

// v8AgeDays is how many days ago the version of V8 came out, nil if unknown.
func v8AgeDays(version string) *int {
	if days := advisory.AgeDays(version, time.Now()); days >= 0 {
		return &days
	}
	return nil
}

// NodeLoad is what a node did at its last heartbeat. A node of an earlier version says running and concurrency only.
type NodeLoad struct {
	Running     int                 `json:"running" doc:"Executions of the durable queue that run."`
	Concurrency int                 `json:"concurrency" doc:"How many of these may run at one time."`
	Workers     *NodeWorkers        `json:"workers,omitempty"`
	Executions  *NodeExecutionsLoad `json:"executions,omitempty"`
	History     *NodeHistoryLoad    `json:"history,omitempty"`
}

// NodeWorkers are a node's worker processes, each counted in one state, and what is in them.
type NodeWorkers struct {
	Starting int `json:"starting"`
	Spare    int `json:"spare" doc:"Started, without a tenant."`
	Idle     int `json:"idle" doc:"They have a tenant and nothing to do."`
	Busy     int `json:"busy" doc:"They execute."`
	Parked   int `json:"parked" doc:"All that they execute waits for an answer of the node, such as a fetch."`
	Isolates int `json:"isolates" doc:"Scripts that are loaded, each in an isolate of its own."`
	Tenants  int `json:"tenants" doc:"Tenants that have a worker."`
}

// NodeExecutionsLoad are the executions that a node has accepted, for requests and from the queue.
type NodeExecutionsLoad struct {
	Running int `json:"running" doc:"Accepted and not ended."`
	Queued  int `json:"queued" doc:"Of these, those that wait for a worker."`
}

// NodeHistoryLoad is what a node has still to write down.
type NodeHistoryLoad struct {
	BacklogRows  int64 `json:"backlog_rows"`
	BacklogBytes int64 `json:"backlog_bytes"`
}

// maxNodes bounds the answer; nodes that are gone are pruned by the others.
const maxNodes = 200

func (a *API) nodeList(ctx context.Context, _ *none) (*found[Page[Node]], error) {
	rows, err := a.queries.NodeList(ctx, maxNodes)
	if err != nil {
		return nil, err
	}
	out := &found[Page[Node]]{Page[Node]{Items: []Node{}}}
	for _, n := range rows {
		var load struct {
			NodeLoad
			Engine EngineInfo `json:"engine"`
		}
		if err := json.Unmarshal(n.Load, &load); err != nil {
			// Another version's row must not hide the others.
			a.log.WarnContext(ctx, "node's load not understood", "host", n.Hostname, "error", err)
			load.NodeLoad, load.Engine = NodeLoad{}, EngineInfo{}
		}
		out.Body.Items = append(out.Body.Items, Node{
			ID: n.ID, Hostname: n.Hostname, Version: n.Version, Alive: n.Alive, Draining: n.Draining && n.CanRun, CanRun: n.CanRun, Load: load.NodeLoad,
			EngineInfo: load.Engine, V8AgeDays: v8AgeDays(load.Engine.V8Version),
			StartedAt: utc(n.StartedAt), HeartbeatAt: utc(n.HeartbeatAt),
		})
	}
	return out, nil
}
